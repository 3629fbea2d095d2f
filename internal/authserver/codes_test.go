package authserver

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestG01_AS02_TheVerifierMustFit(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, test := range map[string]struct{ change, code string }{
		"none":          {"code_verifier=", "invalid_request"},
		"another":       {"code_verifier=" + strings.Repeat("a", 43), "invalid_grant"},
		"42":            {"code_verifier=" + verifier[1:], "invalid_request"},
		"129":           {"code_verifier=" + strings.Repeat("a", 129), "invalid_request"},
		"bad alphabet":  {"code_verifier=" + strings.Repeat("+", 43), "invalid_request"},
		"the challenge": {"code_verifier=" + challenge, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			r.want(r.tokens(redeemForm(r.code("mcp-user"), test.change)), http.StatusBadRequest, test.code)
		})
	}
}

func TestG02_AS02_NoChallengeNoCode(t *testing.T) {
	t.Parallel()
	r := start(t)
	b := r.browser()
	b.authorizeAs("mcp-user")
	// Logged in or not: without a challenge there is no code to be had.
	r.wantError(t, b.get(r.ask("code_challenge=", "code_challenge_method=")), "invalid_request")
	r.wantError(t, b.get(r.ask("code_challenge=")), "invalid_request")
}

func TestAS04_CodesAreBound(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none"})
	for name, test := range map[string]struct{ change, code string }{
		"another client":       {"client_id=" + m.ClientID, "invalid_grant"},
		"another redirect":     {"redirect_uri=http://127.0.0.1:7778/callback", "invalid_grant"},
		"no code":              {"code=", "invalid_request"},
		"another code":         {"code=" + strings.Repeat("A", 26), "invalid_grant"},
		"G05 another resource": {"resource=https://other.example/mcp", "invalid_target"},
	} {
		t.Run(name, func(t *testing.T) {
			code := r.code("mcp-user")
			r.want(r.tokens(redeemForm(code, test.change)), http.StatusBadRequest, test.code)
		})
	}
	t.Run("G05 two resources", func(t *testing.T) {
		form := redeemForm(r.code("mcp-user"))
		form.Add("resource", testResource)
		r.want(r.tokens(form), http.StatusBadRequest, "invalid_target")
	})
	t.Run("an attempt that failed was an attempt", func(t *testing.T) {
		code := r.code("mcp-user")
		r.want(r.tokens(redeemForm(code, "code_verifier="+strings.Repeat("a", 43))), http.StatusBadRequest, "invalid_grant")
		r.want(r.tokens(redeemForm(code)), http.StatusBadRequest, "invalid_grant")
	})
}

func TestAS04_CodesLiveForAMinute(t *testing.T) {
	t.Parallel()
	r := start(t)
	code := r.code("mcp-user")
	r.clock.advance(59 * time.Second)
	if got := r.tokens(redeemForm(code)); got.status != http.StatusOK {
		t.Errorf("after 59 s: %d %s", got.status, got.text)
	}
	code = r.code("mcp-user")
	r.clock.advance(60 * time.Second)
	r.want(r.tokens(redeemForm(code)), http.StatusBadRequest, "invalid_grant")
}

func TestAS05_TheAudienceIsTheResource(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, changes := range map[string]struct{ at, token string }{
		"asked twice": {"resource=" + testResource, "resource=" + testResource},
		"asked once":  {"resource=" + testResource, "resource="},
		"asked late":  {"resource=", "resource=" + testResource},
		"not asked":   {"resource=", "resource="},
	} {
		got := r.tokens(redeemForm(r.code("mcp-user", changes.at), changes.token))
		if _, claims := r.claimsOf(got.AccessToken); claims["aud"] != testResource {
			t.Errorf("%s: aud is %v", name, claims["aud"])
		}
	}
	other := start(t, func(c *Config) { c.Resource = "https://mcp.example.com/mcp" })
	got := other.tokens(redeemForm(other.code("mcp-user", "resource="), "resource="))
	if _, claims := other.claimsOf(got.AccessToken); claims["aud"] != "https://mcp.example.com/mcp" {
		t.Errorf("with -resource: aud is %v", claims["aud"])
	}
	other.wantError(t, other.browser().get(other.ask()), "invalid_target")
}

func TestG03_AS04_AReplayRevokesWhatTheCodeGave(t *testing.T) {
	t.Parallel()
	r := start(t)
	code := r.code("mcp-user")
	first := r.tokens(redeemForm(code))
	if !r.active(first.AccessToken) {
		t.Fatal("the token isn't active")
	}
	r.want(r.tokens(redeemForm(code)), http.StatusBadRequest, "invalid_grant")
	if r.active(first.AccessToken) {
		t.Error("the access token is still active")
	}
	r.want(r.tokens(refreshForm(first.RefreshToken)), http.StatusBadRequest, "invalid_grant")
}

func TestG03_AS04_AReplayByAnotherClientRevokesToo(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none"})
	code := r.code("mcp-user")
	first := r.tokens(redeemForm(code))
	r.want(r.tokens(redeemForm(code, "client_id="+m.ClientID)), http.StatusBadRequest, "invalid_grant")
	if r.active(first.AccessToken) {
		t.Error("the access token is still active")
	}
}

// race sends one form from many clients at a time and returns the replies.
func (r *rig) race(form url.Values) (good []reply, bad int) {
	r.Helper()
	const tries = 50
	begin, replies := make(chan struct{}), make(chan reply, tries)
	form.Set("client_id", testClient)
	for range tries {
		go func() {
			<-begin
			replies <- r.tokens(form)
		}()
	}
	close(begin)
	for range tries {
		switch got := <-replies; {
		case got.status == http.StatusOK:
			good = append(good, got)
		case got.Error == "invalid_grant":
			bad++
		default:
			r.Errorf("%d %s", got.status, got.text)
		}
	}
	return good, bad
}

func testRaces(t *testing.T, options ...func(*Config)) {
	t.Run("G03 AS04 a code", func(t *testing.T) {
		r := start(t, options...)
		good, bad := r.race(redeemForm(r.code("mcp-user")))
		if len(good) != 1 || bad != 49 {
			t.Fatalf("%d were given tokens, %d refused", len(good), bad)
		}
		if r.active(good[0].AccessToken) {
			t.Error("what it gave is still active")
		}
		r.want(r.tokens(refreshForm(good[0].RefreshToken)), http.StatusBadRequest, "invalid_grant")
	})
	t.Run("G06 AS07 a refresh token", func(t *testing.T) {
		r := start(t, options...)
		first := r.login("mcp-user")
		good, bad := r.race(refreshForm(first.RefreshToken))
		if len(good) != 1 || bad != 49 {
			t.Fatalf("%d were given tokens, %d refused", len(good), bad)
		}
		if r.active(good[0].AccessToken) || r.active(first.AccessToken) {
			t.Error("the family is still active")
		}
		r.want(r.tokens(refreshForm(good[0].RefreshToken)), http.StatusBadRequest, "invalid_grant")
	})
}

func TestG03_G06_RacesInMemory(t *testing.T) { testRaces(t) }
