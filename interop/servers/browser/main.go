// Command browser stands in for a person at a browser, at pages that it doesn't
// know: it is called with a URL, as xdg-open is, follows redirects, fills in
// login forms with $LOGIN (user:password), and presses the first button that
// isn't a refusal, until a page has no form any more. It adds a line to the file
// $LOGINS at each start.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/html"
)

const (
	maxPages = 12
	maxPage  = 1 << 20 // bytes
)

func main() {
	if err := run(); err != nil {
		// Nobody sees what a browser prints.
		_ = os.WriteFile(os.Getenv("LOGINS")+".error", []byte(err.Error()), 0o600)
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
}

func run() error {
	user, password, ok := strings.Cut(os.Getenv("LOGIN"), ":")
	if !ok || len(os.Args) != 2 {
		return fmt.Errorf("usage: LOGIN=user:password LOGINS=file %s URL", os.Args[0])
	}
	if err := count(os.Getenv("LOGINS")); err != nil {
		return err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	b := &browser{user: user, password: password, client: &http.Client{
		Jar: secureOnLoopback{jar}, Transport: patient{}, Timeout: 30 * time.Second,
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Args[1], nil)
	for range maxPages {
		if err != nil || request == nil {
			return err
		}
		request, err = b.visit(request)
	}
	return fmt.Errorf("there is still a form after %d pages", maxPages)
}

func count(path string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, os.Args[1])
	return errors.Join(err, file.Close())
}

// secureOnLoopback keeps and sends Secure cookies over http too, as browsers do
// on localhost.
type secureOnLoopback struct{ jar http.CookieJar }

func (s secureOnLoopback) SetCookies(u *url.URL, cookies []*http.Cookie) {
	s.jar.SetCookies(secure(u), cookies)
}
func (s secureOnLoopback) Cookies(u *url.URL) []*http.Cookie { return s.jar.Cookies(secure(u)) }

func secure(u *url.URL) *url.URL {
	as := *u
	as.Scheme = "https"
	return &as
}

// patient tries again where nobody listens yet: some clients open the browser first.
type patient struct{}

func (patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		response, err := http.DefaultTransport.RoundTrip(r)
		if r.Body != nil || !errors.Is(err, syscall.ECONNREFUSED) || r.Context().Err() != nil {
			return response, err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

type browser struct {
	client         *http.Client
	user, password string
	loggedIn       bool
}

// visit sends a request, and returns the one that the form of the answer makes,
// or nil where there is none.
func (b *browser) visit(request *http.Request) (*http.Request, error) {
	response, err := b.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	page, err := html.Parse(io.LimitReader(response.Body, maxPage))
	if err != nil {
		return nil, err
	}
	form := find(page, "form")
	if response.StatusCode != http.StatusOK && form == nil {
		return nil, fmt.Errorf("%s answers with status %d", response.Request.URL.Redacted(), response.StatusCode)
	}
	if form == nil {
		return nil, nil
	}
	return b.submit(request.Context(), response.Request.URL, form)
}

var refusal = regexp.MustCompile(`(?i)cancel|deny|decline|reject|refuse`)

func (b *browser) submit(ctx context.Context, page *url.URL, form *html.Node) (*http.Request, error) {
	values, pressed, asksPassword := url.Values{}, false, false
	for field := range form.Descendants() {
		name, kind := attribute(field, "name"), attribute(field, "type")
		switch {
		case field.Type != html.ElementNode || field.Data != "input" && field.Data != "button":
		case field.Data == "button" || kind == "submit":
			if !pressed && !refusal.MatchString(attribute(field, "value")+" "+name+" "+text(field)) {
				pressed = true
				set(values, name, attribute(field, "value"))
			}
		case kind == "password":
			asksPassword = true
			set(values, name, b.password)
		case kind == "text" || kind == "email" || kind == "":
			set(values, name, b.user)
		case kind != "checkbox" && kind != "radio" || has(field, "checked"):
			values.Add(name, attribute(field, "value"))
		}
	}
	if asksPassword && b.loggedIn {
		return nil, errors.New("the login page is shown again: user or password is wrong")
	}
	b.loggedIn = b.loggedIn || asksPassword
	action, err := page.Parse(attribute(form, "action"))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", page.Scheme+"://"+page.Host)
	return request, nil
}

func set(values url.Values, name, value string) {
	if name != "" {
		values.Set(name, value)
	}
}

func find(page *html.Node, element string) *html.Node {
	for node := range page.Descendants() {
		if node.Type == html.ElementNode && node.Data == element {
			return node
		}
	}
	return nil
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(node *html.Node, name string) bool {
	return slices.ContainsFunc(node.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func text(node *html.Node) string {
	var b strings.Builder
	for child := range node.Descendants() {
		if child.Type == html.TextNode {
			b.WriteString(child.Data)
		}
	}
	return b.String()
}
