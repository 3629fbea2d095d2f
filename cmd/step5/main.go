// Command step5 adds a key pair, and shows the public half.
//
// Tokens will be signed with the private key (cmd/gentoken has it) and verified
// with the public one (servers have that alone). The JSON Web Key Set at
// /.well-known/jwks.json is how others learn the public key; its id is computed
// from the key, so nobody has to keep the two together. Nothing is protected
// yet.
//
// Try it:
//
//	curl -i http://localhost:9000/.well-known/jwks.json
//
// The lesson is docs/step5.md; bash scripts/test_step5.sh shows it scene by scene.
package main

import (
	"context"
	_ "embed"
	"flag"
	"net/http"

	"mcp-auth-step-by-step/internal/mcpserver/features"
	"mcp-auth-step-by-step/internal/mcpserver/health"
	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/mcpserver/originguard"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/web/serve"
)

//go:embed main.go
var source string

// step 5
var keyDir = flag.String("keys", "keys", "`folder` of the key pair, which is made on first use")

func main() { serve.Main(source, newHandler) }

// newHandler puts the layers together. The one that wraps last is met first.
func newHandler(ctx context.Context, site serve.Site) (http.Handler, error) {
	// step 1: say that the server lives
	mux := http.NewServeMux()
	report := health.New()
	mux.Handle("GET /health", report)

	// step 5: show the key that verifies tokens
	key, err := keys.Public(*keyDir)
	if err != nil {
		return nil, err
	}
	keySet := jwks.Set{key}
	mux.Handle("GET /.well-known/jwks.json", jwks.Handler(keySet))
	report.Add("jwks_available", true)

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
