package program

import (
	"os"
	"slices"
	"strings"
)

// settings begin the names of the variables that the programs of this repository
// read.
var settings = []string{"INTROSPECTION_", "JWKS_", "JWT_", "KC_", "KEYCLOAK_", "MCP_", "STEP11_", "UPSTREAM_"}

func isSetting(variable string) bool {
	return slices.ContainsFunc(settings, func(prefix string) bool { return strings.HasPrefix(variable, prefix) })
}

// Environment is the environment of this process without those settings.
func Environment() []string { return slices.DeleteFunc(os.Environ(), isSetting) }

// ClearEnvironment takes those settings out of the environment of this process. Tests
// call it in TestMain, so that they don't depend on what the shell has set.
func ClearEnvironment() {
	for _, variable := range os.Environ() {
		if isSetting(variable) {
			name, _, _ := strings.Cut(variable, "=")
			_ = os.Unsetenv(name)
		}
	}
}
