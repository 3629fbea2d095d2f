package upstream

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
	"mcp-auth-step-by-step/internal/web/logging"
)

const redirect = "https://auth.example/realms/r/broker/upstream/endpoint"

// rig is a provider at which users log in, and what uses it.
type rig struct {
	*testing.T
	stub     *stubprovider.Login
	provider *Provider
}

// start uses a provider with a metadata document. who says who may log in. The clocks
// of both stand still, so that a slow machine changes no date.
func start(t *testing.T, document, who string) *rig {
	t.Helper()
	stub, err := stubprovider.StartLogin([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stub.Close)
	stub.Register(stubprovider.Registered{ID: "us", Secret: "s3cret", Redirect: redirect})
	stub.SetSilent(true)
	settings, _, err := read(t, least(stub.Issuer(), who), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(logging.NewContext(context.Background(), slog.New(slog.DiscardHandler)))
	t.Cleanup(cancel)
	begun := time.Now().Truncate(time.Second)
	clock := func() time.Time { return begun }
	stub.SetClock(clock)
	r := &rig{t, stub, Start(ctx, settings, redirect, clock)}
	for deadline := time.Now().Add(time.Minute); r.provider.source.Metadata() == nil; { // on a busy machine
		if time.Now().After(deadline) {
			t.Fatal("the provider's metadata was not fetched")
		}
		_, _ = r.provider.source.Key(ctx, "rs256", "RS256")
	}
	return r
}

// answer is what the provider's browser brings back for a location.
func (r *rig) answer(location string) url.Values {
	r.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	got, err := browser.Get(location)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	back, err := got.Location()
	if err != nil {
		text, _ := io.ReadAll(got.Body)
		r.Fatalf("status %d: %s", got.StatusCode, text)
	}
	return back.Query()
}

// login is a whole login.
func (r *rig) login() (*User, error) {
	r.Helper()
	attempt, location, err := r.provider.Begin("state", "nonce", Ask{})
	if err != nil {
		r.Fatal(err)
	}
	return r.provider.Finish(r.Context(), attempt, r.answer(location))
}

func TestLogin(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay+"\nUPSTREAM_ROLES=\"admins=admin, users=user\"")
	r.stub.SetUser(map[string]any{
		"sub": "1001", "preferred_username": "alice", "given_name": "Alice", "family_name": "Example", "email": "alice@example.com",
		"email_verified": true, "groups": []string{"users", "others", "users"},
	})
	user, err := r.login()
	if err != nil {
		t.Fatal(err)
	}
	if user.Username != "alice" || user.FirstName != "Alice" || !user.EmailVerified || !slices.Equal(user.Roles, []string{"user"}) {
		t.Errorf("user %+v", user)
	}
	again, err := r.login()
	if err != nil || again.Subject != user.Subject || !strings.HasPrefix(user.Subject, SubjectPrefix) {
		t.Errorf("the subject is %q and then %q, %v", user.Subject, again.Subject, err)
	}
	if refused := r.stub.Refused(); refused != nil {
		t.Errorf("the provider doesn't support %q", refused)
	}
}

// Whoever can write the claims of a token, or its header, is refused in every way
// but the good one.
func TestU03_U05_U06_IDTokenNearMisses(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	now := r.provider.now().Unix()
	for name, c := range map[string]struct {
		header, claims map[string]any
		want           error
	}{
		"good":                          {nil, map[string]any{"azp": "us", "aud": []string{"us"}}, nil},
		"typ JWT":                       {map[string]any{"typ": "JWT"}, nil, nil},
		"another issuer":                {nil, map[string]any{"iss": r.stub.Issuer() + "/"}, ErrResponse},
		"no issuer":                     {nil, map[string]any{"iss": nil}, ErrResponse},
		"of another client":             {nil, map[string]any{"aud": "other"}, ErrResponse},
		"of another client, too":        {nil, map[string]any{"aud": []string{"us", "other"}, "azp": "us"}, ErrResponse},
		"no audience":                   {nil, map[string]any{"aud": []string{}}, ErrResponse},
		"issued to another client":      {nil, map[string]any{"azp": "other"}, ErrResponse},
		"azp is a number":               {nil, map[string]any{"azp": 1}, ErrResponse},
		"another nonce":                 {nil, map[string]any{"nonce": "other"}, ErrResponse},
		"no nonce":                      {nil, map[string]any{"nonce": nil}, ErrResponse},
		"expired":                       {nil, map[string]any{"exp": now - 61}, ErrResponse},
		"just expired":                  {nil, map[string]any{"exp": now - 30}, nil},
		"no expiry":                     {nil, map[string]any{"exp": nil}, ErrResponse},
		"from the future":               {nil, map[string]any{"iat": now + 300}, ErrResponse},
		"older than the login":          {nil, map[string]any{"iat": now - 300}, ErrResponse},
		"no iat":                        {nil, map[string]any{"iat": nil}, ErrResponse},
		"not valid yet":                 {nil, map[string]any{"nbf": now + 300}, ErrResponse},
		"an access token":               {map[string]any{"typ": "at+jwt"}, nil, ErrResponse},
		"a logout token":                {nil, map[string]any{"events": map[string]any{}}, ErrResponse},
		"algorithm none":                {map[string]any{"alg": "none"}, nil, ErrResponse},
		"algorithm HS256":               {map[string]any{"alg": "HS256"}, nil, ErrResponse},
		"a key that nobody knows":       {map[string]any{"kid": "other"}, nil, ErrResponse},
		"no key id":                     {map[string]any{"kid": nil}, nil, ErrResponse},
		"an extension":                  {map[string]any{"crit": []string{"b64"}, "b64": false}, nil, ErrResponse},
		"no subject":                    {nil, map[string]any{"sub": nil}, ErrClaim},
		"an empty subject":              {nil, map[string]any{"sub": ""}, ErrClaim},
		"a subject with a line break":   {nil, map[string]any{"sub": "10\n01"}, ErrClaim},
		"a subject that is a number":    {nil, map[string]any{"sub": 1001}, ErrClaim},
		"a subject that is too long":    {nil, map[string]any{"sub": strings.Repeat("x", 256)}, ErrClaim},
		"a login date that is no date":  {nil, map[string]any{"auth_time": "now"}, ErrResponse},
		"a name in two cases":           {nil, map[string]any{"Nonce": "x"}, ErrResponse},
		"another claim in another case": {nil, map[string]any{"Other": "x", "other": "y"}, nil},
	} {
		r.stub.Change(func(header, claims map[string]any) {
			for into, changes := range map[*map[string]any]map[string]any{&header: c.header, &claims: c.claims} {
				for name, value := range changes {
					if (*into)[name] = value; value == nil {
						delete(*into, name)
					}
				}
			}
		})
		if _, err := r.login(); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A token that somebody else signed is refused, whatever it says.
func TestU03_SignedByAnother(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	forger := stubprovider.Keys()["next"]
	r.stub.Answer(func(w http.ResponseWriter, _ *http.Request) {
		claims := map[string]any{"iss": r.stub.Issuer(), "aud": "us", "sub": "1", "nonce": "nonce", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60}
		token := stubprovider.SignToken(forger, map[string]any{"alg": "RS256", "kid": "rs256"}, claims)
		_, _ = io.WriteString(w, `{"id_token":"`+token+`"}`)
	})
	if _, err := r.login(); !errors.Is(err, ErrResponse) {
		t.Errorf("error %v", err)
	}
}

// A code and a token that were made for another login are refused: PKCE refuses the
// code, and the nonce the token.
func TestU03_U05_CodeOfAnotherLogin(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	_, location, err := r.provider.Begin("state", "nonce-of-attacker", Ask{})
	if err != nil {
		t.Fatal(err)
	}
	stolen := r.answer(location)
	victim, _, err := r.provider.Begin("state", "nonce-of-victim", Ask{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.provider.Finish(t.Context(), victim, stolen); !errors.Is(err, ErrResponse) || r.stub.Redeemed() != 0 {
		t.Errorf("error %v, %d codes redeemed", err, r.stub.Redeemed())
	}
	// Without PKCE the nonce still refuses it.
	attempt, location, err := r.provider.Begin("state", "nonce-of-attacker", Ask{})
	if err != nil {
		t.Fatal(err)
	}
	victim.Verifier = attempt.Verifier
	if _, err := r.provider.Finish(t.Context(), victim, r.answer(location)); !errors.Is(err, ErrResponse) || r.stub.Redeemed() != 1 {
		t.Errorf("error %v, %d codes redeemed", err, r.stub.Redeemed())
	}
}

// An answer that names another issuer, or that lacks the promised name, is refused
// before its code is sent anywhere (RFC 9207, section 2.4).
func TestU04_AnswerOfAnotherProvider(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	r.stub.Answer(func(http.ResponseWriter, *http.Request) { t.Error("a code was sent to the provider") })
	for name, change := range map[string]func(url.Values){
		"another issuer":       func(v url.Values) { v.Set("iss", "https://other.example") },
		"no issuer":            func(v url.Values) { v.Del("iss") },
		"two issuers":          func(v url.Values) { v.Add("iss", r.stub.Issuer()) },
		"two codes":            func(v url.Values) { v.Add("code", "x") },
		"no code":              func(v url.Values) { v.Del("code") },
		"a code without end":   func(v url.Values) { v.Set("code", strings.Repeat("x", maxCode+1)) },
		"an error of another":  func(v url.Values) { v.Set("iss", "https://other.example"); v.Set("error", "access_denied") },
		"an error that is odd": func(v url.Values) { v.Set("error", "interaction_required") },
	} {
		attempt, location, err := r.provider.Begin("state", "nonce", Ask{})
		if err != nil {
			t.Fatal(err)
		}
		answer := r.answer(location)
		change(answer)
		if _, err := r.provider.Finish(t.Context(), attempt, answer); !errors.Is(err, ErrResponse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a provider that is away, or answers nonsense, is taken for.
func TestAnswersOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"gone":          {stubprovider.HangUp, ErrAway},
		"broken":        {say(502, "<html>"), ErrAway},
		"busy":          {say(429, "{}"), ErrAway},
		"secret wrong":  {say(401, `{"error":"invalid_client"}`), ErrResponse},
		"not JSON":      {say(200, "<html>"), ErrResponse},
		"no ID token":   {say(200, `{"access_token":"x"}`), ErrResponse},
		"another thing": {say(200, `{"id_token":"x"}`), ErrResponse},
		"two ID tokens": {say(200, `{"id_token":"x","id_token":"y"}`), ErrResponse},
		"without end":   {say(200, strings.Repeat(" ", maxAnswer+1)), ErrResponse},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, ErrResponse},
	} {
		r.stub.Answer(c.answer)
		if _, err := r.login(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	r.stub.Answer(nil)
	for code, want := range map[string]error{"access_denied": ErrCancelled, "server_error": ErrAway, "temporarily_unavailable": ErrAway} {
		r.stub.Refuse(code)
		if _, err := r.login(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", code, err, want)
		}
	}
}

func TestProviderAway(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	p := *r.provider
	p.source = nothing{source: p.source}
	if _, _, err := p.Begin("state", "nonce", Ask{}); !errors.Is(err, ErrAway) {
		t.Errorf("error %v", err)
	}
	if _, err := p.Finish(t.Context(), Attempt{}, url.Values{"code": {"x"}}); !errors.Is(err, ErrAway) {
		t.Errorf("error %v", err)
	}
	p.source = nothing{source: p.source, but: &issuerkeys.Metadata{Body: []byte(`{"authorization_endpoint":"http://op.example/auth"}`)}}
	if _, _, err := p.Begin("state", "nonce", Ask{}); !errors.Is(err, ErrAway) {
		t.Errorf("an endpoint of plain HTTP: %v", err)
	}
}

// onTheWay is a transport that changes answers.
type onTheWay struct {
	http.RoundTripper
	change func(*http.Response)
}

func (o onTheWay) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := o.RoundTripper.RoundTrip(r)
	if err == nil {
		o.change(response)
	}
	return response, err
}

// body is that of an answer, which remembers that it was closed.
type body struct {
	io.Reader
	io.Closer
	closed *bool
}

func (b body) Close() error {
	*b.closed = true
	return b.Closer.Close()
}

// A good ID token in an answer that is not: it doesn't count.
func TestGoodTokenInABadAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	unchanged := *r.provider.client
	for name, c := range map[string]struct {
		change func(*http.Response, io.Reader) io.Reader
		want   error
	}{
		"good":     {func(_ *http.Response, all io.Reader) io.Reader { return all }, nil},
		"a status": {func(a *http.Response, all io.Reader) io.Reader { a.StatusCode = http.StatusBadRequest; return all }, ErrResponse},
		"too long": {func(_ *http.Response, all io.Reader) io.Reader {
			return io.MultiReader(all, strings.NewReader(strings.Repeat(" ", maxAnswer)))
		}, ErrResponse},
		"torn off": {func(_ *http.Response, all io.Reader) io.Reader {
			return io.MultiReader(all, iotest.ErrReader(io.ErrUnexpectedEOF))
		}, ErrAway},
	} {
		client, closed := unchanged, false
		client.Transport = onTheWay{cmp.Or(unchanged.Transport, http.DefaultTransport), func(answer *http.Response) {
			answer.Body = body{c.change(answer, answer.Body), answer.Body, &closed}
		}}
		r.provider.client = &client
		if _, err := r.login(); !errors.Is(err, c.want) || !closed {
			t.Errorf("%s: %v, want %v; closed: %t", name, err, c.want, closed)
		}
	}
	settings := *r.provider.settings
	settings.Method = "tls_client_auth"
	r.provider.settings = &settings
	if _, err := r.login(); !errors.Is(err, clientauth.ErrMethod) {
		t.Errorf("error %v", err)
	}
}

// What the provider is asked to show to the user.
func TestPrompt(t *testing.T) {
	for _, c := range []struct {
		dialect string
		ask     Ask
		want    string
	}{
		{OpenID, Ask{}, ""},
		{OpenID, Ask{Fresh: true}, "login"},
		{OpenID, Ask{Choose: true}, "select_account"},
		{OpenID, Ask{Fresh: true, Choose: true}, "login"},
		{Google, Ask{Fresh: true}, "select_account"},
	} {
		if got := (&Settings{Dialect: c.dialect}).prompt(c.ask); got != c.want {
			t.Errorf("%s, %+v: %q, want %q", c.dialect, c.ask, got, c.want)
		}
	}
}

// Where the user must log in again, a login of before doesn't count, and the time of
// the login is handed on.
func TestFreshLogin(t *testing.T) {
	t.Parallel()
	r := start(t, stubprovider.OpenID, everybodyMay)
	now := r.provider.now()
	for _, c := range []struct {
		fresh bool
		at    time.Time
		want  error
	}{
		{true, now, nil}, {true, now.Add(-5 * time.Minute), ErrResponse}, {false, now.Add(-5 * time.Minute), nil},
	} {
		r.stub.SetUser(map[string]any{"sub": "1001", "name": "Alice Example", "auth_time": c.at.Unix()})
		attempt, location, err := r.provider.Begin("state", "nonce", Ask{Fresh: c.fresh})
		if err != nil {
			t.Fatal(err)
		}
		user, err := r.provider.Finish(t.Context(), attempt, r.answer(location))
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (!user.AuthTime.Equal(c.at) || user.FirstName != "Alice Example") {
			t.Errorf("%+v: the user is %+v", c, user)
		}
	}
}

// Who may log in: each kind of rule that is set must hold.
func TestU11_WhoMayLogIn(t *testing.T) {
	t.Parallel()
	alice := map[string]any{"sub": "1001", "hd": "example.com", "tid": "T1", "groups": []string{"staff", "other"}, "email": "alice@example.org"}
	for name, c := range map[string]struct {
		who     string
		changes map[string]any
		allowed bool
	}{
		"domain":                     {"UPSTREAM_HOSTED_DOMAINS=example.com", nil, true},
		"another domain":             {"UPSTREAM_HOSTED_DOMAINS=example.org", nil, false},
		"no domain":                  {"UPSTREAM_HOSTED_DOMAINS=example.com", map[string]any{"hd": nil}, false},
		"tenant":                     {"UPSTREAM_TENANTS=T0, T1", nil, true},
		"another tenant":             {"UPSTREAM_TENANTS=T2", nil, false},
		"subject":                    {"UPSTREAM_SUBJECTS=1001", nil, true},
		"another subject":            {"UPSTREAM_SUBJECTS=100", nil, false},
		"group":                      {"UPSTREAM_GROUPS=staff", nil, true},
		"another group":              {"UPSTREAM_GROUPS=admins", nil, false},
		"group and domain":           {"UPSTREAM_GROUPS=staff\nUPSTREAM_HOSTED_DOMAINS=example.com", nil, true},
		"group without the domain":   {"UPSTREAM_GROUPS=staff\nUPSTREAM_HOSTED_DOMAINS=example.org", nil, false},
		"domain without the group":   {"UPSTREAM_GROUPS=admins\nUPSTREAM_HOSTED_DOMAINS=example.com", nil, false},
		"no groups":                  {"UPSTREAM_GROUPS=staff", map[string]any{"groups": nil}, false},
		"one group without an array": {"UPSTREAM_GROUPS=staff", map[string]any{"groups": "staff"}, true},
		"groups of another type":     {"UPSTREAM_GROUPS=staff", map[string]any{"groups": []any{"staff", 1}}, false},
		"groups elsewhere":           {"UPSTREAM_GROUPS=staff", map[string]any{"_claim_names": map[string]any{"groups": "src1"}}, false},
		"another claim elsewhere":    {"UPSTREAM_GROUPS=staff", map[string]any{"_claim_names": map[string]any{"address": "src1"}}, true},
		"a group elsewhere, odd":     {"UPSTREAM_GROUPS=staff", map[string]any{"_claim_names": "groups"}, false},
		"a nested group":             {"UPSTREAM_GROUPS=staff\nUPSTREAM_GROUPS_CLAIM=/access/groups", map[string]any{"access": map[string]any{"groups": []string{"staff"}}}, true},
		"a nested group, missing":    {"UPSTREAM_GROUPS=staff\nUPSTREAM_GROUPS_CLAIM=/access/groups", nil, false},
	} {
		r := start(t, stubprovider.OpenID, c.who)
		user := map[string]any{}
		for name, value := range alice {
			user[name] = value
		}
		for name, value := range c.changes {
			if user[name] = value; value == nil {
				delete(user, name)
			}
		}
		r.stub.SetUser(user)
		got, err := r.login()
		if c.allowed != (err == nil) || !c.allowed && !errors.Is(err, ErrNotAllowed) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (got == nil || got.Subject == "") {
			t.Errorf("%s: a refused user has no subject, by which older grants are found", name)
		}
	}
	if _, err := (&Settings{GroupsClaim: []string{"groups"}}).userOf(claims{"sub": []byte(`"1"`)}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("settings without a rule: %v", err)
	}
}

// Two people are never one, whatever else they share; and a subject is the user's
// for good.
func TestU07_SubjectsDontMeet(t *testing.T) {
	t.Parallel()
	openid := &Settings{Dialect: OpenID, Everybody: true, GroupsClaim: []string{"groups"}, RolesClaim: []string{"groups"}}
	entra := &Settings{Dialect: Entra, Everybody: true, GroupsClaim: []string{"groups"}, RolesClaim: []string{"groups"}}
	subject := func(s *Settings, text ...string) string {
		c := claims{}
		for i := 0; i < len(text); i += 2 {
			c[text[i]] = []byte(`"` + text[i+1] + `"`)
		}
		u, err := s.userOf(c)
		if err != nil {
			t.Fatal(err)
		}
		return u.Subject
	}
	all := map[string]string{
		"alice":              subject(openid, "iss", "https://a.example", "sub", "1"),
		"bob":                subject(openid, "iss", "https://a.example", "sub", "2"),
		"at another":         subject(openid, "iss", "https://b.example", "sub", "1"),
		"in a tenant":        subject(entra, "iss", "https://a.example", "sub", "1", "oid", "1", "tid", "T"),
		"in another tenant":  subject(entra, "iss", "https://a.example", "sub", "1", "oid", "1", "tid", "U"),
		"named as an issuer": subject(entra, "iss", "https://a.example", "sub", "1", "oid", "1", "tid", "https://a.example"),
	}
	seen := map[string]string{}
	for name, subject := range all {
		if other, twice := seen[subject]; twice {
			t.Errorf("%s and %s are one", name, other)
		}
		seen[subject] = name
	}
	if subject(openid, "iss", "https://a.example", "sub", "1", "email", "bob@example.com", "email_verified", "true") != all["alice"] {
		t.Error("an e-mail address changes who somebody is")
	}
	if subject(entra, "iss", "https://a.example", "sub", "other", "oid", "1", "tid", "T") != all["in a tenant"] {
		t.Error("Entra's sub changes who somebody is")
	}
}

// fixture is a provider's document as it was captured.
func fixture(t *testing.T, name string, replace ...string) string {
	t.Helper()
	documents, err := providershapes.Documents()
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(replace...).Replace(string(documents[name].Document))
}

// The providers whose documents were captured: the stub supports what the document
// names, and nothing else.
func TestProviders(t *testing.T) {
	t.Parallel()
	const tenant = "11111111-2222-3333-4444-555555555555"
	for name, c := range map[string]struct {
		document, who string
		claims        map[string]any
		role          string
		ask           Ask
	}{
		"Google": {fixture(t, "google"), "UPSTREAM_DIALECT=google\nUPSTREAM_HOSTED_DOMAINS=example.com\nUPSTREAM_ROLES_CLAIM=hd\nUPSTREAM_ROLES=example.com=user",
			map[string]any{"sub": "10769150350006150715113082367", "hd": "example.com", "email": "a@example.com"}, "user", Ask{Fresh: true}},
		"Okta": {fixture(t, "okta-custom-as"), "UPSTREAM_GROUPS=MCP Users\nUPSTREAM_ROLES=MCP Users=user",
			map[string]any{"sub": "00uku2wo3pJvbCDBA0h7", "groups": []string{"MCP Users"}, "ver": 1}, "user", Ask{Fresh: true}},
		"Entra": {fixture(t, "entra-v2", "TID", tenant), "UPSTREAM_DIALECT=entra\nUPSTREAM_TENANTS=" + tenant + "\nUPSTREAM_ROLES_CLAIM=roles\nUPSTREAM_ROLES=Admin=admin",
			map[string]any{"sub": "pairwise", "oid": "aaaa", "tid": tenant, "roles": []string{"Admin"}, "ver": "2.0"}, "admin", Ask{Choose: true}},
	} {
		r := start(t, c.document, c.who)
		r.stub.SetUser(c.claims)
		attempt, location, err := r.provider.Begin("state", "nonce", c.ask)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		user, err := r.provider.Finish(t.Context(), attempt, r.answer(location))
		if err != nil || !slices.Equal(user.Roles, []string{c.role}) {
			t.Errorf("%s: %+v, %v", name, user, err)
		}
		if refused := r.stub.Refused(); refused != nil {
			t.Errorf("%s doesn't support %q", name, refused)
		}
	}
}

// Entra's issuer for several tenants stands for each of them, and a token is of the
// one that it names.
func TestU11_SeveralTenants(t *testing.T) {
	t.Parallel()
	const ours, other = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
	document := fixture(t, "entra-v2", "TID/v2.0", "{tenantid}/v2.0", "TID", "organizations")
	r := start(t, document, "UPSTREAM_DIALECT=entra\nUPSTREAM_TENANTS="+ours)
	issuer := func(tenant string) string { return strings.Replace(r.stub.Issuer(), "organizations", tenant, 1) }
	for name, c := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"ours":                      {map[string]any{"iss": issuer(ours), "tid": ours}, nil},
		"another tenant":            {map[string]any{"iss": issuer(other), "tid": other}, ErrNotAllowed},
		"another tenant as ours":    {map[string]any{"iss": issuer(other), "tid": ours}, ErrResponse},
		"the template itself":       {map[string]any{"iss": issuer("{tenantid}"), "tid": ours}, ErrResponse},
		"no tenant":                 {map[string]any{"iss": issuer(ours)}, ErrResponse},
		"ours, but somewhere else":  {map[string]any{"iss": "https://evil.example/" + ours + "/v2.0", "tid": ours}, ErrResponse},
		"ours, without the subject": {map[string]any{"iss": issuer(ours), "tid": ours, "oid": nil}, ErrClaim},
	} {
		user := map[string]any{"sub": "pairwise", "oid": "aaaa"}
		for name, value := range c.claims {
			user[name] = value
		}
		r.stub.SetUser(user)
		if _, err := r.login(); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// At one tenant of Entra, a token that names another as its own is refused.
func TestU11_OneTenant(t *testing.T) {
	t.Parallel()
	const ours, other = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
	r := start(t, fixture(t, "entra-v2", "TID", ours), "UPSTREAM_DIALECT=entra\n"+everybodyMay)
	for tenant, want := range map[string]error{ours: nil, other: ErrResponse} {
		r.stub.SetUser(map[string]any{"sub": "pairwise", "oid": "aaaa", "tid": tenant})
		if _, err := r.login(); !errors.Is(err, want) {
			t.Errorf("tid %s: %v, want %v", tenant, err, want)
		}
	}
}

// nothing is a source without metadata, or with other metadata.
type nothing struct {
	source
	but *issuerkeys.Metadata
}

func (n nothing) Metadata() *issuerkeys.Metadata { return n.but }
