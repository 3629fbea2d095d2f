package program

import (
	"os"
	"strings"
	"testing"
)

func TestClearEnvironment(t *testing.T) {
	for _, name := range []string{"JWT_ISSUER", "INTROSPECTION_METHOD", "UPSTREAM_ISSUER", "STEP11_CLIENT_SECRET", "KEYCLOAK_URL", "PROGRAM_TEST"} {
		t.Setenv(name, "x")
	}
	if left := strings.Join(Environment(), "\n"); strings.Contains(left, "KEYCLOAK_URL=") || !strings.Contains(left, "PROGRAM_TEST=") {
		t.Errorf("for programs it is %q", left)
	}
	ClearEnvironment()
	if os.Getenv("UPSTREAM_ISSUER")+os.Getenv("KEYCLOAK_URL")+os.Getenv("STEP11_CLIENT_SECRET") != "" || os.Getenv("PROGRAM_TEST") != "x" {
		t.Errorf("the environment is %q", os.Environ())
	}
}
