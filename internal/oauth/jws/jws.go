// Package jws reads JSON Web Signatures in their compact form (RFC 7515) and
// tells who signed them. What the payload says is for others: access tokens
// and client assertions are both signed like this, and mean different things.
//
// golang-jwt computes the signatures; what it leaves open is closed here. It
// takes repeated and case-varied members, ignores crit, and never sees which
// algorithm a key is for.
package jws

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// What can be wrong before the payload is read. The text of these errors is
// for logs and never for callers.
var (
	ErrMalformed = errors.New("malformed token")
	ErrAlgorithm = errors.New("algorithm not allowed")
	ErrKey       = errors.New("no key for the token")
	ErrSignature = errors.New("bad signature")
)

// A KeySource finds the keys of one signer. It says who can have signed, and
// nothing about what was signed.
type KeySource interface {
	// Key returns the key with an id, for an algorithm, or an error where there
	// isn't exactly one.
	Key(ctx context.Context, id, algorithm string) (jwks.Key, error)
}

// MaxSize is the longest token that is looked at, in bytes. Base64 and JSON
// are read before the signature is known to be good, so they must stay cheap.
const MaxSize = 16 << 10

// Token is a JWS in its compact form, taken apart and not yet verified.
type Token struct {
	Payload   []byte
	header    map[string]json.RawMessage
	texts     map[string]string // what of the header is a string
	input     string            // what was signed: header and payload as they arrived
	signature []byte
}

// headerMembers are those that are read (RFC 7515, section 4.1; RFC 7516, section
// 4.1; RFC 7797, section 3).
var headerMembers = []string{"alg", "kid", "typ", "crit", "b64", "zip", "cty", "enc"}

// encoding is that of each part (RFC 7515, section 2). Strict checks the unused bits;
// it still skips line breaks.
var encoding = base64.RawURLEncoding.Strict()

// Parse takes a token apart. Each part must be base64url to the letter: with
// no padding and no stray bits, so that one token has one spelling.
func Parse(token string) (*Token, error) {
	parts := strings.Split(token, ".")
	if len(token) > MaxSize || len(parts) != 3 {
		return nil, fmt.Errorf("%w: %d bytes in %d parts", ErrMalformed, len(token), len(parts))
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = encoding.DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return nil, fmt.Errorf("%w: part %d is not base64url", ErrMalformed, i+1)
		}
	}
	header, err := strictjson.Members(decoded[0], headerMembers...)
	if err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	input := token[:len(token)-len("."+parts[2])]
	return &Token{Payload: decoded[1], header: header, texts: texts(header), input: input, signature: decoded[2]}, nil
}

// texts are the members that are strings.
func texts(members map[string]json.RawMessage) map[string]string {
	found := make(map[string]string, len(members))
	for name, raw := range members {
		if text, ok := strictjson.String(raw); ok {
			found[name] = text
		}
	}
	return found
}

// Text is a member of the header that must be a string.
func (t *Token) Text(name string) (text string, ok bool) {
	text, ok = t.texts[name]
	return text, ok
}

// Has tells whether the header has a member.
func (t *Token) Has(name string) bool {
	_, present := t.header[name]
	return present
}

// Authenticate tells who signed: it succeeds when the signature is by a key of
// the source, with one of the algorithms. What the payload says is unknown
// territory until then. It is the four checks below, in their order.
func (t *Token) Authenticate(ctx context.Context, source KeySource, algorithms []string) error {
	if err := t.CheckAlgorithm(algorithms); err != nil {
		return err
	}
	if err := t.CheckHeader(); err != nil {
		return err
	}
	key, err := t.FindKey(ctx, source)
	if err != nil {
		return err
	}
	return t.CheckSignature(key)
}

// CheckAlgorithm tells whether the header states one of the algorithms. It is our
// list that decides; the token only says which of them it used (RFC 8725, section
// 3.1).
func (t *Token) CheckAlgorithm(algorithms []string) error {
	algorithm, ok := t.Text("alg")
	isIt := func(allowed string) bool { return jwks.Canonical(allowed) == jwks.Canonical(algorithm) }
	if !ok || !slices.ContainsFunc(algorithms, isIt) {
		return fmt.Errorf("%w: the header says %.32q, want one of %q", ErrAlgorithm, algorithm, algorithms)
	}
	return nil
}

// CheckHeader refuses what asks for more than a signature. An extension that must
// be understood isn't (RFC 7515, section 4.1.11); unencoded payloads, compression
// and nesting are not for tokens like ours.
func (t *Token) CheckHeader() error {
	for _, name := range headerMembers[3:] {
		if t.Has(name) {
			return fmt.Errorf("%w: header member %q", ErrMalformed, name)
		}
	}
	return nil
}

// KeyID is the id of the key, which the header must state.
func (t *Token) KeyID() (string, error) {
	id, ok := t.Text("kid")
	if !ok || id == "" {
		return "", fmt.Errorf("%w: the header has no kid; the issuer must name its key", ErrKey)
	}
	return id, nil
}

// FindKey finds the key by its id alone. What the header brings along or points to
// (jwk, x5c, jku, x5u) is the sender's word, and not read.
func (t *Token) FindKey(ctx context.Context, source KeySource) (jwks.Key, error) {
	id, err := t.KeyID()
	if err != nil {
		return jwks.Key{}, err
	}
	algorithm, _ := t.Text("alg")
	key, err := source.Key(ctx, id, algorithm)
	if err != nil {
		return jwks.Key{}, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

// CheckSignature checks the signature with a key, by the one algorithm that the
// key is for.
func (t *Token) CheckSignature(key jwks.Key) error {
	algorithm, _ := t.Text("alg")
	return t.verify(algorithm, key)
}

func (t *Token) verify(algorithm string, key jwks.Key) error {
	if jwks.Canonical(algorithm) != key.Algorithm {
		return fmt.Errorf("%w: the key is for %s, the token says %.32q", ErrAlgorithm, key.Algorithm, algorithm)
	}
	if err := method(key.Algorithm).Verify(t.input, t.signature, key.Public); err != nil {
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

// lastSecond is the end of the year 9999: what lies beyond is no date but an
// attempt to overflow one.
const lastSecond = 253402300799

// Date reads a NumericDate (RFC 7519, section 2): a number of seconds since 1970,
// which may be 0. Parts of a second are dropped. Nothing else is ok.
func Date(raw json.RawMessage) (at time.Time, ok bool) {
	// ParseFloat also reads what is not JSON, such as Inf, 0x1p4 and 1_000.
	if len(raw) == 0 || raw[0] < '0' || raw[0] > '9' || !json.Valid(raw) {
		return time.Time{}, false
	}
	seconds, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || seconds > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}
