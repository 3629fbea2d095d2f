package envfile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/trust"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// The strictest dialect is that of an issuer of which nothing is said.
func TestDialectByDefault(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]struct {
		want string
		says string
	}{
		"":                                       {"keycloak", ""},
		"KEYCLOAK_URL=https://id.example":        {"keycloak", ""},
		"JWT_ISSUER=https://id.example":          {"rfc9068", ""},
		"JWT_ISSUER=https://id.example/realms/x": {"rfc9068", "JWT_DIALECT=keycloak"},
		"JWT_ISSUER=https://x.okta.com/oauth2/default":                   {"rfc9068", "JWT_DIALECT=okta"},
		"JWT_ISSUER=https://x.eu.auth0.com/":                             {"rfc9068", "JWT_DIALECT=auth0"},
		"JWT_ISSUER=https://x.okta.com/oauth2/default\nJWT_DIALECT=okta": {"okta", ""},
		"JWT_DIALECT=rfc9068":                                            {"rfc9068", ""},
	} {
		s, log, err := try(t, text, nil, site)
		if err != nil || rules(s).Dialect.Name != c.want {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
		if !strings.Contains(log, c.says) || c.says == "" && strings.Contains(log, "level=WARN") {
			t.Errorf("%q: %s", text, log)
		}
	}
}

// Single settings override the preset.
func TestDialectSettings(t *testing.T) {
	t.Parallel()
	for text, change := range map[string]func(*dialect.Dialect){
		"JWT_TYPES=absent,at+jwt": func(d *dialect.Dialect) { d.Types = []string{"absent", "at+jwt"} },
		"JWT_PROOF='token_use=access, azpacr'": func(d *dialect.Dialect) {
			d.Proof = []dialect.Condition{dialect.Is("token_use", "access"), dialect.Has("azpacr")}
		},
		"JWT_AUDIENCE_CLAIM=client_id":                func(d *dialect.Dialect) { d.Audience = "client_id" },
		"JWT_CLIENT_CLAIMS='cid, azp'":                func(d *dialect.Dialect) { d.Client = []string{"cid", "azp"} },
		"JWT_SCOPE_CLAIMS='scp[],scope'":              func(d *dialect.Dialect) { d.Scopes = []string{"scp[]", "scope"} },
		"JWT_ID_CLAIM=uti":                            func(d *dialect.Dialect) { d.ID = "uti" },
		"JWT_SUBJECT_CLAIM=oid":                       func(d *dialect.Dialect) { d.Subject = "oid" },
		"JWT_USERNAME_CLAIM=upn":                      func(d *dialect.Dialect) { d.Username = "upn" },
		"JWT_ROLES_CLAIM=groups":                      func(d *dialect.Dialect) { d.Roles = []string{"groups"} },
		"JWT_ROLES_CLAIM=https://example.com/roles":   func(d *dialect.Dialect) { d.Roles = []string{"https://example.com/roles"} },
		"JWT_ROLES_CLAIM=/realm_access/roles":         func(d *dialect.Dialect) { d.Roles = []string{"realm_access", "roles"} },
		"JWT_ROLES_CLAIM=/a~1b/~01":                   func(d *dialect.Dialect) { d.Roles = []string{"a/b", "~1"} },
		"JWT_ROLES_CLIENT=mine":                       func(d *dialect.Dialect) { d.Roles = dialect.ClientRoles("mine") },
		"JWT_MAY_LACK=iat,sub":                        func(d *dialect.Dialect) { d.MayLack = []string{"iat", "sub"} },
		"JWT_MAX_LIFETIME=28h":                        func(d *dialect.Dialect) { d.MaxLifetime = 28 * time.Hour },
		"JWT_DIALECT=pingone\nJWT_MAY_LACK=nothing":   func(d *dialect.Dialect) { *d = preset("pingone"); d.MayLack = nil },
		"JWT_DIALECT=entra-v2\nJWT_SUBJECT_CLAIM=sub": func(d *dialect.Dialect) { *d = preset("entra-v2"); d.Subject = "sub" },
	} {
		want := keycloak
		change(&want)
		s, _, err := try(t, text, nil, site)
		if err != nil || !reflect.DeepEqual(rules(s).Dialect, want) {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	if _, _, err := try(t, "JWT_ROLES_CLAIM=a\nJWT_ROLES_CLIENT=b", nil, site); err == nil || !strings.Contains(err.Error(), "remove one") {
		t.Error(err)
	}
	if _, _, err := try(t, "JWT_DIALECT=rfc9068\nJWT_TYPES=JWT", nil, site); err == nil || !strings.Contains(err.Error(), "JWT_TYPES: ") {
		t.Error(err)
	}
}

// Scopes that the issuer calls otherwise.
func TestScopeNames(t *testing.T) {
	t.Parallel()
	const names = "JWT_SCOPE_NAMES='mcp:read=api://x/read mcp:tools=api://x/call'\n"
	s, _, err := try(t, names, nil, site)
	if want := (principal.ScopeNames{"mcp:read": {Asked: "api://x/read", Granted: "api://x/read"}, "mcp:tools": {Asked: "api://x/call", Granted: "api://x/call"}}); err != nil || !reflect.DeepEqual(rules(s).ScopeNames, want) {
		t.Errorf("%+v, %v", s, err)
	}
	s, _, err = try(t, names+"JWT_DIALECT=entra-v2", nil, site)
	if err != nil || rules(s).ScopeNames["mcp:tools"] != (principal.ScopeName{Asked: "api://x/call", Granted: "call"}) {
		t.Errorf("%+v, %v", s, err)
	}
	if asked := trust.Ask(s.Issuers, "mcp:read mcp:tools mcp:prompts"); asked != "api://x/read api://x/call mcp:prompts" {
		t.Error(asked)
	}
}

// An audience may be one value or several, and needn't be a URL. Whatever else the
// tokens open is told.
func TestAudiences(t *testing.T) {
	t.Parallel()
	s, log, err := try(t, "JWT_AUDIENCE='6e74172b, api://6e74172b'\nJWT_DIALECT=entra-v2", nil, site)
	if err != nil || rules(s).Audience != "6e74172b" || !reflect.DeepEqual(rules(s).Audiences, []string{"api://6e74172b"}) {
		t.Errorf("%+v, %v", s, err)
	}
	if strings.Contains(log, "level=WARN") || !strings.Contains(log, "whatever else takes that audience") {
		t.Error(log)
	}
	if _, log, err = try(t, "JWT_AUDIENCE=x,http://localhost:9000/mcp", nil, site); err != nil || strings.Contains(log, "whatever else") {
		t.Errorf("%v, %s", err, log)
	}
	if _, log, err = try(t, "JWT_AUDIENCE=client\nJWT_AUDIENCE_CLAIM=client_id", nil, site); err != nil || !strings.Contains(log, "level=WARN") || !strings.Contains(log, "not asked whom they are for") {
		t.Errorf("%v, %s", err, log)
	}
}

// several writes files into a folder, and returns their names by their own.
func several(t *testing.T, texts map[string]string) map[string]string {
	t.Helper()
	dir, paths := t.TempDir(), map[string]string{}
	for name, text := range texts {
		paths[name] = filepath.Join(dir, name)
		if err := os.WriteFile(paths[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// Several issuers, each described by a file of its own.
func TestSeveralIssuers(t *testing.T) {
	t.Parallel()
	f := several(t, map[string]string{
		"okta":     "JWT_ISSUER=https://x.okta.com/oauth2/default\nJWT_DIALECT=okta\nMCP_SERVER_URL=https://other.example\n",
		"keycloak": "KEYCLOAK_URL=https://id.example\nJWT_AUDIENCE=echo\nJWT_ALGORITHMS=ES256\n",
		"twice":    "JWT_ISSUER=https://x.okta.com/oauth2/default\n",
		"nested":   "JWT_ISSUERS=a.env\n",
		"broken":   "JWT_ISSUER=x\n",
		"names":    "JWT_ISSUER=https://other.example\nJWT_SCOPE_NAMES=mcp:read=read\n",
	})
	both := "JWT_ISSUERS=" + f["okta"] + ", " + f["keycloak"]
	s, log, err := try(t, both, nil, site)
	if err != nil || len(s.Issuers) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	first, second := s.Issuers[0].Rules, s.Issuers[1].Rules
	if first.Dialect.Name != "okta" || second.Dialect.Name != "keycloak" || first.Audience != "http://localhost:9000/mcp" || second.Audience != "echo" ||
		second.Issuer != "https://id.example/realms/mcp-realm" || s.Issuers[1].Keys.Issuer != second.Issuer || s.Issuers[1].Keys.Algorithms[0] != "ES256" ||
		s.ServerURL != "http://localhost:9000" || first.Algorithms[0] != "RS256" {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(log, "variable ignored") || strings.Count(log, "msg=settings") != 2 {
		t.Error(log)
	}
	// The environment can't say which issuer it means.
	if s, _, err := try(t, "-", map[string]string{"JWT_ISSUERS": f["okta"]}, site); err != nil || s.Issuers[0].Rules.Dialect.Name != "okta" {
		t.Errorf("%+v, %v", s, err)
	}
	for text, c := range map[string]struct {
		environment map[string]string
		says        string
	}{
		both + "\nJWT_ISSUER=https://id.example": {nil, "JWT_ISSUER: JWT_ISSUERS is set too"},
		both:                                     {map[string]string{"JWT_AUDIENCE": "x"}, "the environment: JWT_AUDIENCE: JWT_ISSUERS is set too"},
		both + "\nKEYCLOAK_URL=https://id.example": {nil, "KEYCLOAK_URL: JWT_ISSUERS"},
		both + "," + f["twice"]:                    {nil, "two files describe the issuer"},
		"JWT_ISSUERS=" + f["nested"]:               {nil, "describes one issuer"},
		"JWT_ISSUERS=" + f["broken"]:               {nil, "broken: JWT_ISSUER: "},
	} {
		if s, _, err := try(t, text, c.environment, site); err == nil || s != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", text, err, c.says)
		}
	}
	if _, log, err := try(t, "JWT_ISSUERS="+f["okta"]+","+f["names"], nil, site); err != nil || !strings.Contains(log, "different names for the scopes") {
		t.Errorf("%v, %s", err, log)
	}
}
