// Package stubprovider is an identity provider for tests: it publishes metadata
// and keys, and does what real ones are feared for: it goes away, rotates its
// keys, and publishes nonsense. It issues nothing; tests sign with its keys.
package stubprovider

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Realm is the path of every issuer of this package.
const Realm = "/realms/test"

// Provider is one provider, on a port of its own.
type Provider struct {
	issuer string
	server *http.Server

	guarded
	metadata map[string]any
	keySet   string
	instead  http.HandlerFunc
	fetches  int
	seen     []http.Header
}

// guarded is what a test changes and reads while a provider runs.
type guarded struct{ mu sync.Mutex }

func (g *guarded) do(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

// Start serves a provider that publishes keys.
func Start(keys ...Key) (*Provider, error) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	p := New(fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port), keys...)
	p.server = &http.Server{Handler: p}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

// New makes a provider that somebody else serves, at a base URL.
func New(base string, keys ...Key) *Provider {
	p := &Provider{issuer: base + Realm}
	p.metadata = map[string]any{"issuer": p.issuer, "jwks_uri": p.issuer + "/certs"}
	p.Publish(keys...)
	return p
}

// Close ends a provider that [Start] began.
func (p *Provider) Close() { _ = p.server.Close() }

// Issuer is its name.
func (p *Provider) Issuer() string { return p.issuer }

// Env are the variables by which a server is told to trust the provider, and to
// ask it as often as tests want.
func (p *Provider) Env() []string {
	return []string{"JWT_ISSUER=" + p.issuer, "JWT_DIALECT=keycloak", "JWT_ALGORITHMS=RS256,PS256,ES256,EdDSA", "JWKS_MIN_INTERVAL=100ms"}
}

// Publish shows these keys from now on, and no others.
func (p *Provider) Publish(keys ...Key) {
	shown := make([]string, len(keys))
	for i, key := range keys {
		shown[i] = key.JWK
	}
	p.PublishText(`{"keys":[` + strings.Join(shown, ",") + `]}`)
}

// PublishText shows a text as the key set.
func (p *Provider) PublishText(keySet string) { p.do(func() { p.keySet = keySet }) }

// State sets a member of the metadata.
func (p *Provider) State(name string, value any) { p.do(func() { p.metadata[name] = value }) }

// Answer lets something else answer all requests; nil ends that.
func (p *Provider) Answer(instead http.HandlerFunc) { p.do(func() { p.instead = instead }) }

// HangUp is for Answer: it ends the connection without a word.
func HangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Fetches is how often the key set was asked for.
func (p *Provider) Fetches() (n int) { p.do(func() { n = p.fetches }); return n }

// Seen are the headers of all requests so far.
func (p *Provider) Seen() (all []http.Header) {
	p.do(func() { all = slices.Clone(p.seen) })
	return all
}

// ServeHTTP answers at the addresses of the metadata and the keys.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Header.Clone())
	if strings.HasSuffix(r.URL.Path, "/certs") {
		p.fetches++
	}
	metadata, _ := json.Marshal(p.metadata)
	keySet, instead := p.keySet, p.instead
	p.mu.Unlock()
	switch {
	case instead != nil:
		instead(w, r)
	// Like many providers, it has OpenID's document alone.
	case r.URL.Path == Realm+"/.well-known/openid-configuration":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(metadata)
	case r.URL.Path == Realm+"/certs":
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write([]byte(keySet))
	default:
		http.NotFound(w, r)
	}
}
