package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestF01_AS03_UnknownClientOrRedirectGetsAPage(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, change := range map[string]string{
		"unregistered redirect":   "redirect_uri=http://127.0.0.1:1/evil",
		"foreign redirect":        "redirect_uri=https://evil.example/callback",
		"no redirect":             "redirect_uri=",
		"unknown client":          "client_id=nobody",
		"no client":               "client_id=",
		"client without code":     "client_id=" + serverClient,
		"client by URL, refused":  "client_id=https://evil.example/client.json",
		"client by URL, no https": "client_id=http://localhost/client.json",
	} {
		t.Run(name, func(t *testing.T) {
			r.wantPage(t, r.browser().get(r.ask(change)))
		})
	}
	for name, tail := range map[string]string{
		"two clients":   "&client_id=" + testClient,
		"two redirects": "&redirect_uri=https://evil.example/",
		"broken query":  "&x=%zz",
		"endless":       "&x=" + strings.Repeat("a", maxQuery),
	} {
		t.Run(name, func(t *testing.T) {
			r.wantPage(t, r.browser().get(r.ask()+tail))
		})
	}
}

// wantPage wants a page with an error and no redirect.
func (r *rig) wantPage(t *testing.T, got answer) {
	t.Helper()
	if got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
		t.Errorf("status %d, Location %q, %s", got.StatusCode, got.Header.Get("Location"), got.Header.Get("Content-Type"))
	}
	if !strings.Contains(got.text, "This did not work") {
		t.Errorf("page: %s", got.text)
	}
}

// redirectTricks are ways to make one reader take a redirect URI for the
// registered one, and another send the browser elsewhere.
var redirectTricks = []string{
	"http://127.0.0.1:7777/callback/", "http://127.0.0.1:7777/callback/..", "http://127.0.0.1:7777/callback/../evil",
	"http://127.0.0.1:7777/%63allback", "http://127.0.0.1:7777/callback%2f", "http://127.0.0.1:7777/x/%2e%2e/callback",
	"http://127.0.0.1:7777/Callback", "HTTP://127.0.0.1:7777/callback", "http://127.0.0.1:7777//callback",
	"http://127.0.0.1:7777/callback?x=1", "http://127.0.0.1:7777/callback?", "http://127.0.0.1:7777/callback#x", "http://127.0.0.1:7777/callback#",
	"http://127.0.0.1:7777\\callback", "http://127.0.0.1:7777/callback\r\nLocation: http://evil.example", "http://127.0.0.1:7777/callback\x00",
	"http://user@127.0.0.1:7777/callback", "http://127.0.0.1:7777@evil.example/callback", "http://evil.example@127.0.0.1:7777/callback",
	"http://127.0.0.1.evil.example/callback", "http://127.0.0.1:7777.evil.example/callback", "http://evil.example/127.0.0.1:7777/callback",
	"http://127.0.0.1:0/callback", "http://127.0.0.1:65536/callback", "http://127.0.0.1:/callback", "http://127.0.0.1:07777/callback", "http://127.0.0.1:+1/callback",
	"http://127.1:7777/callback", "http://2130706433:7777/callback", "http://0x7f.0.0.1:7777/callback", "http://127.0.0.1.:7777/callback", "http://127.0.0.2:7777/callback",
	"https://127.0.0.1:7777/callback", "http://localhost:7777/call", "http://[::ffff:127.0.0.1]:7777/callback", "http://[::1%25lo]:7777/callback", "http://[0:0:0:0:0:0:0:1]:7777/callback",
	"//127.0.0.1:7777/callback", "/callback", "callback", "javascript:alert(1)", "data:text/html,x", "http:127.0.0.1:7777/callback", "http:///127.0.0.1:7777/callback",
	" http://127.0.0.1:7777/callback", "http://127.0.0.1:7777/callback ", "http://127.0.0.1:7777/call\tback", "http://①②⑦.⓪.⓪.①:7777/callback",
}

func TestF02_AS03_RedirectVariantsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, uri := range redirectTricks {
		t.Run(uri, func(t *testing.T) {
			query := strings.Replace(r.ask(), url.QueryEscape(testRedirect), url.QueryEscape(uri), 1)
			r.wantPage(t, r.browser().get(query))
		})
	}
}

func TestF03_AS03_WA4_OnlyTheLoopbackPortIsFree(t *testing.T) {
	t.Parallel()
	r := start(t)
	for uri, good := range map[string]bool{
		"http://127.0.0.1/callback":              true,
		"http://127.0.0.1:1/callback":            true,
		"http://127.0.0.1:65535/callback":        true,
		"http://[::1]:4000/callback":             true,
		"http://localhost:3000/callback":         true,
		"http://localhost:3001/callback":         true,
		"http://localhost/callback":              true,
		"http://127.0.0.1:4000/other":            false,
		"https://127.0.0.1:4000/callback":        false,
		"http://127.0.0.1.evil.com/callback":     false,
		"http://[::1].evil.com/callback":         false,
		"http://127.0.0.1:4000/oauth/callback":   false,
		"http://localhost:6274/oauth/callback":   true,
		"http://127.0.0.1:6274/oauth/callback/x": false,
	} {
		t.Run(uri, func(t *testing.T) {
			got := r.browser().get(r.ask("redirect_uri=" + uri))
			if (got.StatusCode == http.StatusOK) != good {
				t.Errorf("status %d", got.StatusCode)
			}
		})
	}
}

// wantError wants an error in the redirect, with state and issuer.
func (r *rig) wantError(t *testing.T, got answer, code string) {
	t.Helper()
	location := got.Header.Get("Location")
	if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, testRedirect+"?") {
		t.Fatalf("status %d, Location %q: %s", got.StatusCode, location, got.text)
	}
	said := r.response(got)
	if said.Get("error") != code || said.Get("state") != "st-1" || said.Get("iss") != r.issuer || said.Has("code") || said.Get("error_description") == "" {
		t.Errorf("the response is %v, want %s with state and iss", said, code)
	}
}

func TestF04_F06_F08_AS02_AS05_AS06_RefusalsGoBackToTheClient(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, test := range map[string]struct{ change, code string }{
		"no challenge":                 {"code_challenge=", "invalid_request"},
		"no method":                    {"code_challenge_method=", "invalid_request"},
		"plain":                        {"code_challenge_method=plain", "invalid_request"},
		"method in another case":       {"code_challenge_method=s256", "invalid_request"},
		"challenge of 42":              {"code_challenge=" + challenge[1:], "invalid_request"},
		"challenge of 44":              {"code_challenge=" + challenge + "a", "invalid_request"},
		"challenge of 129":             {"code_challenge=" + strings.Repeat("a", 129), "invalid_request"},
		"challenge, bad alphabet":      {"code_challenge=" + strings.Repeat("+", 43), "invalid_request"},
		"foreign resource":             {"resource=https://other.example/mcp", "invalid_target"},
		"resource, relative":           {"resource=/mcp", "invalid_target"},
		"resource, fragment":           {"resource=" + testResource + "#x", "invalid_target"},
		"resource, slash":              {"resource=" + testResource + "/", "invalid_target"},
		"resource, case":               {"resource=http://LOCALHOST:9000/mcp", "invalid_target"},
		"resource, parent":             {"resource=http://localhost:9000", "invalid_target"},
		"no response type":             {"response_type=", "invalid_request"},
		"implicit":                     {"response_type=token", "unsupported_response_type"},
		"hybrid":                       {"response_type=code id_token", "unsupported_response_type"},
		"fragment mode":                {"response_mode=fragment", "invalid_request"},
		"request object":               {"request=x.y.z", "request_not_supported"},
		"request URI":                  {"request_uri=https://evil.example/r", "request_uri_not_supported"},
		"unknown scopes only":          {"scope=root admin", "invalid_scope"},
		"offline access only":          {"scope=offline_access", "invalid_scope"},
		"no scope, broken":             {"scope=mcp:read\tx", "invalid_scope"},
		"none and more":                {"prompt=none login", "invalid_request"},
		"none":                         {"prompt=none", "login_required"},
		"max_age":                      {"max_age=x", "invalid_request"},
		"a scope that is no scope":     {`scope="mcp:read"`, "invalid_scope"},
		"a parameter that is too long": {"nonce=" + strings.Repeat("n", maxParameter+1), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			r.wantError(t, r.browser().get(r.ask(test.change)), test.code)
		})
	}
	t.Run("two resources", func(t *testing.T) {
		r.wantError(t, r.browser().get(r.ask()+"&resource="+url.QueryEscape(testResource)), "invalid_target")
	})
	for _, name := range []string{"scope", "code_challenge", "response_type", "prompt", "nonce"} {
		t.Run("two of "+name, func(t *testing.T) {
			r.wantError(t, r.browser().get(r.ask()+"&"+name+"=a&"+name+"=b"), "invalid_request")
		})
	}
	t.Run("two states", func(t *testing.T) {
		said := r.response(r.browser().get(r.ask() + "&state=other"))
		if said.Get("error") != "invalid_request" || said.Has("state") || said.Get("iss") != r.issuer {
			t.Errorf("the response is %v", said)
		}
	})
}

func TestAS06_F08_EveryResponseNamesTheIssuer(t *testing.T) {
	t.Parallel()
	r := start(t)
	said := r.browser().authorizeAs("mcp-user")
	if said.Get("iss") != r.issuer || said.Get("state") != "st-1" || said.Get("code") == "" {
		t.Errorf("a good response is %v", said)
	}
	b := r.browser()
	page := b.get(b.logIn(b.get(r.ask()), "mcp-user").Header.Get("Location"))
	r.wantError(t, b.post(r.Server.base()+pathConsent, url.Values{"request": {r.requestIn(page)}, "cancel": {"yes"}}), "access_denied")
	// Readers have no right to call tools.
	b = r.browser()
	r.wantError(t, b.logIn(b.get(r.ask("scope=mcp:tools")), "mcp-readonly"), "access_denied")
}

func TestAS03_TheResponseKeepsTheQueryOfTheRedirectURI(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	const uri = "https://app.example/cb?tenant=a%20b"
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{uri}, "token_endpoint_auth_method": "none", "client_name": "App"})
	got := r.browser().get(r.ask("client_id="+m.ClientID, "redirect_uri="+uri, "prompt=none"))
	if location := got.Header.Get("Location"); !strings.HasPrefix(location, uri+"&") || r.response(got).Get("tenant") != "a b" {
		t.Errorf("Location %q", location)
	}
}

func TestPromptAndMaxAge(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	b.authorizeAs("mcp-user")
	isLogin := func(got answer) bool {
		return got.StatusCode == http.StatusOK && strings.Contains(got.text, `name="password"`)
	}
	isConsent := func(got answer) bool { return strings.Contains(got.Header.Get("Location"), pathConsent) }
	if got := b.get(r.ask()); !isConsent(got) {
		t.Errorf("logged in: %d %q", got.StatusCode, got.Header.Get("Location"))
	}
	for _, prompt := range []string{"login", "select_account", "login consent"} {
		got := b.get(r.ask("prompt=" + prompt))
		if !isLogin(got) {
			t.Errorf("prompt=%s: %d", prompt, got.StatusCode)
		} else if after := b.logIn(got, "mcp-user"); !isConsent(after) {
			t.Errorf("prompt=%s asks again: %d", prompt, after.StatusCode)
		}
	}
	r.wantError(t, b.get(r.ask("prompt=none")), "consent_required")
	r.clock.advance(100 * 1e9)
	if got := b.get(r.ask("max_age=200")); !isConsent(got) {
		t.Errorf("max_age=200 after 100 s: %d", got.StatusCode)
	}
	if got := b.get(r.ask("max_age=99")); !isLogin(got) {
		t.Errorf("max_age=99 after 100 s: %d", got.StatusCode)
	}
	r.clock.advance(r.lifetimes.idle)
	if got := b.get(r.ask()); !isLogin(got) {
		t.Errorf("after the session has ended: %d", got.StatusCode)
	}
}
