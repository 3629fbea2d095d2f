package issuercheck

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// RunFixture checks a provider of package providershapes: its documents stand at
// their URLs, on a web that consists of nothing else. The keys are made up, with
// alg or without as the provider publishes them.
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
	published := documents{said.Keys: `{"keys":[` + jwk + `]}`}
	issuer := ""
	for _, at := range shape.URLs {
		if strings.Contains(at, " ") {
			continue // a remark says that it may not stand there
		}
		published[at] = string(shape.Document)
		if base, _, _ := strings.Cut(at, "/.well-known/"); issuer == "" || base == strings.TrimSuffix(said.Issuer, "/") {
			issuer = base
		}
	}
	if issuer == strings.TrimSuffix(said.Issuer, "/") {
		issuer = said.Issuer
	}
	return run(ctx, issuer, &http.Client{Transport: published}, safefetch.Policy{Loopback: true}), nil
}

// documents are all that there is on the web, by their URLs.
type documents map[string]string

// RoundTrip answers with a document, or with status 404.
func (d documents) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	if text, ok := d[r.URL.String()]; ok {
		_, _ = answer.WriteString(text)
	} else {
		answer.WriteHeader(http.StatusNotFound)
	}
	return answer.Result(), nil
}
