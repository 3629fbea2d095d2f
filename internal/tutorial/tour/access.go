package tour

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"html/template"
	"net/http"
	"strings"
	"sync"
)

// access decides who may use the tour. It can start programs, so a page of another
// site, or of another server of this machine, must not be able to use it:
//
//   - The Host is the tour's own address, so that no foreign name leads here.
//   - A request that changes something has exactly the tour's own Origin. Another
//     port of loopback is another server's.
//   - Every page wants the cookie that a start link was exchanged for. A start link
//     is good once, so it does no harm in a history or a list of processes.
type access struct {
	origin string // of the tour: scheme, address and port
	cookie string // name of the cookie: ports share cookies, so it has the port in it

	mu      sync.Mutex
	invited map[[sha256.Size]byte]bool // start keys that weren't used yet
	session string                     // value of the cookie
}

func newAccess() *access {
	return &access{invited: map[[sha256.Size]byte]bool{}, session: rand.Text()}
}

// invite is a new start key.
func (a *access) invite() string {
	key := rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.invited[sha256.Sum256([]byte(key))] = true
	return key
}

// admit uses a start key up.
func (a *access) admit(key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := sha256.Sum256([]byte(key))
	known := a.invited[sum]
	delete(a.invited, sum)
	return known
}

func (a *access) known(r *http.Request) bool {
	for _, cookie := range r.CookiesNamed(a.cookie) {
		if subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(a.session)) == 1 {
			return true
		}
	}
	return false
}

// contentPolicy lets pages load what the tour itself serves, and nothing inline.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// guard refuses what access doesn't allow, and says so in words.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // no-referrer would make the Origin of forms null
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set(markHeader, "1")
		switch {
		case "http://"+r.Host != s.keys.origin:
			http.Error(w, "The tour answers at "+s.keys.origin+" alone.", http.StatusForbidden)
		case !s.keys.ownPage(r):
			http.Error(w, "The tour takes this request from its own pages alone. Nothing was done.", http.StatusForbidden)
		case open(r) || s.keys.known(r):
			next.ServeHTTP(w, r)
		default:
			s.locked(w, r, "")
		}
	})
}

// open tells whether a request needs no cookie: the link that gives one, and what the
// page about it looks like.
func open(r *http.Request) bool {
	return r.URL.Path == "/start" || strings.HasPrefix(r.URL.Path, "/assets/")
}

// ownPage tells whether a request can come from a page of the tour, or from no page
// at all where it only reads (Fetch, "Origin header"; Fetch Metadata, section 2).
func (a *access) ownPage(r *http.Request) bool {
	origins, site := r.Header.Values("Origin"), r.Header.Get("Sec-Fetch-Site")
	own := len(origins) == 1 && origins[0] == a.origin
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if len(origins) > 0 && !own {
			return false
		}
		followed := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		return site == "" || site == "none" || site == "same-origin" || followed
	case http.MethodPost:
		return own && (site == "" || site == "same-origin")
	}
	return false
}

// start exchanges a start key for the cookie, and leads to the plain URL.
func (s *Server) start(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead || !s.keys.admit(r.FormValue("key")) {
		s.locked(w, r, "This start link was used before, or it belongs to a tour that has ended.")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.keys.cookie, Value: s.keys.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// locked is the page for a browser without the cookie: it says how to get in.
func (s *Server) locked(w http.ResponseWriter, r *http.Request, why string) {
	back := r.URL.Path
	if back == "/start" || r.Method != http.MethodGet {
		back = "/"
	}
	body := execute("locked.html", map[string]any{"Why": why, "Back": back})
	s.show(w, r, http.StatusForbidden, Content{Title: "This tour needs its start link", Body: body, bare: true})
}

// execute fills a template of the tour. They are tested, so an error is a bug.
func execute(name string, data any) template.HTML {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		panic(err)
	}
	return template.HTML(b.String())
}
