package authserver

import (
	"bytes"
	"embed"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed templates/style.css
var styleSheet []byte

// pages are the three that people see. Each puts its own "main" into the
// layout.
var pages = map[string]*template.Template{
	"login":   page("login"),
	"consent": page("consent"),
	"problem": page("problem"),
}

func page(name string) *template.Template {
	return template.Must(template.ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html"))
}

// loginView is what the login page shows besides the client.
type loginView struct {
	Request, Username, Problem string
}

// view is what all pages show.
type view struct {
	Title, Realm, Style, Action string
	Client, Destination         string
	Login                       loginView
	// Of the consent page:
	Request, User, Identity string
	Scopes                  []string
	Local                   bool
	Website                 string
	// Of the problem page:
	Problem string
}

func (s *Server) view(title string) view {
	name := s.realm.DisplayName
	if name == "" {
		name = s.realm.Name
	}
	return view{Title: title, Realm: visible(name), Style: s.base + pathStyle}
}

func (s *Server) loginPage(w http.ResponseWriter, status int, v visit, c *client, login loginView) {
	login.Username = visible(login.Username)
	shown := s.view("Log in")
	if login.Problem != "" {
		shown.Title = "Log in: try again"
	}
	shown.Action, shown.Client, shown.Login = s.base+pathLogin, c.name(), login
	shown.Destination = v.Request.RedirectURI.Destination()
	s.render(w, status, "login", shown, v.Request.RedirectURI)
}

func (s *Server) consentPage(w http.ResponseWriter, v visit, c *client, user *account, id string) {
	shown := s.view("Allow access?")
	shown.Action, shown.Request, shown.Client = s.base+pathConsent, id, c.name()
	shown.Destination, shown.Local = v.Request.RedirectURI.Destination(), v.Request.RedirectURI.Local() || c.LoopbackOnly()
	shown.User = visible(user.Username)
	if u, err := url.Parse(c.ClientURI); err == nil && u.Scheme == "https" {
		shown.Website = c.ClientURI
	}
	if name := user.Name(); name != "" {
		shown.User = visible(name) + " (" + shown.User + ")"
	}
	for _, scope := range v.Request.Scopes {
		shown.Scopes = append(shown.Scopes, s.inWords(scope))
	}
	switch c.source {
	case fromFile:
		shown.Identity = "It was set up by the administrator of this server."
	case fromDocument:
		u, _ := url.Parse(c.id) // it was fetched from there
		shown.Identity = "It is published by " + u.Host + "."
	case fromItself:
		shown.Identity = "It registered itself under this name, which nobody has checked."
	}
	s.render(w, http.StatusOK, "consent", shown, v.Request.RedirectURI)
}

func (s *Server) inWords(scope string) string {
	if scope == openID {
		return "Know who you are at this server"
	}
	known, _ := s.realm.Scope(scope)
	return known.ConsentText
}

// problemPage is for the user alone: nothing is sent to the client (OAuth 2.1,
// section 4.1.2.1).
func (s *Server) problemPage(w http.ResponseWriter, r *http.Request, status int, problem string) {
	slog.InfoContext(r.Context(), "page refused", "path", r.URL.Path, "status", status)
	shown := s.view("This did not work")
	shown.Problem = problem
	s.render(w, status, "problem", shown, clientmetadata.Redirect{})
}

func (s *Server) render(w http.ResponseWriter, status int, name string, shown view, redirect clientmetadata.Redirect) {
	var body bytes.Buffer
	if err := pages[name].ExecuteTemplate(&body, "layout.html", shown); err != nil {
		slog.Error("page not rendered", "page", name, "why", err)
		errInternal.write(w)
		return
	}
	pageHeaders(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy(redirect))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// pageHeaders are on everything that browsers get for people: it is not kept,
// not framed, and the next site doesn't learn the address.
func pageHeaders(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy(clientmetadata.Redirect{}))
}

// policy lets a page use the style sheet and its form, and nothing else. The
// client's address is in form-action because browsers hold the redirect that
// answers a form against it too (CSP 3, section 6.3.1).
func policy(redirect clientmetadata.Redirect) string {
	form := "'none'"
	if redirect != (clientmetadata.Redirect{}) {
		form = "'self' " + formTarget(redirect)
	}
	return "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action " + form
}

// formTarget is a redirect URI as a source of CSP: its origin, or only its
// scheme where that can't be written as one.
func formTarget(redirect clientmetadata.Redirect) string {
	if strings.HasPrefix(redirect.Host(), "[") {
		return redirect.Scheme() + ":"
	}
	return redirect.Origin()
}

// visible drops what can't be seen, or turns the direction of the text around
// it: html/template leaves it in.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsGraphic(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text)
}

func style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(styleSheet)
}
