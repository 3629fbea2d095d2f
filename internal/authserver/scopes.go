package authserver

import (
	"errors"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/oauth/syntax"
)

// openID is the scope that asks for an ID token (OpenID Connect Core, section
// 3.1.2.1). Every client may ask for it.
const openID = "openid"

// scopeRules decide by the realm who may have which scopes.
type scopeRules struct{ realm *realm.Realm }

// requested are the scopes that a client gets at most: those that it asked for
// and may have, or its default scopes where it asked for none. Others are
// withheld, and the response says which it got (RFC 6749, section 3.3).
func (s scopeRules) requested(c *client, list string) (scopes, withheld []string, err error) {
	asked, err := scopeNames(list)
	if err != nil {
		return nil, nil, err
	}
	if len(asked) == 0 {
		return without(c.defaultScopes, func(name string) bool { return !s.shown(name) }), nil, nil
	}
	scopes = []string{}
	for _, name := range asked {
		allowed := s.shown(name) && (slices.Contains(c.defaultScopes, name) || slices.Contains(c.optionalScopes, name))
		switch {
		case !allowed && name != openID:
			withheld = append(withheld, name)
		case !slices.Contains(scopes, name):
			scopes = append(scopes, name)
		}
	}
	if len(scopes) == 0 {
		return nil, nil, errScope
	}
	return scopes, withheld, nil
}

// shown reports whether a scope can be granted and then stands in tokens.
// offline_access can't: refresh tokens of this server end with the login.
func (s scopeRules) shown(name string) bool {
	scope, ok := s.realm.Scope(name)
	return ok && scope.InToken && name != "offline_access"
}

// selfAsserted are the scopes of a client whose metadata nobody has checked. It
// may ask for all that the realm permits: users decide what they grant it. The
// scopes that it stated are its default, for requests without scope (RFC 7591,
// section 2), and not its bound, so that it can ask for more later (MCP, "Step-Up
// Authorization Flow"). A client that stated none gets the first one that the
// realm offers, which is the least.
func (s scopeRules) selfAsserted(stated []string) (defaults, optional []string) {
	permitted := s.realm.Registration.Scopes
	optional = without(s.realm.OptionalScopes, func(name string) bool {
		return !s.shown(name) || permitted != nil && !slices.Contains(permitted, name)
	})
	defaults = without(optional, func(name string) bool { return !slices.Contains(stated, name) })
	if len(defaults) == 0 && len(optional) > 0 {
		defaults = optional[:1]
	}
	// Default scopes of the realm that don't show in tokens carry its claims.
	return slices.Concat(s.realm.DefaultScopes, defaults), optional
}

// ofUser leaves of some scopes those that the roles of a user allow.
func (s scopeRules) ofUser(u realm.User, scopes []string) []string {
	return without(scopes, func(name string) bool {
		scope, _ := s.realm.Scope(name)
		return !u.HasAny(scope.Roles)
	})
}

// rolesIn are the roles of a user that stand in a token: all of them, or for a
// client without full scope its own and those that the granted scopes map, and
// the default scopes that nobody grants because they don't show.
func (s scopeRules) rolesIn(u realm.User, c *client, scopes []string) map[string][]string {
	if c.fullScope {
		return u.Roles
	}
	var mapped []realm.Role
	for _, name := range append(without(c.defaultScopes, s.shown), scopes...) {
		scope, _ := s.realm.Scope(name)
		mapped = append(mapped, scope.Roles...)
	}
	roles := map[string][]string{}
	for owner, names := range u.Roles {
		for _, name := range names {
			if owner == c.id || slices.Contains(mapped, realm.Role{Client: owner, Name: name}) {
				roles[owner] = append(roles[owner], name)
			}
		}
	}
	return roles
}

// scopeNames splits a list of scopes (RFC 6749, section 3.3). Clients that send
// more than one blank between two names are understood.
func scopeNames(list string) ([]string, error) {
	names := words(list)
	if !syntax.Scope(strings.Join(names, " ")) {
		return nil, refuse("invalid_scope", "A scope has a character that is not allowed (RFC 6749, section 3.3).")
	}
	return names, nil
}

// checkResource wants the one resource that this server issues tokens for, or
// none (RFC 8707, section 2).
func checkResource(resource string, asked []string) error {
	if len(asked) > 1 || len(asked) == 1 && asked[0] != resource {
		return errTarget
	}
	return nil
}

var errMoreScope = errors.New("asks for more than was granted")

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

// without returns a copy that lacks some of the names.
func without(names []string, drop func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(names), drop)
}

func scopeList(scopes []string) string { return strings.Join(scopes, " ") }
