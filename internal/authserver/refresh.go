package authserver

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// refresh exchanges a refresh token for the next one of its family (OAuth 2.1,
// section 4.3.1).
func (g *grants) refresh(c *client, form url.Values) (*issue, error) {
	token := form.Get("refresh_token")
	if token == "" {
		return nil, refuse("invalid_request", "refresh_token is required.")
	}
	narrower, err := scopeNames(form.Get("scope"))
	if err != nil {
		return nil, err
	}
	if err := checkResource(g.resource, form["resource"]); err != nil {
		return nil, err
	}
	var refused error // what is stored stays stored then
	given, err := g.update(func(tx store.Tx) (*issue, error) {
		var key string
		var found family
		if key, found, refused = g.findFamily(tx, c, token); refused != nil {
			return nil, g.families.delete(tx, key)
		}
		var given *issue
		if given, refused = g.next(tx, c, token, found, narrower); refused != nil {
			return nil, nil
		}
		found.Refresh = digest(given.refresh)
		if err := g.clients.markUsed(tx, c); err != nil {
			return nil, err
		}
		return given, g.families.replace(tx, key, found, false, g.familyEnd(found, c))
	})
	if err != nil {
		return nil, err
	}
	return given, refused
}

// findFamily returns the family of a good refresh token. A refresh token
// presented twice has leaked, and so has one that another client presents: with
// any error, refresh deletes the whole family (RFC 9700, section 4.14.2).
func (g *grants) findFamily(tx store.Tx, c *client, token string) (key string, found family, err error) {
	key, now := familyOf(token), g.now()
	found, ok := g.families.get(tx, key)
	switch {
	case !ok:
		return key, found, badRefresh("unknown, expired or revoked")
	case found.ClientID != c.id:
		return key, found, badRefresh("issued to another client, so that its family is revoked")
	case subtle.ConstantTimeCompare([]byte(found.Refresh), []byte(digest(token))) != 1:
		return key, found, badRefresh("used before, so that its family is revoked")
	case found.Resource != g.resource || g.users.in(tx, found.Subject) == nil:
		return key, found, badRefresh("the user or the resource no longer exists")
	case time.Unix(found.Began, 0).Add(g.lifetimes.longest).Before(now):
		return key, found, badRefresh("the login is too long ago")
	}
	return key, found, nil
}

// next is what a refresh gives: the scopes that were granted, or fewer if the
// client asks for fewer, and of those the ones that the user's roles still
// allow.
func (g *grants) next(tx store.Tx, c *client, token string, found family, narrower []string) (*issue, error) {
	scopes := found.Scopes
	if len(narrower) > 0 {
		if !containsAll(found.Scopes, narrower) {
			return nil, fmt.Errorf("%w: %w", errScope, errMoreScope)
		}
		scopes = narrower
	}
	user := g.users.in(tx, found.Subject)
	handle, _, _ := strings.Cut(token, ".")
	return &issue{
		client: c, account: user, scopes: g.scopes.ofUser(user.User, scopes),
		family: familyOf(token), refresh: handle + "." + secret(), authTime: found.AuthTime,
	}, nil
}

func badRefresh(why string) error {
	return refuseBecause("invalid_grant", "The refresh token is not valid, or no longer. Start a new authorization.",
		errors.New("refresh token: "+why))
}

// familyOf is the key of the family of a refresh token.
func familyOf(token string) string {
	handle, _, _ := strings.Cut(token, ".")
	return digest(handle)
}
