package authserver

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
)

func loginForm(request, user, password string, changes ...string) url.Values {
	values := url.Values{"request": {request}, "username": {user}, "password": {password}}
	change(values, changes)
	return values
}

func TestF09_LoginCantBeForged(t *testing.T) {
	t.Parallel()
	r := start(t)
	victim, attacker := r.browser(), r.browser()
	mine, theirs := r.requestIn(victim.get(r.ask())), r.requestIn(attacker.get(r.ask()))
	path := r.Server.base() + pathLogin
	for name, test := range map[string]struct {
		values  url.Values
		headers []string
	}{
		"no identifier":            {loginForm("", "mcp-user", "user123", "request="), nil},
		"made up identifier":       {loginForm(strings.Repeat("A", 26), "mcp-user", "user123"), nil},
		"identifier of another":    {loginForm(theirs, "mcp-user", "user123"), nil},
		"Origin of another site":   {loginForm(mine, "mcp-user", "user123"), []string{"Origin", "https://evil.example"}},
		"Origin of another port":   {loginForm(mine, "mcp-user", "user123"), []string{"Origin", "http://127.0.0.1:1"}},
		"Origin of another scheme": {loginForm(mine, "mcp-user", "user123"), []string{"Origin", strings.Replace(r.base, "http", "https", 1)}},
		"cross-site":               {loginForm(mine, "mcp-user", "user123"), []string{"Sec-Fetch-Site", "cross-site"}},
		"same-site":                {loginForm(mine, "mcp-user", "user123"), []string{"Sec-Fetch-Site", "same-site", "Origin", "null"}},
		"more than the form has":   {loginForm(mine, "mcp-user", "user123", "client_id=x"), nil},
		"not a form":               {loginForm(mine, "mcp-user", "user123"), []string{"Content-Type", "text/plain"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := victim.post(path, test.values, test.headers...)
			if got.StatusCode != http.StatusForbidden || got.Header.Get("Location") != "" {
				t.Errorf("status %d", got.StatusCode)
			}
			for _, c := range got.Cookies() {
				if c.Name == sessionCookie {
					t.Error("a session was begun")
				}
			}
		})
	}
	// The form itself still works, as browsers send it: without a referrer,
	// the Origin of a form is null.
	if got := victim.post(path, loginForm(mine, "mcp-user", "user123"), "Origin", "null", "Sec-Fetch-Site", "same-origin"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("the good one: %d", got.StatusCode)
	}
	// And once.
	if got := victim.post(path, loginForm(mine, "mcp-user", "user123")); got.StatusCode != http.StatusForbidden {
		t.Errorf("the good one again: %d", got.StatusCode)
	}
}

func cookiesOf(got answer) map[string]*http.Cookie {
	found := map[string]*http.Cookie{}
	for _, c := range got.Cookies() {
		found[c.Name] = c
	}
	return found
}

func TestF09_ANewSessionAtEachLogin(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	// An attacker has set a cookie beforehand.
	planted := strings.Repeat("A", len(secret()))
	site, _ := url.Parse(r.issuer)
	b.client.Jar.SetCookies(site, []*http.Cookie{{Name: sessionCookie, Value: planted, Path: r.Server.base()}})
	first := cookiesOf(b.logIn(b.get(r.ask()), "mcp-user"))[sessionCookie]
	if first == nil || first.Value == planted {
		t.Fatalf("session cookie: %v", first)
	}
	second := cookiesOf(b.logIn(b.get(r.ask("prompt=login")), "mcp-user"))[sessionCookie]
	if second == nil || second.Value == first.Value {
		t.Errorf("the second login has session cookie %v", second)
	}
	// The first one is worth nothing now.
	other := r.browser()
	for _, value := range []string{planted, first.Value} {
		other.client.Jar.SetCookies(site, []*http.Cookie{{Name: sessionCookie, Value: value, Path: r.Server.base()}})
		if got := other.get(r.ask()); !strings.Contains(got.text, `name="password"`) {
			t.Errorf("session %.4s… is taken: %d", value, got.StatusCode)
		}
	}
}

func TestF09_Cookies(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := r.browser().get(r.ask())
	c := cookiesOf(got)[browserCookie]
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != r.Server.base() || c.Domain != "" || c.Secure {
		t.Errorf("over http: %+v", c)
	}
	// With an https issuer, behind a proxy that ends TLS.
	s := start(t, func(c *Config) { c.Issuer = strings.Replace(c.Issuer, "http:", "https:", 1) })
	b := s.browser()
	page := b.get(s.ask())
	c = cookiesOf(page)["__Host-"+browserCookie]
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !c.Secure {
		t.Fatalf("over https: %+v", c)
	}
	// The test's browser takes loopback for as safe as https.
	c = cookiesOf(b.logIn(page, "mcp-user"))["__Host-"+sessionCookie]
	if c == nil || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !c.Secure {
		t.Errorf("session over https: %+v", c)
	}
}

func TestF09_TwoTabsLogInBesideEachOther(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	first, second := b.get(r.ask("state=st-a")), b.get(r.ask("state=st-b"))
	afterFirst := b.logIn(first, "mcp-user")
	if said := r.response(b.consentTo(b.logIn(second, "mcp-user"))); said.Get("state") != "st-b" || said.Get("code") == "" {
		t.Errorf("second tab: %v", said)
	}
	// The consent page of the first belongs to the session before: it is not
	// answered by another login.
	if got := b.get(afterFirst.Header.Get("Location")); got.StatusCode != http.StatusBadRequest {
		t.Errorf("the first tab's consent page after another login: %d", got.StatusCode)
	}
}

func TestF12_F14_WA6_HeadersOfPages(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	login := b.get(r.ask())
	wrong := b.post(r.Server.base()+pathLogin, loginForm(r.requestIn(login), "mcp-user", "wrong"))
	loggedIn := b.logIn(login, "mcp-user")
	consent := b.get(loggedIn.Header.Get("Location"))
	problem := b.get(r.ask("client_id=nobody"))
	granted := b.post(r.Server.base()+pathConsent, url.Values{"request": {r.requestIn(consent)}, "accept": {"yes"}})
	for name, test := range map[string]struct {
		got  answer
		form string
	}{
		"login":   {login, "'self' http://127.0.0.1:7777"},
		"wrong":   {wrong, "'self' http://127.0.0.1:7777"},
		"consent": {consent, ""}, // WA6
		"problem": {problem, "'none'"},
		"to page": {loggedIn, "'none'"},
		"to app":  {granted, "'none'"},
	} {
		t.Run(name, func(t *testing.T) {
			h := test.got.Header
			policy := "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
			if test.form != "" {
				policy += "; form-action " + test.form
			}
			for key, want := range map[string]string{
				"Content-Security-Policy": policy,
				"X-Frame-Options":         "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			} {
				if got := h.Get(key); got != want {
					t.Errorf("%s is %q", key, got)
				}
			}
			for key := range h {
				if strings.HasPrefix(key, "Access-Control-") {
					t.Errorf("pages must not be readable: %s", key)
				}
			}
		})
	}
	if loggedIn.StatusCode != http.StatusSeeOther || granted.StatusCode != http.StatusSeeOther {
		t.Errorf("after POST: %d and %d", loggedIn.StatusCode, granted.StatusCode)
	}
	for _, path := range []string{pathAuthorize, pathLogin, pathConsent, pathIntrospect} {
		request, _ := http.NewRequest(http.MethodOptions, r.issuer+path, nil)
		request.Header.Set("Origin", "https://evil.example")
		if got := b.do(request); got.StatusCode != http.StatusMethodNotAllowed || got.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("OPTIONS %s: %d", path, got.StatusCode)
		}
	}
}

func TestF14_FormTargets(t *testing.T) {
	t.Parallel()
	for redirect, want := range map[string]string{
		"https://app.example/cb":        "https://app.example",
		"https://app.example:8443/cb":   "https://app.example:8443",
		"http://127.0.0.1:7777/cb":      "http://127.0.0.1:7777",
		"http://[::1]:7777/cb":          "http:", // CSP has no form for it
		"com.example.app:/cb":           "com.example.app:",
		"https://app.example:1/;script": "https://app.example:1",
	} {
		if got := formTarget(clientmetadata.MustRedirects(redirect)[0]); got != want {
			t.Errorf("%s: %q", redirect, got)
		}
	}
}

func TestF15_GuessingIsLimitedAndTellsNothing(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Limits.AddressTries = 1000 })
	var hashes atomic.Int64
	derive := r.users.derive
	r.users.derive = func(ctx context.Context, password string, salt []byte) ([]byte, error) {
		hashes.Add(1)
		return derive(ctx, password, salt)
	}
	// What a user name makes different is only that it is shown again.
	bodies := map[string][]string{}
	for _, user := range []string{"mcp-user", "nobody-x"} {
		b := r.browser()
		page := b.get(r.ask())
		for i := range 100 {
			before := hashes.Load()
			got := b.post(r.Server.base()+pathLogin, loginForm(r.requestIn(page), user, "guess"+strconv.Itoa(i)))
			want := http.StatusUnauthorized
			if i >= r.limits.UserTries {
				want = http.StatusTooManyRequests
			}
			if got.StatusCode != want {
				t.Fatalf("%s, try %d: %d", user, i, got.StatusCode)
			}
			if work := hashes.Load() - before; (work == 1) != (want == http.StatusUnauthorized) || work > 1 {
				t.Fatalf("%s, try %d: %d hashes", user, i, work)
			}
			text := strings.ReplaceAll(strings.ReplaceAll(got.text, `value="`+user+`"`, `value="USER"`), r.requestIn(page), "REQUEST")
			bodies[user] = append(bodies[user], strconv.Itoa(got.StatusCode)+text)
		}
		// The right password isn't looked at now.
		if user == "mcp-user" {
			if got := b.logIn(page, user); got.StatusCode != http.StatusTooManyRequests {
				t.Errorf("locked, with the right password: %d", got.StatusCode)
			}
		}
	}
	for i, body := range bodies["mcp-user"] {
		if body != bodies["nobody-x"][i] {
			t.Fatalf("try %d differs:\n%s\n%s", i, body, bodies["nobody-x"][i])
		}
	}
	// Others can log in, and after a while this user can again.
	if got := r.login("mcp-admin"); got.AccessToken == "" {
		t.Error("another user is locked out")
	}
	r.clock.advance(r.limits.TryInterval + time.Second)
	r.login("mcp-user")
}

func TestF15_OneAddressCantTryAllUsers(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Limits.AddressTries = 20 })
	limited := 0
	for i := range 40 {
		got := r.tokens(url.Values{"grant_type": {"password"}, "username": {"user" + strconv.Itoa(i)}, "password": {"summer2026"}})
		if got.status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited != 20 {
		t.Errorf("%d of 40 tries were refused unlooked at", limited)
	}
}

func TestF15_ParallelGuessesAreCountedBeforeTheyAreMade(t *testing.T) {
	t.Parallel()
	r := start(t)
	const tries = 50
	statuses := make(chan int, tries)
	for range tries {
		go func() {
			got := r.tokens(url.Values{"grant_type": {"password"}, "username": {"mcp-user"}, "password": {"wrong"}})
			statuses <- got.status
		}()
	}
	looked := 0
	for range tries {
		if <-statuses == http.StatusBadRequest {
			looked++
		}
	}
	if looked != r.limits.UserTries {
		t.Errorf("%d of %d parallel guesses were looked at, want %d", looked, tries, r.limits.UserTries)
	}
}

func TestF15_ManyRightPasswordsAtATimeAreNoGuesses(t *testing.T) {
	t.Parallel()
	const users = 30
	var came atomic.Int64
	all := make(chan struct{})
	r := start(t, func(c *Config) {
		c.ClientAddress = func(*http.Request) string {
			if came.Add(1) == users {
				close(all)
			}
			return "somewhere"
		}
	})
	derive := r.users.derive
	r.users.derive = func(ctx context.Context, password string, salt []byte) ([]byte, error) {
		<-all // the first ones are still being looked at when the last one comes
		return derive(ctx, password, salt)
	}
	statuses := make(chan int, users)
	for range users {
		go func() { statuses <- r.tokens(passwordForm("mcp-user")).status }()
	}
	for range users {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
}

func TestLimiterIsBounded(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(0, 0)}
	limit := newLimiter(2, time.Minute, c.now)
	limit.max = 10
	for i := range 1000 {
		limit.take(strconv.Itoa(i))
	}
	if len(limit.buckets) > limit.max {
		t.Errorf("it remembers %d keys", len(limit.buckets))
	}
	// Filling it up doesn't give tries back to who has none left.
	for limit.take("victim") {
	}
	for i := range 1000 {
		limit.take(strconv.Itoa(i))
	}
	if limit.take("victim") {
		t.Error("a flood of other keys made room for another try")
	}
	c.advance(time.Minute)
	if !limit.take("victim") || limit.take("victim") {
		t.Error("after a minute there is exactly one try more")
	}
}

// The login page names the users whose passwords everybody knows, and nobody
// else; and only where no other machine can reach the server.
func TestDemoUsersAreShownOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	if page := r.browser().get(r.ask()).text; !strings.Contains(page, "<strong>mcp-user</strong>, password <strong>user123</strong>") {
		t.Errorf("the page doesn't name the demo users: %s", page)
	}
	own := realm.Demo()
	for i := range own.Users {
		if own.Users[i].Username == "mcp-user" {
			own.Users[i].Password = "a password of one's own"
		}
	}
	local, other := &url.URL{Scheme: "http", Host: "localhost:8080"}, &url.URL{Scheme: "https", Host: "login.example"}
	var shown []string
	for _, user := range demoUsers(Config{Realm: own}, local) {
		shown = append(shown, user.Username)
	}
	if want := []string{"mcp-admin", "mcp-readonly"}; !slices.Equal(shown, want) {
		t.Errorf("%q, want %q", shown, want)
	}
	if got := len(demoUsers(Config{Realm: own}, other)) + len(demoUsers(Config{Realm: own, Exposed: true}, local)); got != 0 {
		t.Errorf("%d users are shown to other machines", got)
	}
}
