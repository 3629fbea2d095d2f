// Command layers puts the layers in front of somebody else's MCP server, as a
// reverse proxy: Origin and Host, a token, the policy. All operations are open to
// any token, so that what differs behind it comes from the layers.
package main

import (
	"context"
	_ "embed"
	"flag"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"

	"mcp-auth-step-by-step/internal/mcpserver/health"
	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/mcpserver/originguard"
	"mcp-auth-step-by-step/internal/mcpserver/scopepolicy"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/web/cors"
	"mcp-auth-step-by-step/internal/web/serve"
)

//go:embed main.go
var source string

var (
	upstream = flag.String("upstream", "", "`URL` of the MCP server behind, without a path")
	issuer   = flag.String("issuer", "", "`URL` of the authorization server")
)

func main() { serve.Main(source, newHandler) }

func newHandler(ctx context.Context, site serve.Site) (http.Handler, error) {
	behind, err := url.Parse(*upstream)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	report := health.New()
	mux.Handle("GET /health", report)

	algorithms := []string{"RS256"}
	keys := issuerkeys.Start(ctx, issuerkeys.Config{Issuer: *issuer, Algorithms: algorithms})
	verifier := &accesstoken.Verifier{Issuer: *issuer, Audience: site.Resource(), Keys: keys, Algorithms: algorithms}
	challenge := bearerauth.Challenge{
		Realm: "mcp", Scope: "mcp:read", Body: mcpmessage.Refuse, ResourceMetadata: oauthmetadata.ResourceURL(site.Resource()),
	}
	mux.Handle("GET /.well-known/oauth-protected-resource/mcp",
		oauthmetadata.Handler(oauthmetadata.NewResource(site.Resource(), challenge.Scope, *issuer)))

	policy := scopepolicy.Policy{Rules: scopepolicy.Rules{
		"initialize": {}, "server/discover": {}, "ping": {}, "completion/complete": {}, "logging/setLevel": {},
		"tools/list": {}, "tools/call *": {}, "prompts/list": {}, "prompts/get *": {},
		"resources/list": {}, "resources/templates/list": {}, "resources/read *": {}, "resources/subscribe *": {}, "resources/unsubscribe *": {},
	}}
	maps.Copy(policy.Rules, scopepolicy.Session)

	var mcp http.Handler = &httputil.ReverseProxy{
		FlushInterval: -1, // at once: parts of a stream must not wait for each other
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(behind)
			r.Out.Header.Del("Authorization") // the token is for this server
		},
	}
	mcp = scopepolicy.Require(policy, challenge, nil, mcp)
	mcp = mcpmessage.Inspect(mcp)
	mcp = bearerauth.Require(verifier, challenge, mcp)
	mcp = report.Need("jwks_available", keys.Ready, mcp)
	mux.Handle("OPTIONS /mcp", cors.Preflight(site.Origins, "GET", "POST", "DELETE"))
	mux.Handle("/mcp", mcp)
	return originguard.Protect(site.Hosts(), site.Origins, cors.Expose(site.Origins, mux)), nil
}
