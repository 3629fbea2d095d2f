package mint_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
)

// signer is made once: that takes a second under the race detector.
var signer = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// now is what the clocks say, of whoever mints and of whoever verifies.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func published() jwks.Key { return must(jwks.New(&signer().PublicKey, "RS256")) }

// draft is a good token of a user, for the server at site.
func draft(site, username string) *mint.Draft {
	return mint.New(signer(), published().ID, mint.Grant{
		Issuer: site, Audience: site + "/mcp", Username: username, ClientID: "gentoken",
		Scopes: []string{"mcp:read", "mcp:tools"}, Roles: mint.RolesOf(username), Lifetime: time.Hour, Now: now,
	})
}

func verify(site, token string) error {
	v := &accesstoken.Verifier{
		Issuer: site, Audience: site + "/mcp", Keys: jwks.Set{published()}, Algorithms: []string{"RS256"},
		Now: func() time.Time { return now },
	}
	_, err := v.Verify(context.Background(), token)
	return err
}

// What each flaw changes, and what refuses it. The members are followed by
// what they say now, where that is short.
var flaws = map[string]struct {
	changes string
	want    error
}{
	"alg-none":            {`header.alg="none" signature:none`, accesstoken.ErrAlgorithm},
	"alg-none-case":       {`header.alg="nOnE" signature:none`, accesstoken.ErrAlgorithm},
	"hs256-public-key":    {`header.alg="HS256" signature:other`, accesstoken.ErrAlgorithm},
	"hs256-empty-secret":  {`header.alg="HS256" signature:other`, accesstoken.ErrAlgorithm},
	"rs384":               {`header.alg="RS384" signature:other`, accesstoken.ErrAlgorithm},
	"ps256":               {`header.alg="PS256" signature:other`, accesstoken.ErrAlgorithm},
	"alg-twice":           {`header.alg="none","RS256"`, accesstoken.ErrMalformed},
	"embedded-key":        {`header.jwk signature:other`, accesstoken.ErrSignature},
	"key-url":             {`header.jku signature:other`, accesstoken.ErrSignature},
	"kid-path":            {`header.kid="../../../../dev/null"`, accesstoken.ErrKey},
	"kid-sql":             {`header.kid="'`, accesstoken.ErrKey},
	"kid-number":          {`header.kid=1`, accesstoken.ErrKey},
	"kid-missing":         {`header.kid=absent`, accesstoken.ErrKey},
	"unknown-key":         {`header.kid="a-key-that-nobody-published" signature:other`, accesstoken.ErrKey},
	"bad-signature":       {`signature:other`, accesstoken.ErrSignature},
	"tampered":            {`claims.sub="not-alice" signature:other`, accesstoken.ErrSignature},
	"crit":                {`header.crit=["x-evil"] header.x-evil=1`, accesstoken.ErrMalformed},
	"b64-false":           {`header.b64=false`, accesstoken.ErrMalformed},
	"id-token":            {`header.typ="JWT"`, accesstoken.ErrType},
	"logout-token":        {`header.typ="logout+jwt"`, accesstoken.ErrType},
	"no-audience":         {`claims.aud=absent`, accesstoken.ErrAudience},
	"audience-object":     {`claims.aud={"http://localhost:9000/mcp":1}`, accesstoken.ErrAudience},
	"wrong-audience":      {`claims.aud="`, accesstoken.ErrAudience},
	"audience-slash":      {`claims.aud="http://localhost:9000/mcp/"`, accesstoken.ErrAudience},
	"audience-parent":     {`claims.aud="http://localhost:9000"`, accesstoken.ErrAudience},
	"wrong-issuer":        {`claims.iss="http://other.localhost:9000"`, accesstoken.ErrIssuer},
	"issuer-slash":        {`claims.iss="http://localhost:9000/"`, accesstoken.ErrIssuer},
	"no-issuer":           {`claims.iss=absent`, accesstoken.ErrMissingClaim},
	"expired":             {`claims.exp claims.iat`, accesstoken.ErrExpired},
	"no-expiry":           {`claims.exp=absent`, accesstoken.ErrExpired},
	"expiry-text":         {`claims.exp="`, accesstoken.ErrMalformed},
	"expiry-twice":        {`claims.exp=1,`, accesstoken.ErrMalformed},
	"expiry-case":         {`claims.EXP claims.exp`, accesstoken.ErrMalformed},
	"not-yet-valid":       {`claims.nbf`, accesstoken.ErrNotYetValid},
	"issued-in-future":    {`claims.iat`, accesstoken.ErrNotYetValid},
	"no-issued-at":        {`claims.iat=absent`, accesstoken.ErrMissingClaim},
	"for-decades":         {`claims.exp=4070908800`, accesstoken.ErrLifetime},
	"no-subject":          {`claims.sub=absent`, accesstoken.ErrMissingClaim},
	"subject-number":      {`claims.sub=1`, accesstoken.ErrMalformed},
	"no-client":           {`claims.client_id=absent`, accesstoken.ErrMissingClaim},
	"no-id":               {`claims.jti=absent`, accesstoken.ErrMissingClaim},
	"payload-array":       {`claims:[]`, accesstoken.ErrMalformed},
	"payload-two-objects": {`claims-behind:{"roles":["admin"]}`, accesstoken.ErrMalformed},
	"scope-array":         {`claims.scope=["mcp:read","mcp:tools"]`, accesstoken.ErrMalformed},
}

// Every flaw changes what its name says and nothing else, and is refused for
// that.
func TestFlawsDoWhatTheySay(t *testing.T) {
	const site = "http://localhost:9000"
	for _, flaw := range mint.Flaws {
		t.Run(flaw.Attack+" "+flaw.Name, func(t *testing.T) {
			expected, ok := flaws[flaw.Name]
			if !ok {
				t.Fatal("the table doesn't know this flaw")
			}
			d := draft(site, "alice")
			good := must(d.Token())
			if err := verify(site, good); err != nil {
				t.Fatalf("the unspoiled token is refused: %v", err)
			}
			if err := flaw.Spoil(d); err != nil {
				t.Fatal(err)
			}
			bad := must(d.Token())
			if err := verify(site, bad); !errors.Is(err, expected.want) {
				t.Errorf("refused with %v, want %v", err, expected.want)
			}
			got, want := changes(t, good, bad), strings.Fields(expected.changes)
			if !slices.EqualFunc(got, want, strings.HasPrefix) {
				t.Errorf("it changes %q, want %q", got, want)
			}
		})
	}
	if len(flaws) != len(mint.Flaws) {
		t.Errorf("%d flaws, the table has %d", len(mint.Flaws), len(flaws))
	}
}

// changes compares two tokens, member by member.
func changes(t *testing.T, good, bad string) []string {
	t.Helper()
	before, after := describe(t, good), describe(t, bad)
	if before["signature:"] != "good" {
		t.Fatalf("the good token: %v", before)
	}
	if _, isObject := after["claims:"]; isObject {
		maps.DeleteFunc(before, func(name, _ string) bool { return strings.HasPrefix(name, "claims.") })
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, still := after[name]; !still {
			list = append(list, name+"absent")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			list = append(list, name+after[name])
		}
	}
	slices.Sort(list)
	return list
}

// describe lists the members of a token; the values of a repeated one are
// joined.
func describe(t *testing.T, token string) map[string]string {
	t.Helper()
	all := map[string]string{}
	parts := strings.Split(token, ".")
	for i, part := range []string{"header", "claims"} {
		text := must(base64.RawURLEncoding.DecodeString(parts[i]))
		if text[0] != '{' {
			all[part+":"] = string(text)
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		_, _ = decoder.Token() // the brace
		for decoder.More() {
			name := fmt.Sprintf("%s.%v=", part, must(decoder.Token()))
			var value json.RawMessage
			if err := decoder.Decode(&value); err != nil {
				t.Fatal(err)
			}
			if earlier := all[name]; earlier != "" {
				all[name] = earlier + "," + string(value)
			} else {
				all[name] = string(value)
			}
		}
		_, _ = decoder.Token()
		if behind := text[decoder.InputOffset():]; len(behind) > 0 {
			all[part+"-behind:"] = string(behind)
		}
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	all["signature:"] = "good"
	if parts[2] == "" {
		all["signature:"] = "none"
	} else if rsa.VerifyPKCS1v15(&signer().PublicKey, crypto.SHA256, sum[:], must(base64.RawURLEncoding.DecodeString(parts[2]))) != nil {
		all["signature:"] = "other"
	}
	return all
}

// A flaw stays one for every user, and wherever the servers are.
func TestFlawsForEverybody(t *testing.T) {
	for _, site := range []string{"http://localhost:9000", "http://localhost:9001", "https://mcp.example"} {
		for _, username := range []string{"alice", "bob", "admin", "administrator", "guest"} {
			if err := verify(site, must(draft(site, username).Token())); err != nil {
				t.Errorf("%s at %s is refused: %v", username, site, err)
			}
			for _, flaw := range mint.Flaws {
				if strings.Contains(flaw.Explain, "an unknown key") && username != "alice" {
					continue // makes a key, which is slow, and looks at no claim
				}
				d := draft(site, username)
				if err := flaw.Spoil(d); err != nil {
					t.Fatal(err)
				}
				if verify(site, must(d.Token())) == nil {
					t.Errorf("%s with the flaw %s is accepted at %s", username, flaw.Name, site)
				}
			}
		}
	}
}

func TestFlawNames(t *testing.T) {
	seen := map[string]bool{}
	for _, flaw := range mint.Flaws {
		if found, ok := mint.FlawByName(flaw.Name); !ok || found.Name != flaw.Name || seen[flaw.Name] {
			t.Errorf("%q isn't found by its name, or twice there", flaw.Name)
		}
		seen[flaw.Name] = true
		if !regexp.MustCompile(`^[A-Z][0-9]{2}$`).MatchString(flaw.Attack) || flaw.Explain == "" || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(flaw.Name) {
			t.Errorf("%+v", flaw)
		}
	}
	for _, name := range []string{"", "list", "ALG-NONE", "nothing"} {
		if _, ok := mint.FlawByName(name); ok {
			t.Errorf("there is a flaw %q", name)
		}
	}
}

func TestNew(t *testing.T) {
	d := mint.New(signer(), "k", mint.Grant{Issuer: "i", Audience: "a", Username: "alice", ClientID: "c", Lifetime: 90 * time.Second, Now: time.Unix(1_780_000_000, 0)})
	jti, _ := d.Claims["jti"].(string)
	d.Claims["jti"] = ""
	header, claims := string(must(json.Marshal(d.Header))), string(must(json.Marshal(d.Claims)))
	if want := `{"alg":"RS256","kid":"k","typ":"at+jwt"}`; header != want {
		t.Errorf("header %s, want %s", header, want)
	}
	if want := `{"aud":"a","client_id":"c","exp":1780000090,"iat":1780000000,"iss":"i","jti":"",` +
		`"preferred_username":"alice","roles":[],"scope":"","sub":"alice"}`; claims != want {
		t.Errorf("claims %s, want %s", claims, want)
	}
	if other := draft("i", "alice").Claims["jti"]; len(jti) < 20 || other == jti {
		t.Errorf("jti %q, then %q", jti, other)
	}
}

func TestRolesOf(t *testing.T) {
	for name, want := range map[string]string{
		"alice":         "user",
		"bob":           "user",
		"":              "user",
		"admin":         "user admin",
		"administrator": "user admin",
		"Admin":         "user",
		"admin ":        "user",
		"guest":         "guest",
	} {
		if got := strings.Join(mint.RolesOf(name), " "); got != want {
			t.Errorf("RolesOf(%q) = %q, want %q", name, got, want)
		}
	}
}
