package authserver

import (
	"crypto/subtle"
	"errors"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
)

// family is what one login gave to one client: a line of refresh tokens of
// which only the last is good, and the access tokens that came with them. It
// is found by the digest of a handle that stands in each of its refresh
// tokens; that digest begins the jti of its access tokens.
type family struct {
	ClientID string   `json:"client_id"`
	Subject  string   `json:"subject"`
	Resource string   `json:"resource"`
	Scopes   []string `json:"scopes"`
	AuthTime int64    `json:"auth_time"`
	Began    int64    `json:"began"`             // Unix seconds
	Refresh  string   `json:"refresh,omitempty"` // digest of the good refresh token
}

// issue is what is to be given out: all that a token response is made of.
type issue struct {
	client   *client
	account  *account // nil where the client acts for itself
	scopes   []string
	family   string // key; empty where there is none
	refresh  string
	authTime int64
	nonce    string
}

// startFamily begins a family. Its refresh token is given to clients that
// registered for that grant.
func (s *Server) startFamily(tx store.Tx, c *client, subject string, authTime int64, scopes []string) (*issue, error) {
	user := s.users.subject(subject)
	if user == nil {
		return nil, errors.New("the user is gone")
	}
	if err := s.usedClient(tx, c); err != nil {
		return nil, err
	}
	now, handle := s.now(), secret()
	fresh := family{ClientID: c.id, Subject: subject, Resource: s.resource, Scopes: scopes, AuthTime: authTime, Began: now.Unix()}
	given := &issue{client: c, account: user, scopes: scopes, family: digest(handle), authTime: authTime}
	if c.AllowsGrant(clientmetadata.GrantRefresh) {
		given.refresh = handle + "." + secret()
		fresh.Refresh = digest(given.refresh)
	}
	return given, s.keepFamily(tx, given.family, fresh, c)
}

// keepFamily writes a family down until it was unused for too long, or is too
// old; and never for less than its access tokens live.
func (s *Server) keepFamily(tx store.Tx, key string, f family, c *client) error {
	now := s.now()
	ends, longest := now.Add(s.lifetimes.idle), time.Unix(f.Began, 0).Add(s.lifetimes.longest)
	if longest.Before(ends) {
		ends = longest
	}
	if access := now.Add(s.accessLifetime(c)); ends.Before(access) {
		ends = access
	}
	return s.grants.put(tx, key, f, now, ends)
}

// rotate exchanges a refresh token for the next one of its family (OAuth 2.1,
// section 4.3.1). One that was used before is in two hands, of which one is a
// thief's: the family is revoked.
func (s *Server) rotate(c *client, form url.Values) (*issue, *failure) {
	token := form.Get("refresh_token")
	if token == "" {
		return nil, refuse("invalid_request", "refresh_token is required.")
	}
	if !isScope(form.Get("scope")) {
		return nil, refuse("invalid_scope", "A scope has a character that no scope has.")
	}
	if f := s.checkResource(form["resource"]); f != nil {
		return nil, f
	}
	var given *issue
	var f *failure
	err := s.update(func(tx store.Tx) (err error) {
		given, f, err = s.rotateIn(tx, c, token, words(form.Get("scope")))
		return err
	})
	if err != nil {
		return nil, storeFailure(err)
	}
	return given, f
}

func (s *Server) rotateIn(tx store.Tx, c *client, token string, narrower []string) (*issue, *failure, error) {
	key, now := familyOf(token), s.now()
	found, ok := s.grants.get(tx, key, now)
	switch {
	case !ok:
		return nil, badRefresh("unknown, expired or revoked"), nil
	case found.ClientID != c.id:
		return nil, badRefresh("issued to another client"), s.grants.delete(tx, key)
	case subtle.ConstantTimeCompare([]byte(found.Refresh), []byte(digest(token))) != 1:
		return nil, badRefresh("used before: its family is revoked"), s.grants.delete(tx, key)
	}
	user := s.users.subject(found.Subject)
	// What the user may do is asked again: roles may have gone since.
	if user == nil || found.Resource != s.resource || time.Unix(found.Began, 0).Add(s.lifetimes.longest).Before(now) {
		return nil, badRefresh("the user or the resource is gone, or the login too long ago"), s.grants.delete(tx, key)
	}
	scopes := s.userScopes(user.User, found.Scopes)
	if len(narrower) > 0 {
		if !containsAll(found.Scopes, narrower) {
			return nil, errScope.because("more than was granted"), nil
		}
		scopes = s.userScopes(user.User, narrower)
	}
	handle, _, _ := strings.Cut(token, ".")
	given := &issue{client: c, account: user, scopes: scopes, family: key, refresh: handle + "." + secret(), authTime: found.AuthTime}
	found.Refresh = digest(given.refresh)
	if err := s.usedClient(tx, c); err != nil {
		return nil, nil, err
	}
	return given, nil, s.keepFamily(tx, key, found, c)
}

func badRefresh(why string) *failure {
	return refuse("invalid_grant", "The refresh token is not valid, or no longer. Start a new authorization.").because("refresh token: " + why)
}

// familyOf is the key of the family of a refresh token.
func familyOf(token string) string {
	handle, _, _ := strings.Cut(token, ".")
	return digest(handle)
}

// storeFailure is told when something can't be written down: then nothing is
// given out.
func storeFailure(err error) *failure {
	switch {
	case errors.Is(err, errFull):
		return errBusy.because(err.Error())
	case errors.Is(err, errUnknownClient):
		return invalidClient(err.Error())
	}
	return errInternal.because(err.Error())
}
