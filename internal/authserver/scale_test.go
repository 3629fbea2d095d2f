package authserver

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
)

// direct hands requests to a handler without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Result(), nil
}

// manyLimits let a benchmark keep as much as it likes.
var manyLimits = Limits{
	Clients: 10_000_000, ClientsPerAddress: 1000, Interactions: 10_000_000, InteractionsPerAddress: 10_000_000, Grants: 10_000_000, Pause: 1,
}

func serveMany(b *testing.B) *Server {
	b.Helper()
	keys, err := sharedKeys()
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Issuer: "http://localhost:8080/realms/mcp-realm", Keys: keys, PasswordCost: cheap, Limits: manyLimits})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *Server) addRegistration(n int) error {
	id := fmt.Sprintf("client-%d", n)
	return s.clients.register(fmt.Sprintf("caller-%d", n/10), id, registration{Metadata: clientmetadata.Metadata{
		ClientID: id, ClientName: "An application", RedirectURIs: clientmetadata.MustRedirects(testRedirect), TokenEndpointAuthMethod: clientauth.None,
		GrantTypes: []string{clientmetadata.GrantCode, clientmetadata.GrantRefresh},
	}})
}

// again is a code flow of a user who has a session and consents: no password is
// hashed.
func (f *flow) again(ctx context.Context) (tokens tokenResponse, err error) {
	query := url.Values{
		"response_type": {"code"}, "client_id": {testClient}, "redirect_uri": {testRedirect}, "code_challenge": {challenge},
		"code_challenge_method": {"S256"}, "scope": {"mcp:read mcp:tools"}, "state": {"st"}, "resource": {testResource},
	}
	_, next, err := f.send(ctx, &f.page, f.issuer+pathAuthorize+"?"+query.Encode(), nil)
	if err != nil {
		return tokens, err
	}
	site, _ := url.Parse(f.issuer)
	page, _, err := f.send(ctx, &f.page, site.Scheme+"://"+site.Host+next, nil)
	if err != nil {
		return tokens, err
	}
	_, back, err := f.send(ctx, &f.yes, f.issuer+pathConsent, url.Values{"request": {f.identifier(page)}, "accept": {"yes"}})
	if err != nil {
		return tokens, err
	}
	said, err := url.Parse(back)
	if err != nil || said.Query().Get("code") == "" {
		return tokens, fmt.Errorf("no code in %q: %v", back, err)
	}
	form := redeemForm(said.Query().Get("code"))
	form.Set("client_id", testClient)
	return f.tokens(ctx, form)
}

func (f *flow) tokens(ctx context.Context, form url.Values) (tokens tokenResponse, err error) {
	text, _, err := f.send(ctx, &f.token, f.issuer+pathToken, form)
	if err != nil {
		return tokens, err
	}
	if err := json.Unmarshal([]byte(text), &tokens); err != nil || tokens.AccessToken == "" || tokens.RefreshToken == "" {
		return tokens, fmt.Errorf("tokens are missing in %s: %w", text, err)
	}
	return tokens, nil
}

// BenchmarkStored times code flows and refreshes beside few and many stored
// registrations, without the network and without hashing a password.
func BenchmarkStored(b *testing.B) {
	for _, registrations := range []int{10, 100_000} {
		s := serveMany(b)
		for n := range registrations {
			if err := s.addRegistration(n); err != nil {
				b.Fatal(err)
			}
		}
		f := newFlow(s.issuer, direct{s})
		if _, err := f.run(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("flow/registrations=%d", registrations), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.again(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("refresh/registrations=%d", registrations), func(b *testing.B) {
			b.ReportAllocs()
			tokens, err := f.again(b.Context())
			for b.Loop() {
				if err != nil {
					b.Fatal(err)
				}
				tokens, err = f.tokens(b.Context(), url.Values{
					"grant_type": {"refresh_token"}, "refresh_token": {tokens.RefreshToken}, "client_id": {testClient},
				})
			}
		})
	}
}

// BenchmarkKept says how much memory each of the things takes that the server
// keeps in memory.
func BenchmarkKept(b *testing.B) {
	for _, kept := range []struct {
		name string
		add  func(s *Server, n int) error
	}{
		{"registration", (*Server).addRegistration},
		{"session", func(s *Server, n int) error {
			return s.interactions.store.Update(func(tx store.Tx) error {
				now := s.interactions.now()
				started := session{Subject: fmt.Sprintf("user-%d", n), AuthTime: now.Unix()}
				return s.interactions.sessions.add(tx, started.Subject, digest(secret()), started, now.Add(time.Hour))
			})
		}},
		{"grant", func(s *Server, n int) error {
			return s.grants.store.Update(func(tx store.Tx) error {
				now := s.grants.now()
				f := family{
					ClientID: "client-1", Subject: fmt.Sprintf("user-%d", n), Resource: testResource, Scopes: []string{"mcp:read", "mcp:tools"},
					AuthTime: now.Unix(), Began: now.Unix(), Refresh: digest(secret()),
				}
				return s.grants.families.add(tx, f.Subject, digest(secret()), f, now.Add(time.Hour))
			})
		}},
	} {
		b.Run(kept.name, func(b *testing.B) {
			s := serveMany(b)
			before, n := heap(), 0
			for b.Loop() {
				if err := kept.add(s, n); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(heap()-before)/float64(n), "B/kept")
			runtime.KeepAlive(s)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
