package realm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/keycloak"
)

func TestTheDemoRealm(t *testing.T) {
	r := Demo()
	if r.Name != "mcp-realm" || r.Audience() != "http://localhost:9000/mcp" || r.AccessTokenLifetime != 5*time.Minute || r.CodeLifetime != time.Minute || r.RequireTLS {
		t.Errorf("%+v", r)
	}
	scopes := map[string][]string{}
	users := map[string]User{}
	for _, u := range r.Users {
		users[u.Username] = u
		for _, s := range r.Scopes {
			if strings.HasPrefix(s.Name, "mcp:") && u.HasAny(s.Roles) {
				scopes[u.Username] = append(scopes[u.Username], s.Name)
			}
		}
	}
	for user, want := range map[string][]string{
		"mcp-admin": {"mcp:read", "mcp:tools", "mcp:prompts"}, "mcp-user": {"mcp:read", "mcp:tools"}, "mcp-readonly": {"mcp:read"},
	} {
		if !reflect.DeepEqual(scopes[user], want) || users[user].Password != strings.TrimPrefix(user, "mcp-")+"123" {
			t.Errorf("%s may have %v", user, scopes[user])
		}
	}
	if u := users["service-account-echo-mcp-server"]; u.ServiceAccountOf != "echo-mcp-server" || u.Password != "" {
		t.Errorf("service account %+v", u)
	}
	for _, u := range r.Users {
		for _, role := range u.Roles["echo-mcp-server"] {
			if role == "admin" {
				t.Errorf("%s is an admin by default", u.Username)
			}
		}
	}
	if c := r.Clients[0]; c.ID != "mcp-test-client" || !c.Public || !c.StandardFlow || !c.DirectAccess || c.ServiceAccount || !c.RefreshTokens {
		t.Errorf("%+v", c)
	}
	if c := r.Clients[1]; c.ID != "echo-mcp-server" || c.Public || c.StandardFlow || c.DirectAccess || !c.ServiceAccount || c.Secret == "" {
		t.Errorf("%+v", c)
	}
	if len(r.Registration.Hosts) == 0 || r.Registration.Max == 0 || r.Documents == nil || r.Documents.Allows("evil.example") {
		t.Errorf("registration %+v, documents %+v", r.Registration, r.Documents)
	}
}

func TestVariables(t *testing.T) {
	variables := map[string]string{"ECHO_MCP_SERVER_SECRET": `quo"te`, "MCP_RESOURCE": "https://mcp.example.com/mcp", "EMPTY": ""}
	lookup := func(name string) (string, bool) { v, ok := variables[name]; return v, ok }
	r, err := parse(keycloak.RealmFile, lookup)
	if err != nil {
		t.Fatal(err)
	}
	if r.Audience() != "https://mcp.example.com/mcp" || r.Clients[1].Secret != `quo"te` {
		t.Errorf("audience %q, secret %q", r.Audience(), r.Clients[1].Secret)
	}
	for text, want := range map[string]string{
		"${EMPTY:x}": "", "${NONE:}": "", "${NONE:a:b}": "a:b", "${NONE}": "${NONE}", "a${NONE:x}b${EMPTY}c": "axbc", "$NONE": "$NONE", "${}": "${}",
		"${NONE:http://localhost:9000/mcp}": "http://localhost:9000/mcp",
	} {
		if got := expandString(text, lookup); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// with is the demo realm with a value set at a path of members and indices.
func with(t *testing.T, value any, path ...any) []byte {
	t.Helper()
	var file map[string]any
	if err := json.Unmarshal(keycloak.RealmFile, &file); err != nil {
		t.Fatal(err)
	}
	var at any = file
	for _, step := range path[:len(path)-1] {
		if name, ok := step.(string); ok {
			at = at.(map[string]any)[name]
		} else {
			at = at.([]any)[step.(int)]
		}
	}
	if name, ok := path[len(path)-1].(string); ok {
		at.(map[string]any)[name] = value
	} else {
		at.([]any)[path[len(path)-1].(int)] = value
	}
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhatCantBeHonouredIsNamed(t *testing.T) {
	type path []any
	for _, test := range []struct {
		value any
		path  path
		says  string
	}{
		{false, path{"enabled"}, "enabled"},
		{"", path{"realm"}, "realm"},
		{"a/b", path{"realm"}, "realm"},
		{5, path{"notBefore"}, "notBefore"},
		{"my flow", path{"browserFlow"}, "browserFlow"},
		{true, path{"verifyEmail"}, "verifyEmail"},
		{"ES256", path{"defaultSignatureAlgorithm"}, "defaultSignatureAlgorithm"},
		{"some", path{"sslRequired"}, "sslRequired"},
		{1e6, path{"accessTokenLifespan"}, "accessTokenLifespan"},
		{map[string]any{"client": []string{"x"}}, path{"roles", "client", "echo-mcp-server", 0, "composites"}, "roles.client.echo-mcp-server"},
		{"no such scope", path{"clientScopeMappings", "echo-mcp-server", 0, "clientScope"}, "clientScopeMappings.echo-mcp-server"},
		{"", path{"clients", 0, "clientId"}, "clientId"},
		{"echo-mcp-server", path{"clients", 0, "clientId"}, "defined twice"},
		{7, path{"clients", 0, "notBefore"}, "notBefore"},
		{true, path{"clients", 0, "serviceAccountsEnabled"}, "serviceAccountsEnabled"},
		{"client-x509", path{"clients", 1, "clientAuthenticatorType"}, "clientAuthenticatorType"},
		{"${NOT_SET}", path{"clients", 1, "secret"}, "secret"},
		{map[string]any{"browser": "x"}, path{"clients", 0, "authenticationFlowBindingOverrides"}, "authenticationFlowBindingOverrides"},
		{"true", path{"clients", 0, "attributes", "dpop.bound.access.tokens"}, "dpop.bound.access.tokens"},
		{"true", path{"clients", 0, "attributes", "require.pushed.authorization.requests"}, "require.pushed.authorization.requests"},
		{"https://x.example/jwks", path{"clients", 0, "attributes", "jwks.url"}, "jwks.url"},
		{"x", path{"clients", 0, "attributes", "access.token.lifespan"}, "access.token.lifespan"},
		{[]string{"no such scope"}, path{"clients", 0, "optionalClientScopes"}, "no such scope"},
		{[]string{"CONFIGURE_TOTP"}, path{"users", 0, "requiredActions"}, "CONFIGURE_TOTP"},
		{7, path{"users", 0, "notBefore"}, "notBefore"},
		{"", path{"users", 0, "username"}, "username"},
		{"mcp-user", path{"users", 0, "username"}, "defined twice"},
		{true, path{"users", 0, "credentials", 0, "temporary"}, "temporary"},
		{"otp", path{"users", 0, "credentials", 0, "type"}, "otp"},
		{"", path{"users", 0, "credentials", 0, "value"}, "hashed"},
		{"${NOT_SET}", path{"users", 0, "credentials", 0, "value"}, "variable"},
		{"other", path{"components", registrationPolicies, 0, "providerId"}, "other"},
		{[]string{"true"}, path{"components", registrationPolicies, 0, "config", "host-sending-registration-request-must-match"}, "host-sending-registration-request-must-match"},
		{"secure-session", path{"clientProfiles", "profiles", 0, "executors", 0, "executor"}, "secure-session"},
	} {
		t.Run(test.says, func(t *testing.T) {
			_, err := parse(with(t, test.value, test.path...), nil)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v: %v", test.path, err)
			}
		})
	}
	for _, text := range []string{"", "[]", "{", `{"realm":"a","realm":"b"}`, `{"realm":"a","REALM":"b"}`, `{"realm":5}`} {
		if _, err := parse([]byte(text), nil); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func TestDisabledIsLeftOut(t *testing.T) {
	r, err := parse(with(t, false, "clients", 0, "enabled"), nil)
	if err != nil || len(r.Clients) != 1 || r.Clients[0].ID != "echo-mcp-server" {
		t.Errorf("clients %+v, %v", r, err)
	}
	r, err = parse(with(t, false, "users", 0, "enabled"), nil)
	if err != nil || r.Users[0].Username == Demo().Users[0].Username {
		t.Errorf("users %+v, %v", r, err)
	}
	r, err = parse(with(t, []any{}, "clientPolicies", "policies"), nil)
	if err != nil || r.Documents != nil {
		t.Errorf("documents %+v, %v", r, err)
	}
}

// WA5: github.com may be a home page, but no code goes there. WA3: documents of
// a host don't permit redirects to it, and the other way round.
func TestWA5_WA3_HostsByWhatTheyAreFor(t *testing.T) {
	permits := func(r *Realm, uri string) bool {
		return r.Registration.Permits(clientmetadata.MustRedirects(uri)[0])
	}
	r := Demo()
	for uri, want := range map[string]bool{
		"http://localhost:1/cb": true, "http://127.0.0.1/": true, "http://[::1]:5/": true, "https://localhost/cb": true,
		"https://github.com/cb": false, "https://code.visualstudio.com/cb": false, "https://app.example/cb": false,
		"cursor://anysphere.cursor-mcp/cb": false, "com.example.app:/cb": false, "com.example.app://localhost/cb": false,
	} {
		if permits(r, uri) != want {
			t.Errorf("%s: %v", uri, !want)
		}
	}
	r.Registration.Schemes = []string{"cursor"}
	if !permits(r, "cursor://anysphere.cursor-mcp/cb") || permits(r, "cursors://x/cb") {
		t.Error("the scheme cursor, and only that, is permitted by name")
	}
	r.Registration.Hosts = nil
	if !permits(r, "com.example.app:/cb") || permits(r, "myapp:/cb") || !permits(r, "https://any.example/") {
		t.Error("where any host is permitted, a scheme with a dot is too, and no other")
	}

	read := func(value any, path ...any) (*Realm, error) { return parse(with(t, value, path...), nil) }
	domains := []any{"clientProfiles", "profiles", 1, "executors", 1, "configuration", "allow-permitted-domains"}
	trusted := []any{"components", registrationPolicies, 0, "config", "trusted-hosts"}
	if r, err := read([]string{`github\.com`, `claude.ai`}, domains...); err != nil || !permits(r, "https://github.com/cb") || permits(r, "https://claude.ai/") {
		t.Errorf("a host that both lists name is not permitted, or one of a single list is: %v", err)
	}
	if r, err := read([]string{"github.com"}, trusted...); err != nil || permits(r, "https://github.com/cb") || permits(r, "http://localhost/cb") {
		t.Errorf("without localhost among the trusted hosts: %v", err)
	}
	if r, err := read([]string{}, domains...); err != nil || !permits(r, "https://github.com/cb") {
		t.Errorf("an empty list permits what Keycloak would, all trusted hosts: %v", err)
	}
	for _, pattern := range []string{".*", "*.example.com", `.+\.claude\.ai`, "(a|b)", "[a-z]", "Claude.ai"} {
		if _, err := read([]string{pattern}, domains...); err == nil || !strings.Contains(err.Error(), "allow-permitted-domains") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	documents := []any{"clientProfiles", "profiles", 2, "executors", 0, "configuration", "cimd-allow-permitted-domains"}
	if r, err := read([]string{"localhost", "claude.ai"}, documents...); err != nil || r.Documents.Allows("claude.ai") || !r.Documents.Allows("localhost") || permits(r, "https://claude.ai/") {
		t.Errorf("documents of a host that the condition doesn't name: %v", err)
	}
	condition := []any{"clientPolicies", "policies", 2, "conditions", 0, "configuration", "client-id-uri-allow-permitted-domains"}
	if r, err := read([]string{"claude.ai", "localhost"}, condition...); err != nil || r.Documents.Allows("claude.ai") || r.Documents.Allows("127.0.0.1") {
		t.Errorf("documents of a host that the executor doesn't name: %v", err)
	}
}

func TestDocumentHosts(t *testing.T) {
	d := &Documents{Hosts: []string{"a.example", "*.b.example"}}
	for host, want := range map[string]bool{
		"a.example": true, "x.a.example": false, "xa.example": false, "x.b.example": true, "b.example": false, "xb.example": false, "x.b.example.evil": false, "": false,
	} {
		if d.Allows(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	if !(&Documents{Hosts: []string{"*"}}).Allows("any.example") || (*Documents)(nil).Allows("a.example") || (&Documents{}).Allows("a.example") {
		t.Error("all or nobody is wrong")
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my-realm.json")
	if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), "my-realm.json") {
		t.Errorf("missing: %v", err)
	}
	if err := os.WriteFile(path, []byte(`{"realm":""}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, nil); err == nil || !strings.Contains(err.Error(), "my-realm.json") {
		t.Errorf("broken: %v", err)
	}
}

// WD18: a realm file that everybody can write is not read.
func TestWD18_OpenModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "realm.json")
	if err := os.WriteFile(path, keycloak.RealmFile, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: true, 0o666: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, nil); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "chmod o-w") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// parse is Load for a text.
func parse(text []byte, lookup func(string) (string, bool)) (*Realm, error) {
	members, err := expand(text, lookup)
	if err != nil {
		return nil, err
	}
	return (&File{Members: members}).Realm()
}

func FuzzParse(f *testing.F) {
	f.Add(string(keycloak.RealmFile))
	f.Add(`{"realm":"a","clients":[{"clientId":"x"}],"users":[{"username":"u","credentials":[{"value":"${X:y}"}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parse([]byte(text), nil)
		if err == nil && r.Name == "" {
			t.Error("a realm without a name")
		}
	})
}
