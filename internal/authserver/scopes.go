package authserver

import (
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// openID is the scope that asks for an ID token (OpenID Connect Core, section
// 3.1.2.1). Every client may ask for it.
const openID = "openid"

// askedScopes are the scopes that a client gets at most: what it asked for and
// may have; its default scopes where it asked for none. Others are left out,
// and the answer says which it got (RFC 6749, section 3.3).
func (s *Server) askedScopes(c *client, list string) ([]string, *failure) {
	if !isScope(list) {
		return nil, refuse("invalid_scope", "A scope has a character that no scope has.")
	}
	asked := words(list)
	chosen := len(asked) > 0
	if !chosen {
		asked = c.defaultScopes
	}
	scopes := []string{}
	for _, name := range asked {
		allowed := s.shows(name) && (slices.Contains(c.defaultScopes, name) || slices.Contains(c.optionalScopes, name))
		if (allowed || name == openID) && !slices.Contains(scopes, name) {
			scopes = append(scopes, name)
		}
	}
	if chosen && len(scopes) == 0 {
		return nil, errScope
	}
	return scopes, nil
}

// shows reports whether a scope can be granted and stands in tokens then.
// offline_access can't: refresh tokens here end with the login.
func (s *Server) shows(name string) bool {
	scope, ok := s.realm.Scope(name)
	return ok && scope.InToken && name != "offline_access"
}

// userScopes leaves of some scopes those that the roles of a user allow.
func (s *Server) userScopes(u realm.User, scopes []string) []string {
	allowed := []string{}
	for _, name := range scopes {
		if scope, _ := s.realm.Scope(name); u.HasAny(scope.Roles) {
			allowed = append(allowed, name)
		}
	}
	return allowed
}

// rolesIn are the roles of a user that stand in a token: all of them, or for a
// client without full scope its own and those that its scopes map.
func (s *Server) rolesIn(u realm.User, c *client, scopes []string) map[string][]string {
	if c.fullScope {
		return u.Roles
	}
	var mapped []realm.Role
	for _, name := range append(slices.Clone(c.defaultScopes), scopes...) {
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

// checkResource returns the audience of a token (RFC 8707, section 2): the one
// resource that this server guards, whether it was asked for or not.
func (s *Server) checkResource(asked []string) *failure {
	if len(asked) > 1 || len(asked) == 1 && asked[0] != s.resource {
		return errTarget
	}
	return nil
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

func scopeList(scopes []string) string { return strings.Join(scopes, " ") }
