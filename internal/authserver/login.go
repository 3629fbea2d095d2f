package authserver

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"mcp-auth-step-by-step/internal/web/logging"
)

// startLogin shows the login page of a new interaction. Where users log in at a
// provider, it first asks whether the client may have what it asked for, of a user
// whom nobody knows yet. The provider has one client, and remembers it: a login
// there says nothing about the client here. So the browser goes there only after
// this page (MCP, Security Best Practices, "Confused Deputy Problem").
func (s *Server) startLogin(w http.ResponseWriter, r *http.Request, v interaction, c *client) error {
	id := secret()
	if err := s.interactions.keep(s.remote(r), id, v); err != nil {
		return err
	}
	if s.upstream != nil && c != nil {
		return s.pages.consent(w, v, c, nil, nil, id)
	}
	return s.pages.login(w, v, c, id, "", nil)
}

// showLogin shows the login page of an interaction again: for another account.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("request")
	v, c, err := s.resume(r, id, loginPage)
	if err != nil {
		return err
	}
	return s.pages.login(w, v, c, id, "", nil)
}

// resume finds the interaction of a page, and its client.
func (s *Server) resume(r *http.Request, id string, at page) (interaction, *client, error) {
	v, err := s.interactions.find(r, id, at)
	if err != nil {
		return v, nil, errStartAgain.because(err)
	}
	if v.Account {
		return v, nil, nil
	}
	c, err := s.clients.find(r.Context(), v.Request.ClientID)
	if err != nil {
		return v, nil, errStartAgain.because(err)
	}
	return v, c, nil
}

// login takes a user name and password. Whichever is wrong, the answer is the
// same.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	values, err := s.pageForm(r, "request", "username", "password")
	if err != nil {
		return err
	}
	if s.upstream != nil {
		return s.loginElsewhere(w, r, values)
	}
	id, username := values.Get("request"), values.Get("username")
	v, c, err := s.resume(r, id, loginPage)
	if errors.Is(err, errNoInteraction) {
		return errForeignForm.because(err)
	}
	if err != nil {
		return err
	}
	user, err := s.logIn(r, username, values.Get("password"))
	if err != nil {
		return s.pages.login(w, v, c, id, username, asOAuth(err))
	}
	if _, err := s.interactions.take(r, id, loginPage); err != nil {
		return errForeignForm.because(err)
	}
	who := session{Subject: user.ID, AuthTime: s.now().Unix()}
	return s.goOn(w, r, v, who, func(sessionKey string) error {
		if err := s.clients.loggedIn(c); err != nil {
			return err
		}
		// The user has logged in as asked, and must not be asked for it again.
		v.Request.Prompt = slices.DeleteFunc(v.Request.Prompt, func(p string) bool { return p == "login" || p == "select_account" })
		return s.proceed(w, r, v, who, sessionKey, user)
	})
}

// goOn begins the session of a user who has logged in. Then comes the page of
// applications, if the login was for that, or else what next does for the client.
func (s *Server) goOn(w http.ResponseWriter, r *http.Request, v interaction, who session, next func(sessionKey string) error) error {
	key, err := s.interactions.begin(w, r, who)
	if err != nil {
		return v.refuse(err)
	}
	log := logging.FromContext(r.Context())
	if v.Account {
		log.Info("logged in", "sub", who.Subject)
		redirect(w, s.base()+pathApplications)
		return nil
	}
	log.Info("logged in", "client_id", v.Request.ClientID, "sub", who.Subject)
	return v.refuse(next(key))
}

// logIn checks a password, and logs who failed from where; never the name, in
// whose place people type their password.
func (s *Server) logIn(r *http.Request, username, password string) (*account, error) {
	user, err := s.users.logIn(r.Context(), username, password, s.remote(r))
	if err != nil {
		logging.FromContext(r.Context()).Info("login refused", logging.Error(err), "remote", s.remote(r))
	}
	return user, err
}

// pageForm reads the form of a page. It must hold what the page put there and
// nothing else: the rest of the request is kept at the server, so that a form
// with its own client_id or scope was tampered with.
func (s *Server) pageForm(r *http.Request, names ...string) (url.Values, error) {
	if !s.sameSite(r) {
		return nil, errForeignForm
	}
	values, err := form(r)
	if err != nil {
		return nil, errForeignForm.because(err)
	}
	for name := range values {
		if !slices.Contains(names, name) {
			return nil, errForeignForm
		}
	}
	return values, nil
}
