package stubprovider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
)

// Key is a key pair of a provider.
type Key struct {
	ID        string
	Algorithm string          // what it signs with
	JWK       string          // its public half, as it is published
	RSA       *rsa.PrivateKey // nil where it is of another type
	Sign      func(input []byte) ([]byte, error)
}

// Keys are some of each kind, by their names; made once, for that takes a
// while. "next" is there to rotate to, "enc" is published for encryption,
// "twin-rsa" and "twin-ec" have one id, and "ps256-as-rs256" is the key of PS256
// at work with another algorithm.
var Keys = sync.OnceValue(func() map[string]Key {
	keys := map[string]Key{
		"rs256":    newRSA("rs256", "RS256", "sig"),
		"next":     newRSA("next", "RS256", "sig"),
		"ps256":    newRSA("ps256", "PS256", "sig"),
		"enc":      newRSA("enc", "RS256", "enc"),
		"twin-rsa": newRSA("twin", "RS256", "sig"),
		"twin-ec":  newEC("twin"),
		"es256":    newEC("es256"),
		"eddsa":    newEd("eddsa"),
	}
	misused := keys["ps256"]
	misused.Algorithm, misused.Sign = "RS256", signRSA(misused.RSA, "RS256")
	keys["ps256-as-rs256"] = misused
	return keys
})

// Published are the keys that a provider shows as a rule: all but the next.
func Published() []Key {
	var shown []Key
	for _, name := range []string{"rs256", "ps256", "es256", "eddsa", "enc", "twin-rsa", "twin-ec"} {
		shown = append(shown, Keys()[name])
	}
	return shown
}

func newRSA(id, algorithm, use string) Key {
	private := must(rsa.GenerateKey(rand.Reader, 2048))
	return Key{
		ID: id, Algorithm: algorithm, RSA: private,
		JWK:  fmt.Sprintf(`{"kty":"RSA","kid":%q,"alg":%q,"use":%q,"n":%q,"e":"AQAB"}`, id, algorithm, use, encode(private.N.Bytes())),
		Sign: signRSA(private, algorithm),
	}
}

func signRSA(private *rsa.PrivateKey, algorithm string) func([]byte) ([]byte, error) {
	return func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		if algorithm == "PS256" {
			return rsa.SignPSS(rand.Reader, private, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(nil, private, crypto.SHA256, sum[:])
	}
}

func newEC(id string) Key {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	point := must(private.PublicKey.Bytes()) // 4, x, y
	return Key{
		ID: id, Algorithm: "ES256",
		JWK: fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"alg":"ES256","use":"sig","x":%q,"y":%q}`,
			id, encode(point[1:33]), encode(point[33:])),
		Sign: func(input []byte) ([]byte, error) {
			sum := sha256.Sum256(input)
			r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
			if err != nil {
				return nil, err
			}
			return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), nil
		},
	}
}

func newEd(id string) Key {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return Key{
		ID: id, Algorithm: "EdDSA",
		JWK:  fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"alg":"EdDSA","use":"sig","x":%q}`, id, encode(public)),
		Sign: func(input []byte) ([]byte, error) { return ed25519.Sign(private, input), nil },
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // no randomness, no tests
	}
	return value
}
