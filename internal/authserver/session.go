package authserver

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// Cookies. The first tells browsers apart and binds a visit to one of them;
// the second stands for a login, and is a new one after each.
const (
	browserCookie = "mcp_browser"
	sessionCookie = "mcp_session"
)

// session is a user who is logged in, in one browser. It is found by the
// digest of its cookie.
type session struct {
	Subject  string `json:"subject"`
	AuthTime int64  `json:"auth_time"` // Unix seconds
}

// visit is an authorization request on its way through the pages. It is found
// by the digest of an identifier that stands in the page's form, works in one
// browser only, and is used up by the answer: what makes forged, tampered and
// repeated answers fail.
type visit struct {
	Request authorization `json:"request"`
	Browser string        `json:"browser"`           // digest of the cookie
	Session string        `json:"session,omitempty"` // digest of the cookie; empty until somebody logged in
}

// cookie makes a cookie that no script reads and no other site's request
// brings, but for a link to here. Over https its name promises that no other
// host can have set it.
func (s *Server) cookie(name, value string) *http.Cookie {
	c := &http.Cookie{Name: s.cookieName(name), Value: value, Path: s.base, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if s.secure() {
		c.Path, c.Secure = "/", true
	}
	return c
}

func (s *Server) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

func (s *Server) secure() bool { return s.issuerURL.Scheme == "https" }

// browser returns the digest of the browser's cookie, and sets one where there
// is none.
func (s *Server) browser(w http.ResponseWriter, r *http.Request) string {
	if known := s.cookieDigest(r, browserCookie); known != "" {
		return known
	}
	id := secret()
	http.SetCookie(w, s.cookie(browserCookie, id))
	return digest(id)
}

// cookieDigest is the digest of a cookie's value, or empty. Where a browser
// sends two of one name, somebody else set one of them: neither counts.
func (s *Server) cookieDigest(r *http.Request, name string) string {
	found := r.CookiesNamed(s.cookieName(name))
	if len(found) != 1 || len(found[0].Value) != len(secret()) {
		return ""
	}
	return digest(found[0].Value)
}

// session returns who is logged in, and by which key.
func (s *Server) session(r *http.Request) (found session, key string, ok bool) {
	if key = s.cookieDigest(r, sessionCookie); key == "" {
		return found, "", false
	}
	_ = s.volatile.View(func(tx store.Tx) error {
		found, ok = s.sessions.get(tx, key, s.now())
		return nil
	})
	return found, key, ok
}

// begin starts a session with a new identifier, so that one that was known
// before the login, or set by somebody else, is worth nothing (session
// fixation).
func (s *Server) begin(w http.ResponseWriter, r *http.Request, user *account) (session, string, error) {
	id, now := secret(), s.now()
	started := session{Subject: user.ID, AuthTime: now.Unix()}
	err := s.volatile.Update(func(tx store.Tx) error {
		if err := s.sessions.delete(tx, s.cookieDigest(r, sessionCookie)); err != nil {
			return err
		}
		return s.sessions.put(tx, digest(id), started, now, s.sessionEnd(started))
	})
	http.SetCookie(w, s.cookie(sessionCookie, id))
	return started, digest(id), err
}

// sessionEnd is when a session ends that is used now.
func (s *Server) sessionEnd(used session) time.Time {
	idle, longest := s.now().Add(s.lifetimes.idle), time.Unix(used.AuthTime, 0).Add(s.lifetimes.longest)
	if idle.Before(longest) {
		return idle
	}
	return longest
}

// end ends the session of a browser.
func (s *Server) end(w http.ResponseWriter, r *http.Request) error {
	gone := s.cookie(sessionCookie, "")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	return s.volatile.Update(func(tx store.Tx) error { return s.sessions.delete(tx, s.cookieDigest(r, sessionCookie)) })
}

// keepVisit writes a visit down and returns the identifier for its page.
func (s *Server) keepVisit(v visit) (id string, err error) {
	id = secret()
	now := s.now()
	return id, s.volatile.Update(func(tx store.Tx) error {
		return s.visits.put(tx, digest(id), v, now, now.Add(s.lifetimes.login))
	})
}

// lookVisit finds the visit of a page that this browser was shown. At the
// login page nobody is logged in for it yet; at the consent page it belongs to
// the session.
func (s *Server) lookVisit(r *http.Request, id string, consent bool) (v visit, ok bool) {
	_ = s.volatile.View(func(tx store.Tx) error {
		v, ok = s.visits.get(tx, digest(id), s.now())
		return nil
	})
	return v, ok && s.owns(r, v, consent)
}

// takeVisit is lookVisit, and uses the visit up. Of many that try, one gets it.
func (s *Server) takeVisit(r *http.Request, id string, consent bool) (v visit, ok bool) {
	err := s.volatile.Update(func(tx store.Tx) error {
		v, ok = s.visits.get(tx, digest(id), s.now())
		if ok = ok && s.owns(r, v, consent); !ok {
			return nil
		}
		return s.visits.delete(tx, digest(id))
	})
	return v, ok && err == nil
}

func (s *Server) owns(r *http.Request, v visit, consent bool) bool {
	if consent != (v.Session != "") || v.Browser != s.cookieDigest(r, browserCookie) {
		return false
	}
	return !consent || v.Session == s.cookieDigest(r, sessionCookie)
}

// sameSite refuses what another site made the browser send. Pages here send no
// referrer, so their own forms come with the Origin "null" (Fetch, "append a
// request Origin header"); what then counts is Sec-Fetch-Site and, in any
// case, the cookie and the identifier in the form.
func (s *Server) sameSite(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 || len(origins) == 1 && origins[0] == "null" {
		return true
	}
	u, err := url.Parse(origins[0])
	return err == nil && len(origins) == 1 && u.Scheme+"://"+u.Host == origins[0] && u.Scheme == s.issuerURL.Scheme &&
		slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, u.Host) })
}
