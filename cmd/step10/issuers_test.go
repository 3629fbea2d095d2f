package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/web/serve"
)

// serveWith starts step 10 with these variables, and no others about issuers.
func serveWith(t *testing.T, variables ...string) *serve.Running {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "JWT_") || strings.HasPrefix(name, "MCP_") {
			t.Setenv(name, "")
		}
	}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	running, err := serve.Start(serve.Options{Addr: "localhost:0", Limits: serve.DefaultLimits}, newHandler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = running.Close() })
	return running
}

// publisher starts a provider with one key.
func publisher(t *testing.T, key string) *stubprovider.Provider {
	t.Helper()
	provider, err := stubprovider.Start(stubprovider.Keys()[key])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	return provider
}

// signed is a token of a provider for a server, with changes.
func signed(t *testing.T, issuer, resource, key string, changes ...func(claims map[string]any)) string {
	t.Helper()
	k := stubprovider.Keys()[key]
	// Issued before the keys were fetched: then nobody can take its key for a new one (WC7).
	issued := time.Now().Add(-time.Minute)
	draft := mint.New(k.RSA, k.ID, mint.Grant{Issuer: issuer, Audience: resource, Username: "alice", ClientID: "client", Lifetime: time.Hour, Now: issued})
	for _, change := range changes {
		change(draft.Claims)
	}
	token, err := draft.Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func scopes(list string) func(map[string]any) {
	return func(claims map[string]any) { claims["scope"] = list }
}

// ask calls echo, and returns the status and what the challenge says of scopes.
func ask(t *testing.T, base, token string) (status int, scope string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/mcp", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	_, rest, _ := strings.Cut(response.Header.Get("WWW-Authenticate"), ` scope="`)
	scope, _, _ = strings.Cut(rest, `"`)
	return response.StatusCode, scope
}

// metadata is the document of the protected resource.
func metadata(t *testing.T, base string) (document struct {
	Servers []string `json:"authorization_servers"`
	Scopes  []string `json:"scopes_supported"`
}) {
	t.Helper()
	response, err := http.Get(base + "/.well-known/oauth-protected-resource/mcp")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	return document
}

// Scopes that the issuer calls otherwise have its names in the challenge, in
// scopes_supported and in the check.
func TestScopeNamesEverywhere(t *testing.T) {
	provider := publisher(t, "rs256")
	running := serveWith(t, "JWT_ISSUER="+provider.Issuer(), "MCP_CHALLENGE_SCOPES=mcp:read mcp:tools",
		"JWT_SCOPE_NAMES=mcp:read=api://x/read mcp:tools=api://x/call")
	base, resource := running.Site.URL, running.Site.Resource()
	if status, scope := ask(t, base, ""); status != http.StatusUnauthorized || scope != "api://x/read api://x/call" {
		t.Errorf("without a token: %d, %q", status, scope)
	}
	if got := metadata(t, base).Scopes; !slices.Equal(got, []string{"api://x/read", "api://x/call"}) {
		t.Errorf("scopes_supported %q", got)
	}
	if status, _ := ask(t, base, signed(t, provider.Issuer(), resource, "rs256", scopes("api://x/call"))); status != http.StatusOK {
		t.Errorf("with the issuer's name: %d", status)
	}
	for _, list := range []string{"mcp:tools", "mcp:tools api://x/read", "call"} {
		status, scope := ask(t, base, signed(t, provider.Issuer(), resource, "rs256", scopes(list)))
		if status != http.StatusForbidden || !strings.HasPrefix(scope, "api://x/call") || strings.Contains(scope, "mcp:") {
			t.Errorf("%s: %d, %q", list, status, scope)
		}
	}
	// Scopes that can't be read aren't none.
	elsewhere := func(claims map[string]any) {
		delete(claims, "scope")
		claims["scp"] = []string{"api://x/call"}
	}
	if status, _ := ask(t, base, signed(t, provider.Issuer(), resource, "rs256", elsewhere)); status != http.StatusUnauthorized {
		t.Errorf("scopes in scp: %d", status)
	}
}

// C15: of several issuers, each has its own rules, and its own names for scopes.
func TestC15_SeveralIssuers(t *testing.T) {
	first, second := publisher(t, "rs256"), publisher(t, "next")
	dir := t.TempDir()
	var files []string
	for name, text := range map[string]string{
		"first.env":  "JWT_ISSUER=" + first.Issuer() + "\n",
		"second.env": "JWT_ISSUER=" + second.Issuer() + "\nJWT_SCOPE_NAMES=mcp:tools=call\nJWT_SUBJECT_CLAIM=uid\n",
	} {
		files = append(files, filepath.Join(dir, name))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(files)
	running := serveWith(t, "JWT_ISSUERS="+strings.Join(files, ","), "MCP_CHALLENGE_SCOPES=mcp:tools", "KEYCLOAK_URL=", "KEYCLOAK_REALM=")
	base, resource := running.Site.URL, running.Site.Resource()
	document := metadata(t, base)
	if status, scope := ask(t, base, ""); status != http.StatusUnauthorized || scope != "" || document.Scopes != nil {
		t.Errorf("without a token: %d, %q, scopes_supported %q", status, scope, document.Scopes)
	}
	if !slices.Equal(document.Servers, []string{first.Issuer(), second.Issuer()}) {
		t.Errorf("authorization_servers %q", document.Servers)
	}
	uid := func(claims map[string]any) { claims["uid"] = "u1" }
	for name, c := range map[string]struct {
		token  string
		status int
		scope  string
	}{
		"first":                           {signed(t, first.Issuer(), resource, "rs256", scopes("mcp:tools")), 200, ""},
		"second":                          {signed(t, second.Issuer(), resource, "next", scopes("call"), uid), 200, ""},
		"second, without its claim":       {signed(t, second.Issuer(), resource, "next", scopes("call")), 401, ""},
		"second, with the first's name":   {signed(t, second.Issuer(), resource, "next", scopes("mcp:tools"), uid), 403, "call"},
		"first, with the second's name":   {signed(t, first.Issuer(), resource, "rs256", scopes("call")), 403, "mcp:tools"},
		"first, signed by the second":     {signed(t, first.Issuer(), resource, "next", scopes("mcp:tools")), 401, ""},
		"second, signed by the first":     {signed(t, second.Issuer(), resource, "rs256", scopes("call"), uid), 401, ""},
		"somebody else's":                 {signed(t, "http://localhost:1/realms/test", resource, "rs256", scopes("mcp:tools")), 401, ""},
		"second, its key and first's iss": {signed(t, first.Issuer(), resource, "next", scopes("call"), uid), 401, ""},
	} {
		if status, scope := ask(t, base, c.token); status != c.status || scope != c.scope {
			t.Errorf("%s: %d, %q, want %d, %q", name, status, scope, c.status, c.scope)
		}
	}
}
