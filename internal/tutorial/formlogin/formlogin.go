// Package formlogin walks through the login and consent pages of an
// authorization server as a user's browser would: it fills in the forms and
// follows them until the server sends the browser back to the client.
//
//	back, err := formlogin.Run(ctx, authorizationURL, redirectURI, formlogin.User{Name: "mcp-user", Password: "user123"})
//
// It is for demos and tests, with demo users. OAuth exists so that no program
// asks people for the password of their authorization server. So this works with
// servers on loopback alone, and the address is checked when it is dialled.
package formlogin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"

	"mcp-auth-step-by-step/internal/web/loopback"
)

const (
	timeout  = time.Minute
	maxPage  = 1 << 20 // bytes of a page
	maxPages = 8       // pages until the server must have sent the browser back
)

// ErrNotLoopback says that a URL does not lead to this machine.
var ErrNotLoopback = errors.New("only a server on loopback may be logged in to this way")

// ErrRefused says that the server showed a login form again: the user or the
// password is wrong, or there were too many tries.
var ErrRefused = errors.New("the server does not accept this user and password")

// User is the user who logs in. Both values are demo credentials.
type User struct{ Name, Password string }

// Run opens an authorization URL, logs in, consents, and returns the URL to
// which the server then sends the browser: the client's redirect URI with the
// authorization response in its query. It does not open that URL.
func Run(ctx context.Context, authorizationURL, redirectURI string, user User) (*url.URL, error) {
	return Browser{}.Run(ctx, authorizationURL, redirectURI, user)
}

// Browser is the browser of a user. The zero value is a new one.
type Browser struct {
	Jar  http.CookieJar // keeps the cookies; nil: they are forgotten after each run
	From net.Addr       // from which address of this machine it connects; nil: any
	// Wrap puts something between the browser and the network, such as what
	// shows its requests; nil: nothing.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Run is the function [Run] in this browser.
func (b Browser) Run(ctx context.Context, authorizationURL, redirectURI string, user User) (*url.URL, error) {
	if b.Jar == nil {
		b.Jar, _ = cookiejar.New(nil) // never fails without options
	}
	dialer := &net.Dialer{ControlContext: loopback.Control, LocalAddr: b.From}
	var transport http.RoundTripper = &http.Transport{DialContext: dialer.DialContext}
	if b.Wrap != nil {
		transport = b.Wrap(transport)
	}
	return (&visit{user: user, redirectURI: redirectURI, client: &http.Client{
		Jar: b.Jar, Timeout: timeout,
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}).run(ctx, authorizationURL)
}

// visit is one way through the pages.
type visit struct {
	client      *http.Client
	user        User
	redirectURI string
	loggedIn    bool // the login form has been sent
}

func (v *visit) run(ctx context.Context, authorizationURL string) (*url.URL, error) {
	defer v.client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return nil, err
	}
	for range maxPages {
		var back *url.URL
		if request, back, err = v.step(request); err != nil || back != nil {
			return back, err
		}
	}
	return nil, fmt.Errorf("after %d pages the server has not sent the browser back", maxPages)
}

// step sends a request and makes the next one from the answer, or returns the
// redirect to the client.
func (v *visit) step(request *http.Request) (next *http.Request, back *url.URL, err error) {
	if !loopback.URL(request.URL) {
		return nil, nil, fmt.Errorf("%w: %s", ErrNotLoopback, request.URL.Host)
	}
	response, err := v.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if location, err := response.Location(); err == nil && response.StatusCode/100 == 3 {
		if v.isBack(location) {
			return nil, location, nil
		}
		next, err = http.NewRequestWithContext(request.Context(), http.MethodGet, location.String(), nil)
		return next, nil, err
	}
	page, err := html.Parse(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return nil, nil, err
	}
	form := findForm(page)
	if form == nil {
		return nil, nil, fmt.Errorf("%s (status %d, title %q) has no form to fill in; log in with a browser",
			request.URL.Path, response.StatusCode, title(page))
	}
	next, err = v.fill(request, form)
	return next, nil, err
}

func (v *visit) isBack(location *url.URL) bool {
	bare := *location
	bare.RawQuery, bare.Fragment = "", ""
	want, _, _ := strings.Cut(v.redirectURI, "?")
	return bare.String() == want
}

// fill makes the request that a form sends: user and password where it asks
// for them, otherwise the button that accepts.
func (v *visit) fill(from *http.Request, form *form) (*http.Request, error) {
	if _, login := form.fields["password"]; login {
		if v.loggedIn {
			return nil, ErrRefused
		}
		v.loggedIn = true
		form.fields.Set("username", v.user.Name)
		form.fields.Set("password", v.user.Password)
	} else {
		form.fields.Set("accept", form.accept)
	}
	action, err := from.URL.Parse(form.action)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(from.Context(), http.MethodPost, action.String(), strings.NewReader(form.fields.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", from.URL.Scheme+"://"+from.URL.Host)
	return request, nil
}

// form is a form of a page, with the values that it has when it is shown.
type form struct {
	action string
	fields url.Values
	accept string // value of the button that accepts
}

// findForm returns the first form of a page that asks for a password or has a
// button to accept, or nil.
func findForm(page *html.Node) *form {
	for node := range page.Descendants() {
		if node.Type != html.ElementNode || node.Data != "form" {
			continue
		}
		f := &form{action: attribute(node, "action"), fields: url.Values{}}
		for field := range node.Descendants() {
			f.add(field)
		}
		if f.accept != "" || f.fields.Has("password") {
			return f
		}
	}
	return nil
}

func (f *form) add(field *html.Node) {
	name, value := attribute(field, "name"), attribute(field, "value")
	switch {
	case field.Type != html.ElementNode || name == "":
	case name == "accept" && (field.Data == "button" || field.Data == "input"):
		if f.accept = value; value == "" {
			f.accept = "accept"
		}
	case field.Data == "input" && attribute(field, "type") != "checkbox" && attribute(field, "type") != "submit":
		f.fields.Add(name, value)
	}
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func title(page *html.Node) string {
	for node := range page.Descendants() {
		if node.Type == html.ElementNode && node.Data == "title" && node.FirstChild != nil {
			return strings.TrimSpace(node.FirstChild.Data)
		}
	}
	return ""
}
