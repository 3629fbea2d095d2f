package authserver

import "mcp-auth-step-by-step/internal/authserver/store"

// consentKey is what a consent is for: one user, one client, one redirect URI.
func consentKey(subject string, ask authorization) string {
	return digest(subject + "\n" + ask.ClientID + "\n" + ask.RedirectURI.String())
}

// remembers reports whether the user has consented to all that is asked for.
func (g *grants) remembers(subject string, ask authorization) bool {
	var granted []string
	err := g.store.View(func(tx store.Tx) error {
		granted, _ = g.consents.get(tx, consentKey(subject, ask), g.now())
		return nil
	})
	return err == nil && len(granted) > 0 && containsAll(granted, ask.Scopes)
}

// remember adds the scopes to those that the user has consented to. A program on
// the user's machine is confirmed each time, since another one can take its
// redirect URI (RFC 8252, section 8.6).
func (g *grants) remember(tx store.Tx, subject string, ask authorization) error {
	if ask.RedirectURI.Local() {
		return nil
	}
	now, key := g.now(), consentKey(subject, ask)
	granted, _ := g.consents.get(tx, key, now)
	for _, scope := range ask.Scopes {
		if !containsAll(granted, []string{scope}) {
			granted = append(granted, scope)
		}
	}
	return g.consents.put(tx, key, granted, now, now.Add(consentLifetime))
}
