package accesstoken

import (
	"context"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// Decision is that a token was accepted, and what that rests on.
type Decision struct {
	Principal *principal.Principal
	// Made and Ends are when it was made, by the verifier's clock, and when the token
	// expires, with the leeway.
	Made, Ends time.Time

	verifier                   *Verifier // nil: it can't be made again without the token
	keyID, algorithm           string
	key                        jwks.Key
	expires, notBefore, issued time.Time // zero: the token doesn't say
}

// Decide is [Verifier.Verify] for those who keep decisions.
func (v *Verifier) Decide(ctx context.Context, token string) (*Decision, error) {
	return v.DecideRead(ctx, &Unverified{Text: token})
}

// DecideRead is [Verifier.Decide] for a token whose issuer was asked for: it isn't
// taken apart again.
func (v *Verifier) DecideRead(ctx context.Context, token *Unverified) (*Decision, error) {
	if v.Issuer == "" || v.Audience == "" || v.Keys == nil {
		return nil, ErrUnconfigured
	}
	e := v.examine(ctx, token)
	for _, check := range checks {
		if err := check.run(e); err != nil {
			return nil, err
		}
	}
	d := &Decision{
		Principal: e.principal(), Made: e.now, Ends: e.expires.Add(Leeway),
		verifier: v, key: *e.key, expires: e.expires, notBefore: e.notBefore, issued: e.issuedAt,
	}
	d.keyID, _ = e.token.signed.Text("kid")
	d.algorithm, _ = e.token.signed.Text("alg")
	return d, nil
}

// Keeps reports whether the decision can be made again without the token.
func (d *Decision) Keeps() bool { return d.verifier != nil }

// Again makes the checks that can end in another way now, for the same token: that
// the issuer still publishes the key that verified it, and exp, nbf and iat. All
// others depend on the token and the settings alone. After an error, the token must
// be verified anew.
func (d *Decision) Again(ctx context.Context) error {
	if d.verifier == nil {
		return ErrUnconfigured
	}
	now := d.verifier.now()
	switch key, err := d.verifier.Keys.Key(ctx, d.keyID, d.algorithm); {
	case err != nil || !key.Equal(d.key):
		return ErrKey
	case hasExpired(d.expires, now):
		return ErrExpired
	case isEarly(d.notBefore, now), isEarly(d.issued, now):
		return ErrNotYetValid
	case d.issued.IsZero() && d.expires.Sub(now) > d.verifier.Dialect.Filled().MaxLifetime:
		return ErrLifetime
	}
	return nil
}

// hasExpired tells whether an exp has passed (RFC 7519, section 4.1.4).
func hasExpired(expires, now time.Time) bool { return !now.Before(expires.Add(Leeway)) }

// isEarly tells whether a date is in the future still (RFC 7519, section 4.1.5).
func isEarly(from, now time.Time) bool { return from.After(now.Add(Leeway)) }
