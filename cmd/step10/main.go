// Command step10 trusts an identity provider instead of itself.
//
// It has no key and no issuer of its own any more: it finds the provider's keys
// by discovery, keeps them fresh, and keeps them when the provider is away. An
// environment file says whom to trust; Keycloak and the server of step 9 look
// the same from here. Until the first keys are there, nobody is let in.
//
// Try it:
//
//	curl -i http://localhost:9000/health
//	go run ./cmd/step11 --server http://localhost:9000/mcp
//
// The lesson is docs/step10.md; bash scripts/test_step10.sh shows it scene by scene.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"flag"
	"net/http"

	"mcp-auth-step-by-step/internal/mcpserver/auditlog"
	"mcp-auth-step-by-step/internal/mcpserver/envfile"
	"mcp-auth-step-by-step/internal/mcpserver/features"
	"mcp-auth-step-by-step/internal/mcpserver/health"
	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/mcpserver/originguard"
	"mcp-auth-step-by-step/internal/mcpserver/scopepolicy"
	"mcp-auth-step-by-step/internal/mcpserver/trust"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/tokencache"
	"mcp-auth-step-by-step/internal/web/cors"
	"mcp-auth-step-by-step/internal/web/serve"
)

//go:embed main.go
var source string

// step 10
var envFile = flag.String("env", "", "`file` that says whom to trust (default "+envfile.Default+", if it is there)")

// step 7
var challengeScopes = flag.String("challenge-scopes", "", "`scopes` for clients to ask for first, with blanks between (default mcp:read)")

func main() { serve.Main(source, newHandler) }

// newHandler puts the layers together. The one that wraps last is met first.
func newHandler(ctx context.Context, site serve.Site) (http.Handler, error) {
	// step 10: learn whom to trust, and what to be called
	settings, err := envfile.Read(*envFile, &site)
	if err != nil {
		return nil, err
	}

	// step 1: say that the server lives
	mux := http.NewServeMux()
	report := health.New()
	mux.Handle("GET /health", report)

	// step 10: trust the providers, each by its own rules; fetch their keys, and keep them fresh
	verifier := trust.Start(ctx, settings.Issuers)
	// step 10: compute the signature of a token once, and ask for its key each time
	report.Add("token_cache", verifier.Remember(tokencache.Size))
	challenge := bearerauth.Challenge{
		Realm: "mcp",
		Body:  mcpendpoint.Refuse,
		// step 7: where to learn how to get a token, and what to ask for
		ResourceMetadata: oauthmetadata.ResourceURL(site.Resource()),
		Scope:            cmp.Or(*challengeScopes, "mcp:read"),
	}
	report.Add("auth_required", true)
	report.Add("jwt_enabled", true)

	// step 8: what each operation needs of the client and of its user
	policy := scopepolicy.Policy{
		Roles: "admin user guest",
		Rules: scopepolicy.Rules{
			"initialize": {}, "server/discover": {}, "ping": {},
			"tools/list":                      {AnyOf: "mcp:read mcp:tools"},
			"tools/call echo get_time whoami": {AllOf: "mcp:tools", Roles: "admin user"},
			"tools/call audit":                {AllOf: "mcp:tools", Roles: "admin"},
			"prompts/list":                    {AnyOf: "mcp:read mcp:prompts"},
			"prompts/get *":                   {AnyOf: "mcp:read mcp:prompts"},
		},
	}
	// step 10: the provider knows users that have no role here
	policy.DefaultRole = "user"
	challenge.Scope = verifier.Ask(cmp.Or(*challengeScopes, settings.FirstScopes))

	// step 7: say who issues tokens for this server, and how
	// step 10
	resourcePage := oauthmetadata.Handler(oauthmetadata.NewResource(site.Resource(), challenge.Scope, verifier.Names()...))
	mux.Handle("GET /.well-known/oauth-protected-resource", resourcePage)
	mux.Handle("GET /.well-known/oauth-protected-resource/mcp", resourcePage)
	report.Add("protected_resource_metadata", oauthmetadata.ResourceURL(site.Resource()))

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
	// step 8: remember decisions, and let administrators read them
	decisions := auditlog.New(100)
	auditlog.AddTool(server, decisions, "admin")
	server.AddMeta("userScopes", func(ctx context.Context) any { return principal.FromContext(ctx).Scopes })
	server.AddMeta("userRoles", func(ctx context.Context) any { return principal.FromContext(ctx).Roles })
	report.Add("scope_based_auth", true)
	// step 10: call users by the name that the provider knows
	features.PersonaliseGreeting(server)
	report.Add("authorization_server_metadata", verifier.MetadataURL)

	// step 2
	var mcp http.Handler = mcpendpoint.Handler(server)
	// step 8: ask for a scope and a role that allow it
	mcp = scopepolicy.Require(policy, challenge, decisions, mcp)
	// step 2: read one message, strictly
	mcp = mcpendpoint.Decode(mcp)
	// step 8: read large messages only from those who may send them
	mcp = scopepolicy.SmallBodies(policy, mcp)
	// step 6: ask for a token before anything is read
	mcp = bearerauth.Require(verifier, challenge, mcp)
	// step 10: without keys, let nobody in, and call no token bad
	mcp = report.Need("jwks_available", verifier.Ready, mcp)
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
