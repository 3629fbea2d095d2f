package authserver

import (
	"cmp"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/web/logging"
)

// application is a client to which a user has given something that still holds.
type application struct {
	ClientID string
	Scopes   []string
	Since    int64 // when the first of its token families began, in Unix seconds; 0 without any
}

// applicationsOf are the applications of a user by their ids: those with a consent
// that is remembered, or with tokens.
func (g *grants) applicationsOf(subject string) (map[string]*application, error) {
	found := map[string]*application{}
	note := func(clientID string, scopes []string) *application {
		if found[clientID] == nil {
			found[clientID] = &application{ClientID: clientID}
		}
		a := found[clientID]
		a.Scopes = slices.Compact(slices.Sorted(slices.Values(append(a.Scopes, scopes...))))
		return a
	}
	// Not in a View, because the tables' counts are read.
	return found, g.store.Update(func(tx store.Tx) error {
		for _, kept := range g.consents.of(tx, subject) {
			note(kept.ClientID, kept.Scopes)
		}
		for _, f := range g.families.of(tx, subject) {
			a := note(f.ClientID, f.Scopes)
			if a.Since == 0 || f.Began < a.Since {
				a.Since = f.Began
			}
		}
		return nil
	})
}

// withdraw takes back all that a user has given to a client: consents, codes and
// token families. Access tokens that are under way are then no longer active
// (RFC 7662), and end by themselves where nobody asks.
func (g *grants) withdraw(subject, clientID string) error {
	return g.store.Update(func(tx store.Tx) error {
		return errors.Join(
			g.consents.deleteOf(tx, subject, func(kept consentGiven) bool { return kept.ClientID == clientID }),
			g.families.deleteOf(tx, subject, func(f family) bool { return f.ClientID == clientID }),
			g.codes.deleteOf(tx, subject, func(code codeGrant) bool { return code.Request.ClientID == clientID }),
		)
	})
}

// showApplications shows a user who is logged in the applications that may act for
// the user, and the login page to others.
func (s *Server) showApplications(w http.ResponseWriter, r *http.Request) error {
	who, key, user := s.session(r)
	if user == nil {
		return s.startLogin(w, r, interaction{Account: true, Browser: s.interactions.browser(w, r)}, nil)
	}
	if err := s.interactions.touch(key, who); err != nil {
		return err
	}
	held, err := s.grants.applicationsOf(user.ID)
	if err != nil {
		return err
	}
	views := make([]applicationView, 0, len(held))
	for _, a := range held {
		views = append(views, s.viewOf(a))
	}
	slices.SortFunc(views, func(a, b applicationView) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return s.pages.applications(w, user, views, formToken(key), r.URL.Query().Has("done"), s.grants.lifetimes.access)
}

// viewOf says of an application what a person needs to know it again. A metadata
// document isn't fetched for it: its URL says whose client it is.
func (s *Server) viewOf(a *application) applicationView {
	shown := applicationView{ID: a.ClientID, Name: a.ClientID}
	known, err := s.clients.here(a.ClientID)
	switch {
	case err == nil:
		shown.Name, shown.Identity = known.name(), known.identity()
	case clientmetadata.IsURL(a.ClientID):
		shown.Identity = (&client{id: a.ClientID, origin: fromMetadataDocument}).identity()
	default:
		shown.Identity = "It is not registered here any more."
	}
	for _, scope := range a.Scopes {
		shown.Scopes = append(shown.Scopes, s.pages.describe(scope))
	}
	if a.Since != 0 {
		shown.Since = time.Unix(a.Since, 0).UTC()
	}
	return shown
}

// formToken stands in the form of a page that belongs to a session and to no
// authorization request. Whoever doesn't have the cookie can't know it.
func formToken(sessionKey string) string { return digest("form of " + sessionKey) }

// changeApplications takes back what a user gave to a client, or logs the user out.
func (s *Server) changeApplications(w http.ResponseWriter, r *http.Request) error {
	values, err := s.pageForm(r, "token", "client", "logout")
	if err != nil {
		return err
	}
	who, key, loggedIn := s.interactions.session(r)
	if len(values) != 2 || !loggedIn || subtle.ConstantTimeCompare([]byte(values.Get("token")), []byte(formToken(key))) != 1 {
		return errForeignForm
	}
	here := s.base() + pathApplications
	if values.Has("logout") {
		if err := s.interactions.end(w, r); err != nil {
			return err
		}
		logging.FromContext(r.Context()).Info("logged out", "sub", who.Subject)
		redirect(w, here)
		return nil
	}
	if err := s.grants.withdraw(who.Subject, values.Get("client")); err != nil {
		return err
	}
	logging.FromContext(r.Context()).Info("access withdrawn", "client_id", values.Get("client"), "sub", who.Subject)
	redirect(w, here+"?done")
	return nil
}
