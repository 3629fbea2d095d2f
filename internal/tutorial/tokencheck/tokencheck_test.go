package tokencheck

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/envfile"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
	"mcp-auth-step-by-step/internal/web/serve"
)

// now is what the clock says.
var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// settings are those of a file with these lines, for a server that has a name.
func settings(t *testing.T, lines, name string) *envfile.Settings {
	t.Helper()
	file := filepath.Join(t.TempDir(), "some.env")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	site := serve.Site{URL: name, Stated: true, Port: 9000, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	s, err := envfile.Read(file, &site)
	if err != nil {
		t.Fatalf("%v, of the lines\n%s", err, lines)
	}
	return s
}

// tokens are those of providershapes that a server can take.
func tokens(t *testing.T) map[string]providershapes.Token {
	t.Helper()
	all, err := providershapes.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sign(t *testing.T, of providershapes.Token, changes ...func(*mint.Draft)) string {
	t.Helper()
	key := stubprovider.Keys()["rs256"]
	token, err := of.Sign(key.RSA, key.ID, now, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claim(name string, value any) func(*mint.Draft) {
	return func(d *mint.Draft) { d.Claims[name] = value }
}

func without(names ...string) func(*mint.Draft) {
	return func(d *mint.Draft) {
		for _, name := range names {
			delete(d.Claims, name)
		}
	}
}

func header(name string, value any) func(*mint.Draft) {
	return func(d *mint.Draft) { d.Header[name] = value }
}

const server = "https://mcp.example.com"

// Under the lines of a report, the token passes.
func TestLinesHelp(t *testing.T) {
	t.Parallel()
	all := tokens(t)
	for name, c := range map[string]struct {
		of      string
		changes []func(*mint.Draft)
		want    string // lines, but for their values
	}{
		"Okta":                         {"okta-custom-as", nil, "JWT_ISSUER JWT_DIALECT"},
		"Auth0":                        {"auth0-rfc9068-authz-dialect", nil, "JWT_ISSUER JWT_DIALECT"},
		"Auth0's own":                  {"auth0-default-dialect", nil, "JWT_ISSUER JWT_DIALECT"},
		"PingFederate":                 {"pingfederate-jwt-atm-default", nil, "JWT_ISSUER JWT_DIALECT"},
		"PingFederate, RFC 9068":       {"pingfederate-jwt-atm-rfc9068", nil, "JWT_ISSUER JWT_DIALECT"},
		"PingFederate, array":          {"pingfederate-jwt-atm-default", []func(*mint.Draft){claim("scope", []string{"a"})}, "JWT_ISSUER JWT_DIALECT JWT_SCOPE_CLAIMS"},
		"PingFederate, no jti":         {"pingfederate-jwt-atm-default", []func(*mint.Draft){without("jti")}, "JWT_ISSUER JWT_DIALECT JWT_MAY_LACK"},
		"PingOne":                      {"pingone-before-2027-03-02", nil, "JWT_ISSUER JWT_DIALECT"},
		"ForgeRock":                    {"forgerock-pingam-client-based", nil, "JWT_ISSUER JWT_DIALECT JWT_AUDIENCE"},
		"Entra v2":                     {"entra-v2", nil, "JWT_ISSUER JWT_DIALECT JWT_AUDIENCE"},
		"Entra v1":                     {"entra-v1", nil, "JWT_ISSUER JWT_DIALECT"},
		"Entra, CAE":                   {"entra-v2-cae-long-lived", nil, "JWT_ISSUER JWT_DIALECT JWT_AUDIENCE JWT_MAX_LIFETIME"},
		"Keycloak elsewhere":           {"keycloak-default", []func(*mint.Draft){claim("iss", "https://id.example/realms/x")}, "JWT_ISSUER JWT_DIALECT JWT_AUDIENCE"},
		"RFC 9068, missing jti":        {"auth0-rfc9068-authz-dialect", []func(*mint.Draft){without("jti")}, "JWT_ISSUER JWT_DIALECT JWT_MAY_LACK"},
		"RFC 9068, azp and scp":        {"pingfederate-jwt-atm-rfc9068", []func(*mint.Draft){without("client_id", "scope"), claim("azp", "c"), claim("scp", "a")}, "JWT_ISSUER JWT_DIALECT JWT_CLIENT_CLAIMS JWT_SCOPE_CLAIMS"},
		"another algorithm":            {"okta-custom-as", []func(*mint.Draft){header("alg", "ES256")}, "JWT_ISSUER JWT_DIALECT JWT_ALGORITHMS"},
		"Cognito without a resource":   {"pingone-before-2027-03-02", []func(*mint.Draft){claim("iss", "https://cognito-idp.eu-west-1.amazonaws.com/p"), claim("token_use", "access"), claim("jti", "x"), without("aud")}, "JWT_ISSUER JWT_DIALECT JWT_AUDIENCE_CLAIM JWT_AUDIENCE"},
		"issuer with a dollar sign":    {"pingfederate-jwt-atm-rfc9068", []func(*mint.Draft){claim("iss", "https://sso.example.com/$HOME")}, "JWT_ISSUER JWT_DIALECT"},
		"expired, for a new one of it": {"okta-custom-as", []func(*mint.Draft){claim("iat", now.Unix()-7200), claim("exp", now.Unix()-3600)}, "JWT_ISSUER JWT_DIALECT"},
	} {
		t.Run(name, func(t *testing.T) {
			text := sign(t, all[c.of], c.changes...)
			report := Run(t.Context(), settings(t, "", server), text, now)
			var names []string
			for _, line := range report.Lines {
				names = append(names, line.Name)
				if (strings.HasPrefix(line.Name, "JWT_AUDIENCE") && line.Name != "JWT_AUDIENCE_CLAIM") && !strings.Contains(line.Remark, "open") {
					t.Errorf("the remark of %s is %q", line.Name, line.Remark)
				}
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Fatalf("lines %q, want %q\n%s", got, c.want, report.Text())
			}
			at := now
			if strings.HasPrefix(name, "expired") {
				at = now.Add(-2 * time.Hour)
				if !strings.Contains(report.Text(), "It expired at") {
					t.Error(report.Text())
				}
			}
			again := Run(t.Context(), settings(t, report.Environment(), server), text, at)
			if !again.Passes() || !again.Trusted || again.Lines != nil {
				t.Errorf("with the lines\n%s\n%s", report.Environment(), again.Text())
			}
		})
	}
}

// Where the issuer is trusted, only what must change is proposed.
func TestLinesBesideOthers(t *testing.T) {
	t.Parallel()
	const file = "JWT_ISSUER=https://example.okta.com/oauth2/default\nJWT_DIALECT=okta\nJWT_ROLES_CLAIM=groups\n"
	report := Run(t.Context(), settings(t, file, server), sign(t, tokens(t)["okta-custom-as"]), now)
	if !report.Passes() || report.Lines != nil || !strings.Contains(report.Text(), "settings as they are") {
		t.Error(report.Text())
	}
	report = Run(t.Context(), settings(t, file, server), sign(t, tokens(t)["okta-custom-as"], without("jti"), claim("exp", now.Unix()+100_000)), now)
	if got := report.Environment(); !strings.Contains(got, "JWT_MAX_LIFETIME=28h\n") || !strings.Contains(got, "JWT_MAY_LACK=jti\n") || strings.Contains(got, "JWT_ISSUER") {
		t.Error(got)
	}
}

// Of several audiences, this server's own is taken, and nothing is said of others.
func TestOwnAudience(t *testing.T) {
	t.Parallel()
	const file = "JWT_ISSUER=https://example.okta.com/oauth2/default\nJWT_DIALECT=okta\nJWT_AUDIENCE=echo\n"
	report := Run(t.Context(), settings(t, file, server), sign(t, tokens(t)["okta-custom-as"], claim("aud", []string{"x", server + "/mcp"})), now)
	if got := report.Environment(); got != "JWT_AUDIENCE="+server+"/mcp\n" {
		t.Error(report.Text())
	}
}

// No ID token is ever proposed: not those of the providers, for the same audience, with
// or without a nonce, with roles, and whatever names its client.
func TestC12_NoIDTokenIsProposed(t *testing.T) {
	t.Parallel()
	kept := []string{"iss", "sub", "aud", "exp", "iat", "nbf", "auth_time", "acr", "amr", "sid", "name", "preferred_username", "oid", "tid", "ver", "uti", "jti", "realm"}
	for name, token := range tokens(t) {
		if token.Opaque != "" {
			continue
		}
		for variant, changes := range map[string][]func(*mint.Draft){
			"as it is":         nil,
			"with a nonce":     {claim("nonce", "n")},
			"with roles":       {claim("roles", []string{"admin"}), claim("groups", []string{"admin"})},
			"azp is the aud":   {claim("aud", "client"), claim("azp", "client")},
			"azp is another":   {claim("azp", "another")},
			"for its client":   {claim("aud", "client")},
			"for two parties":  {claim("aud", []string{"client", "x"}), claim("azp", "client")},
			"Keycloak's":       {claim("typ", "ID"), claim("azp", "another")},
			"Cognito's":        {claim("token_use", "id"), claim("cognito:groups", []string{"admin"})},
			"ForgeRock's":      {claim("tokenName", "id_token")},
			"a hash of a code": {claim("c_hash", "x"), claim("scope", "openid"), claim("client_id", "c")},
			"without a typ":    {func(d *mint.Draft) { delete(d.Header, "typ") }},
		} {
			asID := func(d *mint.Draft) {
				for claim := range d.Claims {
					if !slices.Contains(kept, claim) {
						delete(d.Claims, claim)
					}
				}
				d.Header["typ"], d.Claims["sub"], d.Claims["iat"] = "JWT", "alice", now.Unix()
			}
			report := Run(t.Context(), settings(t, "", server), sign(t, token, append([]func(*mint.Draft){asID}, changes...)...), now)
			if report.Passes() || len(report.Lines) > 0 || len(report.Why) == 0 {
				t.Errorf("%s, %s:\n%s", name, variant, report.Text())
			}
		}
	}
}

// Where no setting helps, the report says why, and proposes none.
func TestNoneHelps(t *testing.T) {
	t.Parallel()
	all := tokens(t)
	okta := all["okta-custom-as"]
	for name, c := range map[string]struct {
		token string
		says  string
	}{
		"Google":               {sign(t, all["google-tokeninfo"]), "providers/google.env"},
		"opaque":               {"an-opaque-token", "INTROSPECTION_CLIENT_ID"},
		"encrypted":            {"a.b.c.d.e", "JWE"},
		"broken":               {"a.b.c", "can't be read"},
		"Okta's org server":    {sign(t, all["okta-org-as"]), "org server"},
		"no audience":          {sign(t, all["keycloak-cimd-no-allow-list"], claim("iss", "https://id.example/realms/x")), "No known dialect"},
		"HS256":                {sign(t, okta, header("alg", "HS256")), "HS256"},
		"none":                 {sign(t, okta, header("alg", "none")), "algorithm"},
		"bound":                {sign(t, okta, claim("cnf", map[string]any{"jkt": "x"})), "bound to a key"},
		"no expiry":            {sign(t, okta, without("exp")), "no exp"},
		"plain http":           {sign(t, okta, claim("iss", "http://id.example")), "not an https URL"},
		"no URL":               {sign(t, okta, claim("iss", "joe")), "not an https URL"},
		"line break in iss":    {sign(t, okta, claim("iss", "https://id.example/\nJWT_TYPES=JWT")), "not an https URL"},
		"no kid":               {sign(t, okta, func(d *mint.Draft) { delete(d.Header, "kid") }), "kid"},
		"crit":                 {sign(t, okta, header("crit", []string{"x"})), "crit"},
		"for Microsoft Graph":  {sign(t, all["entra-v2"], claim("aud", "00000003-0000-0000-c000-000000000000")), "No known dialect"},
		"line break in aud":    {sign(t, okta, claim("aud", "x\nJWT_TYPES=JWT")), "No known dialect"},
		"for a hundred years":  {sign(t, okta, claim("exp", now.AddDate(100, 0, 0).Unix())), "No known dialect"},
		"for the issuer alone": {sign(t, okta, claim("aud", okta.Issuer)), "No known dialect"},
	} {
		report := Run(t.Context(), settings(t, "", server), c.token, now)
		if report.Passes() || len(report.Lines) > 0 || !strings.Contains(report.Text(), c.says) {
			t.Errorf("%s: want %q in\n%s", name, c.says, report.Text())
		}
	}
}

// What can't be known offline has no tick, and no report has the token.
func TestReportIsOffline(t *testing.T) {
	t.Parallel()
	for name, token := range tokens(t) {
		text := sign(t, token)
		report := Run(t.Context(), settings(t, "", server), text, now)
		for _, check := range report.Checks {
			if offline := check.Name != "key" && check.Name != "signature"; !offline && check.Outcome == accesstoken.Passed {
				t.Errorf("%s: %s has passed", name, check.Name)
			}
		}
		shown := report.Text()
		if strings.Contains(shown, "✓ key") || strings.Contains(shown, "✓ signature") {
			t.Errorf("%s:\n%s", name, shown)
		}
		for part := range strings.SplitSeq(text, ".") {
			if len(part) > 8 && strings.Contains(shown, part) {
				t.Errorf("%s: a part of the token is shown:\n%s", name, shown)
			}
		}
	}
}
