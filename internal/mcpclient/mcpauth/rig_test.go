package mcpauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain plays the browser's opener where a test asks for one: it writes its
// arguments to a file.
func TestMain(m *testing.M) {
	if path := os.Getenv("MCPAUTH_TEST_OPENER"); path != "" {
		text, _ := json.Marshal(os.Args[1:])
		temporary := path + ".new"
		_ = os.WriteFile(temporary, text, 0o600)
		_ = os.Rename(temporary, path)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// rig is an MCP server and its authorization server, both stubs that remember
// what they were asked. Its fields change what they do.
type rig struct {
	t  *testing.T
	rs *httptest.Server
	as *provider

	mu            sync.Mutex
	resource      string            // of the metadata; empty: the server's URL
	issuers       []string          // of the metadata; empty: the provider's
	scopes        []string          // scopes_supported
	challenge     string            // of a 401; empty: with resource_metadata
	toolScope     string            // what a call needs
	never         bool              // a 403 for ever
	unnamed       bool              // a 403 names no scope
	pages         map[string]string // instead of documents, by path
	documents     map[string]bool
	asked         []string // paths
	authorization []string // headers at /mcp
	dpopNonce     string   // that proofs must have
	proofs        []string
}

// provider is a stub authorization server.
type provider struct {
	*httptest.Server
	t  *testing.T
	mu sync.Mutex

	metadata  map[string]any         // laid over the document; nil removes a member
	answer    func(url.Values)       // changes the response that the browser carries
	token     func(map[string]any)   // changes a token response
	refuse    func(url.Values) error // a *ServerError refuses a token request
	grantOnly string                 // grants this scope, whatever was asked
	wantsID   bool                   // refuses HTTP Basic without client_id in the form
	created   int                    // status of successful answers; 0: 200 and 201
	nonce     string                 // that proofs must have
	expiresIn int

	requests      []url.Values // at the authorization endpoint
	tokenForms    []url.Values
	tokenHeaders  []http.Header
	registrations []map[string]any
	revoked       []url.Values
	deleted       []string
	codes         map[string]url.Values
	issued        map[string]string // access token to scope
	refreshTokens map[string]string // to scope
	clients       map[string]bool
	serial        int
}

func newProvider(t *testing.T) *provider {
	p := &provider{t: t, codes: map[string]url.Values{}, issued: map[string]string{}, refreshTokens: map[string]string{}, clients: map[string]bool{}, expiresIn: 3600}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", p.document)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.redeem)
	mux.HandleFunc("POST /register", p.register)
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.revoked = append(p.revoked, r.PostForm)
		// As Keycloak says of a token that went with the one before (RFC 7009,
		// section 2.2, wants an empty answer).
		if len(p.revoked) > 1 {
			_, _ = io.WriteString(w, `{"error":"invalid_token","error_description":"Invalid token"}`)
		}
	})
	mux.HandleFunc("DELETE /clients/", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.deleted = append(p.deleted, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusNoContent)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) document(w http.ResponseWriter, _ *http.Request) {
	document := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
		"registration_endpoint": p.URL + "/register", "revocation_endpoint": p.URL + "/revoke",
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"none"},
		"authorization_response_iss_parameter_supported": true, "grant_types_supported": []string{"authorization_code", "refresh_token"},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, value := range p.metadata {
		if document[name] = value; value == nil {
			delete(document, name)
		}
	}
	writeJSON(w, http.StatusOK, document)
}

func (p *provider) register(w http.ResponseWriter, r *http.Request) {
	var sent map[string]any
	_ = json.NewDecoder(r.Body).Decode(&sent)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.registrations = append(p.registrations, sent)
	id := fmt.Sprintf("client-%d", len(p.registrations))
	p.clients[id] = true
	writeJSON(w, cmp.Or(p.created, http.StatusCreated), map[string]any{
		"client_id": id, "token_endpoint_auth_method": sent["token_endpoint_auth_method"], "client_secret": "secret-of-the-client-0123456789",
		"registration_client_uri": p.URL + "/clients/" + id, "registration_access_token": "management-token-0123456789",
	})
}

func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = append(p.requests, query)
	p.serial++
	code := fmt.Sprintf("code-%d-with-some-more-characters", p.serial)
	p.codes[code] = query
	answer := url.Values{"code": {code}, "state": {query.Get("state")}, "iss": {p.URL}}
	if p.answer != nil {
		p.answer(answer)
	}
	http.Redirect(w, r, query.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound)
}

func (p *provider) redeem(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	form := r.PostForm
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokenForms = append(p.tokenForms, form)
	p.tokenHeaders = append(p.tokenHeaders, r.Header)
	fail := func(code string) {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": "as the test wants"})
	}
	if p.refuse != nil {
		if err := p.refuse(form); err != nil {
			refused := err.(*ServerError)
			document := map[string]any{"error_description": cmp.Or(refused.Description, "as the test wants")}
			if refused.Code != "" {
				document["error"] = refused.Code
			}
			writeJSON(w, cmp.Or(refused.Status, http.StatusBadRequest), document)
			return
		}
	}
	if p.wantsID && !form.Has("client_id") {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "Missing client_id"})
		return
	}
	if p.nonce != "" && claim(r.Header.Get("DPoP"), "nonce") != p.nonce {
		w.Header().Set("DPoP-Nonce", p.nonce)
		fail("use_dpop_nonce")
		return
	}
	scope := form.Get("scope")
	switch form.Get("grant_type") {
	case "authorization_code":
		request, ok := p.codes[form.Get("code")]
		delete(p.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if !ok || request.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || request.Get("redirect_uri") != form.Get("redirect_uri") {
			fail("invalid_grant")
			return
		}
		scope = request.Get("scope")
	case "refresh_token":
		had, ok := p.refreshTokens[form.Get("refresh_token")]
		if !ok {
			fail("invalid_grant")
			return
		}
		delete(p.refreshTokens, form.Get("refresh_token"))
		scope = had
	}
	if p.grantOnly != "" {
		scope = p.grantOnly
	}
	p.serial++
	kind := "Bearer"
	if r.Header.Get("DPoP") != "" {
		kind = "DPoP"
	}
	access, refresh := fmt.Sprintf("access-%d-with-some-more-characters", p.serial), fmt.Sprintf("refresh-%d-with-some-more-characters", p.serial)
	p.issued[access], p.refreshTokens[refresh] = scope, scope
	response := map[string]any{"access_token": access, "token_type": kind, "expires_in": p.expiresIn, "refresh_token": refresh, "scope": scope}
	if p.token != nil {
		p.token(response)
	}
	writeJSON(w, cmp.Or(p.created, http.StatusOK), response)
}

func (p *provider) scopeOf(token string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	scope, ok := p.issued[token]
	return scope, ok
}

func (p *provider) count() (registrations, authorizations, tokens int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.registrations), len(p.requests), len(p.tokenForms)
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, as: newProvider(t), toolScope: "mcp:tools", documents: map[string]bool{"/.well-known/oauth-protected-resource/mcp": true}}
	r.rs = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.rs.Close)
	return r
}

func (r *rig) url() string { return r.rs.URL + "/mcp" }

func (r *rig) serve(w http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, request.URL.RequestURI())
	if request.Method == http.MethodGet {
		if page, ok := r.pages[request.URL.Path]; ok {
			_, _ = io.WriteString(w, page)
			return
		}
		if !r.documents[request.URL.Path] {
			http.NotFound(w, request)
			return
		}
		resource, issuers := r.resource, r.issuers
		if resource == "" {
			resource = r.url()
		}
		if issuers == nil {
			issuers = []string{r.as.URL}
		}
		document := map[string]any{"resource": resource, "authorization_servers": issuers}
		if r.scopes != nil {
			document["scopes_supported"] = r.scopes
		}
		writeJSON(w, http.StatusOK, document)
		return
	}
	header := request.Header.Get("Authorization")
	r.authorization = append(r.authorization, header)
	_, token, _ := strings.Cut(header, " ")
	scope, good := r.as.scopeOf(token)
	metadata := fmt.Sprintf(`resource_metadata="%s/.well-known/oauth-protected-resource/mcp"`, r.rs.URL)
	if !good {
		challenge := r.challenge
		if challenge == "" {
			challenge = `Bearer scope="mcp:read", ` + metadata
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.dpopNonce != "" {
		r.proofs = append(r.proofs, request.Header.Get("DPoP"))
		if claim(request.Header.Get("DPoP"), "nonce") != r.dpopNonce {
			w.Header().Set("DPoP-Nonce", r.dpopNonce)
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce", `+metadata)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	if bytes.Contains(body, []byte("unsupported")) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if bytes.Contains(body, []byte("forbidden")) {
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "access_denied", "error_description": "Not for you."})
		return
	}
	if bytes.Contains(body, []byte("tools/call")) && (r.never || !slices.Contains(strings.Fields(scope), r.toolScope)) {
		challenge := fmt.Sprintf(`Bearer error="insufficient_scope", scope=%q, %s`, r.toolScope, metadata)
		if r.unnamed {
			challenge = `Bearer error="insufficient_scope", ` + metadata
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	_, _ = w.Write(body)
}

// client makes a client of the rig, with a user who agrees.
func (r *rig) client(change ...func(*Config)) *Transport {
	r.t.Helper()
	config := Config{ResourceURL: r.url(), Agent: &user{}, Timeout: time.Minute}
	for _, f := range change {
		f(&config)
	}
	transport, err := New(config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// post sends a message and returns the status.
func post(t *testing.T, transport http.RoundTripper, target, message string) (int, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK && string(body) != message {
		t.Errorf("the message arrived as %q", body)
	}
	return response.StatusCode, err
}

func (r *rig) mustPost(transport *Transport, message string) {
	r.t.Helper()
	if status, err := post(r.t, transport, r.url(), message); err != nil || status != http.StatusOK {
		r.t.Fatalf("got %d, %v", status, err)
	}
}

// user is a user agent that agrees to everything, as a browser that follows
// redirects.
type user struct {
	opened  atomic.Int32
	last    atomic.Value
	instead func(authorizationURL, redirectURI string)
	paste   chan string
	away    bool // nobody is there: Open fails with errAway
}

var errAway = errors.New("the user is away")

func (u *user) Open(ctx context.Context, authorizationURL, redirectURI string) error {
	u.opened.Add(1)
	u.last.Store(authorizationURL)
	if u.away {
		return errAway
	}
	if u.instead != nil {
		u.instead(authorizationURL, redirectURI)
		return nil
	}
	return visit(ctx, authorizationURL)
}

func (u *user) Answer(ctx context.Context) (string, error) {
	select {
	case text := <-u.paste: // never, where it is nil
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func visit(ctx context.Context, target string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.Body.Close()
}

// newTrap is a server that nobody may ask.
func newTrap(t *testing.T) *httptest.Server {
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the trap was asked: %s %s, Authorization %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(trap.Close)
	return trap
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// claim reads a claim of a JWT that nobody has verified.
func claim(token, name string) string {
	decoded, _ := decodeJWT("", token)
	var claims map[string]any
	_ = json.Unmarshal(decoded.Payload, &claims)
	value, _ := claims[name].(string)
	return value
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func tempStore(t *testing.T) *FileStore { return &FileStore{Dir: filepath.Join(t.TempDir(), "store")} }

func keysOf(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
