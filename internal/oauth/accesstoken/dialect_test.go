package accesstoken

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
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

// Each field of a dialect changes one check, and no other.
func TestDialectFields(t *testing.T) {
	t.Parallel()
	noTyp := noHeader("typ")
	long := func(d *mint.Draft) { d.Claims["exp"] = now.Add(28 * time.Hour).Unix() }
	for name, c := range map[string]struct {
		dialect dialect.Dialect
		good    change
		bad     map[string]attack
	}{
		"Tenant": {dialect.Dialect{Tenant: "tid"}, claim("tid", "localhost:9000"), map[string]attack{
			"another": {"", claim("tid", "localhost:9001"), ErrIssuer}, "none": {"", noClaim("tid"), ErrIssuer},
			"a part of a part": {"", claim("tid", "localhost"), ErrIssuer}, "number": {"", claim("tid", 1), ErrMalformed},
		}},
		"Client": {dialect.Dialect{Client: []string{"cid"}}, all(noClaim("client_id"), claim("cid", "c")), map[string]attack{
			"none": {"", all(noClaim("cid"), claim("client_id", "c")), ErrMissingClaim}, "array": {"", claim("cid", []string{"c"}), ErrMalformed},
		}},
		"Scopes": {dialect.Dialect{Scopes: []string{"scp[]"}}, all(noClaim("scope"), claim("scp", []string{"a"})), map[string]attack{
			"string": {"", claim("scp", "a"), ErrScopes}, "elsewhere": {"", all(noClaim("scp"), claim("scope", "a")), ErrScopes},
			"two in one": {"", claim("scp", []string{"a b"}), ErrScopes}, "numbers": {"", claim("scp", []int{1}), ErrScopes},
			"an empty one": {"", claim("scp", []string{""}), ErrScopes},
		}},
		"ID": {dialect.Dialect{ID: "uti"}, all(noClaim("jti"), claim("uti", "u")), map[string]attack{
			"none": {"", noClaim("uti"), ErrMissingClaim}, "empty": {"", claim("uti", ""), ErrMissingClaim},
		}},
		"Subject": {dialect.Dialect{Subject: "oid"}, all(noClaim("sub"), claim("oid", "o")), map[string]attack{
			"none": {"", noClaim("oid"), ErrMissingClaim}, "sub in its place": {"", all(noClaim("oid"), claim("sub", "alice")), ErrMissingClaim},
		}},
		"Username": {dialect.Dialect{Username: "upn"}, claim("upn", "alice"), map[string]attack{"number": {"", claim("upn", 1), ErrMalformed}}},
		"Audience": {dialect.Dialect{Audience: "client_id"}, all(noClaim("aud"), claim("client_id", audience)), map[string]attack{
			"another": {"", claim("client_id", "x"), ErrAudience}, "aud in its place": {"", all(claim("aud", audience), claim("client_id", "x")), ErrAudience},
		}},
		"MayLack iat": {dialect.Dialect{MayLack: []string{"iat"}}, noClaim("iat"), map[string]attack{
			"for too long from now": {"", claim("exp", now.Add(MaxLifetime).Unix()+1), ErrLifetime}, "in the future": {"", claim("iat", now.Unix()+3600), ErrNotYetValid},
			"not a date": {"", claim("iat", "now"), ErrMalformed},
		}},
		"MayLack sub": {dialect.Dialect{MayLack: []string{"sub"}}, noClaim("sub"), map[string]attack{
			"empty": {"", claim("sub", ""), ErrMissingClaim}, "null": {"", claim("sub", nil), ErrMalformed},
			"like a client": {"", claim("sub", "client:client"), ErrMalformed}, "no client either": {"", noClaim("client_id"), ErrMissingClaim},
			"no iat": {"", noClaim("iat"), ErrMissingClaim},
		}},
		"MayLack jti": {dialect.Dialect{MayLack: []string{"jti"}}, noClaim("jti"), map[string]attack{
			"empty": {"", claim("jti", ""), ErrMissingClaim}, "number": {"", claim("jti", 1), ErrMalformed}, "no sub": {"", noClaim("sub"), ErrMissingClaim},
		}},
		"MaxLifetime": {dialect.Dialect{MaxLifetime: 28 * time.Hour}, long, map[string]attack{
			"longer": {"", claim("exp", now.Add(28*time.Hour).Unix()+1), ErrLifetime},
		}},
		"Proof: a value": {dialect.Dialect{Types: []string{dialect.NoType}, Proof: []dialect.Condition{dialect.Is("ver", "1")}}, all(noTyp, claim("ver", 1)), map[string]attack{
			"another": {"", claim("ver", 2), ErrType}, "none": {"", noClaim("ver"), ErrType}, "null": {"", claim("ver", nil), ErrType}, "array": {"", claim("ver", []int{1}), ErrType},
			"typ is there": {"", header("typ", ""), ErrType},
		}},
		"Proof: one of two": {dialect.Dialect{Types: []string{"JWT"}, Proof: []dialect.Condition{dialect.Has("a", "b")}}, all(header("typ", "JWT"), claim("b", 1)), map[string]attack{
			"none": {"", noClaim("b"), ErrType}, "null": {"", claim("b", nil), ErrType},
		}},
		"Proof: no nonce, not the client": {dialect.Dialect{Types: []string{"JWT"}, Proof: []dialect.Condition{dialect.Lacks("nonce"), dialect.AudienceIsNotClient()}},
			header("typ", "JWT"), map[string]attack{
				"nonce": {"", claim("nonce", "n"), ErrType}, "nonce null": {"", claim("nonce", nil), ErrType}, "for the client": {"", claim("client_id", audience), ErrType},
				"for the client too": {"", claim("aud", []string{audience, "client"}), ErrType}, "no client": {"", noClaim("client_id"), ErrType},
				"no audience": {"", noClaim("aud"), ErrType},
			}},
	} {
		t.Run(name, func(t *testing.T) {
			v := provider(c.dialect)
			accepts(t, v, with(draft(), c.good))
			for miss, a := range c.bad {
				v := provider(c.dialect)
				if who, err := v.Verify(t.Context(), token(with(with(draft(), c.good), a.spoil))); !errors.Is(err, a.want) || who != nil {
					t.Errorf("%s: %+v, %v, want %v", miss, who, err, a.want)
				}
			}
		})
	}
	// A dialect that proves nothing takes nothing.
	refuses(t, provider(dialect.Dialect{Types: []string{"JWT"}}), token(with(draft(), header("typ", "JWT"))), ErrType)
}

// What a token says where others do: the principal.
func TestDialectPrincipal(t *testing.T) {
	t.Parallel()
	d := dialect.Dialect{
		Client: []string{"cid"}, Scopes: []string{"scp[]", "scope"}, Subject: "oid", Username: "upn", Roles: []string{"groups"}, MayLack: []string{"sub"},
	}
	says := all(noClaim("client_id"), claim("cid", "c"), claim("scp", []string{"a", "b"}), claim("oid", "o"), claim("upn", "Alice"), claim("groups", []string{"g"}))
	v := provider(d)
	v.ScopeNames = principal.ScopeNames{"own": {Asked: "x/a", Granted: "a"}, "other": {Asked: "x/c", Granted: "c"}}
	who, err := v.Verify(t.Context(), token(with(draft(), says)))
	if err != nil {
		t.Fatal(err)
	}
	if who.ClientID != "c" || who.Subject != "o" || who.DisplayName() != "Alice" || !slices.Equal(who.Scopes, []string{"a", "b"}) || !slices.Equal(who.Roles, []string{"g"}) {
		t.Errorf("%+v", who)
	}
	if !who.HasScope("own") || who.HasScope("other") || !who.HasScope("b") || who.HasScope("c") {
		t.Errorf("scopes by the names here: %+v", who)
	}
	if who, err = v.Verify(t.Context(), token(with(draft(), all(says, noClaim("oid"), noClaim("upn"), noClaim("preferred_username"))))); err != nil ||
		who.Subject != principal.ClientSubject+"c" || who.DisplayName() != "client:c" {
		t.Errorf("without a user: %+v, %v", who, err)
	}
}

// Several audiences: one of them is enough, and none other.
func TestC14_SeveralAudiences(t *testing.T) {
	t.Parallel()
	v := verifier()
	v.Audiences = []string{"6e74172b", "api://6e74172b"}
	for _, aud := range []any{audience, "6e74172b", "api://6e74172b", []string{"x", "api://6e74172b"}} {
		accepts(t, v, with(draft(), claim("aud", aud)))
	}
	refuses(t, v, token(with(draft(), claim("aud", "6e74172b api://6e74172b"))), ErrAudience)
	refuses(t, v, token(with(draft(), claim("aud", "api://"))), ErrAudience)
	_, err := v.Verify(t.Context(), token(with(draft(), claim("aud", "x"))))
	if err == nil || !strings.Contains(err.Error(), "http://localhost:9000/mcp or 6e74172b or") {
		t.Error(err)
	}
}

// ClaimedIssuer says whose rules count, and nothing else.
func TestClaimedIssuer(t *testing.T) {
	t.Parallel()
	if name, err := ClaimedIssuer(token(draft())); err != nil || name != issuer {
		t.Errorf("%q, %v", name, err)
	}
	for text, want := range map[string]error{
		"opaque": ErrMalformed, token(with(draft(), noClaim("iss"))): ErrMissingClaim, token(with(draft(), claim("iss", []string{issuer}))): ErrMalformed,
		token(with(draft(), payload("[]"))): ErrMalformed,
	} {
		if name, err := ClaimedIssuer(text); !errors.Is(err, want) || name != "" {
			t.Errorf("%q, %v, want %v", name, err, want)
		}
	}
}

// A token whose issuer was asked for is read once, and decided as if it had not been:
// also where only the issuer's dialect reads a claim that stands in two cases.
func TestUnverifiedIsReadOnce(t *testing.T) {
	t.Parallel()
	okta := provider(must(dialect.Named("okta")))
	for name, c := range map[string]struct {
		v     *Verifier
		spoil change
		want  error
	}{
		"good":                          {verifier(), all(), nil},
		"expired":                       {verifier(), claim("exp", 1), ErrExpired},
		"two cases, not read":           {verifier(), all(claim("cid", "a"), claim("CID", "b")), nil},
		"two cases, read":               {okta, all(noHeader("typ"), claim("cid", "a"), claim("CID", "b")), ErrMalformed},
		"two cases, read by all":        {verifier(), claim("EXP", 1), ErrMalformed},
		"forged after it was read":      {verifier(), func(d *mint.Draft) { d.Sign = byRSA(weak(), crypto.SHA256) }, ErrSignature},
		"payload that is not an object": {verifier(), payload("[]"), ErrMalformed},
	} {
		text := token(with(draft(), c.spoil))
		read := &Unverified{Text: text}
		_, _ = read.Issuer()
		signed, claims := read.signed, read.claims
		_, err := c.v.DecideRead(t.Context(), read)
		if _, other := c.v.Decide(t.Context(), text); !errors.Is(err, c.want) || fmt.Sprint(err) != fmt.Sprint(other) {
			t.Errorf("%s: %v, and in one go %v, want %v", name, err, other, c.want)
		}
		if signed == nil || signed != read.signed || claims != nil && reflect.ValueOf(claims).Pointer() != reflect.ValueOf(read.claims).Pointer() {
			t.Errorf("%s: it was read twice", name)
		}
	}
}

// What refuses says how to go on.
func TestWC17_DialectReasons(t *testing.T) {
	t.Parallel()
	okta := must(dialect.Named("okta"))
	for name, c := range map[string]struct {
		v     *Verifier
		spoil change
		says  []string
	}{
		"no typ":     {verifier(), noHeader("typ"), []string{"the header has no typ", "want at+jwt", "JWT_DIALECT"}},
		"org server": {provider(okta), header("typ", "application/okta-internal-at+jwt"), []string{"okta-internal", "custom authorization server"}},
		"claim typ":  {provider(keycloak), all(header("typ", "JWT"), claim("typ", "ID")), []string{`claim typ is "ID"`, "want typ=Bearer", "ID tokens"}},
		"no claim":   {provider(okta), noHeader("typ"), []string{"no claim ver", "want ver=1"}},
		"nonce":      {provider(dialect.Dialect{Types: []string{"JWT"}, Proof: []dialect.Condition{dialect.Lacks("nonce")}}), all(header("typ", "JWT"), claim("nonce", "n")), []string{"it has the claim nonce", "want !nonce"}},
		"own client": {provider(dialect.Dialect{Types: []string{"JWT"}, Proof: []dialect.Condition{dialect.AudienceIsNotClient()}}), all(header("typ", "JWT"), claim("aud", []string{"http://localhost:9000/mcp", "client"})), []string{"it is for the client that got it", "want aud!=client"}},
		"no value":   {provider(dialect.Dialect{Types: []string{"JWT"}, Proof: []dialect.Condition{dialect.Is("kind", "")}}), header("typ", "JWT"), []string{"no claim kind"}},
		"scopes":     {verifier(), all(noClaim("scope"), claim("scp", "a")), []string{"it has scp, and no scope", "JWT_SCOPE_CLAIMS"}},
		"form":       {verifier(), claim("scope", []string{"a"}), []string{"scope is not a string", "JWT_SCOPE_CLAIMS"}},
		"array":      {provider(dialect.Dialect{Scopes: []string{"scope[]"}}), all(), []string{"scope is not an array of scopes", "want scope[]"}},
		"client":     {verifier(), noClaim("client_id"), []string{"no client_id", "JWT_CLIENT_CLAIMS"}},
		"jti":        {verifier(), noClaim("jti"), []string{"no jti", "JWT_MAY_LACK"}},
		"lifetime":   {verifier(), claim("exp", now.Add(25*time.Hour).Unix()), []string{"25h0m0s", "want at most 24h0m0s", "JWT_MAX_LIFETIME"}},
		"roles":      {verifier(), claim("roles", "admin"), []string{"roles is not an array", "JWT_ROLES_CLAIM"}},
		"no proof":   {provider(dialect.Dialect{Types: []string{"JWT"}}), header("typ", "JWT"), []string{"no claim is configured", "JWT_PROOF"}},
	} {
		_, err := c.v.Verify(t.Context(), token(with(draft(), c.spoil)))
		for _, says := range c.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v doesn't say %q", name, err, says)
			}
		}
	}
}
