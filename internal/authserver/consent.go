package authserver

import (
	"errors"
	"net/http"

	"mcp-auth-step-by-step/internal/web/logging"
)

// showConsent asks the user whether the client may have what it asked for.
func (s *Server) showConsent(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("request")
	v, c, err := s.resume(r, id, consentPage)
	if errors.Is(err, errNoInteraction) && s.upstream != nil {
		if v, c, err = s.resume(r, id, askPage); err == nil {
			return s.pages.consent(w, v, c, nil, nil, id)
		}
	}
	if err != nil {
		return err
	}
	who, _, loggedIn := s.interactions.session(r)
	user := s.users.subject(who.Subject)
	if !loggedIn || user == nil {
		return errStartAgain
	}
	return s.pages.consent(w, v, c, user, s.grants.consented(who.Subject, v.Request), id)
}

// consent takes the decision. It is about what this server has stored for the
// interaction, whatever the form says, and can be taken once.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) error {
	values, err := s.pageForm(r, "request", "accept", "cancel", "switch")
	if err != nil {
		return err
	}
	if len(values) != 2 { // the interaction, and one button
		return errForeignForm
	}
	if s.upstream != nil {
		if first, err := s.interactions.take(r, values.Get("request"), askPage); err == nil {
			return s.answerFirst(w, r, first, values)
		}
	}
	who, _, loggedIn := s.session(r)
	if !loggedIn {
		return errForeignForm
	}
	v, err := s.interactions.take(r, values.Get("request"), consentPage)
	if err != nil {
		return errForeignForm.because(err)
	}
	v.Request.Unproven = values.Has("switch") // otherwise the user has decided
	to := v.Request.target()
	switch {
	case values.Has("accept"):
		return to.refuse(s.finish(w, r, v.Request, who, true))
	case values.Has("switch"):
		return to.refuse(s.switchAccount(w, r, v, who))
	}
	return to.refuse(refuse("access_denied", "The user did not consent."))
}

// switchAccount logs the user out and shows the login page again.
func (s *Server) switchAccount(w http.ResponseWriter, r *http.Request, v interaction, who session) error {
	if err := s.interactions.end(w, r); err != nil {
		return err
	}
	logging.FromContext(r.Context()).Info("logged out", "sub", who.Subject)
	v.Session = ""
	if s.upstream == nil {
		return s.nextPage(w, s.remote(r), v, pathLogin)
	}
	v.Request.Prompt = append(v.Request.Prompt, "select_account")
	v.Request.Scopes, v.Request.NotAllowed = append(v.Request.Scopes, v.Request.NotAllowed...), nil
	return s.nextPage(w, s.remote(r), v, pathConsent)
}
