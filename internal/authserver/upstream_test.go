package authserver

import (
	"context"
	"encoding/json"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/authserver/upstream"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/web/logging"
)

// front is a server in front of a provider.
type front struct {
	*rig
	stub *stubprovider.Login
}

// atProvider are the settings for a provider; who says who may log in.
func atProvider(t *testing.T, stub *stubprovider.Login, who string) *upstream.Settings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "upstream.env")
	text := "UPSTREAM_ISSUER=" + stub.Issuer() + "\nUPSTREAM_NAME=Example Corp\nUPSTREAM_CLIENT_ID=us\nUPSTREAM_CLIENT_SECRET=s3cret\n" +
		"UPSTREAM_ROLES=staff=user\n" + who + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, err := upstream.Read(file, func(string) string { return "" }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// startFront starts a provider, at which alice has a session, and a server in front
// of it.
func startFront(t *testing.T, who string, options ...func(*Config)) *front {
	t.Helper()
	stub, err := stubprovider.StartLogin([]byte(stubprovider.OpenID))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stub.Close)
	stub.SetUser(map[string]any{"sub": "1001", "preferred_username": "alice", "groups": []string{"staff"}})
	stub.SetSilent(true)
	return &front{startAt(t, stub, who, options...), stub}
}

// startAt starts a server in front of a provider.
func startAt(t *testing.T, stub *stubprovider.Login, who string, options ...func(*Config)) *rig {
	t.Helper()
	settings := atProvider(t, stub, who)
	ctx, cancel := context.WithCancel(logging.NewContext(context.Background(), slog.New(slog.DiscardHandler)))
	t.Cleanup(cancel)
	return start(t, append([]func(*Config){open, func(c *Config) {
		redirect := UpstreamRedirect(c.Issuer)
		stub.Register(stubprovider.Registered{ID: "us", Secret: "s3cret", Redirect: redirect})
		stub.SetClock(c.Now)
		provider := upstream.Start(ctx, settings, redirect, c.Now)
		for deadline := time.Now().Add(time.Minute); ; { // on a busy machine
			if _, _, err := provider.Begin("s", "n", upstream.Ask{}); err == nil || time.Now().After(deadline) {
				break
			}
		}
		c.Upstream = provider
	}}, options...)...)
}

const anybody = "UPSTREAM_EVERYBODY=yes"

var regexpBack = regexp.MustCompile(`class="button" href="([^"]+)"`)

// allow decides on the page that stands before the login, and returns the answer.
func (b *browser) allow(page answer) answer {
	b.Helper()
	return b.post(b.Server.base()+pathConsent, url.Values{"request": {b.requestIn(page)}, "accept": {"yes"}})
}

// toBack goes from our page through the provider, which logs in silently, up to the
// URL with which the provider sends the browser back.
func (b *browser) toBack(changes ...string) string {
	b.Helper()
	left := b.allow(b.get(b.ask(changes...)))
	return b.get(left.Header.Get("Location")).Header.Get("Location")
}

// through is a whole login at the provider, and its authorization response.
func (b *browser) through(changes ...string) url.Values {
	b.Helper()
	return b.response(b.get(b.toBack(changes...)))
}

// TestUpstream goes from a request to tokens, and sees what they say.
func TestUpstream(t *testing.T) {
	t.Parallel()
	f := startFront(t, "UPSTREAM_GROUPS=staff")
	b := f.browser()
	page := b.get(f.ask())
	for _, want := range []string{"you log in at <strong><bdi>Example Corp", "as far as your account may", `name="accept"`} {
		if !strings.Contains(page.text, want) {
			t.Errorf("the page lacks %q: %s", want, page.text)
		}
	}
	if strings.Contains(page.text, "password") || strings.Contains(page.text, `name="switch"`) {
		t.Errorf("the page asks for what the provider asks for: %s", page.text)
	}
	said := b.response(b.get(b.get(b.allow(page).Header.Get("Location")).Header.Get("Location")))
	if said.Get("state") != "st-1" || said.Get("iss") != f.issuer {
		t.Errorf("the answer is %v", said)
	}
	got := f.tokens(redeemForm(said.Get("code")))
	if got.status != http.StatusOK {
		t.Fatal(got.text)
	}
	_, claims := f.claimsOf(got.AccessToken)
	roles, _ := json.Marshal(claims["resource_access"])
	if sub, _ := claims["sub"].(string); !strings.HasPrefix(sub, upstream.SubjectPrefix) || claims["preferred_username"] != "alice" ||
		claims["iss"] != f.issuer || claims["aud"] != testResource || !strings.Contains(string(roles), `"user"`) {
		t.Errorf("claims %v", claims)
	}
	if !f.active(got.AccessToken) {
		t.Error("introspection does not know the token")
	}
	if again := f.tokens(refreshForm(got.RefreshToken)); again.status != http.StatusOK {
		t.Error(again.text)
	}
	if f.stub.Refused() != nil {
		t.Errorf("the provider doesn't support %q", f.stub.Refused())
	}
}

// U01: the provider has one client for all of ours, and logs alice in silently. A
// client that alice has not allowed gets nothing: the browser isn't even sent there.
func TestU01_ConfusedDeputy(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	b := f.browser()
	if b.through().Get("code") == "" { // alice has a session there and here, and has consented
		t.Fatal("no code")
	}
	m, got := f.registerClient(map[string]any{"redirect_uris": []string{"https://evil.example/cb"}, "token_endpoint_auth_method": "none"})
	if got.StatusCode != http.StatusCreated {
		t.Fatal(got.text)
	}
	visits := f.stub.Visits()
	evil := []string{"client_id=" + m.ClientID, "redirect_uri=https://evil.example/cb"}
	for name, browser := range map[string]*browser{"logged in here too": b, "logged in at the provider": f.browser()} {
		got := browser.get(f.ask(evil...))
		if where := got.Header.Get("Location"); where != "" && !strings.Contains(where, pathConsent) {
			t.Errorf("%s: the browser is sent to %s", name, where)
		}
		for _, cookie := range got.Cookies() {
			if strings.HasPrefix(cookie.Name, upstreamCookie) {
				t.Errorf("%s: the cookie %s is there before the user has decided", name, cookie.Name)
			}
		}
	}
	if f.stub.Visits() != visits {
		t.Error("the browser went to the provider before the user had decided")
	}
	// Cancelled is cancelled, and the provider never hears of it.
	c := f.browser()
	said := f.response(c.post(f.Server.base()+pathConsent, url.Values{"request": {f.requestIn(c.get(f.ask(evil...)))}, "cancel": {"yes"}}))
	if said.Get("error") != "access_denied" || said.Get("code") != "" || f.stub.Visits() != visits {
		t.Errorf("cancelled: %v", said)
	}
}

// U01: a consent that is remembered counts only in a browser with a session of this
// server: elsewhere nobody knows yet whose it is.
func TestU01_RememberedConsent(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	m, _ := f.registerClient(map[string]any{"redirect_uris": []string{"https://app.example/cb"}, "token_endpoint_auth_method": "none"})
	app := []string{"client_id=" + m.ClientID, "redirect_uri=https://app.example/cb"}
	b := f.browser()
	b.through(app...)
	if f.response(b.get(f.ask(app...))).Get("code") == "" {
		t.Error("a browser with a session is asked again")
	}
	if page := f.browser().get(f.ask(app...)); page.StatusCode != http.StatusOK || !strings.Contains(page.text, `name="accept"`) {
		t.Errorf("another browser is not asked: %d", page.StatusCode)
	}
}

// U02: an attacker who logs in with their own account, and has the victim's browser
// open the last step, doesn't log the victim in as the attacker.
func TestU02_LoginCSRF(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	attacker, victim := f.browser(), f.browser()
	back := attacker.toBack()
	victim.get(f.ask()) // the victim's browser is known here, too
	for name, b := range map[string]*browser{"with a request of its own": victim, "new": f.browser()} {
		got := b.get(back)
		if got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
			t.Errorf("%s: status %d, Location %q", name, got.StatusCode, got.Header.Get("Location"))
		}
		if slices.ContainsFunc(got.Cookies(), func(c *http.Cookie) bool { return c.Name == sessionCookie }) {
			t.Errorf("%s: it is logged in", name)
		}
	}
	if f.stub.Redeemed() != 0 {
		t.Error("the attacker's code was redeemed")
	}
	if attacker.response(attacker.get(back)).Get("code") == "" {
		t.Error("the refusals used up the login of the browser that began it")
	}
	// The cookie of the login itself is needed: the browser's older one alone doesn't do.
	back = attacker.toBack("prompt=login")
	site, _ := url.Parse(f.issuer)
	for _, c := range attacker.client.Jar.Cookies(site) {
		if strings.HasPrefix(c.Name, upstreamCookie) {
			attacker.client.Jar.SetCookies(site, []*http.Cookie{{Name: c.Name, Path: f.Server.base(), MaxAge: -1}})
		}
	}
	if got := attacker.get(back); got.StatusCode != http.StatusBadRequest {
		t.Errorf("without the cookie of the login: %d", got.StatusCode)
	}
	// With the cookie alone of the right browser, and another state, it doesn't work either.
	if got := attacker.get(strings.Replace(victim.toBack(), "state=", "state=X", 1)); got.StatusCode != http.StatusBadRequest {
		t.Errorf("another state: %d", got.StatusCode)
	}
}

// U03, U05: in the victim's own answer, the code of another login is refused.
func TestU03_U05_CodeInjection(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	stolen, err := url.Parse(f.browser().toBack())
	if err != nil {
		t.Fatal(err)
	}
	b := f.browser()
	own, err := url.Parse(b.toBack())
	if err != nil {
		t.Fatal(err)
	}
	query := own.Query()
	query.Set("code", stolen.Query().Get("code"))
	own.RawQuery = query.Encode()
	f.refusedWith(b.get(own.String()), http.StatusBadGateway, "server_error")
}

// refusedWith sees a page that tells the user, and whose link tells the client.
func (f *front) refusedWith(got answer, status int, code string) {
	f.Helper()
	link := regexpBack.FindStringSubmatch(got.text)
	if got.StatusCode != status || link == nil {
		f.Errorf("status %d, want %d; %s", got.StatusCode, status, got.text)
		return
	}
	u, err := url.Parse(html.UnescapeString(link[1]))
	if err != nil {
		f.Fatal(err)
	}
	if said := u.Query(); said.Get("error") != code || said.Get("state") != "st-1" || said.Get("iss") != f.issuer || said.Get("code") != "" {
		f.Errorf("the client is told %v, want %s", said, code)
	}
	if !strings.Contains(got.text, "Example Corp") {
		f.Errorf("the page does not name the provider: %s", got.text)
	}
	if slices.ContainsFunc(got.Cookies(), func(c *http.Cookie) bool { return c.Name == sessionCookie }) {
		f.Error("somebody is logged in")
	}
}

// U04: an answer that another provider made is refused, and its code stays here.
func TestU04_MixUp(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	b := f.browser()
	back, err := url.Parse(b.toBack())
	if err != nil {
		t.Fatal(err)
	}
	query := back.Query()
	query.Set("iss", "https://evil.example")
	back.RawQuery = query.Encode()
	f.refusedWith(b.get(back.String()), http.StatusBadGateway, "server_error")
	if f.stub.Redeemed() != 0 {
		t.Error("the code was sent to the provider")
	}
}

// U05, U06: an ID token that wasn't made for this login, or for another client.
func TestU05_U06_IDTokens(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	for name, change := range map[string]func(header, claims map[string]any){
		"U05 the nonce of another login": func(_, c map[string]any) { c["nonce"] = "other" },
		"U06 another client":             func(_, c map[string]any) { c["aud"] = "other" },
		"U06 an access token":            func(h, _ map[string]any) { h["typ"] = "at+jwt" },
	} {
		t.Run(name, func(*testing.T) {
			f.stub.Change(change)
			b := f.browser()
			f.refusedWith(b.get(b.toBack()), http.StatusBadGateway, "server_error")
		})
	}
}

// U07: a user of the provider is nobody of the realm file, whatever the claims say;
// nor is one who has the same e-mail address as another.
func TestU07_AccountsAreNotLinked(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	var admin realm.User
	for _, u := range realm.Demo().Users {
		if u.Username == "mcp-admin" {
			admin = u
		}
	}
	subject := func(claims map[string]any) string {
		f.stub.SetUser(claims)
		_, got := f.claimsOf(f.tokens(redeemForm(f.browser().through("scope=email").Get("code"))).AccessToken)
		if got["resource_access"] != nil {
			t.Errorf("%v has roles: %v", claims, got["resource_access"])
		}
		sub, _ := got["sub"].(string)
		return sub
	}
	impostor := subject(map[string]any{
		"sub": subjectOf("mcp-realm", "mcp-admin"), "preferred_username": "mcp-admin", "email": admin.Email, "email_verified": true, "roles": []string{"admin"},
	})
	other := subject(map[string]any{"sub": "other", "preferred_username": "mcp-admin", "email": admin.Email, "email_verified": true})
	if impostor == other || impostor == subjectOf("mcp-realm", "mcp-admin") || impostor == admin.ID || impostor == "" {
		t.Errorf("subjects %q, %q", impostor, other)
	}
	c := Config{Issuer: "http://localhost:1/realms/mcp-realm", Realm: realm.Demo(), Upstream: f.upstream}
	c.Realm.Users[0].ID = other
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "change it") {
		t.Errorf("a realm file with a provider's user: %v", err)
	}
}

// U08: before the user has decided about a client, no request of it sends the
// browser anywhere else.
func TestU08_OpenRedirect(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	m, _ := f.registerClient(map[string]any{"redirect_uris": []string{"https://evil.example/cb"}, "token_endpoint_auth_method": "none"})
	evil := "client_id=" + m.ClientID
	for _, changes := range [][]string{
		{evil, "redirect_uri=https://evil.example/cb"},
		{evil, "redirect_uri=https://evil.example/cb", "scope=nonsense"},
		{evil, "redirect_uri=https://evil.example/cb", "response_type=token"},
		{evil, "redirect_uri=https://other.example/cb"},
		{"client_id=nobody", "redirect_uri=https://evil.example/cb"},
	} {
		if got := f.browser().get(f.ask(changes...)); got.Header.Get("Location") != "" || got.StatusCode/100 == 3 {
			t.Errorf("%q: status %d, Location %q", changes, got.StatusCode, got.Header.Get("Location"))
		}
	}
	for _, query := range []string{"", "?state=x&error=access_denied", "?state=x&state=y", "?%zz"} {
		got := f.browser().get(f.Server.base() + pathUpstream + query)
		if got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
			t.Errorf("%q: status %d, Location %q", query, got.StatusCode, got.Header.Get("Location"))
		}
	}
}

// U09: an answer of the provider counts once.
func TestU09_CallbackReplay(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	b := f.browser()
	back := b.toBack()
	if b.response(b.get(back)).Get("code") == "" {
		t.Fatal("no code")
	}
	if got := b.get(back); got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
		t.Errorf("the second time: %d, Location %q", got.StatusCode, got.Header.Get("Location"))
	}
	if f.stub.Redeemed() != 1 {
		t.Errorf("%d codes were redeemed", f.stub.Redeemed())
	}
	// The decision before it counts once as well, and no other page takes its place.
	page := b.get(f.ask("prompt=login"))
	left := b.allow(page)
	if got := b.allow(page); got.StatusCode != http.StatusForbidden {
		t.Errorf("the decision, the second time: %d", got.StatusCode)
	}
	to, err := left.Location()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pathConsent, pathLogin} {
		values := url.Values{"request": {to.Query().Get("state")}, "accept": {"yes"}}
		if got := b.post(f.Server.base()+path, values); got.StatusCode != http.StatusForbidden {
			t.Errorf("the state as the identifier of a page of %s: %d", path, got.StatusCode)
		}
	}
	// The page before the login isn't the login page either: that would leave the decision out.
	asked := url.Values{"request": {f.requestIn(b.get(f.ask("prompt=login")))}}
	if got := b.post(f.Server.base()+pathLogin, asked); got.StatusCode != http.StatusForbidden {
		t.Errorf("a login without a decision: %d", got.StatusCode)
	}
}

// U10: a user who is removed at the provider loses access when the grant ends, and
// at once where the provider's answer says so.
func TestU10_RemovedUser(t *testing.T) {
	t.Parallel()
	f := startFront(t, "UPSTREAM_GROUPS=staff\nUPSTREAM_GRANT_LIFETIME=2h", func(c *Config) { c.Realm.SessionIdle = 24 * time.Hour })
	b := f.browser()
	login := func() reply { return f.tokens(redeemForm(b.through("prompt=login").Get("code"))) }
	given := login()
	f.clock.advance(110 * time.Minute)
	given = f.tokens(refreshForm(given.RefreshToken))
	if given.status != http.StatusOK {
		t.Fatal(given.text)
	}
	f.clock.advance(11 * time.Minute)
	f.want(f.tokens(refreshForm(given.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	if got := b.get(f.ask()); !strings.Contains(got.text, "log in at") {
		t.Errorf("after the grant's end the provider isn't asked again: %d, %s", got.StatusCode, got.text)
	}
	// The same user, no longer of the group: earlier grants and sessions end.
	given = login()
	f.stub.SetUser(map[string]any{"sub": "1001", "preferred_username": "alice", "groups": []string{"leavers"}})
	other := f.browser()
	f.refusedWith(other.get(other.toBack()), http.StatusForbidden, "access_denied")
	f.want(f.tokens(refreshForm(given.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	if got := b.get(f.ask("prompt=none")); f.response(got).Get("error") != "login_required" {
		t.Errorf("the session goes on: %d, %s", got.StatusCode, got.Header.Get("Location"))
	}
}

// U10: what was granted doesn't outlive the settings by which the user was let in,
// nor the server's change from its own users to a provider's.
func TestU10_U14_OtherSettings(t *testing.T) {
	t.Parallel()
	kept := &store.Memory{}
	same := func(c *Config) { c.Store = kept }
	own := start(t, same)
	before := own.login("mcp-user")
	f := startFront(t, anybody, same)
	f.want(f.tokens(refreshForm(before.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	given := f.tokens(redeemForm(f.browser().through().Get("code")))
	if again := startAt(t, f.stub, anybody, same); again.tokens(refreshForm(given.RefreshToken)).status != http.StatusOK {
		t.Error("a restart with the same settings ends grants")
	}
	given = f.tokens(redeemForm(f.browserAt(f.stub).through().Get("code")))
	changed := startAt(t, f.stub, "UPSTREAM_SUBJECTS=1002", same)
	changed.want(changed.tokens(refreshForm(given.RefreshToken)), http.StatusBadRequest, "invalid_grant")
}

// browserAt is a browser after the provider was told the redirect URI of this
// server again.
func (f *front) browserAt(stub *stubprovider.Login) *browser {
	stub.Register(stubprovider.Registered{ID: "us", Secret: "s3cret", Redirect: UpstreamRedirect(f.issuer)})
	return f.browser()
}

// U13: whatever goes wrong at the provider has a page, and the client is told.
func TestU13_Failures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who    string
		make   func(*stubprovider.Login)
		status int
		code   string
		page   string
	}{
		"away": {anybody, func(l *stubprovider.Login) { l.Answer(stubprovider.HangUp) }, http.StatusServiceUnavailable,
			"temporarily_unavailable", "can&#39;t be reached"},
		"cancelled":    {anybody, func(l *stubprovider.Login) { l.Refuse("access_denied") }, http.StatusForbidden, "access_denied", "You did not log in"},
		"not allowed":  {"UPSTREAM_GROUPS=admins", func(*stubprovider.Login) {}, http.StatusForbidden, "access_denied", "may not be used here"},
		"no subject":   {anybody, func(l *stubprovider.Login) { l.SetUser(map[string]any{}) }, http.StatusBadGateway, "server_error", "who you are"},
		"broken there": {anybody, func(l *stubprovider.Login) { l.Refuse("invalid_scope") }, http.StatusBadGateway, "server_error", "was refused"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFront(t, c.who)
			c.make(f.stub)
			b := f.browser()
			got := b.get(b.toBack())
			f.refusedWith(got, c.status, c.code)
			if !strings.Contains(got.text, c.page) {
				t.Errorf("the page lacks %q: %s", c.page, got.text)
			}
		})
	}
}

// U13: whoever used the wrong account can choose another one.
func TestU13_AnotherAccount(t *testing.T) {
	t.Parallel()
	f := startFront(t, "UPSTREAM_SUBJECTS=1002")
	b := f.browser()
	b.get(b.toBack())
	to, err := b.allow(b.get(f.ask())).Location()
	if err != nil {
		t.Fatal(err)
	}
	if to.Query().Get("prompt") == "" {
		t.Errorf("the provider isn't asked to let the user choose: %s", to)
	}
	f.stub.SetUser(map[string]any{"sub": "1002", "groups": []string{"staff"}})
	if b.through().Get("code") == "" {
		t.Error("the right account gets no code")
	}
}

// U14: the realm's own users and the password grant are off, and the metadata says so.
func TestU14_OwnUsersAreOff(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	f.want(f.tokens(url.Values{"grant_type": {"password"}, "username": {"mcp-user"}, "password": {"user123"}}), http.StatusBadRequest, "unauthorized_client")
	var metadata document
	if err := json.Unmarshal([]byte(f.browser().get("/.well-known/oauth-authorization-server"+f.Server.base()).text), &metadata); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(metadata.GrantTypesSupported, grantPassword) || !slices.Contains(metadata.GrantTypesSupported, "authorization_code") {
		t.Errorf("grant types %q", metadata.GrantTypesSupported)
	}
	b := f.browser()
	values := url.Values{"request": {f.requestIn(b.get(f.ask()))}, "username": {"mcp-user"}, "password": {"user123"}}
	if got := b.post(f.Server.base()+pathLogin, values); got.StatusCode != http.StatusForbidden {
		t.Errorf("a password at the login page: %d", got.StatusCode)
	}
	// A client that acts for itself still can.
	machine := f.reply(b.post(f.Server.base()+pathToken, url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(serverClient, serverSecret)))
	if machine.status != http.StatusOK {
		t.Errorf("client credentials: %s", machine.text)
	}
	own := start(t)
	if got := own.browser().get(own.Server.base() + pathUpstream + "?state=x"); got.StatusCode != http.StatusNotFound {
		t.Errorf("without a provider there is an address for its answers: %d", got.StatusCode)
	}
}

// U15: what a caller makes the server keep, or ask the provider, is bounded by caller.
func TestU15_Bounds(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody, func(c *Config) {
		c.Limits.InteractionsPerAddress, c.Limits.AddressTries = 4, 3
		c.ClientAddress = func(r *http.Request) string { return r.Header.Get("X-Test-Address") }
	})
	honest := f.browser()
	honest.client.Transport = from("192.0.2.1")
	back := honest.toBack()
	flood := f.browser()
	flood.client.Transport = from("192.0.2.2")
	for range 10 {
		flood.allow(flood.get(f.ask()))
	}
	if n := f.interactions.pending.ledger.Of("192.0.2.2"); n > 4 {
		t.Errorf("%d logins of one address are kept", n)
	}
	if honest.response(honest.get(back)).Get("code") == "" {
		t.Error("another address ended a login")
	}
	f.stub.Answer(stubprovider.HangUp)
	last := answer{}
	for range 5 {
		last = flood.get(flood.toBack())
	}
	f.refusedWith(last, http.StatusTooManyRequests, "temporarily_unavailable")
}

// from sends requests with an address of their own.
type from string

func (address from) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("X-Test-Address", string(address))
	return http.DefaultTransport.RoundTrip(r)
}

// The page of applications has no client: its login page leads to the provider.
func TestUpstreamAccount(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	b := f.browser()
	page := b.get(f.Server.base() + pathApplications)
	if strings.Contains(page.text, `type="password"`) || !strings.Contains(page.text, "Log in at <bdi>Example Corp") {
		t.Errorf("the page is %s", page.text)
	}
	left := b.post(f.Server.base()+pathLogin, url.Values{"request": {f.requestIn(page)}})
	done := b.get(b.get(left.Header.Get("Location")).Header.Get("Location"))
	if done.Header.Get("Location") != f.Server.base()+pathApplications {
		t.Fatalf("status %d, Location %q", done.StatusCode, done.Header.Get("Location"))
	}
	if page := b.get(f.Server.base() + pathApplications); !strings.Contains(page.text, "alice") {
		t.Errorf("the page is %s", page.text)
	}
}

// What goes wrong at such a login is told on a page: there is no client to go back to.
func TestUpstreamAccountFails(t *testing.T) {
	t.Parallel()
	disk := &faulty{Store: &store.Memory{}, writes: -1}
	f := startFront(t, anybody, func(c *Config) { c.Store = disk })
	logIn := func() answer {
		c := f.browser()
		left := c.post(f.Server.base()+pathLogin, url.Values{"request": {f.requestIn(c.get(f.Server.base() + pathApplications))}})
		return c.get(c.get(left.Header.Get("Location")).Header.Get("Location"))
	}
	for code, want := range map[string]int{"access_denied": http.StatusForbidden, "server_error": http.StatusServiceUnavailable} {
		f.stub.Refuse(code)
		if got := logIn(); got.StatusCode != want || got.Header.Get("Location") != "" {
			t.Errorf("%s: %d, Location %q", code, got.StatusCode, got.Header.Get("Location"))
		}
	}
	f.stub.Refuse("")
	disk.writes = 0
	if got := logIn(); got.StatusCode != http.StatusInternalServerError || got.Header.Get("Location") != "" {
		t.Errorf("without a place for the user: %d, Location %q", got.StatusCode, got.Header.Get("Location"))
	}
}

// Another account, on the consent page of a user who is logged in.
func TestUpstreamSwitch(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	b := f.browser()
	b.through()
	page := b.get(b.get(f.ask()).Header.Get("Location"))
	switched := b.post(f.Server.base()+pathConsent, url.Values{"request": {f.requestIn(page)}, "switch": {"yes"}})
	f.stub.SetUser(map[string]any{"sub": "1002", "preferred_username": "bob", "groups": []string{"staff"}})
	left := b.allow(b.get(switched.Header.Get("Location")))
	if !strings.Contains(left.Header.Get("Location"), "prompt=") {
		t.Errorf("the provider isn't asked to let the user choose: %s", left.Header.Get("Location"))
	}
	got := f.tokens(redeemForm(b.response(b.get(b.get(left.Header.Get("Location")).Header.Get("Location"))).Get("code")))
	if _, claims := f.claimsOf(got.AccessToken); claims["preferred_username"] != "bob" {
		t.Errorf("claims %v", claims)
	}
}

// U12: no token of the provider is in what the server says or keeps.
func TestU12_ProvidersTokensStayInside(t *testing.T) {
	t.Parallel()
	kept := &store.Memory{}
	f := startFront(t, anybody, func(c *Config) { c.Store = kept })
	f.stub.Change(func(_, claims map[string]any) { claims["jti"] = "marker-in-the-id-token" })
	seen := []string{f.tokens(redeemForm(f.browser().through("scope=openid profile").Get("code"))).text}
	_ = kept.View(func(tx store.Reader) error {
		for _, bucket := range []string{"codes", "grants", "consents", "upstream users"} {
			for _, value := range tx.Each(bucket) {
				seen = append(seen, string(value))
			}
		}
		return nil
	})
	if len(seen) < 4 {
		t.Errorf("little is kept: %q", seen)
	}
	for i, text := range seen {
		// Our own tokens are JWTs too; the store has none of either kind.
		if strings.Contains(text, "opaque-") || strings.Contains(text, "marker") || strings.Contains(text, "s3cret") || i > 0 && strings.Contains(text, "eyJ") {
			t.Errorf("a token of the provider is in %s", text)
		}
	}
}

func TestUpstreamRoles(t *testing.T) {
	t.Parallel()
	f := startFront(t, anybody)
	for role, want := range map[string]string{"nobody": "0 clients", "user": ""} {
		settings := *f.upstream.Settings()
		settings.Roles = []upstream.Mapping{{Value: "x", Role: role}}
		_, err := newFederation(realm.Demo(), &settings, Limits{}.withDefaults(realm.Demo()), time.Now)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", role, err)
		}
	}
	// Without a role, what needs one is left out; and nothing remains.
	f.stub.SetUser(map[string]any{"sub": "1003", "groups": []string{"others"}})
	if said := f.browser().through(); said.Get("error") != "access_denied" {
		t.Errorf("a user without a role gets %v", said)
	}
}
