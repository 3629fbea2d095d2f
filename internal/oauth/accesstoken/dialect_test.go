package accesstoken

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/mint"
)

// keycloak is the dialect of Keycloak 26, for the server of step 10; plainJWT the
// same with the roles of the RFC.
var (
	keycloak = must(dialect.Named("keycloak"))
	plainJWT = func() dialect.Dialect { d := keycloak; d.Roles = nil; return d }()
)

// provider is a verifier that reads a dialect.
func provider(d dialect.Dialect) *Verifier {
	v := verifier()
	v.Dialect = d
	return v
}

// What Keycloak 26.7 issues, without what is the same in every token.
const (
	keycloakAccess = `{"jti":"onrtro:3bc25332","sub":"6a1c3e5e","typ":"Bearer","azp":"mcp-test-client","sid":"1aLg",
		"realm_access":{"roles":["offline_access","admin"]},
		"resource_access":{"echo-mcp-server":{"roles":["mcp:read","mcp:tools"]},"account":{"roles":["admin"]}},
		"scope":"openid email profile mcp:tools mcp:read","email_verified":true,"name":"Uma User","preferred_username":"mcp-user"}`
	keycloakID = `{"jti":"0678dcec","sub":"6a1c3e5e","typ":"ID","azp":"mcp-test-client","sid":"1aLg","at_hash":"FC7NboFAUmG5c5az0lJESA",
		"email_verified":true,"name":"Uma User","preferred_username":"mcp-user"}`
	keycloakRefresh = `{"jti":"fab89f9e","sub":"6a1c3e5e","typ":"Refresh","azp":"mcp-test-client","sid":"1aLg","scope":"openid mcp:tools mcp:read"}`
	keycloakClient  = `{"jti":"trrtcc:d97becf7","sub":"e605a7b5","typ":"Bearer","azp":"echo-mcp-server",
		"resource_access":{"echo-mcp-server":{"roles":["mcp:read"]}},"scope":"mcp:tools mcp:read","preferred_username":"service-account-echo-mcp-server"}`
)

// written is a change to a token whose claims are these, besides iss, aud, iat
// and exp.
func written(typ, claims string) change {
	return all(header("typ", typ), func(d *mint.Draft) {
		fresh := map[string]any{}
		if err := json.Unmarshal([]byte(claims), &fresh); err != nil {
			panic(err)
		}
		for _, name := range []string{"iss", "aud", "iat", "exp"} {
			fresh[name] = d.Claims[name]
		}
		d.Claims = fresh
	})
}

func TestC12_C18_KeycloakTokens(t *testing.T) {
	v := provider(keycloak)
	got, err := v.Verify(context.Background(), token(with(draft(), written("JWT", keycloakAccess))))
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != "6a1c3e5e" || got.Username != "mcp-user" || got.ClientID != "mcp-test-client" || !got.HasScope("mcp:tools") ||
		!slices.Equal(got.Roles, []string{"mcp:read", "mcp:tools"}) || !got.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", got)
	}
	accepts(t, v, with(draft(), written("JWT", keycloakClient)))
	accepts(t, v, with(draft(), written("jwt", keycloakAccess)))
	for name, claims := range map[string]string{"ID": keycloakID, "refresh": keycloakRefresh} {
		for _, typ := range []string{"JWT", "at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", ""} {
			t.Run(name+" as "+typ, func(t *testing.T) {
				refuses(t, v, token(with(draft(), written(typ, claims))), ErrType)
			})
		}
	}
	// Nobody else may write them so.
	refuses(t, verifier(), token(with(draft(), written("JWT", keycloakAccess))), ErrType)
	refuses(t, provider(dialect.Dialect{Roles: dialect.ClientRoles("echo-mcp-server")}), token(with(draft(), written("JWT", keycloakAccess))), ErrType)
}

// C12: in an issuer that types everything JWT, the claims tell; whatever the
// header says, what is marked as another token is refused.
func TestC12_PlainJWT(t *testing.T) {
	v := provider(plainJWT)
	plain := all(header("typ", "JWT"), claim("typ", "Bearer"))
	accepts(t, v, with(draft(), plain))
	accepts(t, v, draft()) // as RFC 9068 says
	accepts(t, v, with(draft(), claim("typ", "Bearer")))
	for name, spoil := range map[string]change{
		"ID":              claim("typ", "ID"),
		"Refresh":         claim("typ", "Refresh"),
		"Offline":         claim("typ", "Offline"),
		"Logout":          claim("typ", "Logout"),
		"Serialized-ID":   claim("typ", "Serialized-ID"),
		"DPoP":            claim("typ", "DPoP"),
		"another case":    claim("typ", "bearer"),
		"empty":           claim("typ", ""),
		"null":            claim("typ", nil),
		"array":           claim("typ", []string{"Bearer"}),
		"ID token's hash": claim("at_hash", "x"),
		"code's hash":     claim("c_hash", "x"),
		"logout event":    claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
	} {
		t.Run(name, func(t *testing.T) {
			refuses(t, v, token(with(draft(), all(plain, spoil))), ErrType)
			refuses(t, v, token(with(draft(), spoil)), ErrType)
		})
	}
	for name, spoil := range map[string]change{
		"no claim typ":     noClaim("typ"),
		"no header typ":    noHeader("typ"),
		"typ of a logout":  header("typ", "logout+jwt"),
		"typ of an event":  header("typ", "secevent+jwt"),
		"typ of a proof":   header("typ", "dpop+jwt"),
		"typ with a blank": header("typ", "JWT "),
		"typ is no string": header("typ", []string{"JWT"}),
	} {
		t.Run(name, func(t *testing.T) { refuses(t, v, token(with(draft(), all(plain, spoil))), ErrType) })
	}
	// An access token for somebody else doesn't get better by its type.
	refuses(t, v, token(with(draft(), all(plain, claim("aud", "mcp-test-client")))), ErrAudience)
}

// C18: the client is named by client_id, or by azp where the issuer writes so.
func TestC18_Party(t *testing.T) {
	v := provider(plainJWT)
	for name, c := range map[string]struct {
		spoil change
		want  error // nil: accepted, through the client "client"
	}{
		"both":              {claim("azp", "client"), nil},
		"azp alone":         {all(noClaim("client_id"), claim("azp", "client")), nil},
		"client_id alone":   {noClaim("azp"), nil},
		"neither":           {noClaim("client_id"), ErrMissingClaim},
		"azp is empty":      {all(noClaim("client_id"), claim("azp", "")), ErrMissingClaim},
		"they differ":       {claim("azp", "other"), ErrMalformed},
		"azp is an array":   {all(noClaim("client_id"), claim("azp", []string{"client"})), ErrMalformed},
		"azp is null":       {all(noClaim("client_id"), claim("azp", nil)), ErrMalformed},
		"no sub":            {noClaim("sub"), ErrMissingClaim},
		"no jti":            {noClaim("jti"), ErrMissingClaim},
		"client_id is null": {claim("client_id", nil), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			bearer := token(with(draft(), c.spoil))
			if c.want != nil {
				refuses(t, v, bearer, c.want)
				return
			}
			if got, err := v.Verify(context.Background(), bearer); err != nil || got.ClientID != "client" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	// Where the issuer doesn't write so, azp is any claim.
	refuses(t, verifier(), token(with(draft(), all(noClaim("client_id"), claim("azp", "client")))), ErrMissingClaim)
	accepts(t, verifier(), with(draft(), claim("azp", 5)))
}

// E05: roles come from one place and no other.
func TestE05_RolesOfOneClient(t *testing.T) {
	v := provider(dialect.Dialect{Roles: dialect.ClientRoles("echo-mcp-server")})
	for claims, want := range map[string][]string{
		`{"resource_access":{"echo-mcp-server":{"roles":["user","admin"]}}}`:                     {"user", "admin"},
		`{"resource_access":{"echo-mcp-server":{"roles":["user"]},"other":{"roles":["admin"]}}}`: {"user"},
		`{"resource_access":{"other":{"roles":["admin"]}}}`:                                      {},
		`{"resource_access":{"ECHO-MCP-SERVER":{"roles":["admin"]}}}`:                            {},
		`{"resource_access":{"echo-mcp-server":{}}}`:                                             {},
		`{"resource_access":{}}`: {},
		`{}`:                     {},
		`{"roles":["admin"],"groups":["admin"],"role":"admin"}`: {},
		`{"roles":"admin"}`:                                                            {},
		`{"realm_access":{"roles":["admin"]}}`:                                         {},
		`{"echo-mcp-server":{"roles":["admin"]}}`:                                      {},
		`{"resource_access":{"roles":["admin"]}}`:                                      {},
		`{"resource_access.echo-mcp-server.roles":["admin"]}`:                          {},
		`{"sub":"admin","preferred_username":"admin","client_id":"admin"}`:             {},
		`{"resource_access":{"echo-mcp-server":{"roles":"admin"}}}`:                    nil,
		`{"resource_access":{"echo-mcp-server":{"roles":["user",1]}}}`:                 nil,
		`{"resource_access":{"echo-mcp-server":{"roles":null}}}`:                       nil,
		`{"resource_access":{"echo-mcp-server":["admin"]}}`:                            nil,
		`{"resource_access":["echo-mcp-server"]}`:                                      nil,
		`{"resource_access":null}`:                                                     nil,
		`{"resource_access":"admin"}`:                                                  nil,
		`{"resource_access":{"echo-mcp-server":{"roles":["user"],"Roles":["admin"]}}}`: nil,
	} {
		bearer := token(with(draft(), all(noClaim("roles"), func(d *mint.Draft) {
			if err := json.Unmarshal([]byte(claims), &d.Claims); err != nil {
				panic(err)
			}
		})))
		got, err := v.Verify(context.Background(), bearer)
		switch {
		case want == nil:
			refuses(t, v, bearer, ErrMalformed)
		case err != nil:
			t.Errorf("%s: %v", claims, err)
		case !slices.Equal(got.Roles, want):
			t.Errorf("%s: roles %q, want %q", claims, got.Roles, want)
		}
	}
	// Two readers could find different ones.
	refuses(t, v, token(with(draft(), func(d *mint.Draft) {
		text := must(json.Marshal(d.Claims))
		d.ClaimsText = `{"resource_access":{"echo-mcp-server":{"roles":["user"]},"echo-mcp-server":{"roles":["admin"]}},` + string(text[1:])
	})), ErrMalformed)
}
