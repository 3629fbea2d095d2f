package authserver

import (
	"slices"

	"mcp-auth-step-by-step/internal/authserver/store"
)

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
	found, _, _ := g.consents.find(g.store, consentKey(subject, ask), g.now())
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
	granted, known := g.consents.get(tx, key, now)
	granted.ClientID = ask.ClientID
	for _, scope := range ask.Scopes {
		if !slices.Contains(granted.Scopes, scope) {
			granted.Scopes = append(granted.Scopes, scope)
		}
	}
	if known {
		return g.consents.replace(tx, key, granted, false, now, now.Add(consentLifetime))
	}
	return g.consents.add(tx, subject, key, granted, now, now.Add(consentLifetime))
}
