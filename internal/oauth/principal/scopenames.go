package principal

import "slices"

// ScopeNames are the names that an issuer has for scopes of this server, by the
// name that the scope has here. A scope that isn't there has the same name.
type ScopeNames map[string]ScopeName

// ScopeName is what an issuer calls a scope.
type ScopeName struct {
	Asked   string // by clients, in a request (RFC 6749, section 3.3)
	Granted string // in tokens; some issuers write a shorter form there
}

// Ask is the name by which clients ask for a scope of this server.
func (n ScopeNames) Ask(scope string) string {
	if name, known := n[scope]; known {
		return name.Asked
	}
	return scope
}

// AskAll are the names by which clients ask for scopes of this server, each once.
func (n ScopeNames) AskAll(scopes []string) []string {
	var asked []string
	for _, scope := range scopes {
		if name := n.Ask(scope); !slices.Contains(asked, name) {
			asked = append(asked, name)
		}
	}
	return asked
}

// Granted is the name that tokens have for a scope of this server.
func (n ScopeNames) Granted(scope string) string {
	if name, known := n[scope]; known {
		return name.Granted
	}
	return scope
}
