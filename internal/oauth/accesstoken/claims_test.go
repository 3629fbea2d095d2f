package accesstoken

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

type raw = json.RawMessage

func TestC12OtherTokenTypes(t *testing.T) {
	for _, typ := range []string{"at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"} {
		accepts(t, verifier(), with(draft(), header("typ", typ)))
	}
	for _, typ := range []any{
		"JWT", "jwt", "id+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "client-authentication+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "rt+jwt",
		"", " at+jwt", "at+jwt ", "at+jwt\x00", "at jwt", "xat+jwt", "at+jwt;v=1", "application/application/at+jwt", "text/at+jwt", nil, 1, []string{"at+jwt"},
	} {
		attack{fmt.Sprintf("typ %#v", typ), header("typ", typ), ErrType}.run(t, verifier())
	}
	attack{"no typ", noHeader("typ"), ErrType}.run(t, verifier())
	for name, spoil := range map[string]change{
		"ID token":                    all(header("typ", "JWT"), claim("aud", "client"), claim("nonce", "n"), noClaim("client_id"), noClaim("scope")),
		"ID token for us":             all(header("typ", "JWT"), claim("nonce", "n")),
		"Keycloak's refresh token":    all(header("typ", "JWT"), claim("typ", "Refresh"), claim("aud", issuer)),
		"Keycloak's ID token":         all(header("typ", "JWT"), claim("typ", "ID"), claim("azp", "client")),
		"private_key_jwt assertion":   all(header("typ", "JWT"), claim("iss", "client"), claim("sub", "client"), noClaim("client_id")),
		"logout token":                all(header("typ", "logout+jwt"), claim("events", map[string]any{}), noClaim("exp")),
		"DPoP proof":                  all(header("typ", "dpop+jwt"), claim("htm", "POST"), claim("htu", audience)),
		"security event":              all(header("typ", "secevent+jwt"), claim("events", map[string]any{})),
		"signed introspection answer": all(header("typ", "token-introspection+jwt"), claim("token_introspection", map[string]any{"active": true})),
	} {
		attack{name, spoil, ErrType}.run(t, verifier())
	}
}

func TestC13AudienceAbsent(t *testing.T) {
	attack{"missing", noClaim("aud"), ErrAudience}.run(t, verifier())
	for text, want := range map[string]error{
		`null`:                      ErrAudience,
		`5`:                         ErrAudience,
		`true`:                      ErrAudience,
		`{"` + audience + `":1}`:    ErrAudience,
		`["` + audience + `",1]`:    ErrAudience,
		`["` + audience + `",null]`: ErrAudience,
		`[["` + audience + `"]]`:    ErrAudience,
		`[null]`:                    ErrAudience,
		// Empty is as good as missing.
		`[]`:      ErrMissingClaim,
		`""`:      ErrMissingClaim,
		`[""]`:    ErrMissingClaim,
		`["",""]`: ErrAudience,
	} {
		attack{text, claim("aud", raw(text)), want}.run(t, verifier())
	}
}

func TestC14AudienceNearMiss(t *testing.T) {
	for name, aud := range map[string]any{
		"string":      audience,
		"array":       []string{audience},
		"array, last": []string{issuer, "client", audience},
		"escaped":     raw(`"http:\/\/localhost:9000\/mcp"`),
	} {
		t.Run("good: "+name, func(t *testing.T) { accepts(t, verifier(), with(draft(), claim("aud", aud))) })
	}
	near := map[string]string{
		"prefix":               audience[:len(audience)-1],
		"parent":               issuer,
		"parent with slash":    issuer + "/",
		"suffix":               audience + ".evil",
		"path behind":          audience + "/x",
		"slash behind":         audience + "/",
		"query":                audience + "?",
		"fragment":             audience + "#",
		"case of the path":     issuer + "/MCP",
		"case of the host":     "http://LOCALHOST:9000/mcp",
		"other scheme":         "https://localhost:9000/mcp",
		"port 80":              "http://localhost:80/mcp",
		"no port":              "http://localhost/mcp",
		"address":              "http://127.0.0.1:9000/mcp",
		"escaped":              issuer + "/%6dcp",
		"dot segment":          issuer + "/./mcp",
		"doubled slash":        issuer + "//mcp",
		"other server":         "http://localhost:9001/mcp",
		"authorization server": "http://localhost:8080/realms/mcp-realm",
		"client":               "client",
		"user":                 "alice",
		"wildcard":             "*",
		"blank before":         " " + audience,
		"blank behind":         audience + " ",
		"NUL":                  audience + "\x00",
		"two in one":           audience + " " + issuer,
		"look-alike":           "http://loc\u0430lhost:9000/mcp",
	}
	for name, aud := range near {
		attack{name, claim("aud", aud), ErrAudience}.run(t, verifier())
		attack{name + ", in an array", claim("aud", []string{"other", aud}), ErrAudience}.run(t, verifier())
	}
}

func TestC15IssuerNearMiss(t *testing.T) {
	attack{"missing", noClaim("iss"), ErrMissingClaim}.run(t, verifier())
	attack{"empty", claim("iss", ""), ErrMissingClaim}.run(t, verifier())
	for _, text := range []string{`null`, `1`, `["` + issuer + `"]`, `{"` + issuer + `":1}`} {
		attack{text, claim("iss", raw(text)), ErrMalformed}.run(t, verifier())
	}
	for _, iss := range []string{
		issuer + "/", issuer + ":443", "http://localhost", "http://localhost:80", "https://localhost:9000", "HTTP://localhost:9000",
		"http://LocalHost:9000", "http://127.0.0.1:9000",
		issuer + "/realms/other", issuer + "?", issuer + "#", " " + issuer, issuer + "\n", "http://localhost:9000.evil.example",
		"http://evil@localhost:9000", "http://localhost:900", "https://evil.example",
	} {
		attack{iss, claim("iss", iss), ErrIssuer}.run(t, verifier())
	}
	// Realms of one server may share a key; the issuer tells them apart.
	realm := verifier()
	realm.Issuer = "http://localhost:8080/realms/mcp-realm"
	accepts(t, realm, with(draft(), claim("iss", realm.Issuer)))
	refuses(t, realm, token(with(draft(), claim("iss", "http://localhost:8080/realms/other"))), ErrIssuer)
}

func TestC16Expiry(t *testing.T) {
	future := now.Add(time.Hour).Unix()
	attack{"missing", noClaim("exp"), ErrExpired}.run(t, verifier())
	for text, want := range map[string]error{
		`0`:                         ErrExpired,
		`0.0`:                       ErrExpired,
		`-0`:                        ErrMalformed,
		`1e-400`:                    ErrExpired,
		`null`:                      ErrMalformed,
		`true`:                      ErrMalformed,
		`[]`:                        ErrMalformed,
		`{}`:                        ErrMalformed,
		`""`:                        ErrMalformed,
		`-1`:                        ErrMalformed,
		fmt.Sprintf(`"%d"`, future): ErrMalformed,
		fmt.Sprintf(`[%d]`, future): ErrMalformed,
		`"2099-01-01T00:00:00Z"`:    ErrMalformed,
		`1e300`:                     ErrMalformed,
		`9223372036854775807`:       ErrMalformed,
		`9223372036854775808`:       ErrMalformed,
		`18446744073709551616`:      ErrMalformed,
		`253402300800`:              ErrMalformed,
		`1e400`:                     ErrMalformed,
		`1`:                         ErrExpired,
		`1.5`:                       ErrExpired,
		`1e-300`:                    ErrExpired,
		`253402300799`:              ErrLifetime,
		fmt.Sprint(future * 1000):   ErrMalformed,
	} {
		attack{text, claim("exp", raw(text)), want}.run(t, verifier())
	}
	accepts(t, verifier(), with(draft(), claim("exp", raw(fmt.Sprintf("%d.5", future)))))
	accepts(t, verifier(), with(draft(), claim("exp", raw(fmt.Sprintf("%de-1", future*10)))))

	good, _ := json.Marshal(draft().Claims)
	for name, first := range map[string]string{
		"exp twice, past first": `"exp":1`,
		"exp twice, same":       fmt.Sprintf(`"exp":%d`, future),
		"EXP in the past":       `"EXP":1`,
		"EXP in the future":     fmt.Sprintf(`"EXP":%d`, future),
		"Exp":                   `"Exp":1`,
		"escaped":               `"\u0065xp":1`,
		"iss twice":             `"iss":"http://evil.example"`,
		"aud twice":             `"aud":"x"`,
		"sub twice":             `"sub":"admin"`,
		"roles twice":           `"roles":["admin"]`,
		"Roles":                 `"Roles":["admin"]`,
		"long s":                `"i\u017fs":"x"`,
	} {
		attack{name, payload("{" + first + "," + string(good[1:])), ErrMalformed}.run(t, verifier())
		attack{name + ", behind", payload(string(good[:len(good)-1]) + "," + first + "}"), ErrMalformed}.run(t, verifier())
	}
	attack{"exp past, EXP future", all(claim("exp", 1), claim("EXP", future)), ErrMalformed}.run(t, verifier())
	attack{"EXP alone", all(noClaim("exp"), claim("EXP", future)), ErrExpired}.run(t, verifier())
}

// Clocks may differ by a minute, and not by more.
func TestC16C17Leeway(t *testing.T) {
	issued := now
	begin, end := issued.Add(10*time.Minute), issued.Add(time.Hour)
	for name, c := range map[string]struct {
		spoil change
		at    time.Time
		want  error
	}{
		"before exp":           {nil, end.Add(-time.Second), nil},
		"at exp":               {nil, end, nil},
		"59 s after exp":       {nil, end.Add(59 * time.Second), nil},
		"just inside":          {nil, end.Add(Leeway - time.Nanosecond), nil},
		"60 s after exp":       {nil, end.Add(Leeway), ErrExpired},
		"61 s after exp":       {nil, end.Add(61 * time.Second), ErrExpired},
		"a year after exp":     {nil, end.AddDate(1, 0, 0), ErrExpired},
		"at nbf":               {claim("nbf", begin.Unix()), begin, nil},
		"60 s before nbf":      {claim("nbf", begin.Unix()), begin.Add(-Leeway), nil},
		"just more before nbf": {claim("nbf", begin.Unix()), begin.Add(-Leeway - time.Nanosecond), ErrNotYetValid},
		"60 s before iat":      {nil, issued.Add(-Leeway), nil},
		"just more before iat": {nil, issued.Add(-Leeway - time.Nanosecond), ErrNotYetValid},
		"an hour before iat":   {nil, issued.Add(-time.Hour), ErrNotYetValid},
	} {
		t.Run(name, func(t *testing.T) {
			d, v := draft(), verifier()
			accepts(t, v, d)
			if c.spoil != nil {
				c.spoil(d)
			}
			v.Now = func() time.Time { return c.at }
			if c.want == nil {
				accepts(t, v, d)
			} else {
				refuses(t, v, token(d), c.want)
			}
		})
	}
}

func TestC17Dates(t *testing.T) {
	hour := now.Add(time.Hour).Unix()
	for name, a := range map[string]attack{
		"nbf in the future":      {spoil: claim("nbf", hour), want: ErrNotYetValid},
		"iat in the future":      {spoil: all(claim("iat", hour), claim("exp", hour+60)), want: ErrNotYetValid},
		"iat missing":            {spoil: noClaim("iat"), want: ErrMissingClaim},
		"iat null":               {spoil: claim("iat", nil), want: ErrMalformed},
		"iat text":               {spoil: claim("iat", fmt.Sprint(now.Unix())), want: ErrMalformed},
		"iat 0":                  {spoil: claim("iat", 0), want: ErrLifetime},
		"iat negative":           {spoil: claim("iat", -1), want: ErrMalformed},
		"nbf null":               {spoil: claim("nbf", nil), want: ErrMalformed},
		"nbf text":               {spoil: claim("nbf", "0"), want: ErrMalformed},
		"nbf 1e300":              {spoil: claim("nbf", raw(`1e300`)), want: ErrMalformed},
		"exp in 2099":            {spoil: claim("exp", time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC).Unix()), want: ErrLifetime},
		"a day and a second":     {spoil: claim("exp", now.Add(MaxLifetime).Unix()+1), want: ErrLifetime},
		"iat a year ago":         {spoil: claim("iat", now.AddDate(-1, 0, 0).Unix()), want: ErrLifetime},
		"iat in 1970, exp today": {spoil: claim("iat", 1), want: ErrLifetime},
	} {
		a.name = name
		a.run(t, verifier())
	}
	accepts(t, verifier(), with(draft(), claim("exp", now.Add(MaxLifetime).Unix())))
}

// WC4: nbf may be 0 (RFC 7519, section 2); exp may not, since it is over.
func TestWC4_NotBeforeZero(t *testing.T) {
	t.Parallel()
	accepts(t, verifier(), with(draft(), claim("nbf", 0)))
	attack{name: "exp 0", spoil: claim("exp", 0), want: ErrExpired}.run(t, verifier())
}

// WC5: clients of a provider may have names that differ in case only, and claims
// that are not read too; names that are read may not.
func TestWC5_NamesInTwoCases(t *testing.T) {
	t.Parallel()
	v := verifier()
	v.Dialect.Roles = dialect.ClientRoles("portal")
	clients := map[string]any{"Portal": map[string]any{"roles": []string{"admin"}}, "portal": map[string]any{"roles": []string{"user"}}}
	who, err := v.Verify(t.Context(), token(with(draft(), claim("resource_access", clients))))
	if err != nil || !slices.Equal(who.Roles, []string{"user"}) {
		t.Errorf("%+v, %v", who, err)
	}
	accepts(t, verifier(), with(draft(), all(claim("Team", 1), claim("team", 2))))
	for _, name := range []string{"EXP", "Scope", "RESOURCE_ACCESS", "\u017fub"} {
		attack{name: name, spoil: all(claim("resource_access", clients), claim(name, 1)), want: ErrMalformed}.run(t, verifier())
	}
}

// WC8: a token that is bound to a key is not a bearer token.
func TestWC8_BoundToken(t *testing.T) {
	t.Parallel()
	for _, cnf := range []any{map[string]any{"jkt": "x"}, map[string]any{"x5t#S256": "x"}, map[string]any{}, nil, "x"} {
		attack{name: fmt.Sprint(cnf), spoil: claim("cnf", cnf), want: ErrBound}.run(t, verifier())
	}
}

// WC17: the reason says what the token has, what is wanted, and what to set.
func TestWC17_Reasons(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil change
		says  []string
	}{
		"typ":     {header("typ", "JWT"), []string{`typ is "JWT"`, "want at+jwt", "JWT_TYPES"}},
		"iss":     {claim("iss", "https://other"), []string{`"https://other"`, "want", "JWT_ISSUER"}},
		"aud":     {claim("aud", "echo"), []string{`"echo"`, "want", "JWT_AUDIENCE"}},
		"alg":     {header("alg", "none"), []string{`"none"`, "want one of", "RS256"}},
		"no exp":  {noClaim("exp"), []string{"it has no exp", "want one"}},
		"no iss":  {noClaim("iss"), []string{"it has no iss", "want one"}},
		"no aud":  {claim("aud", []string{}), []string{"it has no aud", "have the issuer add it"}},
		"aud 5":   {claim("aud", 5), []string{"aud is missing, or is neither"}},
		"early":   {claim("nbf", now.Unix()+3600), []string{"nbf 2026-06-01T13:00:00Z, clock", "set the clocks"}},
		"cnf":     {claim("cnf", 1), []string{"it has the claim cnf", "bearer tokens"}},
		"at_hash": {claim("at_hash", "x"), []string{"it has the claim at_hash"}},
		"kid":     {noHeader("kid"), []string{"no kid", "issuer must name"}},
		"expired": {all(claim("iat", 1), claim("exp", 2)), []string{"exp 1970-01-01T00:00:02Z", "clock 20"}},
	} {
		_, err := verifier().Verify(t.Context(), token(with(draft(), c.spoil)))
		for _, says := range c.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v doesn't say %q", name, err, says)
			}
		}
	}
}

// staleSource has keys of a moment, and none of the tokens'.
type staleSource struct{ asOf time.Time }

func (s staleSource) Key(context.Context, string, string) (jwks.Key, error) {
	return jwks.Key{}, staleError{jwks.ErrUnknownKey, s.asOf}
}

type staleError struct {
	error
	asOf time.Time
}

func (e staleError) KeysAsOf() time.Time      { return e.asOf }
func (e staleError) NextFetch() time.Duration { return 3 * time.Second }

// WC7: only a token that was made after the keys were asked for may be good with
// newer ones. For all others the answer is known.
func TestWC7_Undecided(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		iat       any
		undecided bool
	}{
		"issued later":         {now.Add(-time.Minute).Unix(), true},
		"in the same second":   {now.Add(-time.Hour).Unix(), true},
		"issued earlier":       {now.Add(-time.Hour).Unix() - 1, false},
		"issued in the future": {now.Add(time.Hour).Unix(), false},
		"not a date":           {"now", false},
		"none":                 {nil, false},
	} {
		v := verifier()
		v.Keys = staleSource{now.Add(-time.Hour).Add(300 * time.Millisecond)}
		_, err := v.Verify(t.Context(), token(with(draft(), claim("iat", c.iat))))
		undecided := (*UndecidedError)(nil)
		if errors.As(err, &undecided) != c.undecided || !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
		if c.undecided && undecided.RetryAfter() != 3*time.Second {
			t.Errorf("%s: wait %s", name, undecided.RetryAfter())
		}
	}
}

func TestC18MissingClaims(t *testing.T) {
	for _, name := range []string{"sub", "client_id", "jti"} {
		attack{name + " missing", noClaim(name), ErrMissingClaim}.run(t, verifier())
		attack{name + " empty", claim(name, ""), ErrMissingClaim}.run(t, verifier())
		for _, text := range []string{`null`, `1`, `0`, `true`, `["alice"]`, `{"alice":1}`} {
			attack{name + " " + text, claim(name, raw(text)), ErrMalformed}.run(t, verifier())
		}
	}
	// What other servers call these isn't taken instead.
	attack{"azp for client_id", all(noClaim("client_id"), claim("azp", "client"), claim("cid", "client")), ErrMissingClaim}.run(t, verifier())
	attack{"user_id for sub", all(noClaim("sub"), claim("user_id", "alice"), claim("uid", "alice")), ErrMissingClaim}.run(t, verifier())
}

func TestC19Garbage(t *testing.T) {
	good, _ := json.Marshal(draft().Claims)
	deep := func(n int) change { return claim("deep", raw(strings.Repeat("[", n)+strings.Repeat("]", n))) }
	for name, text := range map[string]string{
		"blank":                     " ",
		"null":                      "null",
		"array":                     "[]",
		"array of claims":           "[" + string(good) + "]",
		"string":                    `"claims"`,
		"number":                    "1",
		"true":                      "true",
		"empty object, then claims": "{}" + string(good),
		"claims, then admin":        string(good) + `{"admin":true}`,
		"trailing text":             string(good) + "x",
		"trailing comma":            string(good[:len(good)-1]) + ",}",
		"cut":                       string(good[:len(good)-1]),
		"comment":                   "/**/" + string(good),
		"byte order mark":           "\ufeff" + string(good),
		"NUL behind":                string(good) + "\x00",
		"broken UTF-8":              strings.Replace(string(good), "alice", "al\xffice", 1),
		"UTF-16":                    "\xff\xfe{\x00}\x00",
		"overlong UTF-8":            strings.Replace(string(good), "alice", "al\xc0\xafice", 1),
		"lone surrogate":            strings.Replace(string(good), `"alice"`, `"al\ud800ice"`, 1),
		"NUL in a name":             `{"x\u0000":1,` + string(good[1:]),
		"single quotes":             strings.ReplaceAll(string(good), `"`, "'"),
		"10 000 deep, in front":     strings.Repeat(`{"a":`, 10_000) + string(good),
		"binary":                    "\x00\x01\x02",
	} {
		attack{name, payload(text), ErrMalformed}.run(t, verifier())
	}
	attack{"10 000 deep", deep(10_000), ErrMalformed}.run(t, verifier())
	attack{"1 MB claim", claim("x", strings.Repeat("x", 1<<20)), ErrMalformed}.run(t, verifier())
	// The same, small enough not to be refused for their size alone.
	attack{"5 000 deep", deep(5_000), ErrMalformed}.run(t, verifier())
	attack{"65 deep", deep(64), ErrMalformed}.run(t, verifier())
	accepts(t, verifier(), with(draft(), deep(63)))
	accepts(t, verifier(), with(draft(), claim("x", strings.Repeat("x", 8<<10))))
	head := strings.Split(token(draft()), ".")[0]
	refuses(t, verifier(), head+".."+encode(must(byRSA(signer(), crypto.SHA256)([]byte(head+".")))), ErrMalformed)
	attack{"header of no object", func(d *mint.Draft) { d.HeaderText = "[]" }, ErrMalformed}.run(t, verifier())
	attack{"header, then another", func(d *mint.Draft) {
		text, _ := json.Marshal(d.Header)
		d.HeaderText = string(text) + "{}"
	}, ErrMalformed}.run(t, verifier())
}

// Scopes and roles come from one claim each, are of one type, and are split
// in one way.
func TestE03ScopesE05Roles(t *testing.T) {
	for _, text := range []string{`["mcp:read"]`, `null`, `{}`, `1`, `true`} {
		attack{"scope " + text, claim("scope", raw(text)), ErrScopes}.run(t, verifier())
	}
	// Taken for a token without scopes, it would lose them in silence.
	for _, name := range []string{"scp", "permissions"} {
		attack{name + " for scope", all(noClaim("scope"), claim(name, []string{"mcp:read"})), ErrScopes}.run(t, verifier())
	}
	for _, text := range []string{`"admin"`, `null`, `{}`, `{"admin":true}`, `["admin",1]`, `[["admin"]]`, `1`} {
		attack{"roles " + text, claim("roles", raw(text)), ErrMalformed}.run(t, verifier())
	}
	said := func(t *testing.T, c change) *principal.Principal {
		t.Helper()
		caller, err := verifier().Verify(context.Background(), token(with(draft(), c)))
		if err != nil {
			t.Fatal(err)
		}
		return caller
	}
	for name, c := range map[string]struct {
		says change
		want []string
	}{
		"as minted":      {all(), []string{"mcp:read", "mcp:tools"}},
		"missing":        {noClaim("scope"), []string{}},
		"empty":          {claim("scope", ""), []string{}},
		"blanks alone":   {claim("scope", "  "), []string{}},
		"more blanks":    {claim("scope", " a  b "), []string{"a", "b"}},
		"tab":            {claim("scope", "a\tb"), []string{"a\tb"}},
		"line break":     {claim("scope", "a\nb"), []string{"a\nb"}},
		"comma":          {claim("scope", "a,b"), []string{"a,b"}},
		"no-break space": {claim("scope", "a\u00a0b"), []string{"a\u00a0b"}},
		"case":           {claim("scope", "MCP:TOOLS"), []string{"MCP:TOOLS"}},
		"near miss":      {claim("scope", "mcp:toolsX not-mcp:tools"), []string{"mcp:toolsX", "not-mcp:tools"}},
		"scopes":         {all(noClaim("scope"), claim("scopes", []string{"b"})), []string{}},
		"scp beside":     {claim("scp", "a"), []string{"mcp:read", "mcp:tools"}},
	} {
		if got := said(t, c.says).Scopes; got == nil || !slices.Equal(got, c.want) {
			t.Errorf("scope, %s: %q, want %q", name, got, c.want)
		}
	}
	admin := []string{"admin"}
	for name, c := range map[string]struct {
		says change
		want []string
	}{
		"as minted":    {all(), []string{"user"}},
		"missing":      {noClaim("roles"), []string{}},
		"empty":        {claim("roles", []string{}), []string{}},
		"role, groups": {all(noClaim("roles"), claim("role", "admin"), claim("groups", admin)), []string{}},
		"Keycloak's":   {claim("realm_access", map[string]any{"roles": admin}), []string{"user"}},
		"by name":      {all(claim("preferred_username", "admin"), claim("sub", "admin"), claim("admin", true)), []string{"user"}},
	} {
		if got := said(t, c.says).Roles; got == nil || !slices.Equal(got, c.want) {
			t.Errorf("roles, %s: %q, want %q", name, got, c.want)
		}
	}
}
