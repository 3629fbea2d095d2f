package authserver

import (
	"errors"
	"net/http"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/store"
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
	who, _, user := s.session(r)
	if user == nil {
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
	who, _, user := s.session(r)
	if user == nil {
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

// consentKey is what a consent is for: one user, one client, one redirect URI.
// The port of a program on the user's machine changes, so that all its redirect
// URIs count as one.
func consentKey(subject string, ask authorization) string {
	redirect := ask.RedirectURI.String()
	if ask.RedirectURI.Local() {
		redirect = "local"
	}
	return digest(subject + "\n" + ask.ClientID + "\n" + redirect)
}

// consentGiven is a consent as the store keeps it. Earlier versions kept the scopes
// alone; such a record is not read, and the user is asked again.
type consentGiven struct {
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes"`
}

// consented are the scopes that the user has granted before, for a consent page
// that says what is new.
func (g *grants) consented(subject string, ask authorization) []string {
	found, _, _ := g.consents.find(g.store, consentKey(subject, ask))
	return found.Scopes
}

// remembers reports whether the user needn't be asked again, because all that is
// asked for was granted before. A program on the user's machine is confirmed each
// time, since another one can take its redirect URI (RFC 8252, section 8.6).
func (g *grants) remembers(subject string, ask authorization) bool {
	granted := g.consented(subject, ask)
	return !ask.RedirectURI.Local() && len(granted) > 0 && containsAll(granted, ask.Scopes)
}

// remember adds the scopes to those that the user has granted.
func (g *grants) remember(tx store.Tx, subject string, ask authorization) error {
	now, key := g.now(), consentKey(subject, ask)
	granted, known := g.consents.get(tx, key)
	granted.ClientID = ask.ClientID
	for _, scope := range ask.Scopes {
		if !slices.Contains(granted.Scopes, scope) {
			granted.Scopes = append(granted.Scopes, scope)
		}
	}
	if known {
		return g.consents.replace(tx, key, granted, false, now.Add(consentLifetime))
	}
	return g.consents.add(tx, subject, key, granted, now.Add(consentLifetime))
}
