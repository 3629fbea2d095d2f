// Package pkce proves that the client which redeems a code is the one that
// asked for it (RFC 7636), by the one method that is used here, S256.
package pkce

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Method is the value of code_challenge_method (RFC 7636, section 4.3).
const Method = "S256"

// unreserved are the characters of a verifier (RFC 7636, section 4.1).
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

// NewVerifier returns a code verifier of 256 random bits (RFC 7636, section 7.1).
func NewVerifier() string {
	var bits [32]byte
	_, _ = rand.Read(bits[:]) // it never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// Challenge returns the S256 code challenge of a verifier (RFC 7636, section 4.2).
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ValidVerifier reports whether a verifier has the form of RFC 7636, section 4.1.
func ValidVerifier(verifier string) bool {
	return len(verifier) >= 43 && len(verifier) <= 128 && strings.Trim(verifier, unreserved) == ""
}

// ValidChallenge reports whether a challenge has the form of an S256 one: 32
// bytes in base64url without padding, in its one spelling.
func ValidChallenge(challenge string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(challenge)
	return err == nil && len(sum) == sha256.Size && !strings.ContainsAny(challenge, "\r\n")
}
