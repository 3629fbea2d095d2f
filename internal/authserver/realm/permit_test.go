package realm

import (
	"slices"
	"testing"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
)

// WA3: each host by its exact name, and what is permitted for one purpose is for
// no other.
func TestWA3_HostsArePermittedByTheirExactName(t *testing.T) {
	claude := clientmetadata.MustRedirects("https://claude.ai/cb")[0]
	r := Demo()
	if err := r.PermitDocuments("claude.ai"); err != nil || !r.Documents.Allows("claude.ai") || r.Documents.Allows("x.claude.ai") || r.Registration.Permits(claude) {
		t.Errorf("documents: %v, %+v", err, r.Registration)
	}
	if !r.Documents.Allows("localhost") {
		t.Error("documents of this machine are no longer accepted")
	}
	r = Demo()
	if err := r.PermitRedirects("claude.ai"); err != nil || !r.Registration.Permits(claude) || r.Documents.Allows("claude.ai") {
		t.Errorf("redirects: %v, %+v", err, r.Documents)
	}
	r.Documents, r.Registration.Hosts = nil, nil
	if err := r.PermitDocuments("vscode.dev"); err != nil || !r.Documents.Allows("vscode.dev") {
		t.Errorf("documents in a realm without a policy for them: %v", err)
	}
	if err := r.PermitRedirects("claude.ai"); err != nil || r.Registration.Hosts != nil {
		t.Errorf("where any redirect host is permitted: %v, %v", err, r.Registration.Hosts)
	}
	for _, host := range []string{"", "*", "*.claude.ai", "claude.*", "Claude.ai", "claude.ai.", "claude.ai:443", "https://claude.ai", "claude.ai/x", "a@claude.ai", "cläude.ai", "127.1", " claude.ai"} {
		if r.PermitDocuments(host) == nil || r.PermitRedirects(host) == nil {
			t.Errorf("%q was accepted", host)
		}
	}
	for _, scheme := range []string{"", "Cursor", "cursor:", "cursor://", "https", "http", "javascript", "ms-settings", "1cursor", "cur sor", "*"} {
		if r.PermitScheme(scheme) == nil {
			t.Errorf("the scheme %q was accepted", scheme)
		}
	}
	if err := r.PermitScheme("cursor"); err != nil || !slices.Equal(r.Registration.Schemes, []string{"cursor"}) {
		t.Errorf("%v, %v", err, r.Registration.Schemes)
	}
}
