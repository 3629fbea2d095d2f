package authserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/authserver/store"
)

func onDisk(t *testing.T, path string) func(*Config) {
	return func(c *Config) {
		db, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		c.Store = db
	}
}

func TestG03_G06_RacesOnDisk(t *testing.T) {
	t.Parallel()
	testRaces(t, func(c *Config) { onDisk(t, filepath.Join(t.TempDir(), "state.db"))(c) })
}

// TestAKilledServerForgetsNothing takes the file as it lies there while the
// server still has it open: all that a killed one would leave.
func TestAKilledServerForgetsNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	var issuer string
	r := start(t, open, onDisk(t, path), func(c *Config) { issuer = c.Issuer })
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{"https://app.example/cb"}, "client_name": "App", "grant_types": []string{"authorization_code", "refresh_token"}})
	code := r.code("mcp-user", "client_id="+m.ClientID, "redirect_uri=https://app.example/cb")
	rotated := r.login("mcp-user")
	old := rotated.RefreshToken
	rotated = r.tokens(refreshForm(old))
	stolen := r.login("mcp-user")
	revoked := r.login("mcp-user")
	r.browser().post(r.Server.base()+pathRevoke, url.Values{"token": {revoked.AccessToken}, "client_id": {testClient}})

	left, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(copied, left, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, open, onDisk(t, copied), func(c *Config) { c.Issuer = issuer })
	s.Server.hosts = append(s.Server.hosts, strings.TrimPrefix(s.base, "http://")) // another port, the same issuer
	s.clock.at = r.clock.now()

	if !s.active(rotated.AccessToken) || s.active(revoked.AccessToken) {
		t.Error("access tokens: the living or the revoked one was forgotten")
	}
	form := redeemForm(code, "redirect_uri=https://app.example/cb")
	if got := s.tokens(form, "Authorization", basic(m.ClientID, m.ClientSecret)); got.status != http.StatusOK {
		t.Errorf("the code of a registered client: %d %s", got.status, got.text)
	}
	s.want(s.tokens(form, "Authorization", basic(m.ClientID, m.ClientSecret)), 400, "invalid_grant")
	if got := s.tokens(refreshForm(stolen.RefreshToken)); got.status != http.StatusOK {
		t.Errorf("a refresh token: %d %s", got.status, got.text)
	}
	s.want(s.tokens(refreshForm(old)), 400, "invalid_grant") // used before the crash
	s.want(s.tokens(refreshForm(rotated.RefreshToken)), 400, "invalid_grant")

	// The consent is remembered, though nobody is logged in any more.
	b := s.browser()
	page := b.get(s.ask("client_id="+m.ClientID, "redirect_uri=https://app.example/cb"))
	if said := s.response(b.logIn(page, "mcp-user")); said.Get("code") == "" {
		t.Errorf("consent: %v", said)
	}
}

func TestG13_SecretsAreKeptAsHashesOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.db")
	r := start(t, open, onDisk(t, path))
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "grant_types": []string{"authorization_code", "refresh_token"}})
	b := r.browser()
	unused := r.code("mcp-user", "client_id="+m.ClientID)
	code := b.authorizeAs("mcp-user").Get("code")
	got := r.tokens(redeemForm(code))
	next := r.tokens(refreshForm(got.RefreshToken))
	handle, _, _ := strings.Cut(next.RefreshToken, ".")
	site, _ := url.Parse(r.issuer)
	secrets := map[string]string{
		"code": code, "unused code": unused, "refresh token": got.RefreshToken, "next refresh token": next.RefreshToken, "handle": handle,
		"client secret": m.ClientSecret, "access token": got.AccessToken, "verifier": verifier, "password": "user123", "demo secret": serverSecret,
	}
	for _, c := range b.client.Jar.Cookies(site) {
		secrets["cookie "+c.Name] = c.Value
	}
	if len(secrets) != 12 {
		t.Fatalf("%d secrets", len(secrets))
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.interactions.store.View(func(tx store.Reader) error {
		for _, bucket := range []string{"interactions", "sessions"} {
			for key, value := range tx.Each(bucket) {
				kept = append(append(kept, key...), value...)
			}
		}
		return nil
	})
	if !bytes.Contains(kept, []byte(digest(unused))) || !bytes.Contains(kept, []byte(digest(m.ClientSecret))) {
		t.Fatal("the hashes aren't there, so this looks in the wrong place")
	}
	for name, value := range secrets {
		if bytes.Contains(kept, []byte(value)) {
			t.Errorf("the store holds the %s", name)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	for name, user := range r.users.users {
		if text, _ := json.Marshal(user.User); user.Password != "" || bytes.Contains(text, []byte("123\"")) {
			t.Errorf("%s still has the password", name)
		}
	}
}

// faulty is a store that fails from a certain write on, or when it commits.
type faulty struct {
	store.Store
	writes  int // that work; -1: all
	commits bool
}

var errDisk = errors.New("the disk is broken")

func (f *faulty) Update(do func(store.Tx) error) error {
	return f.Store.Update(func(tx store.Tx) error {
		if err := do(&faultyTx{tx, f}); err != nil {
			return err
		}
		if f.commits {
			return errDisk
		}
		return nil
	})
}

type faultyTx struct {
	store.Tx
	f *faulty
}

func (t *faultyTx) fail() bool {
	if t.f.writes == 0 {
		return true
	}
	t.f.writes--
	return false
}

func (t *faultyTx) Put(bucket, key string, value []byte) error {
	if t.fail() {
		return errDisk
	}
	return t.Tx.Put(bucket, key, value)
}

func (t *faultyTx) Delete(bucket, key string) error {
	if t.fail() {
		return errDisk
	}
	return t.Tx.Delete(bucket, key)
}

func TestG12_AStoreThatFailsGivesNothingOut(t *testing.T) {
	t.Parallel()
	broken := &faulty{Store: &store.Memory{}, writes: -1}
	r := start(t, func(c *Config) { c.Store = broken })
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}})
	breakAt := map[string]func(){
		"the first write":  func() { broken.writes = 0 },
		"the second write": func() { broken.writes = 1 },
		"the commit":       func() { broken.commits = true },
	}
	repair := func() { broken.writes, broken.commits = -1, false }
	refused := func(t *testing.T, got reply) {
		t.Helper()
		if got.status != http.StatusInternalServerError || got.Error != "server_error" || strings.Contains(got.text, "disk") || got.AccessToken != "" {
			t.Errorf("%d %s", got.status, got.text)
		}
	}
	for name, damage := range breakAt {
		t.Run("redeem: "+name, func(t *testing.T) {
			form := redeemForm(r.code("mcp-user", "client_id="+m.ClientID), "client_id="+m.ClientID)
			damage()
			refused(t, r.tokens(form))
			repair()
			// Nothing of it was done, so that it can be tried again.
			if got := r.tokens(form); got.status != http.StatusOK {
				t.Errorf("repaired: %d %s", got.status, got.text)
			}
		})
		t.Run("rotate: "+name, func(t *testing.T) {
			got := r.tokens(redeemForm(r.code("mcp-user", "client_id="+m.ClientID), "client_id="+m.ClientID))
			damage()
			refused(t, r.tokens(refreshForm(got.RefreshToken, "client_id="+m.ClientID)))
			repair()
			if got = r.tokens(refreshForm(got.RefreshToken, "client_id="+m.ClientID)); got.status != http.StatusOK {
				t.Errorf("repaired: %d %s", got.status, got.text)
			}
		})
	}
	for name, damage := range map[string]func(){"the first write": breakAt["the first write"], "the commit": breakAt["the commit"]} {
		t.Run("password: "+name, func(t *testing.T) {
			damage()
			defer repair()
			refused(t, r.tokens(passwordForm("mcp-user")))
		})
		t.Run("replay: "+name, func(t *testing.T) {
			code := r.code("mcp-user")
			got := r.tokens(redeemForm(code))
			damage()
			refused(t, r.tokens(redeemForm(code)))
			repair()
			r.want(r.tokens(redeemForm(code)), 400, "invalid_grant")
			if r.active(got.AccessToken) {
				t.Error("the replay revoked nothing, once repaired")
			}
		})
		t.Run("reuse: "+name, func(t *testing.T) {
			got := r.login("mcp-user")
			next := r.tokens(refreshForm(got.RefreshToken))
			damage()
			refused(t, r.tokens(refreshForm(got.RefreshToken)))
			repair()
			r.want(r.tokens(refreshForm(got.RefreshToken)), 400, "invalid_grant")
			if r.active(next.AccessToken) {
				t.Error("the reuse revoked nothing, once repaired")
			}
		})
		t.Run("revoke: "+name, func(t *testing.T) {
			for _, token := range []string{r.login("mcp-user").AccessToken, r.login("mcp-user").RefreshToken} {
				damage()
				refused(t, r.reply(r.browser().post(r.Server.base()+pathRevoke, url.Values{"token": {token}, "client_id": {testClient}})))
				repair()
			}
		})
		t.Run("register: "+name, func(t *testing.T) {
			damage()
			defer repair()
			_, got := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}})
			refused(t, r.reply(got))
		})
		t.Run("consent: "+name, func(t *testing.T) {
			damage()
			defer repair()
			said := r.browser().authorizeAs("mcp-user")
			if said.Get("error") != "server_error" || said.Has("code") || said.Get("iss") != r.issuer {
				t.Errorf("%v", said)
			}
		})
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Limits.Interactions, c.Limits.Grants = 50, 20 })
	count := r.count
	for range 200 {
		r.browser().get(r.ask())
	}
	if n := count(r.interactions.store, "interactions"); n != 50 {
		t.Errorf("%d interactions", n)
	}
	// A login still works: it is the newest.
	r.login("mcp-user")
	busy := 0
	for range 40 {
		if got := r.tokens(passwordForm("mcp-user")); got.status == http.StatusServiceUnavailable && got.Error == "temporarily_unavailable" {
			busy++
		}
	}
	if n := count(r.clients.store, "grants"); n != 20 || busy != 0 {
		t.Errorf("%d families, %d refused", n, busy)
	}
	// Expired ones go a few at a time, so that no request pays for all of them.
	r.clock.advance(r.lifetimes.longest)
	for range 3 {
		r.tokens(passwordForm("mcp-user"))
	}
	if n := count(r.clients.store, "grants"); n != 3 {
		t.Errorf("after all have ended: %d families", n)
	}
}
