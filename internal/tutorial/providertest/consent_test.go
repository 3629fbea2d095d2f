package providertest

import (
	"fmt"
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

// visit is a browser at the provider's pages, which no test may skip over here
// as formlogin does. Its fields are those of the last answer.
type visit struct {
	client *http.Client
	status int
	page   string
	at     *url.URL
	back   string // where the client is told its answer, once it is
}

func newVisit(t *testing.T) *visit {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visit{client: &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

func (v *visit) open(t *testing.T, address string) {
	t.Helper()
	response, err := v.client.Get(address)
	v.read(t, response, err)
}

// fillIn sends the form of the page, with its hidden fields.
func (v *visit) fillIn(t *testing.T, fields url.Values) {
	t.Helper()
	match := formAction.FindStringSubmatch(v.page)
	if match == nil {
		t.Fatalf("no form: %.500s", v.page)
	}
	for _, field := range hiddenField.FindAllString(v.page, -1) {
		found := map[string]string{}
		for _, a := range attributes.FindAllStringSubmatch(field, -1) {
			found[a[1]] = a[2]
		}
		fields.Set(found["name"], found["value"])
	}
	action, err := v.at.Parse(strings.ReplaceAll(match[1], "&amp;", "&"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := v.client.PostForm(action.String(), fields)
	v.read(t, response, err)
}

func (v *visit) logIn(t *testing.T, password string) {
	t.Helper()
	v.fillIn(t, url.Values{"username": {mcpUser.Name}, "password": {password}})
}

func (v *visit) read(t *testing.T, response *http.Response, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	v.status, v.page, v.at, v.back = response.StatusCode, string(text), response.Request.URL, ""
	if location := response.Header.Get("Location"); strings.HasPrefix(location, callback) {
		v.back = location
	}
}

// consentPage logs in and returns the page that comes next.
func (p *provider) consentPage(t *testing.T, changes ...string) string {
	t.Helper()
	v := newVisit(t)
	v.open(t, p.ask(changes...))
	v.logIn(t, mcpUser.Password)
	if v.status != http.StatusOK {
		t.Fatalf("status %d, back to %q", v.status, v.back)
	}
	return v.page
}

// AS10: whether a user who is logged in, and has consented before, is asked
// again for a program on the same machine.
func TestAS10_F11_ConsentOfAProgramOnThisMachine(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		client := "client_id=" + p.register(t, native(nil)).get("client_id")
		v := newVisit(t)
		v.open(t, p.ask(client))
		v.logIn(t, mcpUser.Password)
		if v.back != "" {
			t.Fatal("no consent was asked for the first time")
		}
		v.fillIn(t, url.Values{"accept": {"yes"}})
		if !strings.Contains(v.back, "code=") {
			t.Fatalf("status %d, back to %q", v.status, v.back)
		}
		v.open(t, p.ask(client))
		p.observe(t, "consent-again", fmt.Sprint(v.back == ""))
	})
}

// F15: a wrong password leads to the login page again.
func TestF15_WrongPassword(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		v := newVisit(t)
		v.open(t, p.ask())
		v.logIn(t, "guessed")
		if v.back != "" || !strings.Contains(v.page, `name="password"`) {
			t.Errorf("status %d, back to %q: %.300s", v.status, v.back, v.page)
		}
		p.observe(t, "wrong-password", fmt.Sprint(v.status))
	})
}
