package accesstoken

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/mint"
)

// golangJWTAlone is the mistake to take golang-jwt for a verifier of access
// tokens. Every strict option is on, and the algorithms are pinned; but the
// library is made for JWTs of any kind. It knows no token type, takes what
// encoding/json takes, ignores what must be understood, and gets a key without
// what its publisher said of it.
func golangJWTAlone(token string, claims jwt.Claims, key *rsa.PublicKey) error {
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "PS256"}),
		jwt.WithStrictDecoding(),
		jwt.WithJSONNumber(),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	).ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key, nil })
	return err
}

// weak is a key that can be broken.
var weak = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })

// Each row is a token that golang-jwt accepts, every strict option on, and
// that this package refuses.
func TestGolangJWTAloneAccepts(t *testing.T) {
	kid := published().ID
	past, future := now.Add(-time.Hour).Unix(), now.Add(time.Hour).Unix()
	mapClaims := func() jwt.Claims { return jwt.MapClaims{} }
	structClaims := func() jwt.Claims { return &jwt.RegisteredClaims{} }
	for _, c := range []struct {
		name  string
		spoil change
		as    func() jwt.Claims
		want  error
	}{
		{"C10 unknown crit", all(header("crit", []string{"x-evil"}), header("x-evil", 1)), mapClaims, ErrMalformed},
		{"C10 empty crit", header("crit", []string{}), mapClaims, ErrMalformed},
		{"C11 b64=false", header("b64", false), mapClaims, ErrMalformed},
		{"C12 ID token", header("typ", "JWT"), mapClaims, ErrType},
		{"C12 logout token", header("typ", "logout+jwt"), mapClaims, ErrType},
		{"C12 no typ", noHeader("typ"), mapClaims, ErrType},
		{"C09 no kid", noHeader("kid"), mapClaims, ErrKey},
		{"C08 numeric kid", header("kid", 1), mapClaims, ErrKey},
		{"C04 alg twice", func(d *mint.Draft) {
			d.HeaderText = `{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"` + kid + `"}`
		}, mapClaims, ErrMalformed},
		{"C16 exp twice", before(`"exp":1`), mapClaims, ErrMalformed},
		{"C16 exp twice, struct", before(`"exp":1`), structClaims, ErrMalformed},
		{"C16 exp in quotes, struct", claim("exp", number(future)), structClaims, ErrMalformed},
		{"C16 EXP overrides exp, struct", payloadOf(func(text string) string {
			return strings.Replace(text, `"exp":`+number(future), `"exp":`+number(past)+`,"EXP":`+number(future), 1)
		}), structClaims, ErrMalformed},
		{"C18 no sub", noClaim("sub"), mapClaims, ErrMissingClaim},
		{"C18 numeric sub", claim("sub", 1), mapClaims, ErrMalformed},
		{"C18 no client_id", noClaim("client_id"), mapClaims, ErrMissingClaim},
		{"C18 no jti", noClaim("jti"), mapClaims, ErrMissingClaim},
		{"C17 no iat", noClaim("iat"), mapClaims, ErrMissingClaim},
		{"C17 exp in 2099", claim("exp", 4070908800), mapClaims, ErrLifetime},
		{"E03 scope in an array", claim("scope", []string{"mcp:tools"}), mapClaims, ErrMalformed},
		{"C19 a second object", payloadOf(func(text string) string { return text + `{"admin":true}` }), mapClaims, ErrMalformed},
		{"C19 broken UTF-8", payloadOf(func(text string) string { return strings.Replace(text, `"alice"`, "\"al\xffice\"", 1) }), mapClaims, ErrMalformed},
		{"C21 PS256 with salt of 20", all(header("kid", "ps"), signedBy("PS256", byPSS(signer(), crypto.SHA256, 20))), mapClaims, ErrSignature},
		{"C04 PS256 by a key for RS256", signedBy("PS256", byPSS(signer(), crypto.SHA256, 32)), mapClaims, ErrAlgorithm},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, d := lenient(everyKey()...), draft()
			accepts(t, v, d)
			c.spoil(d)
			bad := token(d)
			if err := golangJWTAlone(bad, c.as(), &signer().PublicKey); err != nil {
				t.Errorf("golang-jwt refuses it by now: %v", err)
			}
			refuses(t, v, bad, c.want)
		})
	}

	// What is wrong with a key, golang-jwt can't see: it is given the number.
	other := "," + jwkOf(stranger(), "other", "")
	for name, c := range map[string]struct {
		key *rsa.PrivateKey
		jwk string
	}{
		"C05 use=enc":         {signer(), jwkOf(signer(), kid, `,"use":"enc"`)},
		"C05 key_ops=encrypt": {signer(), jwkOf(signer(), kid, `,"key_ops":["encrypt"]`)},
		"C04 alg=RS512":       {signer(), jwkOf(signer(), kid, `,"alg":"RS512"`)},
		"D05 RSA-1024":        {weak(), jwkOf(weak(), kid, "")},
	} {
		t.Run(name, func(t *testing.T) {
			d := draft()
			d.Sign = byRSA(c.key, crypto.SHA256)
			bad := token(d)
			if err := golangJWTAlone(bad, jwt.MapClaims{}, &c.key.PublicKey); err != nil {
				t.Errorf("golang-jwt refuses it by now: %v", err)
			}
			refuses(t, lenient(parsed(t, c.jwk+other)...), bad, ErrKey)
		})
	}
}

// payloadOf edits the text of the payload.
func payloadOf(edit func(string) string) change {
	return func(d *mint.Draft) { d.ClaimsText = edit(string(must(json.Marshal(d.Claims)))) }
}

// before puts a member in front of the claims.
func before(member string) change {
	return payloadOf(func(text string) string { return "{" + member + "," + text[1:] })
}

func number(n int64) string { return string(must(json.Marshal(n))) }
