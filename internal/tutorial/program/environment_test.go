package program

import (
	"os"
	"testing"
)

func TestClearEnvironment(t *testing.T) {
	for _, name := range []string{"JWT_ISSUER", "INTROSPECTION_METHOD", "UPSTREAM_ISSUER", "STEP11_CLIENT_SECRET", "PROGRAM_TEST"} {
		t.Setenv(name, "x")
	}
	ClearEnvironment()
	if os.Getenv("UPSTREAM_ISSUER")+os.Getenv("STEP11_CLIENT_SECRET") != "" || os.Getenv("PROGRAM_TEST") != "x" {
		t.Errorf("the environment is %q", os.Environ())
	}
}
