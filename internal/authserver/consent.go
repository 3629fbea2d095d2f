package authserver

import (
	"log/slog"
	"net/http"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// showConsent asks the user whether the client may have what it asked for.
func (s *Server) showConsent(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("request")
	v, ok := s.lookVisit(r, id, true)
	who, _, loggedIn := s.session(r)
	if !ok || !loggedIn {
		s.problemPage(w, r, http.StatusBadRequest, startAgain)
		return
	}
	c, err := s.client(r.Context(), v.Request.ClientID)
	user := s.users.subject(who.Subject)
	if err != nil || user == nil {
		s.problemPage(w, r, http.StatusBadRequest, startAgain)
		return
	}
	s.consentPage(w, v, c, user, id)
}

// consent takes the decision. It is about what this server has written down
// for the visit, whatever the form says, and can be taken once.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	values, ok := s.pageForm(r, "request", "accept", "cancel", "switch")
	if !ok || len(values) != 2 { // the visit, and one button
		s.problemPage(w, r, http.StatusForbidden, foreign)
		return
	}
	who, _, loggedIn := s.session(r)
	v, ok := s.takeVisit(r, values.Get("request"), true)
	if !ok || !loggedIn {
		s.problemPage(w, r, http.StatusForbidden, foreign)
		return
	}
	switch {
	case values.Has("accept"):
		s.finish(w, r, v.Request, who, true)
	case values.Has("switch"):
		if err := s.end(w, r); err != nil {
			s.sendError(w, r, v.Request.target(), errInternal.because(err.Error()))
			return
		}
		slog.InfoContext(r.Context(), "logged out", "sub", who.Subject)
		v.Session = ""
		s.nextPage(w, r, v, pathLogin)
	default:
		s.sendError(w, r, v.Request.target(), refuse("access_denied", "The user did not consent."))
	}
}

// consentKey is what a consent is for: one user, one client, one place to send
// codes to.
func consentKey(subject string, ask authorization) string {
	return digest(subject + "\n" + ask.ClientID + "\n" + ask.RedirectURI.String())
}

// rememberable reports whether a consent counts for the next time. It does
// where the redirect is https, and so can't be taken by another program: one
// on the user's machine is confirmed each time (RFC 8252, section 8.6).
func rememberable(ask authorization) bool {
	return !ask.RedirectURI.Local()
}

// remembers reports whether the user has consented to all that is asked for.
func (s *Server) remembers(subject string, ask authorization) bool {
	var granted []string
	err := s.durable.View(func(tx store.Tx) error {
		granted, _ = s.consents.get(tx, consentKey(subject, ask), s.now())
		return nil
	})
	return err == nil && rememberable(ask) && len(granted) > 0 && containsAll(granted, ask.Scopes)
}

// remember adds the scopes to what the user has consented to.
func (s *Server) remember(tx store.Tx, subject string, ask authorization) error {
	if !rememberable(ask) {
		return nil
	}
	now, key := s.now(), consentKey(subject, ask)
	granted, _ := s.consents.get(tx, key, now)
	for _, scope := range ask.Scopes {
		if !containsAll(granted, []string{scope}) {
			granted = append(granted, scope)
		}
	}
	return s.consents.put(tx, key, granted, now, now.Add(consentFor))
}
