package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// The tests of this file each caught a one-line change that no other test did.

func TestWE4_ANarrowerScopeIsHeldAgainstTheRolesToo(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := r.login("mcp-user")
	r.users.users["mcp-user"].Roles = map[string][]string{serverClient: {"mcp:read"}}
	if got = r.tokens(refreshForm(got.RefreshToken, "scope=mcp:tools mcp:read")); got.Scope != "mcp:read" {
		t.Errorf("scope %q", got.Scope)
	}
}

func TestWE4_ACodeIsForTheResourceThatItWasIssuedFor(t *testing.T) {
	t.Parallel()
	kept := &store.Memory{}
	var issuer string
	before := start(t, func(c *Config) { c.Store, issuer = kept, c.Issuer })
	code := before.code("mcp-user")
	after := start(t, func(c *Config) { c.Store, c.Issuer, c.Resource = kept, issuer, "https://mcp.example.com/mcp" })
	after.Server.hosts = append(after.Server.hosts, strings.TrimPrefix(after.base, "http://"))
	after.clock.at = before.clock.now()
	after.want(after.tokens(redeemForm(code, "resource=")), http.StatusBadRequest, "invalid_grant")
}

func TestWE4_ACodeOfAUserWhoIsGoneIsWorthNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	code := r.code("mcp-user")
	delete(r.users.users, "mcp-user")
	r.want(r.tokens(redeemForm(code)), http.StatusBadRequest, "invalid_grant")
}

// A client that refreshes is in use, for as long as one that logs in.
func TestWE4_RefreshingKeepsARegisteredClient(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Limits.UsedClient = time.Hour })
	id := r.stepUpClient()
	got := r.tokens(redeemForm(r.code("mcp-user", "client_id="+id), "client_id="+id))
	for range 4 {
		r.clock.advance(25 * time.Minute)
		if got = r.tokens(refreshForm(got.RefreshToken, "client_id="+id)); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.text)
		}
	}
}

func TestWE4_LoopbackOverTLSIsConfirmedEachTimeToo(t *testing.T) {
	t.Parallel()
	const uri = "https://localhost:8443/cb"
	r := start(t, open)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{uri}, "token_endpoint_auth_method": "none"})
	b := r.browser()
	b.authorizeAs("mcp-user", "client_id="+m.ClientID, "redirect_uri="+uri)
	if got := b.get(r.ask("client_id="+m.ClientID, "redirect_uri="+uri)); !strings.Contains(got.Header.Get("Location"), pathConsent) {
		t.Errorf("status %d, Location %q", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestWE4_OfTwoCookiesWithOneNameNeitherCounts(t *testing.T) {
	t.Parallel()
	r := start(t)
	session := cookiesOf(func() answer { b := r.browser(); return b.logIn(b.get(r.ask()), "mcp-user") }())[sessionCookie].Value
	for cookies, loggedIn := range map[string]bool{
		sessionCookie + "=" + session: true,
		sessionCookie + "=" + session + "; " + sessionCookie + "=" + strings.Repeat("A", len(session)): false,
		sessionCookie + "=" + session + "; " + sessionCookie + "=" + session:                           false,
	} {
		request, _ := http.NewRequest(http.MethodGet, r.absolute(r.ask()), nil)
		request.Header.Set("Cookie", cookies)
		if got := r.browser().do(request); (got.StatusCode == http.StatusSeeOther) != loggedIn {
			t.Errorf("%d cookies: %d", strings.Count(cookies, "="), got.StatusCode)
		}
	}
}

func TestWE4_AnUnknownCodeIsRefusedAsUnknownAndNotStored(t *testing.T) {
	t.Parallel()
	r := start(t)
	form := url.Values{"code": {"guessed"}, "code_verifier": {strings.Repeat("v", 43)}}
	if given, err := r.grants.exchangeCode(&client{}, form); given != nil || err == nil || !strings.Contains(errors.Unwrap(err).Error(), "unknown or expired") {
		t.Errorf("got %v, %v", given, err)
	}
	if n := r.count(r.clients.store, "codes"); n != 0 {
		t.Errorf("%d codes are stored", n)
	}
}

func TestWE4_AUserWhoNoLongerExistsGetsNoTokens(t *testing.T) {
	t.Parallel()
	r := start(t)
	if given, err := r.grants.start(nil, &client{}, session{Subject: "no-such-subject"}, nil); given != nil || err == nil {
		t.Errorf("got %v, %v", given, err)
	}
}

func TestWE4_AnUnknownRefreshTokenIsRefusedAsUnknown(t *testing.T) {
	t.Parallel()
	r := start(t)
	err := r.clients.store.Update(func(tx store.Tx) error {
		_, _, err := r.grants.findFamily(tx, &client{}, "guessed.token")
		return err
	})
	if err == nil || !strings.Contains(errors.Unwrap(err).Error(), "unknown, expired or revoked") {
		t.Errorf("got %v", err)
	}
}
