package program

import (
	"os"
	"slices"
	"strings"
)

// settings begin the names of the variables that the programs of this repository
// read.
var settings = []string{"INTROSPECTION_", "JWKS_", "JWT_", "MCP_", "STEP11_", "UPSTREAM_"}

// ClearEnvironment takes those settings out of the environment of this process. Tests
// call it in TestMain, so that they don't depend on what the shell has set.
func ClearEnvironment() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if slices.ContainsFunc(settings, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			_ = os.Unsetenv(name)
		}
	}
}
