package accesstoken

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
)

const (
	issuer   = "http://localhost:9000"
	audience = issuer + "/mcp"
)

// now is what the verifier's clock says.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// The keys are made once: that takes a second under the race detector. Nobody
// publishes the stranger's.
var (
	signer   = sync.OnceValue(newRSA)
	stranger = sync.OnceValue(newRSA)
	ecSigner = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edSigner = sync.OnceValue(func() ed25519.PrivateKey {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return must(private, err)
	})
)

func newRSA() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// published is the signer's key as the issuer shows it.
func published() jwks.Key { return must(jwks.New(&signer().PublicKey, "RS256")) }

// verifier is one as the servers have it: RS256 alone, a single key unless
// others are given.
func verifier(keys ...jwks.Key) *Verifier {
	if keys == nil {
		keys = []jwks.Key{published()}
	}
	return &Verifier{
		Issuer: issuer, Audience: audience, Keys: jwks.Set(keys), Algorithms: []string{"RS256"},
		Now: func() time.Time { return now },
	}
}

// lenient is a verifier that allows every algorithm that is implemented: what
// it refuses is not refused by the list alone.
func lenient(keys ...jwks.Key) *Verifier {
	v := verifier(keys...)
	v.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	return v
}

// draft is a good token for alice, not yet signed.
func draft() *mint.Draft {
	return mint.New(signer(), published().ID, mint.Grant{
		Issuer: issuer, Audience: audience, Username: "alice", ClientID: "client",
		Scopes: []string{"mcp:read", "mcp:tools"}, Roles: []string{"user"}, Lifetime: time.Hour, Now: now,
	})
}

// change is one to a draft.
type change func(*mint.Draft)

func token(d *mint.Draft) string { return must(d.Token()) }

// accepts fails the test unless the verifier takes the draft.
func accepts(t *testing.T, v *Verifier, d *mint.Draft) {
	t.Helper()
	if _, err := v.Verify(context.Background(), token(d)); err != nil {
		t.Errorf("refused: %v", err)
	}
}

// refuses fails the test unless the verifier refuses the token for the reason.
func refuses(t *testing.T, v *Verifier, token string, want error) {
	t.Helper()
	caller, err := v.Verify(context.Background(), token)
	if !errors.Is(err, want) || caller != nil {
		t.Errorf("Verify = %v, %v, want %v", caller, err, want)
	}
}

// attack is a change that a token must not survive.
type attack struct {
	name  string
	spoil change
	want  error
}

// run lets the verifier take a good token, and refuse the same token once it
// is spoiled.
func (a attack) run(t *testing.T, v *Verifier) {
	t.Run(a.name, func(t *testing.T) {
		d := draft()
		accepts(t, v, d)
		a.spoil(d)
		refuses(t, v, token(d), a.want)
	})
}

// header and claim set a member; what JSON says but Go can't is given as
// json.RawMessage.
func header(name string, value any) change { return func(d *mint.Draft) { d.Header[name] = value } }
func claim(name string, value any) change  { return func(d *mint.Draft) { d.Claims[name] = value } }

func noHeader(name string) change { return func(d *mint.Draft) { delete(d.Header, name) } }
func noClaim(name string) change  { return func(d *mint.Draft) { delete(d.Claims, name) } }

// payload sets the text of the payload.
func payload(text string) change { return func(d *mint.Draft) { d.ClaimsText = text } }

func all(changes ...change) change {
	return func(d *mint.Draft) {
		for _, c := range changes {
			c(d)
		}
	}
}

func with(d *mint.Draft, c change) *mint.Draft {
	c(d)
	return d
}

// sign is a way to sign.
type sign func(input []byte) ([]byte, error)

// signedBy says an algorithm in the header and signs in some way.
func signedBy(algorithm string, by sign) change {
	return all(header("alg", algorithm), func(d *mint.Draft) { d.Sign = by })
}

func unsigned([]byte) ([]byte, error) { return nil, nil }

func byRSA(key *rsa.PrivateKey, hash crypto.Hash) sign {
	return func(input []byte) ([]byte, error) {
		h := hash.New()
		h.Write(input)
		return rsa.SignPKCS1v15(nil, key, hash, h.Sum(nil))
	}
}

func byPSS(key *rsa.PrivateKey, hash crypto.Hash, salt int) sign {
	return func(input []byte) ([]byte, error) {
		h := hash.New()
		h.Write(input)
		return rsa.SignPSS(rand.Reader, key, hash, h.Sum(nil), &rsa.PSSOptions{SaltLength: salt})
	}
}

func byES256(input []byte) ([]byte, error) {
	sum := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, ecSigner(), sum[:])
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), err
}

func byEdDSA(input []byte) ([]byte, error) { return ed25519.Sign(edSigner(), input), nil }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwkOf is a key's public half as a JWK, with more members behind.
func jwkOf(key *rsa.PrivateKey, kid, more string) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":"AQAB"%s}`, kid, encode(key.N.Bytes()), more)
}

// parsed is what a published key set gives.
func parsed(t *testing.T, keys string) jwks.Set {
	t.Helper()
	set, err := jwks.Parse([]byte(`{"keys":[` + keys + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return set
}
