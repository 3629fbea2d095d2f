package mcpauth

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// The rows WB1 to WB22: what other people's servers do.

// notes keeps what a trace is told.
type notes struct {
	mu   sync.Mutex
	all  []Event
	text strings.Builder
}

func (n *notes) Observe(e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, e)
	n.text.WriteString(e.Note + "\n")
}

// alerted returns what the user must see in any case.
func (n *notes) alerted() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var b strings.Builder
	for _, e := range n.all {
		if e.Alert {
			b.WriteString(e.Note + "\n")
		}
	}
	return b.String()
}

// An access token is opaque: whatever can stand in a header is sent.
func TestWB1_OpaqueTokens(t *testing.T) {
	for _, access := range []string{"user:grant:secret", "17|abcdef", "a!b@c", "a,b", `a"b\c`} {
		r := newRig(t)
		r.as.token = func(response map[string]any) {
			r.as.issued[access] = "mcp:read"
			response["access_token"] = access
		}
		r.mustPost(r.client(), "x")
		if got := r.authorization[len(r.authorization)-1]; got != "Bearer "+access {
			t.Errorf("got %q", got)
		}
	}
}

// What isn't needed needn't have the standard's type.
func TestWB1_OptionalMembers(t *testing.T) {
	r := newRig(t)
	r.as.metadata = map[string]any{
		"scopes_supported": "a b", "grant_types_supported": map[string]any{}, "dpop_signing_alg_values_supported": nil,
		"code_challenge_methods_supported": []any{"S256", 7},
	}
	r.mustPost(r.client(), "x")
	for body, secret := range map[string]int64{
		`{"client_id":"x","client_secret_expires_at":"0","client_secret":null}`:             0,
		`{"client_id":"x","client_secret_expires_at":1.7e9,"redirect_uris":"y","scope":[]}`: 1_700_000_000,
		`{"client_id":"x","client_secret_expires_at":"never","registration_client_uri":{}}`: 0,
	} {
		got, err := parseRegistration([]byte(body))
		if err != nil || got.ClientID != "x" || got.SecretExpires != secret {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	if _, err := parseRegistration([]byte(`{"client_id":7}`)); err == nil {
		t.Error("a client_id that is a number was accepted")
	}
}

// HTTP Basic without client_id, and once more with it where the answer says that
// it is missing. What was learnt is kept for the refresh.
func TestWB2_BasicWithClientID(t *testing.T) {
	r := newRig(t)
	r.as.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}
	r.as.wantsID = true
	clock := newClock()
	c := r.client(func(config *Config) { config.Now = clock.now })
	r.mustPost(c, "x")
	if len(r.as.tokenForms) != 2 || r.as.tokenForms[0].Has("client_id") || r.as.tokenForms[1].Get("client_id") != "client-1" {
		t.Fatalf("sent %v", r.as.tokenForms)
	}
	if code := r.as.tokenForms[1].Get("code"); code == "" || code != r.as.tokenForms[0].Get("code") {
		t.Errorf("sent %v", r.as.tokenForms)
	}
	clock.advance(2 * time.Hour)
	r.mustPost(c, "x")
	if len(r.as.tokenForms) != 3 || !r.as.tokenForms[2].Has("client_id") || r.as.tokenHeaders[2].Get("Authorization") == "" {
		t.Errorf("the refresh sent %v", r.as.tokenForms[2:])
	}
}

// The same for a client that the user named, whose credentials aren't stored:
// it is learnt once, by a flow or by a refresh.
func TestWB2_LearntOnce(t *testing.T) {
	for _, atFirst := range []bool{true, false} {
		r := newRig(t)
		r.as.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}
		clock := newClock()
		store := tempStore(t)
		c := r.client(func(config *Config) {
			config.PreRegistered = &PreRegistered{ClientID: "own", ClientSecret: "a-secret-of-the-client"}
			config.Now, config.Store = clock.now, store
		})
		r.as.wantsID = atFirst
		r.mustPost(c, "x")
		r.as.wantsID = true
		for range 2 {
			clock.advance(2 * time.Hour)
			r.mustPost(c, "x")
		}
		r.as.issued, r.as.refreshTokens = map[string]string{}, map[string]string{}
		r.mustPost(c, "x") // a refresh that fails, and a new flow
		refused := 0
		for _, form := range r.as.tokenForms {
			if !form.Has("client_id") {
				refused++
			}
		}
		if want := map[bool]int{true: 1, false: 2}[atFirst]; refused != want {
			t.Errorf("at first %v: %d requests without client_id, want %d: %v", atFirst, refused, want, r.as.tokenForms)
		}
	}
}

func TestWB2_PostFirst(t *testing.T) {
	r := newRig(t)
	r.as.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"}}
	r.mustPost(r.client(), "x")
	if r.as.registrations[0]["token_endpoint_auth_method"] != "client_secret_post" || r.as.tokenForms[0].Get("client_secret") == "" {
		t.Errorf("registered %v, sent %v", r.as.registrations, r.as.tokenForms)
	}
}

// What a refused refresh means for the refresh token.
func TestWB3_RefusedRefresh(t *testing.T) {
	for name, c := range map[string]struct {
		refused ServerError
		logins  int  // besides the first
		fails   bool // the request does
	}{
		"invalid_grant":           {ServerError{Code: "invalid_grant"}, 1, false},
		"another OAuth error":     {ServerError{Code: "invalid_request"}, 1, false},
		"an error of no standard": {ServerError{Code: "refresh_token_reused", Status: 403}, 1, false},
		"200 with an error":       {ServerError{Code: "bad_refresh_token", Status: 200}, 1, false},
		"400 without a code":      {ServerError{Status: 400}, 1, false},
		"401 without a code":      {ServerError{Status: 401}, 1, false},
		"403 without a code":      {ServerError{Status: 403}, 1, false},
		"404":                     {ServerError{Status: 404}, 1, false},
		"200 without a token":     {ServerError{Status: 200}, 1, false},
		"429":                     {ServerError{Status: 429}, 0, true},
		"503":                     {ServerError{Status: 503, Code: "temporarily_unavailable"}, 0, true},
		"502":                     {ServerError{Status: 502}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := tempStore(t)
			r := newRig(t)
			clock := newClock()
			config := func(config *Config) { config.Store, config.Now = store, clock.now }
			r.mustPost(r.client(config), "x")
			old := keysOf(r.as.refreshTokens)[0]
			r.as.refuse = func(form url.Values) error {
				if form.Get("grant_type") == "refresh_token" {
					return &c.refused
				}
				return nil
			}
			clock.advance(2 * time.Hour)
			_, err := post(t, r.client(config), r.url(), "x") // a second run
			if _, authorizations, _ := r.as.count(); (err != nil) != c.fails || authorizations != 1+c.logins {
				t.Fatalf("got %v after %d logins", err, authorizations)
			}
			if !c.fails {
				return
			}
			kept, err := store.ForResourceURL(r.url())
			if err != nil || len(kept) != 1 || kept[0].Token.Refresh != old {
				t.Errorf("the store has %v, %v", kept, err)
			}
			r.as.refuse = nil
			r.mustPost(r.client(config), "x")
			if _, authorizations, _ := r.as.count(); authorizations != 1 {
				t.Errorf("%d logins when the server was back", authorizations)
			}
		})
	}
}

// A refusal that doesn't come from OAuth leads to a login, and the old token is
// kept until that has succeeded.
func TestWB3_KeptUntilTheLoginSucceeds(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	clock := newClock()
	config := func(config *Config) { config.Store, config.Now = store, clock.now }
	r.mustPost(r.client(config), "x")
	old := keysOf(r.as.refreshTokens)[0]
	r.as.refuse = func(url.Values) error { return &ServerError{Status: http.StatusForbidden} }
	clock.advance(2 * time.Hour)
	if _, err := post(t, r.client(config), r.url(), "x"); err == nil {
		t.Fatal("the login should have failed")
	}
	kept, err := store.ForResourceURL(r.url())
	if err != nil || len(kept) != 1 || kept[0].Token == nil || kept[0].Token.Refresh != old {
		t.Fatalf("the store has %v, %v", kept, err)
	}
}

// Three runs that share a store: one refresh, and one login.
func TestWB4_RunsShareAStore(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	clock := newClock()
	agent := &user{}
	run := func() error {
		c, err := New(Config{
			ResourceURL: r.url(), Agent: agent, Store: &FileStore{Dir: dir}, Now: clock.now, Timeout: time.Minute,
		})
		if err != nil {
			return err
		}
		defer c.CloseIdleConnections()
		status, err := post(t, c, r.url(), "x")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
	three := func() {
		t.Helper()
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if err := run(); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	three()
	if registrations, authorizations, tokens := r.as.count(); registrations != 1 || authorizations != 1 || tokens != 1 {
		t.Errorf("%d registrations, %d logins, %d token requests", registrations, authorizations, tokens)
	}
	clock.advance(2 * time.Hour)
	three()
	if _, authorizations, tokens := r.as.count(); authorizations != 1 || tokens != 2 {
		t.Errorf("after an hour: %d logins, %d token requests", authorizations, tokens)
	}
}

// A run that holds an old token uses what another has stored, and writes nothing
// older back.
func TestWB4_NothingOlderIsWritten(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	clock := newClock()
	config := func(config *Config) { config.Store, config.Now = store, clock.now }
	old := r.client(config)
	r.mustPost(old, "x")
	clock.advance(2 * time.Hour)
	r.mustPost(r.client(config), "x") // another run renews
	stored, err := store.ForResourceURL(r.url())
	if err != nil || len(stored) != 1 {
		t.Fatal(stored, err)
	}
	r.mustPost(old, "x")
	after, err := store.ForResourceURL(r.url())
	if _, authorizations, tokens := r.as.count(); authorizations != 1 || tokens != 2 || err != nil || *after[0].Token != *stored[0].Token {
		t.Errorf("%d logins, %d token requests, %v", authorizations, tokens, err)
	}
}

func TestWB4_LockIsTakenOnce(t *testing.T) {
	store := tempStore(t)
	key := EntryKey{"i", "r", "r"}
	unlock, err := store.Lock(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (&FileStore{Dir: store.Dir}).Lock(key); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	if other, err := store.Lock(EntryKey{"i", "s", "s"}); err != nil {
		t.Errorf("another entry: %v", err)
	} else {
		other()
	}
	unlock()
	again, err := store.Lock(key)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// What isn't the document that was asked for is passed over.
func TestWB5_NotADocument(t *testing.T) {
	const path, root = resourcePath + "/mcp", resourcePath
	for _, page := range []string{"<html>Not found</html>", "{}", `{"error":"not_found"}`, "", "null", "[]", `{"resource":7}`} {
		r := newRig(t)
		r.challenge = "Bearer"
		r.pages = map[string]string{path: page}
		r.documents = map[string]bool{root: true}
		r.mustPost(r.client(), "x")
		if !slices.Contains(r.asked, root) {
			t.Errorf("%s: asked %q", page, r.asked)
		}
	}
	r := newRig(t) // one that describes somebody else ends the search
	r.challenge, r.resource = "Bearer", "https://evil.example/mcp"
	r.documents = map[string]bool{path: true, root: true}
	if _, err := post(t, r.client(), r.url(), "x"); !errors.Is(err, ErrResource) || slices.Contains(r.asked, root) {
		t.Errorf("got %v, asked %q", err, r.asked)
	}
}

func TestWB5_NotAServersDocument(t *testing.T) {
	for _, status := range []int{200, 204, 404, 500, 503} {
		for _, page := range []string{"<html>", "{}", `{"error":"x"}`} {
			r := newRig(t)
			document := httptest.NewRecorder()
			var asked []string
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				asked = append(asked, request.URL.Path)
				if strings.HasSuffix(request.URL.Path, "openid-configuration") {
					r.as.document(w, request)
					return
				}
				if strings.HasPrefix(request.URL.Path, "/.well-known/") {
					w.WriteHeader(status)
					if status != http.StatusNoContent {
						_, _ = io.WriteString(w, page)
					}
					return
				}
				r.as.Config.Handler.ServeHTTP(w, request)
			}))
			t.Cleanup(front.Close)
			_ = document
			r.issuers = []string{front.URL}
			r.as.metadata = map[string]any{"issuer": front.URL}
			r.as.answer = func(answer url.Values) { answer.Set("iss", front.URL) }
			r.mustPost(r.client(), "x")
			if len(asked) < 2 {
				t.Errorf("%d %s: asked %q", status, page, asked)
			}
		}
	}
}

// A server in the user's own network: the origin that the user typed, and those
// that the user permits.
func TestWB6_PrivateOrigins(t *testing.T) {
	for server, c := range map[string]struct {
		permitted []string
		good, bad []string
	}{
		"https://10.0.0.1/mcp": {
			nil,
			[]string{"https://10.0.0.1/.well-known/x"},
			[]string{"https://10.0.0.1:8443/", "https://10.0.0.2/", "https://192.168.1.1/", "https://127.0.0.1/", "http://10.0.0.1/"},
		},
		"https://169.254.169.254/mcp": {nil, nil, []string{"https://169.254.169.254/"}},
		"https://mcp.example/mcp": {
			[]string{"https://10.1.1.1:443"},
			[]string{"https://10.1.1.1/", "https://login.example/"},
			[]string{"https://10.1.1.2/", "https://127.0.0.1/"},
		},
	} {
		c2, err := New(Config{ResourceURL: server, PrivateOrigins: c.permitted, Agent: &user{}})
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range c.good {
			if err := c2.fetch.check("it", target); err != nil {
				t.Errorf("%s, %s: %v", server, target, err)
			}
		}
		for _, target := range c.bad {
			if err := c2.fetch.check("it", target); err == nil {
				t.Errorf("%s may be fetched for %s", target, server)
			}
		}
	}
}

// All goes through a proxy only where the user says so, and then only https.
func TestWB7_Proxy(t *testing.T) {
	asked := make(chan string, 10)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	at, _ := url.Parse(proxy.URL)
	said := &notes{}
	c, err := New(Config{
		ResourceURL: "https://mcp.example/mcp", Agent: &user{}, Trace: said.Observe, Proxy: http.ProxyURL(at),
		Base: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := post(t, c, "https://mcp.example/mcp", "x"); err == nil {
		t.Error("it went on")
	}
	if got := <-asked; got != "CONNECT mcp.example:443" {
		t.Errorf("the proxy was asked %q", got)
	}
	if !strings.Contains(said.alerted(), "through the proxy") {
		t.Errorf("said %q", said.alerted())
	}
	if err := c.fetch.check("it", "http://localhost/"); err == nil {
		t.Error("http may be fetched")
	}
}

// 2xx is success.
func TestWB8_AnySuccess(t *testing.T) {
	for _, status := range []int{200, 201, 202} {
		r := newRig(t)
		r.as.created = status
		r.mustPost(r.client(), "x")
	}
}

// Metadata at an address that only the first challenge names.
func TestWB9_TheChallengesAddressIsRemembered(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	clock := newClock()
	config := func(config *Config) { config.Store, config.Now = store, clock.now }
	r.challenge = `Bearer resource_metadata="` + r.rs.URL + `/elsewhere"`
	r.documents = map[string]bool{"/elsewhere": true}
	r.mustPost(r.client(config), "x")
	r.challenge = "Bearer"
	r.as.issued, r.as.refreshTokens = map[string]string{}, map[string]string{}
	r.mustPost(r.client(config), "x")
	if _, authorizations, _ := r.as.count(); authorizations != 2 {
		t.Errorf("%d logins", authorizations)
	}
}

func TestWB9_ARefreshNeedsNoDiscovery(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	clock := newClock()
	said := &notes{}
	config := func(config *Config) { config.Store, config.Now, config.Trace = store, clock.now, said.Observe }
	r.mustPost(r.client(config), "x")
	said.all = nil
	clock.advance(2 * time.Hour)
	r.mustPost(r.client(config), "x")
	for _, e := range said.all {
		if e.Stage == StageServer || e.Stage == StageResource {
			t.Errorf("it read %+v", e)
		}
	}
	// Where the token endpoint has moved, the metadata is read again.
	entries, err := store.ForResourceURL(r.url())
	if err != nil {
		t.Fatal(err)
	}
	entries[0].Server.TokenEndpoint = r.as.URL + "/moved"
	if err := store.Save(entries[0]); err != nil {
		t.Fatal(err)
	}
	clock.advance(2 * time.Hour)
	r.mustPost(r.client(config), "x")
	if _, authorizations, _ := r.as.count(); authorizations != 1 {
		t.Errorf("%d logins", authorizations)
	}
}

// RFC 9728, sections 1.2, 3.1 and 3.3: an identifier with a query.
func TestWB10_AQuery(t *testing.T) {
	r := newRig(t)
	r.challenge = "Bearer"
	target := r.url() + "?tenant=a"
	r.resource = target
	c := r.client(func(config *Config) { config.ResourceURL = target })
	if status, err := post(t, c, target, "x"); err != nil || status != 200 {
		t.Fatalf("got %d, %v", status, err)
	}
	if !slices.Contains(r.asked, resourcePath+"/mcp?tenant=a") || r.as.requests[0].Get("resource") != target {
		t.Errorf("asked %q, resource %q", r.asked, r.as.requests[0].Get("resource"))
	}
	other, _ := url.Parse(r.url() + "?tenant=b")
	if c.isServer(other) {
		t.Error("the token goes to another tenant")
	}
	r = newRig(t)
	target = r.url() + "?tenant=a"
	r.resource = r.url() + "?tenant=b"
	_, err := post(t, r.client(func(config *Config) { config.ResourceURL = target }), target, "x")
	if !errors.Is(err, ErrResource) || !strings.Contains(err.Error(), "tenant=a") || !strings.Contains(err.Error(), "tenant=b") {
		t.Errorf("got %v", err)
	}
}

func TestWB11_NoEncodingIsAskedFor(t *testing.T) {
	r := newRig(t)
	r.mustPost(r.client(), "x")
	if got := r.as.tokenHeaders[0].Get("Accept-Encoding"); got != "identity" {
		t.Errorf("Accept-Encoding: %q", got)
	}
}

// expires_in 0: the token is used once; without a refresh token, until it is
// refused.
func TestWB12_ATokenThatExpiresAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		refresh                bool
		logins, token_requests int
	}{"with a refresh token": {true, 1, 3}, "without": {false, 1, 1}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.expiresIn = 0
			if !c.refresh {
				r.as.token = func(response map[string]any) { delete(response, "refresh_token") }
			}
			said := &notes{}
			client := r.client(func(config *Config) { config.Trace = said.Observe })
			for range 3 {
				r.mustPost(client, "x")
			}
			if _, logins, tokens := r.as.count(); logins != c.logins || tokens != c.token_requests {
				t.Errorf("%d logins, %d token requests", logins, tokens)
			}
			if !strings.Contains(said.text.String(), "expires_in is 0") {
				t.Error("it does not say so")
			}
		})
	}
}

// A server that refuses the token that a login has just brought: no second login.
func TestWB13_ANewTokenIsRefused(t *testing.T) {
	r := newRig(t)
	r.as.token = func(response map[string]any) { response["access_token"] = "another-token-than-the-server-knows" }
	agent := &user{}
	clock := newClock()
	c := r.client(func(config *Config) { config.Agent, config.Now = agent, clock.now })
	for range 4 {
		if _, err := post(t, c, r.url(), "x"); !errors.Is(err, ErrRefused) {
			t.Errorf("got %v", err)
		}
		clock.advance(time.Minute)
	}
	if agent.opened.Load() != 1 || len(r.authorization) != 2 {
		t.Errorf("the browser opened %d times for %d requests", agent.opened.Load(), len(r.authorization))
	}
	// Later the server may have been repaired: it gets one more login.
	r.as.token = nil
	clock.advance(refusedFor)
	r.mustPost(c, "x")
}

// An answer without state is not believed, and the user is told at once.
func TestWB14_AnAnswerWithoutState(t *testing.T) {
	r := newRig(t)
	said := &notes{}
	agent := &user{}
	agent.instead = func(authorizationURL, redirectURI string) {
		for range 10 {
			_ = visit(t.Context(), redirectURI+"?error=invalid_scope&error_description=no%0Asuch%1b%5B2Jscope")
		}
		if !strings.Contains(said.alerted(), `error "invalid_scope", "no such[2Jscope"`) || strings.Count(said.alerted(), "not believed") != maxDisbelieved {
			t.Errorf("said %q", said.alerted())
		}
		_ = visit(t.Context(), authorizationURL)
	}
	r.mustPost(r.client(func(c *Config) { c.Agent, c.Trace = agent, said.Observe }), "x")
}

// A flow that has failed ends the story: what an MCP client tries next isn't
// sent.
func TestWB17_NoSecondStart(t *testing.T) {
	r := newRig(t)
	c := r.client(func(config *Config) {
		config.Callback = "http://127.0.0.1:" + r.rs.URL[strings.LastIndex(r.rs.URL, ":")+1:] + "/callback"
	})
	if _, err := post(t, c, r.url(), "server/discover"); err == nil || !strings.Contains(err.Error(), "callback") {
		t.Fatalf("got %v", err)
	}
	asked := len(r.asked)
	if _, err := post(t, c, r.url(), "initialize"); err == nil || !strings.Contains(err.Error(), "callback") || len(r.asked) != asked {
		t.Errorf("got %v after %d more requests", err, len(r.asked)-asked)
	}
	if c.Err() == nil || !strings.Contains(c.Err().Error(), "callback") {
		t.Errorf("kept %v", c.Err())
	}
}

// A 403 that names no scope: scopes_supported is the next try.
func TestWB18_NoScopeIsNamed(t *testing.T) {
	r := newRig(t)
	r.unnamed, r.scopes = true, []string{"mcp:read", "mcp:tools"}
	r.challenge = `Bearer scope="mcp:read"`
	c := r.client()
	r.mustPost(c, "tools/call")
	if len(r.as.requests) != 2 || r.as.requests[1].Get("scope") != "mcp:read mcp:tools" {
		t.Errorf("asked for %v", r.as.requests)
	}
	r = newRig(t) // that doesn't help either: no login
	r.unnamed = true
	if _, err := post(t, r.client(), r.url(), "tools/call"); !errors.Is(err, ErrScope) {
		t.Errorf("got %v", err)
	}
	if _, logins, _ := r.as.count(); logins != 1 {
		t.Errorf("%d logins", logins)
	}
}

// A challenge that can't be read counts as none, and the user is told.
func TestWB19_AChallengeThatCantBeRead(t *testing.T) {
	for _, challenge := range []string{`Bearer scope='mcp:read'x="`, `Bearer scope="a", scope="b"`, `Bearer scope="a`} {
		r := newRig(t)
		r.challenge = challenge
		said := &notes{}
		r.mustPost(r.client(func(c *Config) { c.Trace = said.Observe }), "x")
		if !strings.Contains(said.alerted(), "challenge is ignored") {
			t.Errorf("%s: said %q", challenge, said.alerted())
		}
	}
}

// offline_access is asked for where the user wants it and the authorization
// server lists it, and then with prompt=consent (OpenID Connect Core, section
// 11). A challenge can't ask for it.
func TestWB20_OfflineAccess(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		r := newRig(t)
		r.challenge = `Bearer scope="mcp:read offline_access"`
		r.as.metadata = map[string]any{"scopes_supported": []string{"offline_access"}}
		r.mustPost(r.client(func(c *Config) { c.OfflineAccess = wanted }), "x")
		got := r.as.requests[0]
		if strings.Contains(got.Get("scope"), "offline_access") != wanted || (got.Get("prompt") == "consent") != wanted {
			t.Errorf("wanted %v: %v", wanted, got)
		}
	}
}

// Several authorization servers, and the first is down.
func TestWB21_TheNextAuthorizationServer(t *testing.T) {
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	r := newRig(t)
	r.issuers = []string{down.URL, r.as.URL}
	r.mustPost(r.client(), "x")
	// One that names another issuer ends the flow.
	liar := newProvider(t)
	liar.metadata = map[string]any{"issuer": "https://honest.example"}
	r = newRig(t)
	r.issuers = []string{liar.URL, r.as.URL}
	if _, err := post(t, r.client(), r.url(), "x"); !errors.Is(err, ErrIssuer) {
		t.Errorf("got %v", err)
	}
}

// Metadata without code_challenge_methods_supported: an exception for one exact
// issuer, which is said each time.
func TestWB22_PKCEByException(t *testing.T) {
	for name, c := range map[string]struct {
		methods any
		assumed func(issuer string) string
		good    bool
	}{
		"not by default":      {nil, func(string) string { return "" }, false},
		"for that issuer":     {nil, func(issuer string) string { return issuer }, true},
		"not for another":     {nil, func(issuer string) string { return issuer + "/" }, false},
		"not against plain":   {[]string{"plain"}, func(issuer string) string { return issuer }, false},
		"not against nothing": {[]string{}, func(issuer string) string { return issuer }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.metadata = map[string]any{"code_challenge_methods_supported": c.methods}
			said := &notes{}
			client := r.client(func(config *Config) { config.AssumePKCE, config.Trace = c.assumed(r.as.URL), said.Observe })
			_, err := post(t, client, r.url(), "x")
			if (err == nil) != c.good || err != nil && !errors.Is(err, ErrPKCE) {
				t.Errorf("got %v", err)
			}
			if c.good && !strings.Contains(said.alerted(), "PKCE") {
				t.Errorf("said %q", said.alerted())
			}
		})
	}
}

// Plain http stays on this machine, whatever the name.
func TestWE3_PlainHTTPIsDialledOnLoopback(t *testing.T) {
	for _, server := range []string{"http://app.localhost/mcp", "http://localhost.example/mcp", "http://[::ffff:127.0.0.1]/mcp", "http://127.1/mcp"} {
		if _, err := New(Config{ResourceURL: server, Agent: &user{}}); !errors.Is(err, ErrURL) {
			t.Errorf("%s: got %v", server, err)
		}
	}
	local, _ := url.Parse("http://localhost:9000/mcp")
	request := httptest.NewRequest(http.MethodPost, "http://10.0.0.1:1/mcp", nil)
	if _, err := newBase(local).RoundTrip(request); !errors.Is(err, loopback.ErrAddress) {
		t.Errorf("got %v", err)
	}
}

// The callback answers GET alone: what another page can send by POST counts for
// nothing.
func TestWE4_TheCallbackTakesGET(t *testing.T) {
	l, err := listen("http://127.0.0.1:0/callback")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	request := newAuthorizationRequest(&AuthorizationServer{Issuer: "https://as.example"}, l.redirectURI)
	answers := l.serve(request, func(url.Values) {})
	target := l.redirectURI + "?code=c&state=" + request.state
	for _, method := range []string{http.MethodPost, http.MethodHead, http.MethodPut, http.MethodOptions} {
		sent, _ := http.NewRequest(method, target, nil)
		response, err := http.DefaultClient.Do(sent)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", method, response.StatusCode)
		}
	}
	select {
	case got := <-answers:
		t.Errorf("took %+v", got)
	default:
	}
	if err := visit(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got.code != "c" {
		t.Errorf("got %+v", got)
	}
}

func TestCanonicalURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://A.example": "https://a.example/", "https://a.example:443/mcp": "https://a.example/mcp",
		"http://LOCALHOST:80/": "http://localhost/", "https://a.example:8443": "https://a.example:8443/",
		"http://[::1]:80/x": "http://[::1]/x", "https://a.example/mcp?x=1": "https://a.example/mcp?x=1",
	} {
		if got := canonical(raw); got != want {
			t.Errorf("%s: got %s", raw, got)
		}
	}
	if u, err := parseResourceURL("http://[::1]:80/x"); err != nil || baseurl.Origin(u) != "http://[::1]:80" {
		t.Errorf("got %v, %v", u, err)
	}
}

// WE4: a registration whose secret has expired is not used again (RFC 7591,
// section 3.2.1); 0 is never.
func TestWE4_AnExpiredSecretIsNotUsed(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for expires, want := range map[int64]bool{0: true, now.Unix() + 1: true, now.Unix(): false, now.Unix() - 1: false} {
		r := Registration{Kind: AskedUser, ClientID: "x", SecretExpires: expires}
		if got := r.usable("", now); got != want {
			t.Errorf("client_secret_expires_at %d: %v", expires, got)
		}
	}
}
