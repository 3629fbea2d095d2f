package authserver

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

// templates are those of the pages. Each puts its own "main" into the
// layout.
var templates = map[string]*template.Template{
	"login":   parsePage("login"),
	"consent": parsePage("consent"),
	"problem": parsePage("problem"),

	"applications": parsePage("applications"),
}

func parsePage(name string) *template.Template {
	return template.Must(template.ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html"))
}

// pages shows people the login page, the consent page and problems.
type pages struct {
	realm *realm.Realm
	base  string // path of the issuer
	demo  []realm.User

	provider string // at which users log in; empty: here
}

// demoUsers are those whose password everybody knows. The login page names them
// where others than the user of this machine can't reach the server; elsewhere
// such a realm is refused.
func demoUsers(c Config, issuer *url.URL) []realm.User {
	if c.Exposed || !loopback.URL(issuer) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Realm.Users), func(u realm.User) bool { return !realm.KnownFromDemo(u.Password) })
}

// view is what all pages show.
type view struct {
	Title, Realm, Style, Action string
	Client, Destination         string
	Provider                    string // at which users log in; empty: here
	Request                     string // identifies the interaction
	Problem                     string // of the problem page, and of the login page
	// Of the login page:
	Username string
	Demo     []realm.User
	// Of the consent page:
	User, Identity, Resource, Website string
	Scopes                            []scopeView
	Withheld, NotAllowed              []string
	Local                             bool
	// Of the problem page:
	Back string
	// Of the page of applications, and of the link to it:
	Applications []applicationView
	Account      string
	Done         bool
	Remains      string
}

// applicationView is an application on the page of applications.
type applicationView struct {
	ID, Name, Identity string
	Scopes             []string
	Since              time.Time // zero without tokens
}

// scopeView is a scope in words. New scopes are those that the user did not grant
// to this client before.
type scopeView struct {
	Text string
	New  bool
}

// pageError is a problem that the user is told on a page.
type pageError struct {
	status int
	text   string
}

func (e *pageError) Error() string { return e.text }

// problem is a pageError with status 400.
func problem(text string) *pageError { return &pageError{http.StatusBadRequest, text} }

// because wraps a cause, which is for the log.
func (e *pageError) because(cause error) error { return fmt.Errorf("%w: %w", e, cause) }

var (
	errStartAgain = problem("This page was used already, has expired, or was made for another browser. " +
		"Go back to the application and start again.")
	errUnreadable  = problem("The application's request can't be read: it is malformed or too long.")
	errForeignForm = &pageError{http.StatusForbidden, "This form was not issued to this browser. Nothing was changed. " +
		"Go back to the application and start again."}
)

func (p pages) view(title string) view {
	name := cmp.Or(p.realm.DisplayName, p.realm.Name)
	return view{Title: title, Realm: plaintext.Line(name), Style: p.base + pathStyle, Provider: p.provider}
}

// login asks for the user name and the password; again, after a problem.
func (p pages) login(w http.ResponseWriter, v interaction, c *client, id, username string, problem *oauthError) error {
	status, shown := http.StatusOK, p.view("Log in")
	if problem != nil {
		status, shown.Title, shown.Problem = problem.status, "Log in: try again", problem.description
	}
	shown.Action, shown.Request, shown.Username, shown.Demo = p.base+pathLogin, id, plaintext.Line(username), p.demo
	if v.Account && p.provider != "" {
		return p.render(w, status, "login", shown, basePolicy) // the form's answer leads to the provider
	}
	if v.Account {
		return p.render(w, status, "login", shown, ownForms)
	}
	shown.Client = c.name()
	return p.render(w, status, "login", shown, policy(v.Request.RedirectURI))
}

// consent asks a user about a client; one who is not known yet, if users log in at a
// provider.
func (p pages) consent(w http.ResponseWriter, v interaction, c *client, user *account, granted []string, id string) error {
	redirect := v.Request.RedirectURI
	shown := p.view("Allow access?")
	shown.Action, shown.Request, shown.Client = p.base+pathConsent, id, c.name()
	shown.Destination, shown.Local = redirect.Destination(), redirect.Local()
	shown.Identity = c.identity()
	if user != nil {
		shown.User = nameOf(user)
	}
	if u, err := url.Parse(c.ClientURI); err == nil && u.Scheme == "https" {
		shown.Website = c.ClientURI
	}
	shown.Resource = v.Request.Resource
	for _, scope := range v.Request.Scopes {
		shown.Scopes = append(shown.Scopes, scopeView{p.describe(scope), len(granted) > 0 && !slices.Contains(granted, scope)})
	}
	for _, scope := range v.Request.NotAllowed {
		shown.NotAllowed = append(shown.NotAllowed, p.describe(scope))
	}
	shown.Withheld, shown.Account = v.Request.Withheld, p.base+pathApplications
	return p.render(w, http.StatusOK, "consent", shown, basePolicy)
}

// applications shows a user which applications may act for the user. remains is
// how long an access token lives.
func (p pages) applications(
	w http.ResponseWriter, user *account, list []applicationView, token string, done bool, remains time.Duration,
) error {
	shown := p.view("Your applications")
	shown.Action, shown.Request, shown.User = p.base+pathApplications, token, nameOf(user)
	shown.Applications, shown.Done = list, done
	if len(list) > 0 || done {
		shown.Remains = fmt.Sprintf("%d minutes", int(math.Ceil(remains.Minutes())))
	}
	return p.render(w, http.StatusOK, "applications", shown, ownForms)
}

func nameOf(user *account) string {
	if name := user.Name(); name != "" {
		return plaintext.Line(name + " (" + user.Username + ")")
	}
	return plaintext.Line(user.Username)
}

// identity says in words how much a client's name is worth.
func (c *client) identity() string {
	switch c.origin {
	case fromRealmFile:
		return "The administrator of this server set it up."
	case fromMetadataDocument:
		u, _ := url.Parse(c.id) // it was fetched from there
		return "It is published by " + u.Host + "."
	}
	return "It registered itself under this name, which nobody has checked."
}

// describe says in words what a scope allows.
func (p pages) describe(scope string) string {
	if scope == openID {
		return "Know who you are at this server"
	}
	known, _ := p.realm.Scope(scope)
	return cmp.Or(known.ConsentText, scope)
}

// problem shows an error to the user. It is for the user alone, and nothing is sent
// to the client (OAuth 2.1, section 4.1.2.1); or it is for the client too, and the
// user decides whether to go back there.
func (p pages) problem(w http.ResponseWriter, told *pageError, back, destination string) {
	shown := p.view("This did not work")
	shown.Problem, shown.Back, shown.Destination = told.text, back, destination
	if back == "" {
		shown.Account = p.base + pathApplications
	}
	if err := p.render(w, told.status, "problem", shown, policy(clientmetadata.Redirect{})); err != nil {
		errInternal.write(w)
	}
}

func (p pages) render(w http.ResponseWriter, status int, name string, shown view, policy string) error {
	var body bytes.Buffer
	if err := templates[name].ExecuteTemplate(&body, "layout.html", shown); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	pageHeaders(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// pageHeaders are on every response to a person's browser: it is not kept, not
// framed, and the next site doesn't learn the address.
func pageHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy(clientmetadata.Redirect{}))
}

// basePolicy lets a page use the style sheet, and nothing else. It says nothing of
// forms: browsers compare each redirect that answers a form with form-action (CSP
// 3, section 6.3.1), and a client may redirect on to anywhere, so that the button
// of the consent page would seem dead. That page holds nothing secret.
const basePolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"

// ownForms lets forms lead to this server alone.
const ownForms = basePolicy + "; form-action 'self'"

// policy also says where forms may lead: to this server and on to the client, so
// that a password can't be sent elsewhere; without a redirect URI nowhere.
func policy(redirect clientmetadata.Redirect) string {
	form := "'none'"
	if redirect != (clientmetadata.Redirect{}) {
		form = "'self' " + formTarget(redirect)
	}
	return basePolicy + "; form-action " + form
}

// formTarget is a redirect URI as a source of CSP: its origin, or its scheme
// alone for IPv6 addresses, which CSP has no form for.
func formTarget(redirect clientmetadata.Redirect) string {
	if strings.HasPrefix(redirect.Host(), "[") {
		return redirect.Scheme() + ":"
	}
	return redirect.Origin()
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(styleSheet)
}
