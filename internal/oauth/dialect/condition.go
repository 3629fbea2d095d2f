package dialect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Condition is something that holds for the access tokens of an issuer, and not
// for its other tokens. Make one with [Is], [Has], [Lacks], [AudienceIsNotClient]
// or [ParseCondition].
type Condition struct {
	Kind   Kind
	Claims []string // one of which is meant
	Value  string   // for IsValue
}

// Kind says what a [Condition] asks for.
type Kind int

const (
	HasOne    Kind = iota // one of the claims is there
	IsValue               // the claim has the value
	IsMissing             // the claim isn't there
	NotClient             // no audience is the id of the client
)

// Has holds if one of the claims is there, and not null.
func Has(claims ...string) Condition { return Condition{HasOne, claims, ""} }

// Is holds if a claim is a string of this value, or a number that is written so.
func Is(claim, value string) Condition { return Condition{IsValue, []string{claim}, value} }

// Lacks holds if a claim isn't there. It proves nothing by itself.
func Lacks(claim string) Condition { return Condition{IsMissing, []string{claim}, ""} }

// AudienceIsNotClient holds if the token isn't for the client that got it, as ID
// tokens are (OpenID Connect Core 1.0, section 2).
func AudienceIsNotClient() Condition { return Condition{Kind: NotClient} }

const audienceIsNotClient = "aud!=client"

// String is the form that [ParseCondition] reads.
func (c Condition) String() string {
	switch c.Kind {
	case IsValue:
		return c.Claims[0] + "=" + c.Value
	case IsMissing:
		return "!" + c.Claims[0]
	case NotClient:
		return audienceIsNotClient
	}
	return strings.Join(c.Claims, "|")
}

// ParseCondition reads a condition as settings have it: "token_use=access",
// "azpacr", "scope|gty" for one of several claims, "!nonce" for a claim that must
// be missing, and "aud!=client".
func ParseCondition(text string) (Condition, error) {
	if text == audienceIsNotClient {
		return AudienceIsNotClient(), nil
	}
	missing, lacks := strings.CutPrefix(text, "!")
	claim, value, hasValue := strings.Cut(missing, "=")
	claims := strings.Split(claim, "|")
	if slices.Contains(claims, "") || len(claims) > 1 && (lacks || hasValue) || lacks && hasValue {
		return Condition{}, fmt.Errorf("%q is not a condition: write claim=value, claim, claim|claim, !claim or %s", text, audienceIsNotClient)
	}
	switch {
	case lacks:
		return Lacks(claim), nil
	case hasValue:
		return Is(claim, value), nil
	}
	return Has(claims...), nil
}

// Check returns an error for a dialect that would take tokens for access tokens
// without any proof.
func (d Dialect) Check() error {
	onlyTyped := !slices.ContainsFunc(d.Filled().Types, func(typ string) bool { return !IsAccessTokenType(typ) })
	proves := slices.ContainsFunc(d.Proof, func(c Condition) bool { return c.Kind != IsMissing })
	if !onlyTyped && !proves {
		return errors.New("a header typ other than at+jwt is also that of ID tokens, so a claim must show that a token is an access token")
	}
	return nil
}
