package issuercheck

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// RunFixture checks a provider of package providershapes: its documents stand at
// their URLs, over TLS, on a web that consists of nothing else. The keys are made
// up, with alg or without as the provider publishes them.
func RunFixture(ctx context.Context, name string) (*Report, error) {
	all, err := providershapes.Documents()
	if err != nil {
		return nil, err
	}
	shape, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("there is no provider %q in providershapes", name)
	}
	var said struct {
		Issuer string
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(shape.Document, &said); err != nil {
		return nil, err
	}
	jwk := stubprovider.Keys()["rs256"].JWK
	if strings.HasPrefix(name, "entra") {
		jwk = strings.Replace(jwk, `"alg":"RS256",`, "", 1)
	}
	documents := map[string]string{said.Keys: `{"keys":[` + jwk + `]}`}
	issuer := ""
	for _, at := range shape.URLs {
		if strings.Contains(at, " ") {
			continue // a remark says that it may not stand there
		}
		documents[at] = string(shape.Document)
		if base, _, _ := strings.Cut(at, "/.well-known/"); issuer == "" || base == strings.TrimSuffix(said.Issuer, "/") {
			issuer = base
		}
	}
	if issuer == strings.TrimSuffix(said.Issuer, "/") {
		issuer = said.Issuer
	}
	if strings.HasPrefix(issuer, "http://") {
		return runOnLoopback(ctx, issuer, documents)
	}
	web := stubprovider.StartWeb(documents)
	defer web.Close()
	return Run(ctx, issuer, Options{Proxy: web.Proxy, Policy: safefetch.Policy{RootCAs: web.Authority()}}), nil
}

// runOnLoopback checks an issuer of this machine, which is on a port of its own
// for the time of the check.
func runOnLoopback(ctx context.Context, issuer string, documents map[string]string) (*Report, error) {
	host := strings.Join(strings.SplitAfterN(issuer, "/", 4)[:3], "")
	host = strings.TrimSuffix(host, "/")
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := documents[host+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(text, host, server.URL))
	}))
	defer server.Close()
	report := Run(ctx, strings.Replace(issuer, host, server.URL, 1), Options{})
	text, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	back := &Report{}
	return back, json.Unmarshal([]byte(strings.ReplaceAll(string(text), server.URL, host)), back)
}
