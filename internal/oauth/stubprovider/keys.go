package stubprovider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"sync"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Key is a key pair of a provider.
type Key struct {
	ID        string
	Algorithm string          // what it signs with
	JWK       string          // its public half, as it is published
	RSA       *rsa.PrivateKey // nil where it is of another type
	private   crypto.Signer
}

// Sign signs by the key's algorithm.
func (k Key) Sign(input []byte) ([]byte, error) {
	return jwt.GetSigningMethod(k.Algorithm).Sign(string(input), k.private)
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
	misused.Algorithm = "RS256"
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
	key := newKey(id, algorithm, use, private)
	key.RSA = private
	return key
}

func newEC(id string) Key {
	return newKey(id, "ES256", "sig", must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
}

func newEd(id string) Key {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return newKey(id, "EdDSA", "sig", must(private, err))
}

func newKey(id, algorithm, use string, private crypto.Signer) Key {
	public := must(jwk.Import(private.Public()))
	for name, value := range map[string]string{jwk.KeyIDKey: id, jwk.AlgorithmKey: algorithm, jwk.KeyUsageKey: use} {
		if err := public.Set(name, value); err != nil {
			panic(err)
		}
	}
	return Key{ID: id, Algorithm: algorithm, JWK: string(must(json.Marshal(public))), private: private}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err) // no randomness, no tests
	}
	return value
}
