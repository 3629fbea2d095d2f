package jws

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
)

var implemented = []string{"RS256", "PS256", "ES256", "EdDSA"}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// signed is a token with a header, signed with ES256.
func signed(t *testing.T, private *ecdsa.PrivateKey, header string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte("{}"))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// C10, C11: a header that asks for more than a signature is refused, though the
// signature is good.
func TestC10_C11_MembersThatAskForMore(t *testing.T) {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	key := must(jwks.New(&private.PublicKey, "ES256"))
	begin := `{"alg":"ES256","kid":"` + key.ID + `"`
	authenticate := func(header string) error {
		return must(Parse(signed(t, private, header))).Authenticate(context.Background(), jwks.Set{key}, implemented)
	}
	if err := authenticate(begin + "}"); err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{`"crit":["exp"]`, `"b64":true`, `"zip":"DEF"`, `"cty":"JWT"`, `"enc":"A128GCM"`} {
		if err := authenticate(begin + "," + member + "}"); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", member, err)
		}
	}
}

// oneKey gives out the same key for every id.
type oneKey jwks.Key

func (k oneKey) Key(context.Context, string, string) (jwks.Key, error) { return jwks.Key(k), nil }

// C04: a key is used with the algorithm that it is published for, and no other,
// even where its type fits.
func TestC04_KeyOfAnotherAlgorithm(t *testing.T) {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	key := must(jwks.New(&private.PublicKey, "ES256"))
	token := must(Parse(signed(t, private, `{"alg":"ES256","kid":"k"}`)))
	if err := token.Authenticate(context.Background(), oneKey(key), implemented); err != nil {
		t.Fatal(err)
	}
	key.Algorithm = "EdDSA"
	if err := token.Authenticate(context.Background(), oneKey(key), implemented); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("got %v", err)
	}
}

// C16: what is not a number of seconds within the calendar is not a date.
func TestC16_WC4_Dates(t *testing.T) {
	for _, text := range []string{
		"", "null", `"1"`, "-1", "+1", " 1", "1x", "0x1p4", "1_000", "01", "1.", "Inf", "NaN", "1e999", "253402300800", "1e300", "true", "[1]",
	} {
		if got, ok := Date([]byte(text)); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
	for text, want := range map[string]time.Time{
		"0":            time.Unix(0, 0), // WC4
		"1":            time.Unix(1, 0),
		"1.5":          time.Unix(1, 0),
		"1e3":          time.Unix(1000, 0),
		"1E+3":         time.Unix(1000, 0),
		"253402300799": time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got, ok := Date([]byte(text)); !ok || !got.Equal(want) {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}
