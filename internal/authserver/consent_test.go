package authserver

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
)

func TestF10_AS10_ConsentCantBeForgedTamperedOrRepeated(t *testing.T) {
	t.Parallel()
	r := start(t)
	path := r.Server.base() + pathConsent
	victim, attacker := r.browser(), r.browser()
	mine := r.requestIn(victim.get(victim.logIn(victim.get(r.ask()), "mcp-user").Header.Get("Location")))
	theirs := r.requestIn(attacker.get(attacker.logIn(attacker.get(r.ask()), "mcp-readonly").Header.Get("Location")))
	decide := func(id string, more ...string) url.Values {
		values := url.Values{"request": {id}, "accept": {"yes"}}
		change(values, more)
		return values
	}
	for name, test := range map[string]struct {
		values  url.Values
		headers []string
	}{
		"identifier of another browser": {decide(theirs), nil},
		"made up":                       {decide(strings.Repeat("A", 26)), nil},
		"none":                          {decide("x", "request="), nil},
		"changed client":                {decide(mine, "client_id=other"), nil},
		"changed scope":                 {decide(mine, "scope=mcp:admin"), nil},
		"changed redirect":              {decide(mine, "redirect_uri=https://evil.example"), nil},
		"two buttons":                   {decide(mine, "cancel=yes"), nil},
		"no button":                     {decide(mine, "accept="), nil},
		"cross-site":                    {decide(mine), []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}},
		"foreign Origin":                {decide(mine), []string{"Origin", "https://evil.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := victim.post(path, test.values, test.headers...); got.StatusCode != http.StatusForbidden || got.Header.Get("Location") != "" {
				t.Errorf("status %d, Location %q", got.StatusCode, got.Header.Get("Location"))
			}
		})
	}
	// Without the session, the browser alone isn't enough.
	site, _ := url.Parse(r.issuer)
	var session *http.Cookie
	for _, c := range victim.client.Jar.Cookies(site) {
		if c.Name == sessionCookie {
			session = c
		}
	}
	victim.client.Jar.SetCookies(site, []*http.Cookie{{Name: sessionCookie, Value: "", Path: r.Server.base(), MaxAge: -1}})
	if got := victim.post(path, decide(mine)); got.StatusCode != http.StatusForbidden {
		t.Errorf("without a session: %d", got.StatusCode)
	}
	victim.client.Jar.SetCookies(site, []*http.Cookie{{Name: sessionCookie, Value: session.Value, Path: r.Server.base()}})

	if said := r.response(victim.post(path, decide(mine))); said.Get("code") == "" {
		t.Errorf("the good one: %v", said)
	}
	if got := victim.post(path, decide(mine)); got.StatusCode != http.StatusForbidden {
		t.Errorf("twice: %d", got.StatusCode)
	}
}

func TestF10_OfManyDecisionsOneCounts(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	id := r.requestIn(b.get(b.logIn(b.get(r.ask()), "mcp-user").Header.Get("Location")))
	const tries = 50
	codes := make(chan string, tries)
	for range tries {
		go func() {
			codes <- b.post(r.Server.base()+pathConsent, url.Values{"request": {id}, "accept": {"yes"}}).Header.Get("Location")
		}()
	}
	given := 0
	for range tries {
		if <-codes != "" {
			given++
		}
	}
	if given != 1 {
		t.Errorf("one page gave %d codes", given)
	}
}

func TestF11_AS10_ConsentIsRememberedForOneClientScopeAndRedirect(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	register := func(uris ...string) string {
		m, got := r.registerClient(map[string]any{"redirect_uris": uris, "token_endpoint_auth_method": "none", "client_name": "App"})
		if got.StatusCode != http.StatusCreated {
			t.Fatal(got.text)
		}
		return m.ClientID
	}
	a, evil := register("https://app.example/cb", "https://app.example/cb2"), register("https://evil.example/cb", "https://app.example/cb")
	b := r.browser()
	b.authorizeAs("mcp-user", "client_id="+a, "redirect_uri=https://app.example/cb")
	asks := func(changes ...string) bool {
		got := b.get(r.ask(changes...))
		return strings.Contains(got.Header.Get("Location"), pathConsent)
	}
	for name, test := range map[string]struct {
		changes []string
		asks    bool
	}{
		"the same":         {[]string{"client_id=" + a, "redirect_uri=https://app.example/cb"}, false},
		"less":             {[]string{"client_id=" + a, "redirect_uri=https://app.example/cb", "scope=mcp:read"}, false},
		"more":             {[]string{"client_id=" + a, "redirect_uri=https://app.example/cb", "scope=mcp:read mcp:tools profile"}, true},
		"asked to ask":     {[]string{"client_id=" + a, "redirect_uri=https://app.example/cb", "prompt=consent"}, true},
		"another redirect": {[]string{"client_id=" + a, "redirect_uri=https://app.example/cb2"}, true},
		"another client":   {[]string{"client_id=" + evil, "redirect_uri=https://evil.example/cb"}, true},
		"only the client":  {[]string{"client_id=" + evil, "redirect_uri=https://app.example/cb"}, true},
	} {
		if got := asks(test.changes...); got != test.asks {
			t.Errorf("%s: asks is %v", name, got)
		}
	}
	// Another user of the same browser has not consented.
	b.logIn(b.get(r.ask("prompt=login")), "mcp-readonly")
	if !asks("client_id="+a, "redirect_uri=https://app.example/cb", "scope=mcp:read") {
		t.Error("the consent of one user counted for another")
	}
	// A cancelled request is nothing to remember.
	c := r.browser()
	page := c.get(c.logIn(c.get(r.ask("client_id="+a, "redirect_uri=https://app.example/cb")), "mcp-admin").Header.Get("Location"))
	c.post(r.Server.base()+pathConsent, url.Values{"request": {r.requestIn(page)}, "cancel": {"yes"}})
	if got := c.get(r.ask("client_id="+a, "redirect_uri=https://app.example/cb")); !strings.Contains(got.Header.Get("Location"), pathConsent) {
		t.Error("a refusal counted as consent")
	}
}

func TestH09_AS10_LocalClientsAreConfirmedEachTimeWithAWarning(t *testing.T) {
	t.Parallel()
	const id = "https://app.example/client.json"
	r := start(t, open, func(c *Config) {
		c.Documents = published{id: {
			ClientID: id, ClientName: "Honest App", RedirectURIs: clientmetadata.MustRedirects("http://127.0.0.1/cb", "http://localhost:3000/cb"),
			TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"},
		}}
	})
	for _, uri := range []string{"http://127.0.0.1:41999/cb", "http://localhost:3000/cb"} {
		b := r.browser()
		for range 2 { // a consent is not remembered
			got := b.get(r.ask("client_id="+id, "redirect_uri="+uri))
			if got.StatusCode == http.StatusOK {
				got = b.logIn(got, "mcp-user")
			}
			page := b.get(got.Header.Get("Location"))
			u, _ := url.Parse(uri)
			for _, want := range []string{"Did you just start this application yourself?", "Honest App", u.Host, "It is published by app.example."} {
				if !strings.Contains(page.text, want) {
					t.Errorf("%s: the page lacks %q: %s", uri, want, page.text)
				}
			}
			b.post(r.Server.base()+pathConsent, url.Values{"request": {r.requestIn(page)}, "accept": {"yes"}})
		}
	}
}

func TestAS10_TheConsentPageSaysWhoWantsWhat(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{"https://app.example:8443/cb"}, "token_endpoint_auth_method": "none", "client_name": "Fancy App", "client_uri": "https://app.example/about"})
	b := r.browser()
	page := b.get(b.logIn(b.get(r.ask("client_id="+m.ClientID, "redirect_uri=https://app.example:8443/cb", "scope=openid mcp:read mcp:tools mcp:prompts email")), "mcp-user").Header.Get("Location"))
	text := html.UnescapeString(page.text)
	for _, want := range []string{
		"Fancy App", "app.example:8443", "Uma User (mcp-user)", "It registered itself under this name, which nobody has checked.", `href="https://app.example/about"`,
		"See which tools the MCP server offers, and use its prompts", "Use the MCP server's tools in your name", "See your email address", "Know who you are at this server",
		`name="accept"`, `name="cancel"`, `name="switch"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// What the user has no right to is named as such (WA1).
	offered, rest, _ := strings.Cut(text, "It also asked for this, which your account does not allow:")
	if strings.Contains(offered, "MCP server's prompts in your name") || !strings.Contains(rest, "MCP server's prompts in your name") {
		t.Error("the page doesn't say that the user can't grant the scope of prompts")
	}
	if strings.Contains(text, "Did you just start") {
		t.Error("a client with an https redirect got the warning for local ones")
	}
}

func TestAS10_AnotherAccount(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	page := b.get(b.logIn(b.get(r.ask()), "mcp-readonly").Header.Get("Location"))
	gone := b.post(r.Server.base()+pathConsent, url.Values{"request": {r.requestIn(page)}, "switch": {"yes"}})
	login := b.get(gone.Header.Get("Location"))
	said := r.response(b.consentTo(b.logIn(login, "mcp-user")))
	got := r.tokens(redeemForm(said.Get("code")))
	if _, claims := r.claimsOf(got.AccessToken); claims["preferred_username"] != "mcp-user" {
		t.Errorf("the token is of %v", claims["preferred_username"])
	}
}

func TestF13_NothingOfStrangersIsMarkup(t *testing.T) {
	t.Parallel()
	hostile := `"><img src=x onerror=alert(1)><script>alert(2)</script>`
	const id = "https://app.example/client.json"
	r := start(t, open, func(c *Config) {
		c.Documents = published{id: &clientmetadata.Metadata{
			ClientID: id, ClientName: hostile + "\u202egnp.exe\u200b", ClientURI: "javascript:alert(3)",
			RedirectURIs: clientmetadata.MustRedirects("https://app.example/cb"), TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code"},
		}}
	})
	b := r.browser()
	login := b.get(r.ask("client_id="+id, "redirect_uri=https://app.example/cb", "state="+hostile))
	wrong := b.post(r.Server.base()+pathLogin, loginForm(r.requestIn(login), hostile+"\u202e", "x"))
	consent := b.get(b.logIn(login, "mcp-user").Header.Get("Location"))
	problem := b.get(r.ask("client_id=" + hostile))
	for name, page := range map[string]answer{"login": login, "wrong": wrong, "consent": consent, "problem": problem} {
		for _, bad := range []string{"<script", "<img", "onerror=alert(1)>", "javascript:alert", "\u202e", "\u200b"} {
			if strings.Contains(page.text, bad) {
				t.Errorf("%s holds %q: %s", name, bad, page.text)
			}
		}
	}
	if !strings.Contains(consent.text, html.EscapeString("<script>")) {
		t.Errorf("the name isn't shown at all: %s", consent.text)
	}
	// At registration such a name is refused, and the link dropped.
	for _, name := range []string{"a\u202eb", "a\nb", strings.Repeat("x", 10<<10)} {
		if _, got := r.registerClient(map[string]any{"redirect_uris": []string{"https://app.example/cb"}, "client_name": name}); got.StatusCode != http.StatusBadRequest {
			t.Errorf("the name %.10q was registered", name)
		}
	}
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{"https://app.example/cb"}, "client_name": hostile, "client_uri": "javascript:alert(1)", "logo_uri": "data:x"})
	if m.ClientURI != "" || m.LogoURI != "" {
		t.Errorf("links were kept: %q %q", m.ClientURI, m.LogoURI)
	}
}
