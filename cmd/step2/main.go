// Command step2 adds the MCP endpoint, POST /mcp.
//
// It speaks both protocol eras: the handshake of 2025-11-25 (initialize) and
// the self-contained requests of 2026-07-28 (server/discover, _meta). Messages
// are read once and strictly, and what was understood is what the MCP server
// gets; otherwise a check could be shown one message and the server another.
// There are no sessions: every request stands, and will be authorized, by
// itself.
//
// Try it:
//
//	curl -i http://localhost:9000/mcp -H 'Content-Type: application/json' \
//	  -d '{"jsonrpc":"2.0","id":1,"method":"ping"}'
//
// The lesson is docs/step2.md; bash scripts/test_step2.sh shows it scene by scene.
package main

import (
	"context"
	_ "embed"
	"net/http"

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
