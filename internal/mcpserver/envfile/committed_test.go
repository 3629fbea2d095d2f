package envfile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// The files of this repository say what they seem to.
func TestCommittedFiles(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	for file, issuer := range map[string]string{
		Default:              "http://localhost:8080/realms/mcp-realm",
		"keycloak_proxy.env": "http://localhost:9090/realms/mcp-realm",
	} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		want := byDefault()
		rules(&want).Issuer, want.FirstScopes = issuer, "mcp:read mcp:tools"
		got, log, err := try(t, string(text), nil, site)
		if err != nil || !reflect.DeepEqual(*got, filled(want)) {
			t.Errorf("%s: %+v, %v", file, got, err)
		}
		if strings.Contains(log, "level=WARN") {
			t.Errorf("%s: %s", file, log)
		}
		for name := range defaults {
			if !strings.Contains(string(text), name+"=") {
				t.Errorf("%s doesn't explain %s", file, name)
			}
		}
	}
}
