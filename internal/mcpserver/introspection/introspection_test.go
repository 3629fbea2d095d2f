package introspection

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

const (
	issuer   = "https://id.example/realms/test"
	audience = "https://mcp.example/mcp"
	secret   = "s3cr%t: ä"
)

// start is the time at which each test begins.
var start = time.Unix(1_800_000_000, 0)

// provider is an introspection endpoint. It answers what the test says, and keeps
// what it was asked.
type provider struct {
	*httptest.Server

	mu      sync.Mutex
	status  int
	header  http.Header
	answer  string
	instead http.HandlerFunc
	asked   []url.Values
	sent    []http.Header
	clock   time.Time
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{status: http.StatusOK, clock: start}
	p.say(good())
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	p.mu.Lock()
	p.asked, p.sent = append(p.asked, r.PostForm), append(p.sent, r.Header)
	status, answer, instead := p.status, p.answer, p.instead
	for name, values := range p.header {
		w.Header()[name] = values
	}
	p.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(answer))
}

func (p *provider) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *provider) say(members map[string]any) {
	text, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	p.set(func() { p.answer = string(text) })
}

func (p *provider) questions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

func (p *provider) now() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clock
}

func (p *provider) pass(d time.Duration) { p.set(func() { p.clock = p.clock.Add(d) }) }

// verifier asks the provider with client_secret_basic, unless it is changed.
func (p *provider) verifier(change ...func(*Config)) *Verifier {
	config := Config{
		Method: clientauth.Basic, Credentials: clientauth.Credentials{ID: "the server", Secret: secret}, Keep: DefaultKeep,
	}
	for _, c := range change {
		c(&config)
	}
	rules := &accesstoken.Verifier{Issuer: issuer, Audience: audience, Now: p.now, Dialect: dialect.Dialect{Roles: dialect.ClientRoles("echo")}}
	return New(config, rules, func() string { return p.URL + "/introspect" })
}

// good is an answer about a token that is accepted.
func good() map[string]any {
	return map[string]any{
		"active": true, "iss": issuer, "aud": []string{audience, "account"}, "sub": "alice", "client_id": "a client", "username": "Alice",
		"scope": "mcp:read mcp:tools", "token_type": "Bearer", "iat": start.Unix(), "exp": start.Add(time.Hour).Unix(),
		"resource_access": map[string]any{"echo": map[string]any{"roles": []string{"guest"}}, "account": map[string]any{"roles": []string{"admin"}}},
	}
}

// but is the good answer with members changed; nil takes one away.
func but(changes map[string]any) map[string]any {
	members := good()
	maps.Copy(members, changes)
	maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
	return members
}

// An opaque token is accepted for whom the issuer says, with the roles of this
// server's client.
func TestAccepted(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	who, err := p.verifier().Verify(t.Context(), "opaque")
	if err != nil {
		t.Fatal(err)
	}
	if who.Issuer != issuer || who.Subject != "alice" || who.ClientID != "a client" || who.Username != "Alice" ||
		!slices.Equal(who.Scopes, []string{"mcp:read", "mcp:tools"}) || !slices.Equal(who.Roles, []string{"guest"}) ||
		!who.Expires.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", who)
	}
	if got := p.asked[0]; got.Get("token") != "opaque" || got.Get("token_type_hint") != "access_token" {
		t.Errorf("asked %v", got)
	}
	if accept := p.sent[0].Get("Accept"); accept != "application/json" {
		t.Errorf("Accept: %s", accept)
	}
}

// E07, RS13: a token goes to the issuer that made it and nowhere else: in the body
// alone (RFC 7662, section 2.1), not after a redirect, and nothing else of the
// caller's goes with it.
func TestE07_ATokenGoesToItsIssuerAlone(t *testing.T) {
	t.Parallel()
	trap := newProvider(t)
	p := newProvider(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		p.set(func() { p.status, p.header = status, http.Header{"Location": {trap.URL}} })
		if _, err := p.verifier().Verify(t.Context(), "opaque"); err == nil {
			t.Errorf("status %d is taken for an answer", status)
		}
	}
	if n := trap.questions(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
	for i, header := range p.sent {
		for name := range header {
			if !slices.Contains([]string{"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "User-Agent"}, name) {
				t.Errorf("sent %s: %q", name, header[name])
			}
		}
		if strings.Contains(fmt.Sprint(header), "opaque") || p.asked[i].Get("token") != "opaque" || len(p.asked[i]) != 2 {
			t.Errorf("sent %v, %v", header, p.asked[i])
		}
	}
}

// The members of an answer are held to the rules of a JWT's claims.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for name, c := range map[string]struct {
		change map[string]any
		want   error
	}{
		"not active":               {map[string]any{"active": false}, ErrInactive},
		"another issuer":           {map[string]any{"iss": "https://id.example/realms/other"}, accesstoken.ErrIssuer},
		"the issuer with a slash":  {map[string]any{"iss": issuer + "/"}, accesstoken.ErrIssuer},
		"no issuer":                {map[string]any{"iss": nil}, accesstoken.ErrMissingClaim},
		"another audience":         {map[string]any{"aud": "https://other.example/mcp"}, accesstoken.ErrAudience},
		"a part of the audience":   {map[string]any{"aud": audience + "/x"}, accesstoken.ErrAudience},
		"no audience":              {map[string]any{"aud": nil}, accesstoken.ErrMissingClaim},
		"audience is a number":     {map[string]any{"aud": 1}, accesstoken.ErrAudience},
		"expired":                  {map[string]any{"exp": at(-2 * time.Minute)}, accesstoken.ErrExpired},
		"no expiry":                {map[string]any{"exp": nil}, accesstoken.ErrMissingClaim},
		"expiry is a string":       {map[string]any{"exp": "1900000000"}, accesstoken.ErrMalformed},
		"valid for too long":       {map[string]any{"exp": at(25 * time.Hour)}, accesstoken.ErrLifetime},
		"too long, no iat":         {map[string]any{"exp": at(25 * time.Hour), "iat": nil}, accesstoken.ErrLifetime},
		"not valid yet":            {map[string]any{"nbf": at(2 * time.Minute)}, accesstoken.ErrNotYetValid},
		"issued in the future":     {map[string]any{"iat": at(2 * time.Minute)}, accesstoken.ErrNotYetValid},
		"no client":                {map[string]any{"client_id": nil}, accesstoken.ErrMissingClaim},
		"no subject":               {map[string]any{"sub": nil}, accesstoken.ErrMissingClaim},
		"scope is an array":        {map[string]any{"scope": []string{"mcp:tools"}}, accesstoken.ErrMalformed},
		"bound to a key":           {map[string]any{"cnf": map[string]any{"jkt": "x"}}, accesstoken.ErrBound},
		"DPoP":                     {map[string]any{"token_type": "DPoP"}, accesstoken.ErrType},
		"no token type":            {map[string]any{"token_type": nil}, accesstoken.ErrMissingClaim},
		"a refresh token":          {map[string]any{"token_type": "Refresh"}, accesstoken.ErrType},
		"Keycloak's refresh token": {map[string]any{"typ": "Refresh"}, accesstoken.ErrType},
		"Keycloak's ID token":      {map[string]any{"typ": "ID"}, accesstoken.ErrType},
		"roles are no array":       {map[string]any{"resource_access": map[string]any{"echo": map[string]any{"roles": "admin"}}}, accesstoken.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			p.say(but(c.change))
			if who, err := p.verifier().Verify(t.Context(), "opaque"); who != nil || !errors.Is(err, c.want) {
				t.Errorf("%+v, %v, want %v", who, err, c.want)
			}
		})
	}
}

// What RFC 7662 has optional may be missing where the operator says so; what is
// there is compared all the same.
func TestMayOmit(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	lax := func(c *Config) { c.MayOmit = Optional }
	p.say(but(map[string]any{"iss": nil, "aud": nil, "exp": nil, "token_type": nil, "iat": nil}))
	who, err := p.verifier(lax).Verify(t.Context(), "opaque")
	if err != nil || who.Issuer != issuer || who.Expires.After(start.Add(DefaultKeep)) {
		t.Errorf("%+v, %v", who, err)
	}
	for name, value := range map[string]any{"iss": "https://evil.example", "exp": start.Add(-time.Hour).Unix(), "token_type": "DPoP", "aud": "https://other.example", "client_id": nil} {
		p.say(but(map[string]any{name: value}))
		if who, err := p.verifier(lax).Verify(t.Context(), "opaque"); err == nil {
			t.Errorf("%s: %v is accepted: %+v", name, value, who)
		}
	}
}

// An accepted token counts for the stated time, and a refused one for a moment.
func TestHowLongAnAnswerCounts(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	v := p.verifier()
	try := func(want bool, questions int) {
		t.Helper()
		if _, err := v.Verify(t.Context(), "opaque"); (err == nil) != want || p.questions() != questions {
			t.Errorf("%v after %d questions, want %v after %d", err, p.questions(), want, questions)
		}
	}
	try(true, 1)
	p.say(map[string]any{"active": false}) // it is revoked
	p.pass(DefaultKeep - time.Second)
	try(true, 1)
	p.pass(time.Second)
	try(false, 2)
	p.say(good())
	p.pass(moment - time.Second)
	try(false, 2)
	p.pass(time.Second)
	try(true, 3)
}

// An answer never counts past exp, whatever the clocks may differ by.
func TestNeverPastExpiry(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	p.say(but(map[string]any{"exp": start.Add(10 * time.Second).Unix()}))
	v := p.verifier()
	for i, questions := range []int{1, 1, 2} {
		if _, err := v.Verify(t.Context(), "opaque"); err != nil || p.questions() != questions {
			t.Errorf("try %d: %v after %d questions, want %d", i, err, p.questions(), questions)
		}
		p.pass(5 * time.Second)
	}
	p.pass(accesstoken.Leeway)
	if _, err := v.Verify(t.Context(), "opaque"); !errors.Is(err, accesstoken.ErrExpired) {
		t.Errorf("after exp and leeway: %v", err)
	}
}

// Nothing is remembered of a token but its whole.
func TestOtherTokenOtherAnswer(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	v := p.verifier()
	for i, token := range []string{"opaque", "opaqu", "opaque2", "OPAQUE"} {
		if _, err := v.Verify(t.Context(), token); err != nil || p.questions() != i+1 {
			t.Errorf("%s: %v after %d questions", token, err, p.questions())
		}
	}
}

// While the issuer can't be asked, a token is neither accepted nor refused, and
// an earlier answer counts no longer than it would have.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*provider)
		says  string
		retry time.Duration
	}{
		"down": {func(p *provider) { p.Close() }, "/introspect", time.Second},
		"hangs up": {func(p *provider) {
			p.instead = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		}, "EOF", time.Second},
		"error":           {func(p *provider) { p.status = http.StatusInternalServerError }, "status 500", time.Second},
		"overloaded":      {func(p *provider) { p.status, p.header = 429, http.Header{"Retry-After": {"7"}} }, "status 429", 7 * time.Second},
		"waits for ever":  {func(p *provider) { p.status, p.header = 503, http.Header{"Retry-After": {"999999"}} }, "status 503", time.Minute},
		"our credentials": {func(p *provider) { p.status, p.answer = 401, `{"error":"invalid_client"}` }, `"invalid_client"; check INTROSPECTION_CLIENT_ID`, time.Second},
		"forbidden":       {func(p *provider) { p.status = 403 }, "credentials with status 403", time.Second},
		"redirect":        {func(p *provider) { p.status, p.header = 307, http.Header{"Location": {"/other"}} }, "status 307", time.Second},
		"a page":          {func(p *provider) { p.answer = "<html>" }, "not valid JSON", time.Second},
		"a JWT":           {func(p *provider) { p.answer = "eyJ.eyJ.x" }, "not valid JSON", time.Second},
		"active missing":  {func(p *provider) { p.answer = `{}` }, "neither true nor false", time.Second},
		"active twice":    {func(p *provider) { p.answer = `{"active":false,"active":true}` }, "twice", time.Second},
		"active in words": {func(p *provider) { p.answer = `{"active":"true"}` }, "neither true nor false", time.Second},
		"two cases":       {func(p *provider) { p.answer = `{"active":true,"Active":false}` }, "only in case", time.Second},
		"too long":        {func(p *provider) { p.answer = `{"active":true,"x":"` + strings.Repeat("x", maxAnswer) + `"}` }, "more than", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			v := p.verifier()
			if _, err := v.Verify(t.Context(), "opaque"); err != nil {
				t.Fatal(err)
			}
			p.set(func() { p.header = nil })
			if name == "down" {
				c.spoil(p)
			} else {
				p.set(func() { c.spoil(p) })
			}
			p.pass(DefaultKeep - time.Second)
			if _, err := v.Verify(t.Context(), "opaque"); err != nil {
				t.Errorf("while the answer counts: %v", err)
			}
			p.pass(time.Second)
			who, err := v.Verify(t.Context(), "opaque")
			var open *accesstoken.UndecidedError
			if who != nil || !errors.As(err, &open) || !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), c.says) || open.Retry != c.retry {
				t.Errorf("afterwards: %+v, %v, want %q and %s", who, err, c.says, c.retry)
			}
			if strings.Contains(fmt.Sprint(err), "opaque") || strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("the error shows the token or the secret: %v", err)
			}
			if name == "down" {
				return
			}
			p.set(func() { p.status, p.header, p.instead = http.StatusOK, nil, nil })
			p.say(good())
			if _, err := v.Verify(t.Context(), "opaque"); err != nil {
				t.Errorf("once it answers again: %v", err)
			}
		})
	}
}

// A broken-off request doesn't take the answer from others, and many requests
// with one token are one question.
func TestOneQuestionForMany(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	p.instead = func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = w.Write([]byte(p.answer))
	}
	v := p.verifier()
	impatient, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := v.Verify(impatient, "opaque"); first <- err }()
	select {
	case <-arrived:
	case err := <-first:
		t.Fatalf("it was not asked: %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the request that broke off: %v", err)
	}
	others := make(chan error, 20)
	for range cap(others) {
		go func() { _, err := v.Verify(t.Context(), "opaque"); others <- err }()
	}
	close(release)
	for range cap(others) {
		if err := <-others; err != nil {
			t.Error(err)
		}
	}
	if p.questions() != 1 {
		t.Errorf("%d questions", p.questions())
	}
}

// Questions about many tokens wait for one another.
func TestQuestionsAtOnce(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	var now, most int
	p.instead = func(w http.ResponseWriter, _ *http.Request) {
		p.set(func() { now++; most = max(most, now) })
		defer p.set(func() { now-- })
		_, _ = w.Write([]byte(p.answer))
	}
	v := p.verifier()
	var group sync.WaitGroup
	for i := range 4 * atOnce {
		group.Go(func() {
			if _, err := v.Verify(t.Context(), fmt.Sprint("token", i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if most > atOnce || p.questions() != 4*atOnce {
		t.Errorf("%d questions, %d at once", p.questions(), most)
	}
}

// What is too long to be a token, or empty, is not asked about.
func TestNoTokenNoQuestion(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	for _, token := range []string{"", strings.Repeat("a", 16<<10+1)} {
		if _, err := p.verifier().Verify(t.Context(), token); !errors.Is(err, accesstoken.ErrMalformed) || p.questions() != 0 {
			t.Errorf("%d bytes: %v", len(token), err)
		}
	}
	unconfigured := New(Config{Method: clientauth.Basic}, &accesstoken.Verifier{Issuer: issuer}, func() string { return p.URL })
	if _, err := unconfigured.Verify(t.Context(), "opaque"); !errors.Is(err, accesstoken.ErrUnconfigured) || p.questions() != 0 {
		t.Errorf("without an audience: %v", err)
	}
}

// A token and a secret go over https, or stay on this machine.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	for endpoint, says := range map[string]string{"": "no introspection_endpoint", "http://id.example/introspect": "not https"} {
		v := p.verifier()
		v.endpoint = func() string { return endpoint }
		if _, err := v.Verify(t.Context(), "opaque"); !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	stated := p.verifier(func(c *Config) { c.Endpoint = p.URL + "/stated" })
	stated.endpoint = func() string { return "http://id.example/" }
	if _, err := stated.Verify(t.Context(), "opaque"); err != nil {
		t.Error(err)
	}
}

// Each way to authenticate sends what its RFC says, and nothing else.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for method, check := range map[string]func(url.Values, http.Header) bool{
		clientauth.Basic: func(form url.Values, header http.Header) bool {
			// RFC 6749, section 2.3.1: form-encoded, and only then joined.
			want := "Basic " + base64.StdEncoding.EncodeToString([]byte("the+server:"+url.QueryEscape(secret)))
			return header.Get("Authorization") == want && !form.Has("client_id") && !form.Has("client_secret")
		},
		clientauth.Post: func(form url.Values, header http.Header) bool {
			return form.Get("client_id") == "the server" && form.Get("client_secret") == secret && header.Get("Authorization") == ""
		},
		clientauth.PrivateKeyJWT: func(form url.Values, header http.Header) bool {
			said := jwt.MapClaims{}
			token, err := jwt.ParseWithClaims(form.Get("client_assertion"), said, func(*jwt.Token) (any, error) { return key.Public(), nil },
				jwt.WithTimeFunc(func() time.Time { return start }), jwt.WithAudience(issuer), jwt.WithIssuer("the server"), jwt.WithSubject("the server"))
			return err == nil && token.Header["kid"] == "k1" && said["jti"] != "" && header.Get("Authorization") == "" && !form.Has("client_secret") &&
				form.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
		},
	} {
		p := newProvider(t)
		v := p.verifier(func(c *Config) { c.Method, c.Credentials.Key, c.Credentials.KeyID = method, key, "k1" })
		if _, err := v.Verify(t.Context(), "opaque"); err != nil || !check(p.asked[0], p.sent[0]) {
			t.Errorf("%s: %v, %v, %v", method, err, p.asked, p.sent)
		}
	}
	p := newProvider(t)
	if _, err := p.verifier(func(c *Config) { c.Method = clientauth.PrivateKeyJWT }).Verify(t.Context(), "opaque"); !errors.Is(err, clientauth.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", p.verifier().config, p.verifier().config, p.verifier().config); strings.Contains(shown, secret) {
		t.Errorf("the secret is shown: %s", shown)
	}
}

// A caller gets a copy: what it changes is not remembered.
func TestCopies(t *testing.T) {
	t.Parallel()
	v := newProvider(t).verifier()
	for range 3 {
		who, err := v.Verify(t.Context(), "opaque")
		if err != nil || !slices.Equal(who.Scopes, []string{"mcp:read", "mcp:tools"}) || !slices.Equal(who.Roles, []string{"guest"}) {
			t.Fatalf("%+v, %v", who, err)
		}
		who.Scopes[0], who.Roles[0], who.Subject = "mcp:all", "admin", "mallory"
	}
}

// Made-up tokens don't displace good ones, nor do the tokens of one user those
// of others.
func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache()
	put := func(key, subject string) {
		known := answer{until: start.Add(DefaultKeep), err: ErrInactive}
		if subject != "" {
			known = answer{until: known.until, who: &principal.Principal{Issuer: issuer, ClientID: "c", Subject: subject}}
		}
		c.put(key, known, start)
	}
	has := func(key string) bool { _, ok := c.get(key, start); return ok }
	put("good", "alice")
	for i := range 2 * Refused {
		put(fmt.Sprint("bad", i), "")
	}
	for i := range 2 * PerUser {
		put(fmt.Sprint("many", i), "mallory")
	}
	if !has("good") || c.accepted.Len()+c.refused.Len() != 1+Refused+PerUser {
		t.Errorf("good token: %v; %d answers", has("good"), c.accepted.Len()+c.refused.Len())
	}
	for i := range Accepted {
		put(fmt.Sprint("user", i), fmt.Sprint("user", i))
	}
	if c.accepted.Len()+c.refused.Len() != Accepted+Refused {
		t.Errorf("%d answers", c.accepted.Len()+c.refused.Len())
	}
	put("good", "alice")
	put("good", "") // it was revoked
	if known, ok := c.get("good", start); !ok || known.who != nil {
		t.Errorf("%+v, %v", known, ok)
	}
	if _, ok := c.get("good", start.Add(DefaultKeep)); ok {
		t.Error("an answer counts after its end")
	}
}

// Whatever an answer says, it is nobody but whom another reader finds there.
func FuzzRead(f *testing.F) {
	text, err := json.Marshal(good())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(text), `{"active":false}`, `{"active":true}`, `{"active":true,"Active":false}`, `[]`, `{"active":true,"sub":null}`} {
		f.Add([]byte(seed))
	}
	rules := &accesstoken.Verifier{Issuer: issuer, Audience: audience, Now: func() time.Time { return start }}
	v := New(Config{Method: clientauth.Basic, MayOmit: []string{"exp"}}, rules, func() string { return "" })
	f.Fuzz(func(t *testing.T, body []byte) {
		who, err := v.read(body, strings.Repeat("k", 32))
		if err != nil {
			return
		}
		var other struct {
			Active   *bool
			Iss, Sub string
			Client   string `json:"client_id"`
		}
		if err := json.Unmarshal(body, &other); err != nil || other.Active == nil || !*other.Active || other.Iss != issuer ||
			other.Sub != who.Subject || other.Client != who.ClientID || who.Subject == "" {
			t.Errorf("%+v from %s", who, body)
		}
	})
}
