package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/web/logging"
)

// cheap is a password cost for tests that are about something else.
var cheap = PasswordCost{Memory: 8, Passes: 1}

const (
	testClient   = "mcp-test-client"
	testRedirect = "http://127.0.0.1:7777/callback"
	testResource = "http://localhost:9000/mcp"
	serverClient = "echo-mcp-server"
	serverSecret = "demo-secret-change-me"
)

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

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

// rig is a server on a free port, and the clock by which it lives.
type rig struct {
	*testing.T
	*Server
	clock     *clock
	base      string // URL of the host
	limits    Limits
	lifetimes lifetimes
}

// sharedKeys sign in all tests: making keys takes long.
var sharedKeys = sync.OnceValues(GenerateKeyRing)

// start serves the demo realm, as changed by the options.
func start(t *testing.T, options ...func(*Config)) *rig {
	t.Helper()
	return startLogged(t, nil, options...)
}

// startLogged is start with a logger.
func startLogged(t *testing.T, log *slog.Logger, options ...func(*Config)) *rig {
	t.Helper()
	keys, err := sharedKeys()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(nil)
	c := &clock{at: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	config := Config{
		Issuer: "http://" + web.Listener.Addr().String() + "/realms/mcp-realm", Keys: keys, Now: c.now, PasswordCost: cheap,
		Realm: realm.Demo(), Limits: Limits{Pause: 1},
	}
	for _, option := range options {
		option(&config)
	}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = s
	web.Config.BaseContext = func(net.Listener) context.Context { return logging.NewContext(context.Background(), log) }
	web.Start()
	t.Cleanup(web.Close)
	return &rig{T: t, Server: s, clock: c, base: web.URL, limits: config.Limits.withDefaults(config.Realm), lifetimes: s.grants.lifetimes}
}

// open lets every host register and publish clients.
func open(c *Config) {
	c.Realm.Registration.Hosts = nil
	c.Realm.Documents = &realm.Documents{Hosts: []string{"*"}}
}

// browser is a person's browser: it keeps cookies, and follows no redirect by
// itself.
type browser struct {
	*rig
	client *http.Client
}

func (r *rig) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.Fatal(err)
	}
	return &browser{r, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	*http.Response
	text string
}

func (b *browser) do(request *http.Request) answer {
	b.Helper()
	got, err := b.client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		b.Fatal(err)
	}
	return answer{got, string(text)}
}

func (b *browser) get(where string) answer {
	b.Helper()
	request, err := http.NewRequest(http.MethodGet, b.absolute(where), nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.do(request)
}

func (b *browser) post(where string, values url.Values, headers ...string) answer {
	b.Helper()
	return b.do(b.postRequest(where, values, headers...))
}

func (r *rig) postRequest(where string, values url.Values, headers ...string) *http.Request {
	r.Helper()
	request, err := http.NewRequest(http.MethodPost, r.absolute(where), strings.NewReader(values.Encode()))
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return request
}

func (r *rig) absolute(where string) string {
	if strings.HasPrefix(where, "/") {
		return r.rigBase() + where
	}
	return where
}

func (r *rig) rigBase() string { return r.base }

// verifier is a fixed PKCE verifier, and challenge its S256 challenge.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// ask is a good authorization request, with changes: "name=value" sets one,
// "name=" leaves it out.
func (r *rig) ask(changes ...string) string {
	values := url.Values{
		"response_type": {"code"}, "client_id": {testClient}, "redirect_uri": {testRedirect},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
		"scope": {"mcp:read mcp:tools"}, "state": {"st-1"}, "resource": {testResource},
	}
	change(values, changes)
	return r.Server.base() + pathAuthorize + "?" + values.Encode()
}

func change(values url.Values, changes []string) {
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		if value == "" {
			values.Del(name)
		} else {
			values.Set(name, value)
		}
	}
}

var hidden = regexp.MustCompile(`name="request" value="([A-Z0-9]+)"`)

// requestIn is the identifier in the form of a page.
func (r *rig) requestIn(page answer) string {
	r.Helper()
	match := hidden.FindStringSubmatch(page.text)
	if match == nil {
		r.Fatalf("no form in the page with status %d: %s", page.StatusCode, page.text)
	}
	return match[1]
}

// logIn fills in the login page and returns the answer.
func (b *browser) logIn(page answer, user string) answer {
	b.Helper()
	return b.post(b.Server.base()+pathLogin, url.Values{"request": {b.requestIn(page)}, "username": {user}, "password": {passwordOf(user)}})
}

func passwordOf(user string) string { return strings.TrimPrefix(user, "mcp-") + "123" }

// consentTo opens the consent page that a login leads to, and allows.
func (b *browser) consentTo(loggedIn answer) answer {
	b.Helper()
	page := b.get(loggedIn.Header.Get("Location"))
	return b.post(b.Server.base()+pathConsent, url.Values{"request": {b.requestIn(page)}, "accept": {"yes"}})
}

// authorizeAs goes through login and consent and returns the authorization
// response.
func (b *browser) authorizeAs(user string, changes ...string) url.Values {
	b.Helper()
	return b.response(b.consentTo(b.logIn(b.get(b.ask(changes...)), user)))
}

// response reads the authorization response out of a redirect.
func (r *rig) response(got answer) url.Values {
	r.Helper()
	u, err := got.Location()
	if err != nil {
		r.Fatalf("no redirect: status %d, %s", got.StatusCode, got.text)
	}
	return u.Query()
}

// code gets a code for a user.
func (r *rig) code(user string, changes ...string) string {
	r.Helper()
	said := r.browser().authorizeAs(user, changes...)
	if said.Get("code") == "" {
		r.Fatalf("no code: %v", said)
	}
	return said.Get("code")
}

// reply is what the token endpoint said.
type reply struct {
	status int
	header http.Header
	tokenResponse
	Error       string `json:"error"`
	Description string `json:"error_description"`
	text        string
}

// tokens sends a token request, of mcp-test-client unless the changes say
// otherwise.
func (r *rig) tokens(values url.Values, headers ...string) reply {
	r.Helper()
	if !values.Has("client_id") && !slices.Contains(headers, "Authorization") {
		values.Set("client_id", testClient)
	}
	return r.reply(r.browser().post(r.Server.base()+pathToken, values, headers...))
}

func (r *rig) reply(got answer) reply {
	r.Helper()
	said := reply{status: got.StatusCode, header: got.Header, text: got.text}
	if err := json.Unmarshal([]byte(got.text), &said); err != nil {
		r.Fatalf("status %d, no JSON: %q", got.StatusCode, got.text)
	}
	return said
}

// redeemForm is a good token request for a code, with changes.
func redeemForm(code string, changes ...string) url.Values {
	values := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {testRedirect}, "code_verifier": {verifier}, "resource": {testResource}}
	change(values, changes)
	return values
}

// login gives the tokens of a whole code flow.
func (r *rig) login(user string, changes ...string) reply {
	r.Helper()
	got := r.tokens(redeemForm(r.code(user, changes...)))
	if got.status != http.StatusOK {
		r.Fatalf("code flow: %d %s", got.status, got.text)
	}
	return got
}

func refreshForm(token string, changes ...string) url.Values {
	values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	change(values, changes)
	return values
}

// want compares status and error code of a refusal.
func (r *rig) want(got reply, status int, code string) {
	r.Helper()
	if got.status != status || got.Error != code {
		r.Errorf("got %d %q (%s), want %d %q", got.status, got.Error, got.Description, status, code)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		r.Errorf("Cache-Control is %q", got.header.Get("Cache-Control"))
	}
}

// active asks introspection, as the resource server does.
func (r *rig) active(token string) bool {
	r.Helper()
	got := r.browser().post(r.Server.base()+pathIntrospect, url.Values{"token": {token}}, "Authorization", basic(serverClient, serverSecret))
	var said accessClaims
	if err := json.Unmarshal([]byte(got.text), &said); err != nil || got.StatusCode != http.StatusOK {
		r.Fatalf("introspection: %d %s", got.StatusCode, got.text)
	}
	return said.Active
}

func basic(id, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(password)))
}

// claimsOf reads header and payload of a JWT without verifying it.
func (r *rig) claimsOf(token string) (header, claims map[string]any) {
	r.Helper()
	parts := strings.Split(token, ".")
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
	return header, claims
}

// registerClient registers a client with some metadata.
func (r *rig) registerClient(metadata map[string]any) (clientmetadata.Metadata, answer) {
	r.Helper()
	body, err := json.Marshal(metadata)
	if err != nil {
		r.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, r.base+r.Server.base()+pathRegister, strings.NewReader(string(body)))
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	got := r.browser().do(request)
	var m clientmetadata.Metadata
	_ = json.Unmarshal([]byte(got.text), &m)
	return m, got
}

// published stands in for the documents that strangers publish.
type published map[string]*clientmetadata.Metadata

func (p published) Fetch(_ context.Context, id string) (*clientmetadata.Metadata, error) {
	if m := p[id]; m != nil {
		return m, nil
	}
	return nil, errors.New("no document")
}

func randomText(n int) string {
	text := make([]byte, n)
	_, _ = rand.Read(text)
	return base64.RawURLEncoding.EncodeToString(text)[:n]
}
