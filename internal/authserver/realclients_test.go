package authserver

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
)

// stepUpClient registers as most SDKs do: with the scope of the first challenge.
func (r *rig) stepUpClient() string {
	r.Helper()
	m, got := r.registerClient(map[string]any{
		"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none", "scope": "mcp:read",
		"grant_types": []string{"authorization_code", "refresh_token"},
	})
	if got.StatusCode != http.StatusCreated || m.Scope != "mcp:read" {
		r.Fatalf("%d %s", got.StatusCode, got.text)
	}
	return m.ClientID
}

// consentPageFor logs a user in and returns the consent page.
func (b *browser) consentPageFor(user string, changes ...string) answer {
	b.Helper()
	got := b.get(b.ask(changes...))
	if got.StatusCode == http.StatusOK {
		got = b.logIn(got, user)
	}
	return b.get(got.Header.Get("Location"))
}

func TestWA1_ARegisteredScopeIsADefaultAndNotABound(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := r.stepUpClient()
	b := r.browser()
	for _, step := range []struct {
		port, asked string
		toolsNew    bool
	}{
		{"7777", "mcp:read", false}, // nothing is new the first time
		{"7778", "mcp:read mcp:tools", true},
		{"7779", "mcp:tools", false},
	} {
		uri := "http://127.0.0.1:" + step.port + "/callback"
		page := b.consentPageFor("mcp-user", "client_id="+id, "scope="+step.asked, "redirect_uri="+uri)
		tools := strings.Contains(page.text, "MCP server&#39;s tools in your name <strong>(new)</strong>")
		if tools != step.toolsNew || strings.Contains(page.text, "prompts <strong>(new)</strong>") {
			t.Errorf("%s: what is new is not what the page says: %s", step.asked, page.text)
		}
		said := r.response(b.post(r.Server.base()+pathConsent, url.Values{"request": {r.requestIn(page)}, "accept": {"yes"}}))
		if got := r.tokens(redeemForm(said.Get("code"), "client_id="+id, "redirect_uri="+uri)); got.Scope != step.asked {
			t.Errorf("asked for %q, got %q", step.asked, got.Scope)
		}
	}
}

func TestWA1_TheRealmsListIsTheBoundAndThePageSaysWhatIsLess(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Realm.Registration.Scopes = []string{"openid", "mcp:read", "mcp:tools"} })
	id := r.stepUpClient()
	page := r.browser().consentPageFor("mcp-readonly", "client_id="+id, "scope=mcp:read mcp:tools mcp:prompts mcp:everything")
	for _, want := range []string{
		"It also asked for this, which your account does not allow:</p>\n<ul>\n<li>Use the MCP server&#39;s tools in your name</li>",
		"scopes that this server does not give to it:\n<bdi>mcp:prompts</bdi>, <bdi>mcp:everything</bdi>.",
		"At <bdi>" + testResource + "</bdi>, it will be able to",
	} {
		if !strings.Contains(page.text, want) {
			t.Errorf("the page lacks %q: %s", want, page.text)
		}
	}
	r.wantError(t, r.browser().get(r.ask("client_id="+id, "scope=mcp:prompts")), "invalid_scope")
}

func TestWA2_TheSecretInTheBody(t *testing.T) {
	t.Parallel()
	r := start(t)
	m, got := r.registerClient(map[string]any{
		"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "client_secret_post", "grant_types": []string{"authorization_code", "refresh_token"},
	})
	if got.StatusCode != http.StatusCreated || m.ClientSecret == "" || m.TokenEndpointAuthMethod != "client_secret_post" {
		t.Fatalf("%d %s", got.StatusCode, got.text)
	}
	redeem := func(changes ...string) url.Values {
		return redeemForm(r.code("mcp-user", "client_id="+m.ClientID), append([]string{"client_id=" + m.ClientID}, changes...)...)
	}
	tokens := r.tokens(redeem("client_secret=" + m.ClientSecret))
	if tokens.status != http.StatusOK {
		t.Fatalf("%d %s", tokens.status, tokens.text)
	}
	if next := r.tokens(refreshForm(tokens.RefreshToken, "client_id="+m.ClientID, "client_secret="+m.ClientSecret)); next.status != http.StatusOK {
		t.Errorf("refresh: %d %s", next.status, next.text)
	}
	r.want(r.tokens(redeem()), http.StatusUnauthorized, "invalid_client")
	r.want(r.tokens(redeem("client_secret=wrong")), http.StatusUnauthorized, "invalid_client")
	// One method a client, and one in a request.
	r.want(r.tokens(redeem("client_id="), "Authorization", basic(m.ClientID, m.ClientSecret)), http.StatusUnauthorized, "invalid_client")
	r.want(r.tokens(redeem("client_secret="+m.ClientSecret), "Authorization", basic(m.ClientID, m.ClientSecret)), http.StatusBadRequest, "invalid_request")
	both := redeem("client_secret="+m.ClientSecret, "client_assertion=a.b.c")
	r.want(r.tokens(both), http.StatusBadRequest, "invalid_request")
	// Never in the URL.
	inURL := r.browser().post(r.Server.base()+pathToken+"?client_secret="+m.ClientSecret, redeem())
	r.want(r.reply(inURL), http.StatusBadRequest, "invalid_request")
	// A client that registered for the header may not use the body.
	header, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}})
	form := redeemForm(r.code("mcp-user", "client_id="+header.ClientID), "client_id="+header.ClientID, "client_secret="+header.ClientSecret)
	r.want(r.tokens(form), http.StatusUnauthorized, "invalid_client")
	// The realm file only says that there is a secret.
	own := url.Values{"grant_type": {"client_credentials"}, "client_id": {serverClient}, "client_secret": {serverSecret}}
	if got := r.tokens(own); got.status != http.StatusOK {
		t.Errorf("a client of the realm file: %d %s", got.status, got.text)
	}
}

// body is what a test expects of a registration of testdata/clients.json.
type body struct {
	redirects []string // that are registered
	refused   string   // or what the refusal says
}

func TestWA5_RegistrationsOfRealClients(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/clients.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Bodies map[string]json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	notPermitted := func(uri string) body {
		return body{refused: "does not permit the host of the redirect URI " + uri + ". Its administrator can permit the host in the realm file (trusted-hosts and allow-permitted-domains), or with -redirect-hosts."}
	}
	want := map[string]body{
		"Claude Code (TS SDK)":                {redirects: []string{"http://localhost:54212/callback"}},
		"Claude.ai connector":                 notPermitted("https://claude.ai/api/mcp/auth_callback"),
		"Claude.ai, public":                   notPermitted("https://claude.ai/api/mcp/auth_callback"),
		"ChatGPT connector":                   notPermitted("https://chatgpt.com/connector_platform_oauth_redirect"),
		"VS Code":                             {redirects: []string{"http://127.0.0.1/", "http://127.0.0.1:33418/"}},
		"VS Code, loopback alone":             {redirects: []string{"http://127.0.0.1/", "http://127.0.0.1:33418/"}},
		"Cursor":                              {redirects: []string{"http://localhost:8787/callback"}},
		"Codex CLI":                           {redirects: []string{"http://127.0.0.1:45123/callback/xyz"}},
		"Gemini CLI":                          {redirects: []string{"http://localhost:7777/oauth/callback"}},
		"TS SDK example (client_secret_post)": {redirects: []string{"http://localhost:8090/callback"}},
		"Python SDK 1.x (client_secret_post)": {redirects: []string{"http://localhost:3030/callback"}},
		"n8n":                                 notPermitted("https://my.n8n.host/rest/oauth2-credential/callback"),
	}
	if len(want) != len(file.Bodies) {
		t.Errorf("%d expectations for %d bodies", len(want), len(file.Bodies))
	}
	r := start(t)
	// With the hosts in the setting, all forms that are allowed are registered.
	permissive := start(t, func(c *Config) {
		c.Realm.Registration.Hosts = append(c.Realm.Registration.Hosts, "claude.ai", "claude.com", "chatgpt.com", "insiders.vscode.dev", "vscode.dev", "www.cursor.com", "my.n8n.host")
		c.Realm.Registration.Schemes = []string{"cursor"}
	})
	for name, raw := range file.Bodies {
		t.Run(name, func(t *testing.T) {
			var metadata map[string]any
			if err := json.Unmarshal(raw, &metadata); err != nil {
				t.Fatal(err)
			}
			m, got := r.registerClient(metadata)
			if refusal := want[name].refused; refusal != "" {
				if said := r.reply(got); said.status != http.StatusBadRequest || said.Error != "invalid_redirect_uri" || !strings.Contains(said.Description, refusal) {
					t.Errorf("%d %s", said.status, said.text)
				}
			} else if got.StatusCode != http.StatusCreated || !slices.Equal(textOf(m.RedirectURIs), want[name].redirects) {
				t.Errorf("%d %s", got.StatusCode, got.text)
			}
			m, got = permissive.registerClient(metadata)
			if asked, _ := metadata["redirect_uris"].([]any); got.StatusCode != http.StatusCreated || len(m.RedirectURIs) != len(asked) {
				t.Errorf("permitted: %d %s", got.StatusCode, got.text)
			}
		})
	}
}

func textOf[T interface{ String() string }](list []T) (texts []string) {
	for _, one := range list {
		texts = append(texts, one.String())
	}
	return texts
}

func TestWA5_ThePageNamesTheRedirectAndTheSetting(t *testing.T) {
	t.Parallel()
	const left = "https://vscode.dev/redirect"
	r := start(t)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{left, "http://127.0.0.1/"}, "token_endpoint_auth_method": "none"})
	page := r.browser().get(r.ask("client_id="+m.ClientID, "redirect_uri="+left))
	r.wantPage(t, page)
	if !strings.Contains(page.text, left) || !strings.Contains(page.text, "trusted-hosts") {
		t.Errorf("the page doesn't say what to do: %s", page.text)
	}
	private, got := r.registerClient(map[string]any{"redirect_uris": []string{"com.example.app:/cb"}})
	if said := r.reply(got); private.ClientID != "" || !strings.Contains(said.Description, "does not permit the scheme of the redirect URI com.example.app:/cb") {
		t.Errorf("a private-use scheme: %s", said.text)
	}
}

func TestWA7_RedirectURIsMayBeLeftOut(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := r.stepUpClient() // with one redirect URI
	for name, test := range map[string]struct{ at, token string }{
		"in neither":                      {"redirect_uri=", "redirect_uri="},
		"in the token request alone":      {"redirect_uri=", "redirect_uri=" + testRedirect},
		"in the authorization alone":      {"redirect_uri=" + testRedirect, "redirect_uri="},
		"in the authorization, port free": {"redirect_uri=http://127.0.0.1:9999/callback", "redirect_uri="},
	} {
		code := r.code("mcp-user", "client_id="+id, test.at)
		if got := r.tokens(redeemForm(code, "client_id="+id, test.token)); got.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	// What is sent is compared.
	code := r.code("mcp-user", "client_id="+id, "redirect_uri=")
	r.want(r.tokens(redeemForm(code, "client_id="+id, "redirect_uri=http://127.0.0.1:9999/callback")), http.StatusBadRequest, "invalid_grant")
	// Of several there is none to choose.
	r.wantPage(t, r.browser().get(r.ask("redirect_uri=")))
}

func TestWA11_WithoutAScopeTheDefaultIsTheLeast(t *testing.T) {
	t.Parallel()
	r := start(t)
	register := func(scope string) string {
		m, got := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none", "scope": scope})
		if got.StatusCode != http.StatusCreated {
			t.Fatal(got.text)
		}
		return m.ClientID
	}
	for stated, want := range map[string]string{"": "mcp:read", "claudeai": "mcp:read", "mcp:tools profile": "mcp:tools profile"} {
		id := register(stated)
		got := r.tokens(redeemForm(r.code("mcp-user", "client_id="+id, "scope="), "client_id="+id))
		if got.Scope != want {
			t.Errorf("registered %q: got %q", stated, got.Scope)
		}
		_, claims := r.claimsOf(got.AccessToken)
		if (claims["name"] != nil) != strings.Contains(want, "profile") {
			t.Errorf("registered %q: name is %v", stated, claims["name"])
		}
	}
	// Roles are those of the granted scopes, not of the registered ones.
	id := register("mcp:read mcp:tools")
	got := r.tokens(redeemForm(r.code("mcp-user", "client_id="+id, "scope=mcp:read"), "client_id="+id))
	_, claims := r.claimsOf(got.AccessToken)
	if roles, _ := json.Marshal(claims["resource_access"]); string(roles) != `{"echo-mcp-server":{"roles":["mcp:read"]}}` {
		t.Errorf("resource_access %s", roles)
	}
}

func TestWA12_TheAuthorizationEndpointTakesPOST(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	_, query, _ := strings.Cut(r.ask("state=a b&c"), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	got := b.post(r.Server.base()+pathAuthorize, values, "Origin", "https://app.example", "Sec-Fetch-Site", "cross-site")
	if got.StatusCode != http.StatusSeeOther || len(got.Cookies()) > 0 {
		t.Fatalf("%d %s", got.StatusCode, got.text)
	}
	if said := r.response(b.consentTo(b.logIn(b.get(got.Header.Get("Location")), "mcp-user"))); said.Get("code") == "" || said.Get("state") != "a b&c" {
		t.Errorf("%v", said)
	}
	r.wantPage(t, b.post(r.Server.base()+pathAuthorize, values, "Content-Type", "text/plain"))
	r.wantPage(t, b.post(r.Server.base()+pathAuthorize+"?x=1", values))
	values.Set("nonce", strings.Repeat("n", maxQuery))
	r.wantPage(t, b.post(r.Server.base()+pathAuthorize, values))
}

func TestWA13_ARepeatedRefreshTokenRevokesItsFamily(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.login("mcp-user")
	second := r.tokens(refreshForm(first.RefreshToken))
	r.want(r.tokens(refreshForm(first.RefreshToken)), http.StatusBadRequest, "invalid_grant") // at once, by the same client
	r.want(r.tokens(refreshForm(second.RefreshToken)), http.StatusBadRequest, "invalid_grant")
}

func TestWA14_ConsentForReadingNamesPrompts(t *testing.T) {
	t.Parallel()
	page := start(t).browser().consentPageFor("mcp-user", "scope=mcp:read")
	if !strings.Contains(page.text, "See which tools the MCP server offers, and use its prompts") {
		t.Error(page.text)
	}
}
