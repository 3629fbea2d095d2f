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
	Public    crypto.PublicKey
}

// Set is a fixed set of keys.
type Set []Key

// Key returns the one key with an id. Two keys of one id can't be told apart,
// so neither is returned.
func (s Set) Key(_ context.Context, id string) (Key, error) {
	var found []Key
	for _, key := range s {
		if key.ID == id {
			found = append(found, key)
		}
	}
	if len(found) != 1 {
		return Key{}, fmt.Errorf("%w: %d keys have the id %.64q", ErrUnknownKey, len(found), id)
	}
	return found[0], nil
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

// Parse reads a key set that somebody else published. Keys that are no
// signature keys, private, symmetric, too weak or of an algorithm unknown here
// are left out: one odd key must not disable the good one beside it (RFC 7517,
// section 5). A set without any usable key is [ErrUnusable].
func Parse(data []byte) (Set, error) {
	members, err := strictjson.Object(data)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimSpace(members["keys"]), []byte("[")) {
		return nil, fmt.Errorf("%w: no \"keys\" array", ErrUnusable)
	}
	parsed, err := jwk.Parse(data, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	var set Set
	for i := range parsed.Len() {
		candidate, _ := parsed.Key(i)
		if key, err := fromJWK(candidate); err == nil {
			set = append(set, key)
		}
	}
	if len(set) == 0 {
		return nil, ErrUnusable
	}
	return set, nil
}

func fromJWK(candidate jwk.Key) (Key, error) {
	var key Key
	if private, err := jwk.IsPrivateKey(candidate); err != nil || private {
		return key, errors.New("not a public key")
	}
	// A public key with a part of the private one beside it was published by
	// mistake, and is everybody's (RFC 7518, sections 6.2.2, 6.3.2 and 6.4).
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if candidate.Has(name) {
			return key, errors.New("holds private members")
		}
	}
	if use, ok := candidate.KeyUsage(); ok && use != "sig" {
		return key, errors.New("not for signatures")
	}
	if ops, ok := candidate.KeyOps(); ok {
		verifies := false
		for _, op := range ops {
			verifies = verifies || op == jwk.KeyOpVerify
		}
		if !verifies {
			return key, errors.New("not for verifying")
		}
	}
	var public any // Export fills no narrower interface
	if err := jwk.Export(candidate, &public); err != nil {
		return key, err
	}
	key.Public = public
	key.ID, _ = candidate.KeyID()
	key.Algorithm = defaultAlgorithm(key.Public)
	if algorithm, ok := candidate.Algorithm(); ok {
		key.Algorithm = algorithm.String()
	}
	return key, key.check()
}

// defaultAlgorithm is the algorithm of a key that states none.
func defaultAlgorithm(public crypto.PublicKey) string {
	switch public.(type) {
	case *rsa.PublicKey:
		return "RS256"
	case *ecdsa.PublicKey:
		return "ES256"
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

// check tells whether the key fits its algorithm and is strong enough.
func (k Key) check() error {
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		if (k.Algorithm == "RS256" || k.Algorithm == "PS256") && public.N.BitLen() >= MinRSABits && public.E > 2 && public.E%2 == 1 {
			return nil
		}
	case *ecdsa.PublicKey:
		if k.Algorithm == "ES256" && public.Curve == elliptic.P256() {
			return nil
		}
	case ed25519.PublicKey:
		if k.Algorithm == "EdDSA" && len(public) == ed25519.PublicKeySize {
			return nil
		}
	}
	return fmt.Errorf("%w: a %T can't be used with %q, or is too weak", ErrUnusable, k.Public, k.Algorithm)
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
