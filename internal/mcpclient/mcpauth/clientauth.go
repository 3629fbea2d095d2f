package mcpauth

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
)

// secretMethods are the ways to send a secret, in the order of preference: what
// stands in the form needs no encoding that two sides could do differently.
var secretMethods = []string{clientauth.Post, clientauth.Basic}

// method chooses how the client authenticates itself: as it was registered, if
// the server said how; else by the first method that it can and the server
// supports (RFC 6749, section 2.3; RFC 7591, section 2).
func (r *Registration) method(supported []string) string {
	if r.AuthMethod != "" {
		return r.AuthMethod
	}
	if r.ClientSecret == "" {
		return clientauth.None
	}
	if len(supported) == 0 { // then it is Basic (RFC 8414, section 2)
		return clientauth.Basic
	}
	return bySecret(supported)
}

// bySecret is the first way to send a secret that a server supports, or none.
func bySecret(supported []string) string {
	for _, method := range secretMethods {
		if slices.Contains(supported, method) {
			return method
		}
	}
	return clientauth.None
}

// authenticate adds the client's authentication to a token request.
func (r *Registration) authenticate(supported []string, audience string, form url.Values, header http.Header, now time.Time) error {
	credentials := clientauth.Credentials{ID: r.ClientID, Secret: r.ClientSecret}
	if r.signer != nil {
		credentials.Key, credentials.KeyID = r.signer.Key, r.signer.KeyID
	}
	if r.BasicWithID {
		form.Set("client_id", r.ClientID)
	}
	if err := credentials.Add(r.method(supported), audience, form, header, now); err != nil {
		return fmt.Errorf("%w: client %s: %w", ErrRegistration, r.ClientID, err)
	}
	return nil
}
