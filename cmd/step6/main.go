// Command step6 asks for an access token before it reads anything.
//
// A token is a JWT that must be signed by our issuer's key, with the one
// algorithm that the key is for, be an access token and no other kind, name
// this issuer and this server, be within its time, and say for whom it acts.
// One check left out is one way in. Why a token is refused is for the log; the
// caller learns that the token is not valid.
//
// Try it:
//
//	curl -i http://localhost:9000/mcp -H 'Content-Type: application/json' \
//	  -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
//	TOKEN=$(go run ./cmd/gentoken --issuer http://localhost:9000 --username alice)
//	curl -i http://localhost:9000/mcp -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
//	  -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
//
// The lesson is docs/step6.md; bash scripts/test_step6.sh shows it scene by scene.
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
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/principal"
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

	// step 6: trust this issuer, for tokens that are meant for this server
	issuer := site.URL
	verifier := &accesstoken.Verifier{
		Issuer:     issuer,
		Audience:   site.Resource(),
		Keys:       keySet,
		Algorithms: []string{keys.Algorithm},
	}
	challenge := bearerauth.Challenge{
		Realm: "mcp",
		Body:  mcpendpoint.Refuse,
	}
	report.Add("auth_required", true)
	report.Add("jwt_enabled", true)

	// step 2: be an MCP server
	server := mcpendpoint.NewServer()
	// step 3: list tools and prompts
	features.List(server, "this is listed, but not dispatched yet: that comes with step 4")
	// step 4: let them work
	features.Dispatch(server)
	// step 6: tell callers who they are
	features.AddWhoami(server)
	server.AddMeta("jwt_enabled", func(context.Context) any { return true })
	server.AddMeta("authenticatedUser", func(ctx context.Context) any { return principal.FromContext(ctx).DisplayName() })

	// step 2
	var mcp http.Handler = mcpendpoint.Handler(server)
	// step 2: read one message, strictly
	mcp = mcpendpoint.Decode(mcp)
	// step 6: ask for a token before anything is read
	mcp = bearerauth.Require(verifier, challenge, mcp)
	// step 2
	mux.Handle("POST /mcp", mcp)

	// step 1: refuse foreign pages
	var handler http.Handler = mux
	handler = originguard.Protect(site.Hosts(), site.Origins, handler)
	return site.Mount(handler), nil
}
