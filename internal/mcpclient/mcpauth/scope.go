package mcpauth

import (
	"fmt"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/syntax"
)

const offlineAccess = "offline_access"

// firstScope chooses the scope of the first request (MC09): that of the
// challenge; else all that the resource lists; else none, and the authorization
// server chooses. want is what the user asked for on top.
func firstScope(challenge Challenge, resource *Resource, server *AuthorizationServer, want string, offline bool) (string, error) {
	scopes, err := stated(challenge, resource)
	if err != nil {
		return "", err
	}
	wanted, err := scopeList(strings.Fields(want))
	if err != nil {
		return "", err
	}
	return join(offlineOnlyWhere(server, offline, append(scopes, wanted...))), nil
}

// stepUpScope chooses the scope of a request after a 403: all that was asked for
// before and all that is missing now, so that the new token is good for what the
// old one was (MC11; MCP, authorization, "Step-Up Authorization Flow"). A
// challenge without scope leaves the choice to the metadata.
func stepUpScope(before string, challenge Challenge, resource *Resource, server *AuthorizationServer, offline bool) (string, error) {
	missing, err := stated(challenge, resource)
	if err != nil {
		return "", err
	}
	return join(offlineOnlyWhere(server, offline, append(strings.Fields(before), missing...))), nil
}

// stated is the scope of a challenge, or else what the resource lists.
func stated(challenge Challenge, resource *Resource) ([]string, error) {
	if scope := challenge.Params["scope"]; scope != "" {
		return scopeList(strings.Fields(scope))
	}
	return slices.Clone(resource.ScopesSupported), nil
}

// offlineOnlyWhere asks for offline_access where the authorization server lists
// it and the client wants it. A resource can't ask for it: a challenge must not
// contain it (RS10; MCP, authorization, "Refresh Tokens").
func offlineOnlyWhere(server *AuthorizationServer, wanted bool, scopes []string) []string {
	scopes = slices.DeleteFunc(scopes, func(s string) bool { return s == offlineAccess })
	if wanted && slices.Contains(server.ScopesSupported, offlineAccess) {
		scopes = append(scopes, offlineAccess)
	}
	return scopes
}

// join makes a scope of its values, each once, in the order of first
// appearance (RFC 6749, section 3.3).
func join(scopes []string) string {
	var once []string
	for _, s := range scopes {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return strings.Join(once, " ")
}

// missingFrom lists what a granted scope lacks of a wanted one.
func missingFrom(granted, wanted string) []string {
	have := strings.Fields(granted)
	return slices.DeleteFunc(strings.Fields(wanted), func(s string) bool { return slices.Contains(have, s) })
}

const (
	maxScopes      = 200
	maxScopeLength = 256 // characters
)

// scopeList accepts scope values as RFC 6749, section 3.3, spells them.
func scopeList(scopes []string) ([]string, error) {
	if len(scopes) > maxScopes {
		return nil, fmt.Errorf("a scope of %d values is too long; the limit is %d", len(scopes), maxScopes)
	}
	for _, s := range scopes {
		if len(s) > maxScopeLength || !syntax.ScopeToken(s) {
			return nil, fmt.Errorf("%.40q is not a scope", s)
		}
	}
	return scopes, nil
}
