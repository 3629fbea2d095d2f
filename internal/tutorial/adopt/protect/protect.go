// Package protect has the lines that adopt prints for one's own main. Each
// paragraph that begins with the name of a layer belongs to it.
package protect

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"mcp-auth-step-by-step/internal/mcpserver/health"
	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/mcpserver/originguard"
	"mcp-auth-step-by-step/internal/mcpserver/scopepolicy"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/oauth/tokencache"
	"mcp-auth-step-by-step/internal/web/cors"
	"mcp-auth-step-by-step/internal/web/logging"
)

// scopes: what each operation needs; what no rule names is refused
var policy = scopepolicy.Policy{
	Rules: scopepolicy.Rules{
		"initialize": {}, "server/discover": {}, "ping": {}, "logging/setLevel": {},
		"tools/list":              {AnyOf: "mcp:read mcp:tools"},
		"tools/call list_orders":  {AllOf: "mcp:read"},
		"tools/call create_order": {AllOf: "mcp:tools"},
		// streams and sessions of Streamable HTTP
		mcpmessage.Stream: {}, mcpmessage.End: {}, mcpmessage.Respond: {},
		"notifications/initialized": {}, "notifications/cancelled": {}, "notifications/progress": {},
	},
}

// protect puts the layers around an MCP endpoint. self is the URL of this server
// without a path, issuer that of the authorization server, to the letter.
func protect(ctx context.Context, self *url.URL, issuer string, mcp http.Handler) http.Handler {
	ctx = logging.NewContext(ctx, slog.Default())
	mux := http.NewServeMux()
	var handler http.Handler = mux

	// provider: find the keys of the authorization server, and keep them fresh
	algorithms := []string{"RS256"}
	keys := issuerkeys.Start(ctx, issuerkeys.Config{Issuer: issuer, Algorithms: algorithms})
	report := health.New()
	mux.Handle("GET /health", report)

	// token: take tokens of this issuer that are meant for this server. The dialect says how
	// the issuer writes them: rfc9068 is the strictest, and that of step 9. A Keycloak needs
	// keycloak; dialect.All has the others. docs/providers.md has what else a provider needs.
	tokens, err := dialect.Named("rfc9068")
	if err != nil {
		panic(err) // at the start: there is no such dialect
	}
	resource := self.JoinPath("mcp").String()
	rules := &accesstoken.Verifier{Issuer: issuer, Audience: resource, Keys: keys, Algorithms: algorithms, Dialect: tokens}
	var verifier bearerauth.Verifier = rules
	challenge := bearerauth.Challenge{Realm: "mcp", Scope: "mcp:read"}

	// cache: compute the signature of each token once; docs/token-cache.md says why this is safe
	verifier = tokencache.New(tokencache.Size, rules)

	// metadata: say who issues tokens for this server
	challenge.ResourceMetadata = oauthmetadata.ResourceURL(resource)
	document := oauthmetadata.NewResource(resource, challenge.Scope, issuer)
	document.Name = "My orders"
	mux.Handle("GET /.well-known/oauth-protected-resource/mcp", oauthmetadata.Handler(document))

	// scopes: ask the policy about each message
	challenge.Body = mcpmessage.Refuse
	mcp = scopepolicy.Require(policy, challenge, nil, mcp)
	mcp = mcpmessage.Inspect(mcp)
	mcp = scopepolicy.SmallBodies(policy, mcp)

	// token: ask for a token before anything is read
	mcp = bearerauth.Require(verifier, challenge, mcp)

	// provider: without keys, let nobody in, and call no token bad
	mcp = report.Need("jwks_available", keys.Ready, mcp)

	// origin: refuse foreign pages, and let those of loopback and of origins in
	origins := []string{}
	mux.Handle("OPTIONS /mcp", cors.Preflight(origins, "GET", "POST", "DELETE"))
	mux.Handle("OPTIONS /.well-known/", cors.PreflightToAll("GET", "HEAD"))
	handler = cors.Expose(origins, handler)
	handler = originguard.Protect([]string{self.Host}, origins, handler)

	mux.Handle("/mcp", mcp)
	// Why a request is refused goes to this log.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(logging.NewContext(r.Context(), slog.Default())))
	})
}
