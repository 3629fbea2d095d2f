package mcpauth

import (
	"fmt"
	"slices"
	"strings"
)

const offlineAccess = "offline_access"

// firstScope chooses what to ask for at first (MC09): what the challenge says;
// else all that the resource lists; else nothing, which leaves it to the
// authorization server. want is what the user asked for on top.
func firstScope(challenge Challenge, resource *Resource, server *Server, want string, offline bool) (string, error) {
	var scopes []string
	if stated := challenge.Params["scope"]; stated != "" {
		var err error
		if scopes, err = scopeList(strings.Fields(stated)); err != nil {
			return "", err
		}
	} else {
		scopes = resource.ScopesSupported
	}
	wanted, err := scopeList(strings.Fields(want))
	if err != nil {
		return "", err
	}
	return join(offlineOnlyWhere(server, offline, append(slices.Clone(scopes), wanted...))), nil
}

// stepUpScope is what to ask for after a 403: all that was asked for before and
// all that is missing now, so that the new token is good for what the old one
// was (MC11; MCP, authorization, "Step-Up Authorization Flow").
func stepUpScope(before string, challenge Challenge, server *Server, offline bool) (string, error) {
	missing, err := scopeList(strings.Fields(challenge.Params["scope"]))
	if err != nil {
		return "", err
	}
	return join(offlineOnlyWhere(server, offline, append(strings.Fields(before), missing...))), nil
}

// offlineOnlyWhere asks for offline_access where the authorization server lists
// it and the client wants it. A resource has no say in that.
func offlineOnlyWhere(server *Server, wanted bool, scopes []string) []string {
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

const maxScopes = 200

// scopeList accepts scope values as RFC 6749, section 3.3, spells them.
func scopeList(scopes []string) ([]string, error) {
	if len(scopes) > maxScopes {
		return nil, fmt.Errorf("%d scopes are too many", len(scopes))
	}
	for _, s := range scopes {
		if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool {
			return r <= ' ' || r > '~' || r == '"' || r == '\\'
		}) {
			return nil, fmt.Errorf("%.40q is no scope", s)
		}
	}
	return scopes, nil
}
