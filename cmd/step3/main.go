// Command step3 adds tools and prompts, as far as listing them.
//
// What a server offers is data: names, titles, schemas, annotations. Clients
// and models decide by it what to call, so it is complete and in a fixed order
// before anything can be called. Calling answers with an error for now.
//
// Try it:
//
//	curl -i http://localhost:9000/mcp -H 'Content-Type: application/json' \
//	  -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
//
// The lesson is docs/step3.md; bash scripts/test_step3.sh shows it scene by scene.
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
