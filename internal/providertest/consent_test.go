package providertest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var formAction = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
var hiddenField = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
var attributes = regexp.MustCompile(`(name|value)="([^"]*)"`)

// consentPage logs in and returns the page that comes next, which no test may
// skip over as formlogin does.
func (p *provider) consentPage(t *testing.T, changes ...string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	read := func(response *http.Response, err error) (string, *url.URL) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s, Location %q", response.Status, response.Header.Get("Location"))
		}
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), response.Request.URL
	}
	login, at := read(browser.Get(p.ask(changes...)))
	match := formAction.FindStringSubmatch(login)
	if match == nil {
		t.Fatalf("no login form: %.500s", login)
	}
	form := url.Values{"username": {mcpUser.Name}, "password": {mcpUser.Password}}
	for _, field := range hiddenField.FindAllString(login, -1) {
		found := map[string]string{}
		for _, a := range attributes.FindAllStringSubmatch(field, -1) {
			found[a[1]] = a[2]
		}
		form.Set(found["name"], found["value"])
	}
	action, err := at.Parse(strings.ReplaceAll(match[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	page, _ := read(browser.PostForm(action.String(), form))
	return page
}
