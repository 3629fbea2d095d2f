// Command step1 is an HTTP server that says whether it lives, and that
// foreign web pages can't reach.
//
// A server on localhost is not private: every page in the user's browser can
// send requests to it. Two headers give such pages away. Origin names the page,
// and is compared as parsed scheme, host and port. Host names what the page
// thought it was calling, and unmasks DNS rebinding, where a page points its
// own name at 127.0.0.1. Requests without an Origin pass: MCP clients send none.
//
// Try it:
//
//	curl -i http://localhost:9000/health
//
// The lesson is docs/step1.md; bash scripts/test_step1.sh shows it scene by scene.
package main

import (
	"context"
	_ "embed"
	"net/http"

	"mcp-auth-step-by-step/internal/mcpserver/health"
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

	// step 1: refuse foreign pages
	var handler http.Handler = mux
	handler = originguard.Protect(site.Hosts(), site.Origins, handler)
	return site.Mount(handler), nil
}
