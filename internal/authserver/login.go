package authserver

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// startLogin shows the login page of a new visit.
func (s *Server) startLogin(w http.ResponseWriter, r *http.Request, v visit, c *client) {
	id, err := s.keepVisit(v)
	if err != nil {
		s.sendError(w, r, v.Request.target(), errInternal.because(err.Error()))
		return
	}
	s.loginPage(w, http.StatusOK, v, c, loginView{Request: id})
}

// showLogin shows the login page of a visit again: for another account.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("request")
	v, ok := s.lookVisit(r, id, false)
	if !ok {
		s.problemPage(w, r, http.StatusBadRequest, startAgain)
		return
	}
	c, err := s.client(r.Context(), v.Request.ClientID)
	if err != nil {
		s.problemPage(w, r, http.StatusBadRequest, startAgain)
		return
	}
	s.loginPage(w, http.StatusOK, v, c, loginView{Request: id})
}

const (
	startAgain = "This page is used up, too old, or was made for another browser. Go back to the application and start again."
	foreign    = "This did not come from the page that this server showed to this browser. Nothing was done. Go back to the application and start again."
)

// login takes a user name and password. Whatever is wrong with them, the
// answer is the same.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	values, ok := s.pageForm(r, "request", "username", "password")
	if !ok {
		s.problemPage(w, r, http.StatusForbidden, foreign)
		return
	}
	id := values.Get("request")
	v, ok := s.lookVisit(r, id, false)
	if !ok {
		s.problemPage(w, r, http.StatusForbidden, foreign)
		return
	}
	c, err := s.client(r.Context(), v.Request.ClientID)
	if err != nil {
		s.problemPage(w, r, http.StatusBadRequest, startAgain)
		return
	}
	user, f := s.checkPassword(r, values.Get("username"), values.Get("password"))
	if f != nil {
		s.loginPage(w, f.status, v, c, loginView{Request: id, Username: values.Get("username"), Problem: f.description})
		return
	}
	if _, ok := s.takeVisit(r, id, false); !ok {
		s.problemPage(w, r, http.StatusForbidden, foreign)
		return
	}
	who, key, err := s.begin(w, r, user)
	if err != nil {
		s.sendError(w, r, v.Request.target(), errInternal.because(err.Error()))
		return
	}
	slog.InfoContext(r.Context(), "logged in", "client_id", c.id, "sub", user.ID)
	// What was asked for is done now, and must not be asked for again.
	v.Request.Prompt = slices.DeleteFunc(v.Request.Prompt, func(p string) bool { return p == "login" || p == "select_account" })
	s.proceed(w, r, v, who, key)
}

// pageForm reads the form of a page. It holds what the page put there and
// nothing else: all the rest of the request is here at the server, and a form
// that brings its own client_id or scope was tampered with.
func (s *Server) pageForm(r *http.Request, names ...string) (url.Values, bool) {
	if !s.sameSite(r) {
		return nil, false
	}
	values, f := form(r)
	if f != nil {
		return nil, false
	}
	for name := range values {
		if !slices.Contains(names, name) {
			return nil, false
		}
	}
	return values, true
}

// checkPassword returns the user, or the one failure that there is. Tries are
// limited by user name, known or not, and by address; while there are too many
// even the right password isn't looked at, so that it can't be told from a
// wrong one (RFC 6819, section 5.1.4.2).
func (s *Server) checkPassword(r *http.Request, username, password string) (*account, *failure) {
	name, address := "user "+digest(strings.ToLower(username)), "address "+s.remote(r)
	if !s.addressGuesses.begin(address) {
		return nil, s.tooManyPasswords(r)
	}
	if !s.guesses.begin(name) {
		s.addressGuesses.end(address, false)
		return nil, s.tooManyPasswords(r)
	}
	user := s.users.check(username, password)
	s.guesses.end(name, user != nil)
	s.addressGuesses.end(address, user != nil)
	if user == nil {
		slog.InfoContext(r.Context(), "login refused", "why", "user name or password", "remote", s.remote(r))
		return nil, &failure{status: http.StatusUnauthorized, code: "invalid_grant", description: "The user name or the password is wrong."}
	}
	return user, nil
}

func (s *Server) tooManyPasswords(r *http.Request) *failure {
	slog.WarnContext(r.Context(), "login refused", "why", "too many tries", "remote", s.remote(r))
	return &failure{status: http.StatusTooManyRequests, code: "slow_down", description: "There were too many wrong tries. Wait a minute and try again."}
}
