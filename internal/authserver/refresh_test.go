package authserver

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

func TestG06_AS07_RefreshTokensRotate(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.login("mcp-user")
	second := r.tokens(refreshForm(first.RefreshToken, "resource="+testResource))
	if second.status != http.StatusOK || second.RefreshToken == "" || second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Fatalf("second: %d", second.status)
	}
	third := r.tokens(refreshForm(second.RefreshToken))
	if third.status != http.StatusOK || third.Scope != first.Scope {
		t.Fatalf("third: %d %s", third.status, third.text)
	}
	if !r.active(first.AccessToken) || !r.active(third.AccessToken) {
		t.Error("the access tokens of a living family are not active")
	}
	// The oldest one is in two hands.
	r.want(r.tokens(refreshForm(first.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	r.want(r.tokens(refreshForm(third.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	if r.active(first.AccessToken) || r.active(third.AccessToken) {
		t.Error("the family is still active")
	}
	// Other logins of the same user and client are not touched.
	other := r.login("mcp-user")
	r.want(r.tokens(refreshForm(third.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	if !r.active(other.AccessToken) {
		t.Error("another family went with it")
	}
}

func TestAS07_RefreshTokensAreBound(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}})
	for name, test := range map[string]struct{ change, code string }{
		"another client":   {"client_id=" + m.ClientID, "invalid_grant"},
		"another resource": {"resource=https://other.example/mcp", "invalid_target"},
		"more scope":       {"scope=mcp:read mcp:tools mcp:prompts", "invalid_scope"},
		"broken scope":     {"scope=a\tb", "invalid_scope"},
		"none":             {"refresh_token=", "invalid_request"},
		"made up":          {"refresh_token=a.b", "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			r.want(r.tokens(refreshForm(r.login("mcp-user").RefreshToken, test.change)), http.StatusBadRequest, test.code)
		})
	}
	got := r.tokens(refreshForm(r.login("mcp-user").RefreshToken, "scope=mcp:read"))
	if got.Scope != "mcp:read" {
		t.Errorf("narrower: %q", got.Scope)
	}
	// Narrower once is not narrower for ever (RFC 6749, section 6).
	if got = r.tokens(refreshForm(got.RefreshToken)); got.Scope != "mcp:read mcp:tools" {
		t.Errorf("after that: %q", got.Scope)
	}
}

func TestAS07_RefreshTokensEnd(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := r.login("mcp-user")
	// Used, it lives for as long as the realm's longest session.
	began := r.clock.now()
	for r.clock.now().Sub(began) < r.lifetimes.longest-25*time.Minute {
		r.clock.advance(25 * time.Minute)
		if got = r.tokens(refreshForm(got.RefreshToken)); got.status != http.StatusOK {
			t.Fatalf("after %s: %s", r.clock.now().Sub(began), got.text)
		}
	}
	// Just before the end there is another access token, which lives on; the
	// refresh token doesn't.
	r.clock.advance(began.Add(r.lifetimes.longest - time.Minute).Sub(r.clock.now()))
	if got = r.tokens(refreshForm(got.RefreshToken)); got.status != http.StatusOK {
		t.Fatal(got.text)
	}
	r.clock.advance(2 * time.Minute)
	if !r.active(got.AccessToken) {
		t.Error("the access token ended before its time")
	}
	r.want(r.tokens(refreshForm(got.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	// Unused, for the realm's idle time.
	got = r.login("mcp-user")
	r.clock.advance(r.lifetimes.idle)
	r.want(r.tokens(refreshForm(got.RefreshToken)), http.StatusBadRequest, "invalid_grant")
}

func TestAS07_OnlyClientsWithTheGrantGetRefreshTokens(t *testing.T) {
	t.Parallel()
	r := start(t)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none"})
	if slices.Contains(m.GrantTypes, "refresh_token") {
		t.Fatalf("granted %v", m.GrantTypes)
	}
	got := r.tokens(redeemForm(r.code("mcp-user", "client_id="+m.ClientID), "client_id="+m.ClientID))
	if got.status != http.StatusOK || got.RefreshToken != "" {
		t.Errorf("%d, refresh token %v", got.status, got.RefreshToken != "")
	}
	r.want(r.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"a.b"}, "client_id": {m.ClientID}}), http.StatusBadRequest, "unauthorized_client")
}

func TestAS07_RightsAreAskedForAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := r.login("mcp-user")
	r.users.users["mcp-user"].Roles = map[string][]string{serverClient: {"mcp:read"}}
	if got = r.tokens(refreshForm(got.RefreshToken)); got.Scope != "mcp:read" {
		t.Errorf("after a role was taken away: %q", got.Scope)
	}
	delete(r.users.users, "mcp-user")
	r.want(r.tokens(refreshForm(got.RefreshToken)), http.StatusBadRequest, "invalid_grant")
}

func TestRevocation(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}})
	revoke := func(token, client string) answer {
		return r.browser().post(r.Server.base()+pathRevoke, url.Values{"token": {token}, "client_id": {client}, "token_type_hint": {"refresh_token"}})
	}
	got := r.login("mcp-user")
	if said := r.reply(revoke(got.AccessToken, m.ClientID)); said.Error != "unauthorized_client" || !r.active(got.AccessToken) {
		t.Errorf("another client's access token: %v", said.Error)
	}
	if said := r.reply(revoke(got.RefreshToken, m.ClientID)); said.Error != "unauthorized_client" || !r.active(got.AccessToken) {
		t.Errorf("another client's refresh token: %v", said.Error)
	}
	if said := revoke(got.AccessToken, testClient); said.StatusCode != http.StatusOK || said.text != "" || r.active(got.AccessToken) {
		t.Errorf("access token: %d %q", said.StatusCode, said.text)
	}
	next := r.tokens(refreshForm(got.RefreshToken))
	if next.status != http.StatusOK || !r.active(next.AccessToken) {
		t.Error("the family went with the access token")
	}
	if said := revoke(next.RefreshToken, testClient); said.StatusCode != http.StatusOK || r.active(next.AccessToken) {
		t.Errorf("refresh token: %d", said.StatusCode)
	}
	r.want(r.tokens(refreshForm(next.RefreshToken)), http.StatusBadRequest, "invalid_grant")
	for _, token := range []string{"nonsense", next.RefreshToken, "a.b.c"} {
		if said := revoke(token, testClient); said.StatusCode != http.StatusOK {
			t.Errorf("unknown token: %d", said.StatusCode)
		}
	}
	if said := r.reply(revoke("", testClient)); said.Error != "invalid_request" {
		t.Errorf("no token: %q", said.Error)
	}
	if said := r.reply(revoke("x", "nobody")); said.status != http.StatusUnauthorized || said.Error != "invalid_client" {
		t.Errorf("unknown client: %d %q", said.status, said.Error)
	}
}
