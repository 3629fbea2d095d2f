// Package accesstoken verifies access tokens that are JWTs (RFC 9068): who
// signed them, for whom, until when, and what they allow.
//
// golang-jwt computes the signatures. What it leaves open is closed here: it
// knows no token type, takes repeated and case-varied members, ignores crit, and
// never sees which algorithm a key is for.
package accesstoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// What can be wrong with a token. Errors of [Verifier.Verify] wrap one of
// these; their text is for logs and never for callers.
var (
	ErrMalformed    = jws.ErrMalformed
	ErrAlgorithm    = jws.ErrAlgorithm
	ErrKey          = jws.ErrKey
	ErrSignature    = jws.ErrSignature
	ErrType         = errors.New("not an access token")
	ErrIssuer       = errors.New("wrong issuer")
	ErrAudience     = errors.New("wrong audience")
	ErrExpired      = errors.New("expired, or without expiry")
	ErrNotYetValid  = errors.New("not valid yet")
	ErrLifetime     = errors.New("valid for too long")
	ErrMissingClaim = errors.New("required claim missing")
	ErrScopes       = fmt.Errorf("%w: its scopes can't be read", ErrMalformed)
	ErrUnconfigured = errors.New("a verifier needs an issuer, an audience and keys")
	ErrBound        = errors.New("bound to a key of the client")
)

const (
	// Leeway is how far clocks may differ.
	Leeway = 60 * time.Second
	// MaxLifetime is the longest time between issue and expiry, unless the dialect
	// says otherwise.
	MaxLifetime = dialect.MaxLifetime
)

// A KeySource finds the keys of one issuer.
type KeySource = jws.KeySource

// Verifier checks tokens of one issuer for one resource. Its zero value
// refuses every token.
type Verifier struct {
	Issuer     string               // compared to the letter (RFC 9207, section 2.4; RFC 9068, section 4)
	Audience   string               // this server's resource identifier (RFC 8707, section 2)
	Audiences  []string             // other names of this server; a token needs one of all
	Keys       KeySource            // the issuer's keys
	Algorithms []string             // allowed signature algorithms
	Dialect    dialect.Dialect      // how the issuer's tokens differ from RFC 9068
	ScopeNames principal.ScopeNames // what the issuer calls the scopes of this server
	Now        func() time.Time     // the clock; nil: the real one
}

// Verify checks a token and returns its principal. The order is: form, who
// signed, and only then what it says. It stops at the first check that fails.
func (v *Verifier) Verify(ctx context.Context, token string) (*principal.Principal, error) {
	decision, err := v.Decide(ctx, token)
	if err != nil {
		return nil, err
	}
	return decision.Principal, nil
}

// VerifyClaims checks claims that the issuer itself has just stated, such as the
// answer to an introspection (RFC 7662, section 2.2), by the same rules as
// [Verifier.Verify]. There is no header and no signature, and no other kind of
// token that it could be. The caller vouches for where payload comes from.
func (v *Verifier) VerifyClaims(payload []byte) (*principal.Principal, error) {
	if v.Issuer == "" || v.Audience == "" {
		return nil, ErrUnconfigured
	}
	e := v.examine(context.Background(), &Unverified{signed: &jws.Token{Payload: payload}})
	if err := e.readClaims(); err != nil {
		return nil, err
	}
	for _, check := range checks {
		if check.reads != theClaims {
			continue
		}
		if err := check.run(e); err != nil {
			return nil, err
		}
	}
	return e.principal(), nil
}

func (v *Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// staleKeys is an error of a [KeySource] that has an older set of keys and can't
// fetch a newer one now.
type staleKeys interface {
	error
	KeysAsOf() time.Time      // when the keys were asked for
	NextFetch() time.Duration // until they can be fetched again
}

// UndecidedError says that a token can be neither accepted nor refused yet.
type UndecidedError struct {
	Err   error
	Retry time.Duration // until it is worth another try
}

func (e *UndecidedError) Error() string { return "not known yet: " + e.Err.Error() }
func (e *UndecidedError) Unwrap() error { return e.Err }

// RetryAfter is when the client should try again.
func (e *UndecidedError) RetryAfter() time.Duration { return e.Retry }

// undecided tells whether the key of a token can be newer than the keys at hand:
// then its refusal would make a client throw away a good token. The token's own
// iat says so. It is unverified, and decides between two refusals alone.
func (e *examination) undecided(err error) error {
	var stale staleKeys
	if !errors.As(err, &stale) || e.readClaims() != nil {
		return err
	}
	issued, ok := jws.Date(e.claims["iat"])
	if !ok || issued.After(e.now.Add(Leeway)) ||
		issued.Before(stale.KeysAsOf().Truncate(time.Second)) { // iat has whole seconds
		return err
	}
	return &UndecidedError{err, stale.NextFetch()}
}

// Unverified is a token of which nothing is checked yet. It is taken apart once,
// whoever asks: for the issuer that it names, and then the [Verifier] of that issuer.
// It is for one goroutine.
type Unverified struct {
	Text string // as it was sent

	signed *jws.Token                 // once the form is right
	claims map[string]json.RawMessage // once they are read
}

// Issuer is the issuer that the token names: it decides only by whose rules the token
// is checked. The error says why it names none, as an opaque token does.
func (u *Unverified) Issuer() (string, error) {
	e := (&Verifier{}).examine(context.Background(), u)
	if err := e.form(); err != nil {
		return "", err
	}
	if err := e.readClaims(); err != nil {
		return "", err
	}
	issuer, _, err := e.text("iss")
	if err == nil && issuer == "" {
		err = &Refusal{Err: ErrMissingClaim, Has: "it has no iss", Want: "one"}
	}
	return issuer, err
}

// ClaimedIssuer is [Unverified.Issuer] of a token.
func ClaimedIssuer(token string) (string, error) { return (&Unverified{Text: token}).Issuer() }
