package accesstoken

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/jwks"
	"mcp-auth-step-by-step/internal/strictjson"
)

// maxSize is the longest token that is looked at, in bytes. Base64 and JSON
// are read before the signature is known to be good, so they must stay cheap.
const maxSize = 16 << 10

// signed is a JWS in its compact form, taken apart and not yet verified.
type signed struct {
	header    map[string]json.RawMessage
	payload   []byte
	input     string // what was signed: header and payload as they arrived
	signature []byte
}

// split takes a token apart. Each part must be base64url to the letter: with
// no padding and no stray bits, so that one token has one spelling.
func split(token string) (*signed, error) {
	parts := strings.Split(token, ".")
	if len(token) > maxSize || len(parts) != 3 {
		return nil, fmt.Errorf("%w: %d bytes in %d parts", ErrMalformed, len(token), len(parts))
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		// Strict checks the unused bits; it still skips line breaks.
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return nil, fmt.Errorf("%w: part %d is not base64url", ErrMalformed, i+1)
		}
	}
	header, err := strictjson.Object(decoded[0])
	if err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	return &signed{header, decoded[1], parts[0] + "." + parts[1], decoded[2]}, nil
}

// text reads a member of the header that must be a string.
func (s *signed) text(name string) (string, bool) { return stringOf(s.header[name]) }

// authenticate tells who signed: it succeeds when the signature is by a key of
// the source, with one of the algorithms. What the payload says is unknown
// territory until then.
func (s *signed) authenticate(ctx context.Context, source KeySource, algorithms []string) error {
	// The algorithm comes from our list; the token only says which of them
	// it used (RFC 8725, section 3.1).
	algorithm, ok := s.text("alg")
	if !ok || !slices.Contains(algorithms, algorithm) {
		return fmt.Errorf("%w: %.32q", ErrAlgorithm, algorithm)
	}
	// An extension that must be understood isn't (RFC 7515, section 4.1.11);
	// unencoded payloads, compression and nesting are not for access tokens.
	for _, name := range []string{"crit", "b64", "zip", "cty", "enc"} {
		if _, present := s.header[name]; present {
			return fmt.Errorf("%w: header member %q", ErrMalformed, name)
		}
	}
	// The key is found by its id alone. What the header brings along or
	// points to (jwk, x5c, jku, x5u) is the sender's word, and not read.
	id, ok := s.text("kid")
	if !ok || id == "" {
		return fmt.Errorf("%w: no kid", ErrKey)
	}
	key, err := source.Key(ctx, id)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	return s.verify(algorithm, key)
}

// verify checks the signature with a key, by the one algorithm that the key is
// for.
func (s *signed) verify(algorithm string, key jwks.Key) error {
	if algorithm != key.Algorithm {
		return fmt.Errorf("%w: the key is for %s, the token says %.32q", ErrAlgorithm, key.Algorithm, algorithm)
	}
	if err := method(algorithm).Verify(s.input, s.signature, key.Public); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// ps256 is golang-jwt's, but with the salt as long as the hash, as RFC 7518,
// section 3.5, wants it; the library accepts any.
var ps256 = &jwt.SigningMethodRSAPSS{
	SigningMethodRSA: jwt.SigningMethodPS256.SigningMethodRSA,
	Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: jwt.SigningMethodPS256.Hash},
}

// method is golang-jwt's implementation of an algorithm that jwks knows.
func method(algorithm string) jwt.SigningMethod {
	if algorithm == "PS256" {
		return ps256
	}
	return jwt.GetSigningMethod(algorithm)
}

// stringOf reads a JSON string; encoding/json would take null for one.
func stringOf(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}
