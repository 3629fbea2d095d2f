// Command step7 tells clients where tokens come from.
//
// A 401 alone leaves a client stranded. The challenge now points to a document
// about this resource (RFC 9728), which names the authorization server, whose
// own document (RFC 8414) says how to use it. Until step 9 it is honest about
// having no way to hand out tokens, so a real client stops there. Every URL is
// taken from -url and none from the request.
//
// Try it:
//
//	curl -i http://localhost:9000/mcp -H 'Content-Type: application/json' \
//	  -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
//	curl -i http://localhost:9000/.well-known/oauth-protected-resource/mcp
//
// The lesson is docs/step7.md; bash scripts/test_step7.sh shows it scene by scene.
package main

import (
	"cmp"
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
	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/cors"
	"mcp-auth-step-by-step/internal/web/serve"
)

//go:embed main.go
var source string

// step 5
var keyDir = flag.String("keys", "keys", "`folder` of the key pair, which is made on first use")

// step 7
var challengeScopes = flag.String("challenge-scopes", "", "`scopes` for clients to ask for first, with blanks between (default mcp:read)")

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
		// step 7: where to learn how to get a token, and what to ask for
		ResourceMetadata: oauthmetadata.ResourceURL(site.Resource()),
		Scope:            cmp.Or(*challengeScopes, "mcp:read"),
	}
	report.Add("auth_required", true)
	report.Add("jwt_enabled", true)

	// step 7: say who issues tokens for this server, and how
	resourcePage := oauthmetadata.Handler(oauthmetadata.NewResource(site.Resource(), challenge.Scope, issuer))
	mux.Handle("GET /.well-known/oauth-protected-resource", resourcePage)
	mux.Handle("GET /.well-known/oauth-protected-resource/mcp", resourcePage)
	mux.Handle("GET /.well-known/oauth-authorization-server", oauthmetadata.Handler(
		oauthmetadata.NewAuthorizationServer(issuer, site.URL+"/.well-known/jwks.json", "mcp:read", "mcp:tools", "mcp:prompts")))
	report.Add("protected_resource_metadata", oauthmetadata.ResourceURL(site.Resource()))
	report.Add("authorization_server_metadata", oauthmetadata.ServerURL(issuer))

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
	// step 7
	server.AddMeta("oauth_metadata", func(context.Context) any { return challenge.ResourceMetadata })

	// step 2
	var mcp http.Handler = mcpendpoint.Handler(server)
	// step 2: read one message, strictly
	mcp = mcpendpoint.Decode(mcp)
	// step 6: ask for a token before anything is read
	mcp = bearerauth.Require(verifier, challenge, mcp)
	// step 7: answer the preflight requests of pages
	mux.Handle("OPTIONS /mcp", cors.Preflight(site.Origins, "POST"))
	mux.Handle("OPTIONS /.well-known/", cors.PreflightToAll("GET", "HEAD"))
	mux.Handle("GET /.well-known/", http.NotFoundHandler())
	// step 2
	mux.Handle("POST /mcp", mcp)

	// step 1: refuse foreign pages
	var handler http.Handler = mux
	// step 7: let pages of allowed Origins read the answers
	handler = cors.Expose(site.Origins, handler)
	// step 1
	handler = originguard.Protect(site.Hosts(), site.Origins, handler)
	return site.Mount(handler), nil
}
