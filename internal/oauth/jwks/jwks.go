// Package jwks holds the public keys by which signatures are verified, and
// shows them as a JSON Web Key Set (RFC 7517).
package jwks

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"mcp-auth-step-by-step/internal/web/strictjson"
)

// MinRSABits is the least size of an RSA key (RFC 7518, section 3.3).
const MinRSABits = 2048

var (
	// ErrUnknownKey says that no key of the set, or more than one, has the id.
	ErrUnknownKey = errors.New("no such key")
	// ErrUnusable says that a key set holds no key that may verify signatures.
	ErrUnusable = errors.New("no usable key")
)

// Key is a public key that may verify signatures of one algorithm. That an
// algorithm belongs to it, and not to the token, is what makes algorithm
// confusion impossible (RFC 8725, section 3.1).
type Key struct {
	ID        string
	Algorithm string // RS256, PS256, ES256 or EdDSA
	Assumed   bool   // the published key states no algorithm
	Public    crypto.PublicKey
}

// Equal reports whether k is the same key as another, by the same id and for the
// same algorithm.
func (k Key) Equal(other Key) bool {
	if k.ID != other.ID || k.Algorithm != other.Algorithm {
		return false
	}
	// Between two fetches it is the same in memory too.
	if known, ok := k.Public.(*rsa.PublicKey); ok && other.Public == crypto.PublicKey(known) {
		return true
	}
	public, ok := k.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.Public)
}

// Set is a fixed set of keys.
type Set []Key

// Key returns the one key with an id that is for an algorithm. Several keys may
// share an id as long as their algorithms differ (RFC 7517, section 4.5). Where no
// key of the id is for the algorithm, it returns the one key of that id, so that
// the caller can say which algorithm it is for.
func (s Set) Key(_ context.Context, id, algorithm string) (Key, error) {
	var named, found []Key
	for _, key := range s {
		if key.ID != id {
			continue
		}
		named = append(named, key)
		if key.Algorithm == Canonical(algorithm) {
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		found = named
	}
	if len(found) != 1 {
		return Key{}, fmt.Errorf("%w: %d keys have the id %.64q", ErrUnknownKey, len(found), id)
	}
	return found[0], nil
}

// Canonical is the name of an algorithm by which it is compared here: Ed25519 is
// the newer name of what is called EdDSA with this curve (RFC 9864, section 2.2).
func Canonical(algorithm string) string {
	if algorithm == "Ed25519" {
		return "EdDSA"
	}
	return algorithm
}

// New makes a key of a public key for one algorithm. Its id is the thumbprint
// of RFC 7638, so that it follows from the key and needs no bookkeeping.
func New(public crypto.PublicKey, algorithm string) (Key, error) {
	imported, err := jwk.Import(public)
	if err != nil {
		return Key{}, err
	}
	sum, err := imported.Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: base64.RawURLEncoding.EncodeToString(sum), Algorithm: algorithm, Public: public}
	return key, key.check()
}

// Parse reads a key set that somebody else published, and drops what it can't
// use; see [ParseFor].
func Parse(data []byte) (Set, error) {
	set, _, err := ParseFor(data, []string{"RS256", "ES256", "EdDSA"})
	return set, err
}

// ParseFor reads a key set that somebody else published. A key that states no
// algorithm is for the first of the allowed ones that fits its type, since a key
// has one algorithm (RFC 8725, section 3.1). Keys that are no signature keys,
// private, symmetric, too weak or of an unknown algorithm are left out, each with
// its reason: one odd key must not disable the good one beside it (RFC 7517,
// section 5). A set without any usable key is [ErrUnusable].
func ParseFor(data []byte, allowed []string) (set Set, leftOut []error, err error) {
	members, err := strictjson.Members(data, "keys")
	if err != nil {
		return nil, nil, err
	}
	var candidates []json.RawMessage
	if !bytes.HasPrefix(members["keys"], []byte("[")) || json.Unmarshal(members["keys"], &candidates) != nil {
		return nil, nil, fmt.Errorf("%w: no \"keys\" array", ErrUnusable)
	}
	for i, candidate := range candidates {
		key, err := fromJWK(candidate, allowed)
		switch {
		case err != nil:
			leftOut = append(leftOut, fmt.Errorf("key %d, id %.64q: %w", i+1, key.ID, err))
		case !slices.ContainsFunc(set, key.Equal):
			set = append(set, key)
		}
	}
	if len(set) == 0 {
		return nil, leftOut, errors.Join(append([]error{ErrUnusable}, leftOut...)...)
	}
	return set, leftOut, nil
}

// The members of a JWK that are read. What else stands there, such as a
// certificate chain that can't be parsed, doesn't matter (RFC 7517, section 4).
var (
	usedMembers = []string{"kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"}
	// A public key with a part of the private one beside it was published by
	// mistake, and is everybody's (RFC 7518, sections 6.2.2, 6.3.2 and 6.4).
	privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
)

// fromJWK reads one key. Beside an error, the key has its id, if it has one.
func fromJWK(raw json.RawMessage, allowed []string) (key Key, err error) {
	members, err := strictjson.Members(raw, append(usedMembers, privateMembers...)...)
	if err != nil {
		return key, err
	}
	key.ID, _ = strictjson.String(members["kid"])
	used := map[string]json.RawMessage{}
	for name, value := range members {
		absent := string(value) == "null"
		if slices.Contains(privateMembers, name) && !absent {
			return key, errors.New("it has private members")
		}
		if slices.Contains(usedMembers, name) && !absent && name != "alg" {
			used[name] = value
		}
	}
	if use, _ := strictjson.String(used["use"]); used["use"] != nil && use != "sig" {
		return key, fmt.Errorf("use is %.32q, want sig", use)
	}
	if ops, _ := strictjson.Strings(used["key_ops"]); used["key_ops"] != nil && !slices.Contains(ops, "verify") {
		return key, errors.New("key_ops doesn't have verify")
	}
	if key.Public, err = publicKey(used); err != nil {
		return key, err
	}
	if algorithm, stated := members["alg"]; stated && string(algorithm) != "null" {
		name, _ := strictjson.String(algorithm)
		key.Algorithm = Canonical(name)
	} else {
		key.Algorithm, key.Assumed = defaultAlgorithm(key.Public, allowed), true
	}
	return key, key.check()
}

func publicKey(members map[string]json.RawMessage) (crypto.PublicKey, error) {
	text, err := json.Marshal(members)
	if err != nil {
		return nil, err
	}
	parsed, err := jwk.ParseKey(text)
	if err != nil {
		return nil, err
	}
	var public any // Export fills no narrower interface
	err = jwk.Export(parsed, &public)
	return public, err
}

// defaultAlgorithm is the algorithm of a key that states none: the first of the
// allowed ones that its type can be used with.
func defaultAlgorithm(public crypto.PublicKey, allowed []string) string {
	for _, algorithm := range allowed {
		if key := (Key{Algorithm: Canonical(algorithm), Public: public}); key.fits() {
			return key.Algorithm
		}
	}
	return ""
}

// fits reports whether the key's type can be used with its algorithm.
func (k Key) fits() bool {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return k.Algorithm == "RS256" || k.Algorithm == "PS256"
	case *ecdsa.PublicKey:
		return k.Algorithm == "ES256" && public.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return k.Algorithm == "EdDSA"
	}
	return false
}

// check tells whether the key fits its algorithm and is strong enough.
func (k Key) check() error {
	strong := true
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		strong = public.N.BitLen() >= MinRSABits && public.E > 2 && public.E%2 == 1
	case ed25519.PublicKey:
		strong = len(public) == ed25519.PublicKeySize
	}
	if !k.fits() || !strong {
		return fmt.Errorf("%w: a %T can't be used with %.32q, or is too weak", ErrUnusable, k.Public, k.Algorithm)
	}
	return nil
}

// Handler shows the set to everybody, pages of any Origin included. Verifiers
// may keep it for five minutes. It panics on keys that neither [New] nor
// [Parse] made.
func Handler(set Set) http.Handler {
	shown := jwk.NewSet()
	for _, key := range set {
		public, err := jwk.Import(key.Public)
		if err == nil {
			err = key.check() // which no private key passes
		}
		for name, value := range map[string]any{jwk.KeyIDKey: key.ID, jwk.AlgorithmKey: key.Algorithm, jwk.KeyUsageKey: "sig"} {
			if err == nil {
				err = public.Set(name, value)
			}
		}
		if err == nil {
			err = shown.AddKey(public)
		}
		if err != nil {
			panic(err)
		}
	}
	body, err := json.Marshal(shown)
	if err != nil {
		panic(err)
	}
	body = append(body, '\n')
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		_, _ = w.Write(body)
	})
}
