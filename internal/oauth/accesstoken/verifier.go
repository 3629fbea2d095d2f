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
		return nil, err
	}
	// An ID token or a logout token of the same issuer is no access token
	// (RFC 9068, section 4; RFC 8725, section 3.11).
	typ, _ := signed.Text("typ")
	if !v.Dialect.allows(typ) {
		return nil, fmt.Errorf("%w: typ %.32q", ErrType, typ)
	}
	said, err := v.Dialect.read(signed.Payload, typ)
	if err != nil {
		return nil, err
	}
	if err := v.checkRegistered(said); err != nil {
		return nil, err
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
	err := jwt.NewValidator(
		jwt.WithIssuer(v.Issuer),
		jwt.WithAudience(v.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), // refuse an iat in the future
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(v.Now), // time.Now where it is nil
	).Validate(said)
	if err == nil {
		return nil
	}
	for _, known := range []struct{ theirs, ours error }{
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYetValid},
	} {
		if errors.Is(err, known.theirs) {
			return fmt.Errorf("%w: %w", known.ours, err)
		}
	}
	if said.expires == nil {
		return fmt.Errorf("%w: %w", ErrExpired, err)
	}
	return fmt.Errorf("%w: %w", ErrMissingClaim, err)
}
