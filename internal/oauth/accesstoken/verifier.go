// Package accesstoken verifies access tokens that are JWTs (RFC 9068): who
// signed them, for whom, until when, and what they allow.
//
// golang-jwt computes the signatures and compares the registered claims. What
// it leaves open is closed here: it knows no token type, takes repeated and
// case-varied members, ignores crit, and never sees which algorithm a key is
// for.
package accesstoken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

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
	ErrUnconfigured = errors.New("a verifier needs an issuer, an audience and keys")
	ErrBound        = errors.New("bound to a key of the client")
)

const (
	// Leeway is how far clocks may differ.
	Leeway = 60 * time.Second
	// MaxLifetime is the longest time between issue and expiry. A token that
	// lives for years is a password.
	MaxLifetime = 24 * time.Hour
)

// A KeySource finds the keys of one issuer.
type KeySource = jws.KeySource

// Verifier checks tokens of one issuer for one resource. Its zero value
// refuses every token.
type Verifier struct {
	Issuer     string           // compared to the letter (RFC 9207, section 2.4; RFC 9068, section 4)
	Audience   string           // this server's resource identifier (RFC 8707, section 2)
	Keys       KeySource        // the issuer's keys
	Algorithms []string         // allowed signature algorithms
	Dialect    Dialect          // how the issuer's tokens differ from RFC 9068
	Now        func() time.Time // the clock; nil: the real one
}

// Verify checks a token and returns its principal. The order is: form, who
// signed, and only then what it says.
func (v *Verifier) Verify(ctx context.Context, token string) (*principal.Principal, error) {
	// Without these, golang-jwt would skip the comparison.
	if v.Issuer == "" || v.Audience == "" || v.Keys == nil {
		return nil, ErrUnconfigured
	}
	signed, err := jws.Parse(token)
	if err != nil {
		return nil, err
	}
	if err := signed.Authenticate(ctx, v.Keys, v.Algorithms); err != nil {
		return nil, v.undecided(err, signed.Payload)
	}
	// An ID token or a logout token of the same issuer is no access token
	// (RFC 9068, section 4; RFC 8725, section 3.11).
	typ, _ := signed.Text("typ")
	if !v.Dialect.allows(typ) {
		return nil, fmt.Errorf("%w: the header typ is %.32q, want at+jwt; some issuers, such as Keycloak, write JWT, which JWT_TYPES allows",
			ErrType, typ)
	}
	said, err := v.Dialect.read(signed.Payload, typ)
	if err != nil {
		return nil, err
	}
	if err := v.checkRegistered(said); err != nil {
		return nil, err
	}
	// Such a token is good only together with a proof (RFC 9449, section 7.1; RFC
	// 8705, section 3), which nobody checks here: taken as a bearer token, a stolen
	// one would work.
	if _, bound := said.members["cnf"]; bound {
		return nil, fmt.Errorf("%w: it has the claim cnf; have the issuer make bearer tokens for this server", ErrBound)
	}
	// RFC 9068, section 2.2: required, and with them a request can be traced
	// to a user, a client and one token.
	for name, value := range map[string]string{"sub": said.subject, "client_id": said.clientID, "jti": said.id} {
		if value == "" {
			return nil, fmt.Errorf("%w: %s", ErrMissingClaim, name)
		}
	}
	if said.issued == nil {
		return nil, fmt.Errorf("%w: iat", ErrMissingClaim)
	}
	if lifetime := said.expires.Sub(said.issued.Time); lifetime > MaxLifetime {
		return nil, fmt.Errorf("%w: %s", ErrLifetime, lifetime)
	}
	return &principal.Principal{
		Issuer:   said.issuer,
		Subject:  said.subject,
		Username: said.username,
		ClientID: said.clientID,
		Scopes:   said.scopes(),
		Roles:    append([]string{}, said.roles...),
		Expires:  said.expires.UTC(),
	}, nil
}

// checkRegistered compares iss, aud, exp, nbf and iat.
func (v *Verifier) checkRegistered(said *claims) error {
	audience := strings.Join(said.audience, " ")
	if said.issuer == "" || audience == "" {
		return fmt.Errorf("%w: iss or aud", ErrMissingClaim)
	}
	if said.issuer != v.Issuer {
		return fmt.Errorf("%w: the token says %.64q, want %.100q; JWT_ISSUER must be the issuer to the letter", ErrIssuer, said.issuer, v.Issuer)
	}
	if !slices.Contains(said.audience, v.Audience) {
		return fmt.Errorf("%w: the token is for %.64q, want %.100q; have the issuer add it, or set JWT_AUDIENCE",
			ErrAudience, audience, v.Audience)
	}
	err := jwt.NewValidator(
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), // refuse an iat in the future
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(v.Now), // time.Now where it is nil
	).Validate(said)
	if err == nil {
		return nil
	}
	for _, known := range []struct{ theirs, ours error }{
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYetValid},
	} {
		if errors.Is(err, known.theirs) {
			return fmt.Errorf("%w: exp %s, nbf %s, iat %s, clock %s: %w", known.ours,
				date(said.expires), date(said.notBefore), date(said.issued), date(&jwt.NumericDate{Time: v.now()}), err)
		}
	}
	if said.expires == nil {
		return fmt.Errorf("%w: %w", ErrExpired, err)
	}
	return fmt.Errorf("%w: %w", ErrMissingClaim, err)
}

func (v *Verifier) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// date is a date for the log.
func date(d *jwt.NumericDate) string {
	if d == nil {
		return "none"
	}
	return d.UTC().Format(time.RFC3339)
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
func (v *Verifier) undecided(err error, payload []byte) error {
	var stale staleKeys
	if !errors.As(err, &stale) {
		return err
	}
	said, malformed := readClaims(payload)
	if malformed != nil || said.issued == nil || said.issued.After(v.now().Add(Leeway)) ||
		said.issued.Before(stale.KeysAsOf().Truncate(time.Second)) { // iat has whole seconds
		return err
	}
	return &UndecidedError{err, stale.NextFetch()}
}
