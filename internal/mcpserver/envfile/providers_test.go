package envfile

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
)

// files are the tokens of providershapes, with the file of their provider.
var files = map[string]string{
	"okta-custom-as":                "okta",
	"okta-org-as":                   "okta",
	"auth0-default-dialect":         "auth0-default",
	"auth0-rfc9068-authz-dialect":   "auth0",
	"keycloak-default":              "keycloak",
	"keycloak-cimd-no-allow-list":   "keycloak",
	"pingfederate-jwt-atm-default":  "pingfederate",
	"pingfederate-jwt-atm-rfc9068":  "pingfederate",
	"pingone-before-2027-03-02":     "pingone",
	"forgerock-pingam-client-based": "forgerock",
	"google-tokeninfo":              "google",
	"entra-v2":                      "entra-v2",
	"entra-v1":                      "entra-v1",
	"entra-v2-cae-long-lived":       "entra-v2",
}

// now is what the clock says.
var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// signer is the key of all providers here.
var signer = stubprovider.Keys()["rs256"]

// ready is a verifier as a provider's file describes it, changed by an environment.
func ready(t *testing.T, file string, environment map[string]string) *accesstoken.Verifier {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "providers", file+".env"))
	if err != nil {
		t.Fatal(err)
	}
	s, log, err := try(t, string(text), environment, site)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if strings.Contains(log, "unknown variable") || environment == nil && strings.Contains(log, "level=WARN") {
		t.Errorf("%s: %s", file, log)
	}
	v := s.Issuers[0].Rules
	v.Now = func() time.Time { return now }
	if v.Keys, err = jwks.Parse([]byte(`{"keys":[` + signer.JWK + `,` + stubprovider.Keys()["es256"].JWK + `]}`)); err != nil {
		t.Fatal(err)
	}
	return &v
}

// shape is a token of a provider, signed, with changes.
func shape(t *testing.T, of providershapes.Token, changes ...func(*mint.Draft)) string {
	t.Helper()
	token, err := of.Sign(signer.RSA, signer.ID, now, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func set(name string, value any) func(*mint.Draft) {
	return func(d *mint.Draft) { d.Claims[name] = value }
}

func drop(names ...string) func(*mint.Draft) {
	return func(d *mint.Draft) {
		for _, name := range names {
			delete(d.Claims, name)
		}
	}
}

func typ(value string) func(*mint.Draft) {
	return func(d *mint.Draft) { d.Header["typ"] = value }
}

// tokens are those of providershapes.
func tokens(t *testing.T) map[string]providershapes.Token {
	t.Helper()
	all, err := providershapes.Tokens()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Each token gives what is expected of it, with its provider's file as it is.
func TestProviderFiles(t *testing.T) {
	t.Parallel()
	all := tokens(t)
	if len(all) != len(files) {
		t.Errorf("%d tokens, %d files", len(all), len(files))
	}
	for name, token := range all {
		t.Run(name, func(t *testing.T) {
			v := ready(t, files[name], nil)
			if token.Expected.Accept && (v.Issuer != token.Issuer || v.Audience != token.Audience) {
				t.Errorf("issuer %q, audience %q, want %q, %q", v.Issuer, v.Audience, token.Issuer, token.Audience)
			}
			got, err := v.Verify(t.Context(), shape(t, token))
			if !token.Expected.Accept {
				if err == nil || got != nil {
					t.Errorf("accepted, though: %s", token.Expected.Why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := strings.Cut(token.Expected.Subject, " ")
			if token.Claims["sub"] == nil {
				want = principal.ClientSubject + token.Expected.Client
			}
			if got.Subject != want || got.Issuer != token.Issuer || got.ClientID != token.Expected.Client || got.DisplayName() == "" ||
				!slices.Equal(got.Scopes, token.Expected.Scopes) || !slices.Equal(got.Roles, token.Expected.Roles) {
				t.Errorf("%+v, want %+v", got, token.Expected)
			}
		})
	}
	// Under no setting.
	org := all["okta-org-as"]
	for _, types := range []string{"absent", "at+jwt,JWT,absent"} {
		v := ready(t, "okta", map[string]string{"JWT_TYPES": types, "JWT_ISSUER": org.Issuer, "JWT_AUDIENCE": org.Audience})
		if _, err := v.Verify(t.Context(), shape(t, org)); !errors.Is(err, accesstoken.ErrType) || !strings.Contains(err.Error(), "custom authorization server") {
			t.Errorf("okta-org-as: %v", err)
		}
	}
}

// asIDToken are the claims that providers write into ID tokens and have no part in
// what an access token allows (OpenID Connect Core 1.0, section 2).
var asIDToken = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "auth_time", "acr", "amr", "sid", "name", "preferred_username", "oid", "tid", "ver", "uti",
	"rh", "aio", "realm", "jti", "auditTrackingId", "subname", "unique_name", "ipaddr",
}

// idToken makes an ID token of an access token, for the same audience.
func idToken(d *mint.Draft) {
	maps.DeleteFunc(d.Claims, func(name string, _ any) bool { return !slices.Contains(asIDToken, name) })
	if d.Header["typ"] == "at+jwt" {
		d.Header["typ"] = "JWT"
	}
	if _, named := d.Claims["sub"]; !named {
		d.Claims["sub"] = "alice"
	}
	d.Claims["iat"] = now.Unix()
}

// otherForm writes scopes as an array in the place of a string, or the reverse.
func otherForm(d *mint.Draft) {
	for _, name := range []string{"scope", "scp"} {
		switch scopes := d.Claims[name].(type) {
		case string:
			d.Claims[name] = strings.Fields(scopes)
		case []any:
			d.Claims[name] = "mcp:tools"
		}
	}
}

// A near miss of each token is refused.
func TestProviderNearMisses(t *testing.T) {
	t.Parallel()
	for name, token := range tokens(t) {
		if !token.Expected.Accept {
			continue
		}
		t.Run(name, func(t *testing.T) {
			v := ready(t, files[name], nil)
			accepted := func(changes ...func(*mint.Draft)) error {
				_, err := v.Verify(t.Context(), shape(t, token, changes...))
				return err
			}
			if err := accepted(); err != nil {
				t.Fatal(err)
			}
			party := func(d *mint.Draft) { // as some providers name the client of an ID token
				for _, claim := range v.Dialect.Filled().Client {
					d.Claims[claim] = "another-client"
				}
			}
			roles := func(d *mint.Draft) { d.Claims["roles"] = []string{"admin"} }
			for miss, c := range map[string]struct {
				changes []func(*mint.Draft)
				want    error
			}{
				"ID token":                          {[]func(*mint.Draft){idToken, set("nonce", "n")}, accesstoken.ErrType},
				"ID token without nonce":            {[]func(*mint.Draft){idToken}, accesstoken.ErrType},
				"ID token with roles":               {[]func(*mint.Draft){idToken, roles}, accesstoken.ErrType},
				"ID token that names a client":      {[]func(*mint.Draft){idToken, roles, party}, accesstoken.ErrType},
				"ID token with a hash":              {[]func(*mint.Draft){set("at_hash", "x")}, accesstoken.ErrType},
				"logout token":                      {[]func(*mint.Draft){typ("logout+jwt")}, accesstoken.ErrType},
				"event":                             {[]func(*mint.Draft){set("events", map[string]any{})}, accesstoken.ErrType},
				"other audience":                    {[]func(*mint.Draft){set("aud", "https://other.example.com/mcp")}, accesstoken.ErrAudience},
				"other audience, in an array":       {[]func(*mint.Draft){set("aud", []string{"https://other.example.com/mcp"})}, accesstoken.ErrAudience},
				"no audience":                       {[]func(*mint.Draft){drop("aud")}, nil},
				"other issuer":                      {[]func(*mint.Draft){set("iss", "https://other.example.com")}, accesstoken.ErrIssuer},
				"issuer but for a slash":            {[]func(*mint.Draft){set("iss", flip(token.Issuer))}, accesstoken.ErrIssuer},
				"expired":                           {[]func(*mint.Draft){set("exp", now.Unix()-61), set("iat", now.Unix()-3600)}, accesstoken.ErrExpired},
				"for years":                         {[]func(*mint.Draft){set("exp", now.AddDate(2, 0, 0).Unix())}, accesstoken.ErrLifetime},
				"scopes in another form":            {[]func(*mint.Draft){otherForm}, accesstoken.ErrScopes},
				"scopes elsewhere":                  {[]func(*mint.Draft){move("scope", "scp"), move("scp", "permissions")}, nil},
				"bound to a key":                    {[]func(*mint.Draft){set("cnf", map[string]any{"jkt": "x"})}, accesstoken.ErrBound},
				"no client":                         {[]func(*mint.Draft){drop(v.Dialect.Filled().Client...)}, nil},
				"user that looks like a client":     {[]func(*mint.Draft){set("sub", ""), set("oid", "")}, accesstoken.ErrMissingClaim},
				"signed with a key of no publisher": {[]func(*mint.Draft){func(d *mint.Draft) { d.Header["kid"] = "other" }}, accesstoken.ErrKey},
			} {
				if err := accepted(c.changes...); err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", miss, err, c.want)
				}
			}
			if token.Header["typ"] == "at+jwt" {
				return // its header is the proof
			}
			for _, condition := range v.Dialect.Proof {
				spoil := drop(condition.Claims...)
				switch condition.Kind {
				case dialect.IsMissing:
					spoil = set(condition.Claims[0], "n")
				case dialect.NotClient:
					spoil = set(v.Dialect.Filled().Client[0], token.Audience)
				case dialect.IsValue, dialect.HasOne:
				}
				if err := accepted(spoil); !errors.Is(err, accesstoken.ErrType) {
					t.Errorf("without the proof %s: %v", condition, err)
				}
			}
		})
	}
}

// flip adds a slash at the end, or takes it away.
func flip(issuer string) string {
	if short, has := strings.CutSuffix(issuer, "/"); has {
		return short
	}
	return issuer + "/"
}

// move writes a claim under another name.
func move(from, to string) func(*mint.Draft) {
	return func(d *mint.Draft) {
		if value, has := d.Claims[from]; has {
			d.Claims[to] = value
			delete(d.Claims, from)
		}
	}
}

// Near misses that only one provider has.
func TestProviderOwnNearMisses(t *testing.T) {
	t.Parallel()
	all := tokens(t)
	const tenant = "99999999-2222-3333-4444-555555555555"
	for name, c := range map[string]struct {
		of      string
		changes []func(*mint.Draft)
		want    error
	}{
		"entra v2, other tenant":           {"entra-v2", []func(*mint.Draft){set("tid", tenant)}, accesstoken.ErrIssuer},
		"entra v2, other tenant's issuer":  {"entra-v2", []func(*mint.Draft){set("iss", "https://login.microsoftonline.com/"+tenant+"/v2.0")}, accesstoken.ErrIssuer},
		"entra v2, no tenant":              {"entra-v2", []func(*mint.Draft){drop("tid")}, accesstoken.ErrIssuer},
		"entra v1, other tenant":           {"entra-v1", []func(*mint.Draft){set("tid", tenant)}, accesstoken.ErrIssuer},
		"entra v1 token at v2":             {"entra-v2", []func(*mint.Draft){set("ver", "1.0"), move("azpacr", "appidacr")}, accesstoken.ErrType},
		"entra Graph token":                {"entra-v2", []func(*mint.Draft){set("aud", "00000003-0000-0000-c000-000000000000")}, accesstoken.ErrAudience},
		"entra without oid":                {"entra-v2", []func(*mint.Draft){drop("oid")}, accesstoken.ErrMissingClaim},
		"keycloak refresh token":           {"keycloak-default", []func(*mint.Draft){set("typ", "Refresh")}, accesstoken.ErrType},
		"keycloak ID token":                {"keycloak-default", []func(*mint.Draft){set("typ", "ID")}, accesstoken.ErrType},
		"keycloak ID token, typed":         {"keycloak-default", []func(*mint.Draft){set("typ", "ID"), typ("at+jwt")}, accesstoken.ErrType},
		"forgerock refresh token":          {"forgerock-pingam-client-based", []func(*mint.Draft){set("tokenName", "refresh_token")}, accesstoken.ErrType},
		"forgerock ID token":               {"forgerock-pingam-client-based", []func(*mint.Draft){set("tokenName", "id_token")}, accesstoken.ErrType},
		"auth0 ID token with a client":     {"auth0-default-dialect", []func(*mint.Draft){set("azp", "https://mcp.example.com/mcp")}, accesstoken.ErrType},
		"auth0 own dialect at the profile": {"auth0-rfc9068-authz-dialect", []func(*mint.Draft){typ("JWT"), move("client_id", "azp")}, accesstoken.ErrType},
		"okta, ver of another kind":        {"okta-custom-as", []func(*mint.Draft){set("ver", 2)}, accesstoken.ErrType},
		"okta with a typ":                  {"okta-custom-as", []func(*mint.Draft){typ("JWT")}, accesstoken.ErrType},
		"pingfederate, client as a user":   {"pingfederate-jwt-atm-default", []func(*mint.Draft){set("sub", "client:admin")}, accesstoken.ErrMalformed},
	} {
		v := ready(t, files[c.of], nil)
		if _, err := v.Verify(t.Context(), shape(t, all[c.of], c.changes...)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Shapes that providers document beside those of providershapes work by their preset
// or by settings.
func TestProviderOtherShapes(t *testing.T) {
	t.Parallel()
	all := tokens(t)
	byES256 := func(d *mint.Draft) {
		key := stubprovider.Keys()["es256"]
		d.Header["alg"], d.Header["kid"], d.Sign = "ES256", key.ID, key.Sign
	}
	noTyp := func(d *mint.Draft) { delete(d.Header, "typ") }
	for name, c := range map[string]struct {
		of, file    string
		environment map[string]string
		changes     []func(*mint.Draft)
		want        principal.Principal // Subject, ClientID, Scopes, Roles
	}{
		"Auth0, without a user": {"auth0-default-dialect", "auth0-default", nil,
			[]func(*mint.Draft){set("sub", "my_client_id@clients"), set("gty", "client-credentials"), drop("scope", "permissions")},
			principal.Principal{Subject: "my_client_id@clients", ClientID: "my_client_id"}},
		"Auth0, permissions as scopes": {"auth0-rfc9068-authz-dialect", "auth0", map[string]string{"JWT_SCOPE_CLAIMS": "permissions[]"}, nil,
			principal.Principal{Subject: "auth0|61717c3abf2ea6006a0a5a7a", ClientID: "my_client_id", Scopes: []string{"tool:echo"}}},
		"Okta, groups as roles": {"okta-custom-as", "okta", map[string]string{"JWT_ROLES_CLAIM": "groups"}, nil,
			principal.Principal{Subject: "alice@example.com", ClientID: "0oab8eb55Kb9jdMIr5d6", Scopes: []string{"openid", "mcp:tools"}, Roles: []string{"Everyone"}}},
		"Keycloak, RFC 9068's type": {"keycloak-default", "keycloak", map[string]string{"JWT_ROLES_CLIENT": "other"}, []func(*mint.Draft){typ("at+jwt"), move("azp", "client_id")},
			principal.Principal{Subject: "f2b8a2de-0000-4000-8000-000000000001", ClientID: "echo-mcp-client", Scopes: []string{"profile", "mcp:tools"}}},
		"PingFederate, scopes as an array, no jti": {"pingfederate-jwt-atm-default", "pingfederate",
			map[string]string{"JWT_SCOPE_CLAIMS": "scope[]", "JWT_MAY_LACK": "iat,sub,jti"}, []func(*mint.Draft){set("scope", []string{"mcp:tools"}), drop("jti")},
			principal.Principal{Subject: "client:mcp-client", ClientID: "mcp-client", Scopes: []string{"mcp:tools"}}},
		"PingFederate, other names": {"pingfederate-jwt-atm-rfc9068", "pingfederate",
			map[string]string{"JWT_DIALECT": "rfc9068", "JWT_CLIENT_CLAIMS": "client", "JWT_SCOPE_CLAIMS": "scopes"},
			[]func(*mint.Draft){move("client_id", "client"), move("scope", "scopes")},
			principal.Principal{Subject: "alice", ClientID: "mcp-client", Scopes: []string{"mcp:tools"}}},
		"PingOne from 2027-03-02": {"pingone-before-2027-03-02", "pingone", map[string]string{"JWT_TYPES": "at+jwt"}, []func(*mint.Draft){typ("at+jwt")},
			principal.Principal{Subject: "68b0b5b0-0000-4000-8000-000000000000", ClientID: "3ab6a93f-0000-4000-8000-000000000000", Scopes: []string{"mcp:tools"}}},
		"ForgeRock before client_id": {"forgerock-pingam-client-based", "forgerock", map[string]string{"JWT_CLIENT_CLAIMS": "aud"},
			[]func(*mint.Draft){drop("client_id"), set("sub", "(usr!alice)")},
			principal.Principal{Subject: "(usr!alice)", ClientID: "mcp-client", Scopes: []string{"openid", "mcp:tools"}}},
		"ForgeRock, aud by a script": {"forgerock-pingam-client-based", "forgerock", map[string]string{"JWT_AUDIENCE": "https://mcp.example.com/mcp"},
			[]func(*mint.Draft){set("aud", "https://mcp.example.com/mcp")},
			principal.Principal{Subject: "445957f9-8528-4d14-803e-5452214633e8", ClientID: "mcp-client", Scopes: []string{"openid", "mcp:tools"}}},
		"Entra, an application": {"entra-v2", "entra-v2", map[string]string{"JWT_SCOPE_CLAIMS": "scp,roles[]"},
			[]func(*mint.Draft){drop("scp", "name", "preferred_username"), set("idtyp", "app"), set("roles", []string{"mcp.tools"})},
			principal.Principal{Subject: "690222be-ff1a-4d56-abd1-7e4f7d38e474", ClientID: "6e74172b-be56-4843-9ff4-e66a39bb12e4",
				Scopes: []string{"mcp.tools"}, Roles: []string{"mcp.tools"}}},
		"Entra, the other form of the audience": {"entra-v1", "entra-v1", map[string]string{"JWT_AUDIENCE": "6e74172b-be56-4843-9ff4-e66a39bb12e3,api://6e74172b-be56-4843-9ff4-e66a39bb12e3"},
			[]func(*mint.Draft){set("aud", "api://6e74172b-be56-4843-9ff4-e66a39bb12e3")},
			principal.Principal{Subject: "690222be-ff1a-4d56-abd1-7e4f7d38e474", ClientID: "75dbe77f-10a3-4e59-85fd-8c127544f17c", Scopes: []string{"user_impersonation"}}},
		"Cognito, for a resource": {"pingone-before-2027-03-02", "pingone", map[string]string{"JWT_DIALECT": "cognito"},
			[]func(*mint.Draft){set("token_use", "access"), set("cognito:groups", []string{"admin"}), set("username", "alice"), set("jti", "x")},
			principal.Principal{Subject: "68b0b5b0-0000-4000-8000-000000000000", ClientID: "3ab6a93f-0000-4000-8000-000000000000",
				Scopes: []string{"mcp:tools"}, Roles: []string{"admin"}}},
		"Cognito, for no resource": {"pingone-before-2027-03-02", "pingone",
			map[string]string{"JWT_DIALECT": "cognito", "JWT_AUDIENCE_CLAIM": "client_id", "JWT_AUDIENCE": "3ab6a93f-0000-4000-8000-000000000000"},
			[]func(*mint.Draft){set("token_use", "access"), drop("aud"), set("jti", "x")},
			principal.Principal{Subject: "68b0b5b0-0000-4000-8000-000000000000", ClientID: "3ab6a93f-0000-4000-8000-000000000000", Scopes: []string{"mcp:tools"}}},
		"Stytch": {"pingone-before-2027-03-02", "pingone", map[string]string{"JWT_DIALECT": "stytch", "JWT_AUDIENCE": "project-live-1"},
			[]func(*mint.Draft){typ("JWT"), set("aud", []string{"project-live-1"}), set("jti", "x")},
			principal.Principal{Subject: "68b0b5b0-0000-4000-8000-000000000000", ClientID: "3ab6a93f-0000-4000-8000-000000000000", Scopes: []string{"mcp:tools"}}},
		"Supabase": {"pingone-before-2027-03-02", "pingone",
			map[string]string{"JWT_DIALECT": "rfc9068", "JWT_TYPES": "JWT", "JWT_PROOF": "role=authenticated,client_id,aud!=client", "JWT_AUDIENCE": "authenticated",
				"JWT_ALGORITHMS": "ES256", "JWT_MAY_LACK": "jti"},
			[]func(*mint.Draft){typ("JWT"), byES256, set("aud", "authenticated"), set("role", "authenticated")},
			principal.Principal{Subject: "68b0b5b0-0000-4000-8000-000000000000", ClientID: "3ab6a93f-0000-4000-8000-000000000000", Scopes: []string{"mcp:tools"}}},
		"roles and groups of RFC 9068": {"auth0-rfc9068-authz-dialect", "auth0", nil, []func(*mint.Draft){set("roles", []string{"admin"})},
			principal.Principal{Subject: "auth0|61717c3abf2ea6006a0a5a7a", ClientID: "my_client_id", Scopes: []string{"openid", "profile", "mcp:tools"}, Roles: []string{"admin"}}},
		"roles in a claim with a URL for a name": {"auth0-rfc9068-authz-dialect", "auth0", map[string]string{"JWT_ROLES_CLAIM": "https://example.com/roles"},
			[]func(*mint.Draft){set("https://example.com/roles", []string{"admin"})},
			principal.Principal{Subject: "auth0|61717c3abf2ea6006a0a5a7a", ClientID: "my_client_id", Scopes: []string{"openid", "profile", "mcp:tools"}, Roles: []string{"admin"}}},
		"no typ, by settings alone": {"auth0-rfc9068-authz-dialect", "auth0", map[string]string{"JWT_TYPES": "absent", "JWT_PROOF": "gty|permissions,!nonce"}, []func(*mint.Draft){noTyp},
			principal.Principal{Subject: "auth0|61717c3abf2ea6006a0a5a7a", ClientID: "my_client_id", Scopes: []string{"openid", "profile", "mcp:tools"}}},
	} {
		environment := map[string]string{"MCP_SERVER_URL": ""}
		maps.Copy(environment, c.environment)
		got, err := ready(t, c.file, environment).Verify(t.Context(), shape(t, all[c.of], c.changes...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Subject != c.want.Subject || got.ClientID != c.want.ClientID || !slices.Equal(got.Scopes, c.want.Scopes) || !slices.Equal(got.Roles, c.want.Roles) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	// Lifetimes beyond a day are a setting of its own.
	v := ready(t, "entra-v2", map[string]string{"JWT_MAX_LIFETIME": "24h"})
	if _, err := v.Verify(t.Context(), shape(t, all["entra-v2-cae-long-lived"])); !errors.Is(err, accesstoken.ErrLifetime) || !strings.Contains(err.Error(), "JWT_MAX_LIFETIME") {
		t.Error(err)
	}
}

// Each file of providers/ is read above, and says for whom it is.
func TestProviderFilesAreTested(t *testing.T) {
	t.Parallel()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(root, "providers", "*.env"))
	if err != nil {
		t.Fatal(err)
	}
	// Those for step 9 are read by its own tests.
	found = slices.DeleteFunc(found, func(file string) bool { return strings.HasSuffix(file, "-upstream.env") })
	tested := slices.Sorted(maps.Values(files))
	for _, file := range found {
		name := strings.TrimSuffix(filepath.Base(file), ".env")
		text, err := os.ReadFile(file)
		if err != nil || !slices.Contains(tested, name) || !strings.Contains(string(text), "-env providers/"+name+".env") {
			t.Errorf("%s: %v", file, err)
		}
	}
	if len(found) != len(slices.Compact(tested)) {
		t.Errorf("%q, tested are %q", found, slices.Compact(tested))
	}
}
