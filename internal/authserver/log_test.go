package authserver

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// TestJ01_RS14_NoCredentialIsLogged sends credentials through every route, good
// ones and canaries in every place where one can stand, and looks for them in
// what was logged.
func TestJ01_RS14_NoCredentialIsLogged(t *testing.T) {
	t.Parallel()
	var logged safeBuffer
	r := startLogged(t, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})), open)
	secrets := map[string]string{"verifier": verifier, "password": "user123", "demo secret": serverSecret}
	b := r.browser()
	page := b.get(r.ask("scope=openid mcp:read", "nonce=canary-nonce-1"))
	secrets["login page"] = r.requestIn(page)
	loggedIn := b.logIn(page, "mcp-user")
	secrets["consent page"] = r.requestIn(b.get(loggedIn.Header.Get("Location")))
	code := r.response(b.consentTo(loggedIn)).Get("code")
	secrets["code"] = code
	got := r.tokens(redeemForm(code))
	secrets["access token"], secrets["refresh token"], secrets["ID token"] = got.AccessToken, got.RefreshToken, got.IDToken
	next := r.tokens(refreshForm(got.RefreshToken))
	secrets["next refresh token"] = next.RefreshToken
	r.active(next.AccessToken)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}})
	secrets["client secret"] = m.ClientSecret
	r.tokens(url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(serverClient, serverSecret))
	secrets["basic"] = basic(serverClient, serverSecret)
	site, _ := url.Parse(r.issuer)
	for _, c := range b.client.Jar.Cookies(site) {
		secrets["cookie "+c.Name] = c.Value
	}
	r.tokens(redeemForm(code))               // a replay
	r.tokens(refreshForm(got.RefreshToken))  // a reuse
	r.tokens(refreshForm(next.RefreshToken)) // of a revoked family
	r.browser().post(r.Server.base()+pathRevoke, url.Values{"token": {next.RefreshToken}, "client_id": {testClient}})

	const canary = "CANARY7Q2"
	// People type their password where the user name belongs.
	r.tokens(passwordForm("mcp-user", "username="+canary))
	r.tokens(passwordForm("mcp-user", "password="+canary))
	for _, page := range []answer{b.get(r.ask("prompt=login")), b.get(r.ask("prompt=login"))} {
		b.post(r.Server.base()+pathLogin, loginForm(r.requestIn(page), canary, canary))
	}
	for _, path := range []string{pathToken, pathRevoke, pathIntrospect, pathRegister, pathLogin, pathConsent, pathUserinfo, pathAuthorize, pathKeys, wellKnownOAuth, ""} {
		for _, kind := range []string{"authorization_code", "refresh_token", "password", "client_credentials", "x"} {
			values := url.Values{"grant_type": {kind}, "client_id": {testClient}}
			for _, name := range []string{"code", "code_verifier", "redirect_uri", "refresh_token", "token", "username", "password", "request", "state", "scope", "nonce", "code_challenge"} {
				values.Set(name, canary+name)
			}
			r.browser().post(r.Server.base()+path, values)
			r.browser().post(r.Server.base()+path+"?"+values.Encode(), values)
			values.Set("client_secret", canary)
			values.Set("client_assertion", canary+".x.y")
			r.browser().post(r.Server.base()+path, values, "Authorization", "Bearer "+canary, "Cookie", sessionCookie+"="+canary)
			r.browser().post(r.Server.base()+path, values, "Authorization", basic(testClient, canary))
			r.browser().post(r.Server.base()+path, values, "Authorization", basic(serverClient, canary))
			r.browser().get(r.Server.base() + path + "?" + values.Encode())
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions} {
			request, _ := http.NewRequest(method, r.issuer+path+"?access_token="+canary, nil)
			request.Header.Set("Authorization", "Bearer "+canary)
			r.browser().do(request)
		}
	}
	secrets["canary"] = canary

	text := logged.String()
	if lines := strings.Count(text, "\n"); lines < 100 || !strings.Contains(text, "token refused") || !strings.Contains(text, "logged in") {
		t.Fatalf("%d lines were logged: this looks in the wrong place", lines)
	}
	for name, value := range secrets {
		if value == "" {
			t.Errorf("there is no %s to look for", name)
		} else if at := strings.Index(text, value); at >= 0 {
			t.Errorf("the log holds the %s: …%s", name, text[max(0, at-200):min(len(text), at+len(value)+20)])
		}
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
