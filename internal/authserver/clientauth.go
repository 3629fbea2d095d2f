package authserver

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/jws"
)

// credentials are what a request brings to authenticate its client.
type credentials struct {
	id, method, secret, assertion string
}

// authenticate finds out which client sends a request with parameters (RFC
// 6749, section 2.3; RFC 7523, section 2.2). It accepts the one method that the
// client is registered for. Public clients only name themselves; what they may
// do with that is bound to PKCE.
func (c *clients) authenticate(r *http.Request, form url.Values) (*client, error) {
	given, err := readCredentials(r, form)
	if err != nil {
		return nil, err
	}
	// Whoever asks for tokens could else make this server fetch any URL; the
	// authorization endpoint must, and bounds it (WD5).
	if clientmetadata.IsURL(given.id) && !c.hasOurs(r.Context(), given.id, form) {
		return nil, invalidClient(errors.New("no code or token of ours, so its document is not fetched"))
	}
	known, err := c.find(r.Context(), given.id)
	if err != nil {
		return nil, invalidClient(err)
	}
	if !known.mayUse(given.method) {
		return nil, invalidClient(fmt.Errorf("authenticates with %s, registered for %s", given.method, known.TokenEndpointAuthMethod))
	}
	switch given.method {
	case clientauth.Basic, clientauth.Post:
		err = c.checkSecret(r, known, given.secret)
	case clientauth.PrivateKeyJWT:
		err = c.checkAssertion(r, known, given.assertion)
	}
	return known, err
}

// mayUse reports whether a client may authenticate with a method: the one that
// it is registered with. A realm file says of a secret only that there is one, so
// that its clients may send it in the header or in the body, as with Keycloak.
func (c *client) mayUse(method string) bool {
	registered := c.TokenEndpointAuthMethod
	return method == registered ||
		c.origin == fromRealmFile && registered == clientauth.Basic && method == clientauth.Post
}

// readCredentials finds the one method by which a request authenticates its
// client. Two at once are a malformed request (RFC 6749, section 5.2).
func readCredentials(r *http.Request, form url.Values) (credentials, error) {
	given, err := basicAuth(r)
	if err != nil {
		return given, invalidClient(err)
	}
	methods := 0
	for method, present := range map[string]bool{
		clientauth.Basic:         given.method != "",
		clientauth.Post:          form.Has("client_secret"),
		clientauth.PrivateKeyJWT: form.Has("client_assertion"),
	} {
		if present {
			given.method = method
			methods++
		}
	}
	named := form.Get("client_id")
	switch {
	case methods > 1:
		return given, refuse("invalid_request", "Authenticate the client with one method alone.")
	case methods == 0:
		given.method = clientauth.None
	case given.method == clientauth.Post:
		given.secret = form.Get("client_secret")
	case given.method == clientauth.PrivateKeyJWT:
		given.assertion = form.Get("client_assertion")
		if form.Get("client_assertion_type") != clientassertion.Type {
			return given, invalidClient(errors.New("unknown client_assertion_type"))
		}
	}
	if named != "" && given.id != "" && given.id != named {
		return given, invalidClient(errors.New("two client identifiers"))
	}
	given.id = cmp.Or(given.id, named, assertionSubject(given.assertion))
	return given, nil
}

// checkSecret compares a client's secret. The right one is always accepted: a
// secret of 128 bits isn't guessed, and a limit that also refused the right one
// would let anybody lock the client out. Wrong ones are limited by client and
// address.
func (c *clients) checkSecret(r *http.Request, known *client, password string) error {
	switch {
	case known.secret != "" && subtle.ConstantTimeCompare([]byte(digest(password)), []byte(known.secret)) == 1:
		return nil
	case c.wrongSecrets.take(c.remote(r) + " " + known.id):
		return invalidClient(errors.New("wrong secret"))
	}
	return tooManyTries("There were too many wrong client secrets. Wait a moment and try again.")
}

func (c *clients) checkAssertion(r *http.Request, known *client, assertion string) error {
	keys, err := jwks.Parse(known.JWKS)
	if err == nil {
		err = c.assertions.Verify(r.Context(), assertion, known.id, keys)
	}
	if err != nil {
		return invalidClient(err)
	}
	return nil
}

// basicAuth reads client_secret_basic: both parts are form-encoded before they
// are joined (RFC 6749, section 2.3.1). Without it the method is empty.
func basicAuth(r *http.Request) (given credentials, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return given, nil
	}
	user, password, ok := r.BasicAuth()
	if !ok || len(headers) > 1 {
		return given, errors.New("the Authorization header is not one Basic header")
	}
	given.method = clientauth.Basic
	if given.id, err = url.QueryUnescape(user); err == nil {
		given.secret, err = url.QueryUnescape(password)
	}
	if err != nil {
		return credentials{}, errors.New("the Basic header is not form-encoded") // the cause would quote it
	}
	return given, nil
}

// assertionSubject reads whom an assertion claims to be from, before it is
// verified: to know with whose keys to verify it.
func assertionSubject(assertion string) string {
	var claims struct {
		Subject string `json:"sub"`
	}
	token, err := jws.Parse(assertion)
	if err != nil || json.Unmarshal(token.Payload, &claims) != nil {
		return ""
	}
	return claims.Subject
}
