// Command step4 lets the tools and prompts do what they promise.
//
// Arguments are held against the schema that the list shows; what breaks it is
// said in plain words that a model can act on. A handler that panics harms no
// other request and shows nothing of itself. From here on the server is useful,
// to everybody who can reach it.
//
// Try it:
//
//	curl -i http://localhost:9000/mcp -H 'Content-Type: application/json' \
//	  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}'
//
// The lesson is docs/step4.md; bash scripts/test_step4.sh shows it scene by scene.
package main

import (
	"context"
	_ "embed"
	"net/http"

	"mcp-auth-step-by-step/internal/mcpserver/features"
	"mcp-auth-step-by-step/internal/mcpserver/health"
	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/mcpserver/originguard"
	"mcp-auth-step-by-step/internal/web/serve"
)

//go:embed main.go
var source string

func main() { serve.Main(source, newHandler) }

// newHandler puts the layers together. The one that wraps last is met first.
func newHandler(ctx context.Context, site serve.Site) (http.Handler, error) {
	// step 1: say that the server lives
	mux := http.NewServeMux()
	report := health.New()
	mux.Handle("GET /health", report)

	// step 2: be an MCP server
	server := mcpendpoint.NewServer()
	// step 3: list tools and prompts
	features.List(server, "this is listed, but not dispatched yet: that comes with step 4")
	// step 4: let them work
	features.Dispatch(server)

	// step 2
	var mcp http.Handler = mcpendpoint.Handler(server)
	// step 2: read one message, strictly
	mcp = mcpendpoint.Decode(mcp)
	// step 2
	mux.Handle("POST /mcp", mcp)

	// step 1: refuse foreign pages
	var handler http.Handler = mux
	handler = originguard.Protect(site.Hosts(), site.Origins, handler)
	return site.Mount(handler), nil
}
