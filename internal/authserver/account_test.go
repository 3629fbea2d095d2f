package authserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

var hiddenToken = regexp.MustCompile(`name="token" value="([A-Za-z0-9_-]+)"`)

// applications logs a browser in at the page of applications, and returns the page
// with the token in its form.
func (b *browser) applications(user string) (page answer, token string) {
	b.Helper()
	path := b.Server.base() + pathApplications
	page = b.get(path)
	if strings.Contains(page.text, `name="password"`) {
		if got := b.logIn(page, user); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != path {
			b.Fatalf("login: %d to %q", got.StatusCode, got.Header.Get("Location"))
		}
		page = b.get(path)
	}
	match := hiddenToken.FindStringSubmatch(page.text)
	if match == nil {
		b.Fatalf("%d: %s", page.StatusCode, page.text)
	}
	return page, match[1]
}

// A user sees what applications may do, and takes it back: consent, codes and
// refresh tokens of that client and that user, and nothing else.
func TestUsersTakeBackWhatTheyAllowed(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	const uri = "https://app.example/cb"
	m, _ := r.registerClient(map[string]any{
		"client_name": "Notes <b>", "redirect_uris": []string{uri}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"},
	})
	changes := []string{"client_id=" + m.ClientID, "redirect_uri=" + uri}
	b := r.browser()
	first := r.tokens(redeemForm(b.authorizeAs("mcp-user", changes...).Get("code"), changes...))
	unused := r.response(b.get(r.ask(changes...))).Get("code")
	if first.RefreshToken == "" || unused == "" || !r.active(first.AccessToken) {
		t.Fatalf("%s, %q", first.text, unused)
	}
	others := r.tokens(redeemForm(r.code("mcp-admin", changes...), changes...))
	mine := r.login("mcp-user")

	page, token := b.applications("mcp-user")
	for _, want := range []string{"Notes &lt;b&gt;", "registered itself", `value="` + m.ClientID + `"`, `value="` + testClient + `"`, "5 minutes", "Log out"} {
		if !strings.Contains(page.text, want) {
			t.Errorf("the page lacks %q: %s", want, page.text)
		}
	}
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "form-action 'self'") || page.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("policy %q", policy)
	}
	path := r.Server.base() + pathApplications
	got := b.post(path, url.Values{"token": {token}, "client": {m.ClientID}}, "Origin", "null", "Sec-Fetch-Site", "same-origin")
	if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != path+"?done" {
		t.Fatalf("%d %q", got.StatusCode, got.Header.Get("Location"))
	}
	if page := b.get(path + "?done"); strings.Contains(page.text, m.ClientID) || !strings.Contains(page.text, testClient) || !strings.Contains(page.text, "was taken back") {
		t.Errorf("afterwards: %s", page.text)
	}
	r.want(r.tokens(refreshForm(first.RefreshToken, "client_id="+m.ClientID)), http.StatusBadRequest, "invalid_grant")
	r.want(r.tokens(redeemForm(unused, changes...)), http.StatusBadRequest, "invalid_grant")
	if r.active(first.AccessToken) {
		t.Error("its access token is active")
	}
	if page := b.get(r.ask(changes...)); !strings.Contains(page.Header.Get("Location"), pathConsent) {
		t.Errorf("it gets a code without asking: %d %s", page.StatusCode, page.Header.Get("Location"))
	}
	if !r.active(others.AccessToken) || !r.active(mine.AccessToken) {
		t.Error("another user's token, or one of another client, went too")
	}
	if got := b.post(path, url.Values{"token": {token}, "logout": {"yes"}}); got.StatusCode != http.StatusSeeOther {
		t.Errorf("log out: %d", got.StatusCode)
	}
	if page := b.get(path); !strings.Contains(page.text, `name="password"`) {
		t.Errorf("after logging out: %s", page.text)
	}
}

func TestF10_TakingBackCantBeForged(t *testing.T) {
	t.Parallel()
	r := start(t)
	b, attacker := r.browser(), r.browser()
	given := r.tokens(redeemForm(b.authorizeAs("mcp-user").Get("code")))
	_, mine := b.applications("mcp-user")
	_, theirs := attacker.applications("mcp-readonly")
	path := r.Server.base() + pathApplications
	form := func(token string, more ...string) url.Values {
		values := url.Values{"token": {token}, "client": {testClient}}
		change(values, more)
		return values
	}
	for name, test := range map[string]struct {
		values  url.Values
		headers []string
	}{
		"token of another session": {form(theirs), nil},
		"made up":                  {form(digest("x")), nil},
		"none":                     {form("x", "token="), nil},
		"no button":                {form(mine, "client="), nil},
		"two buttons":              {form(mine, "logout=yes"), nil},
		"more than the form has":   {form(mine, "sub=x"), nil},
		"foreign Origin":           {form(mine), []string{"Origin", "https://evil.example"}},
		"cross-site":               {form(mine), []string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}},
	} {
		if got := b.post(path, test.values, test.headers...); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if got := r.browser().post(path, form(mine)); got.StatusCode != http.StatusForbidden {
		t.Errorf("without a session: %d", got.StatusCode)
	}
	if !r.active(given.AccessToken) {
		t.Error("something was taken back")
	}
	// The login for this page is no authorization request.
	c := r.browser()
	id := r.requestIn(c.get(path))
	for _, at := range []string{pathConsent, pathLogin} {
		got := c.get(r.Server.base() + at + "?request=" + id)
		if at == pathConsent && got.StatusCode != http.StatusBadRequest || got.StatusCode == http.StatusSeeOther {
			t.Errorf("%s: %d", at, got.StatusCode)
		}
	}
	c.logIn(c.get(path), "mcp-user")
	if got := c.post(r.Server.base()+pathConsent, url.Values{"request": {id}, "accept": {"yes"}}); got.StatusCode != http.StatusForbidden {
		t.Errorf("consent: %d", got.StatusCode)
	}
}

// State of earlier versions is read: records name no caller, and consents don't
// name their client. Such consents are forgotten, and the user is asked again.
func TestStateOfEarlierVersions(t *testing.T) {
	t.Parallel()
	kept := &store.Memory{}
	r := start(t, func(c *Config) { c.Store = kept })
	given := r.login("mcp-user")
	subject := r.users.users["mcp-user"].ID
	_ = kept.Update(func(tx store.Tx) (err error) {
		for key, raw := range tx.Each("grants") {
			old := strings.Replace(string(raw), fmt.Sprintf(`"caller":%q,`, subject), "", 1)
			if old == string(raw) {
				t.Error("the record names no caller")
			}
			err = errors.Join(err, tx.Put("new", key, []byte(old)))
		}
		for key, raw := range tx.Each("new") {
			err = errors.Join(err, tx.Put("grants", key, raw))
		}
		for _, bucket := range []string{"consents", "clients", "codes", "revoked"} {
			record := fmt.Appendf(nil, `{"expires":%d,"value":["mcp:read"]}`, r.clock.now().Add(time.Hour).Unix())
			err = errors.Join(err, tx.Put(bucket, "of an earlier version", record))
		}
		return err
	})
	s := start(t, func(c *Config) { c.Store = kept })
	for _, bucket := range []string{"consents", "codes", "clients", "revoked"} {
		_ = kept.View(func(tx store.Reader) error {
			if tx.Get(bucket, "of an earlier version") != nil {
				t.Errorf("%s keeps what it can't read", bucket)
			}
			return nil
		})
	}
	if page, _ := s.browser().applications("mcp-user"); !strings.Contains(page.text, testClient) {
		t.Errorf("%s", page.text)
	}
	if got := s.tokens(refreshForm(given.RefreshToken)); got.status != http.StatusOK {
		t.Errorf("a refresh token of before: %d %s", got.status, got.text)
	}
}
