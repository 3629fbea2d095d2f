package accesstoken

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// claims is the payload of an access token (RFC 9068, section 2.2), read with
// the types that its RFCs give. golang-jwt's own claims take a number in quotes
// for a date, and a name in any case for another.
type claims struct {
	issuer, subject, id, clientID, username, scope string
	audience, roles                                []string
	expires, notBefore, issued                     *jwt.NumericDate
	members                                        map[string]json.RawMessage // all of them, as they stand
}

// claimNames are the claims that are read.
var claimNames = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "preferred_username", "scope", "roles", "cnf",
	"typ", "azp", "resource_access", "at_hash", "c_hash", "events",
}

// readClaims reads a payload. A claim that is there must have its type; which
// ones must be there is for the verifier to say.
func readClaims(payload []byte) (*claims, error) {
	members, err := strictjson.Members(payload, claimNames...)
	if err != nil {
		return nil, fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	c := &claims{members: members}
	for name, target := range map[string]*string{
		"iss": &c.issuer, "sub": &c.subject, "jti": &c.id, "client_id": &c.clientID,
		"preferred_username": &c.username, "scope": &c.scope,
	} {
		if raw, present := members[name]; present {
			var ok bool
			if *target, ok = strictjson.String(raw); !ok {
				return nil, fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
			}
		}
	}
	for name, target := range map[string]**jwt.NumericDate{"exp": &c.expires, "nbf": &c.notBefore, "iat": &c.issued} {
		if raw, present := members[name]; present {
			if *target = jws.Date(raw); *target == nil {
				return nil, fmt.Errorf("%w: %s is not a date", ErrMalformed, name)
			}
		}
	}
	var ok bool
	// A single audience may stand without its array (RFC 7519, section 4.1.3).
	if single, isString := strictjson.String(members["aud"]); isString {
		c.audience = []string{single}
	} else if c.audience, ok = strictjson.Strings(members["aud"]); !ok {
		return nil, fmt.Errorf("%w: aud is neither a string nor an array of strings", ErrAudience)
	}
	return c, nil
}

// scopes are the words of the scope claim: a string with single blanks between
// (RFC 8693, section 4.2), and nothing else separates.
func (c *claims) scopes() []string {
	return slices.DeleteFunc(strings.Split(c.scope, " "), func(s string) bool { return s == "" })
}

// The methods of jwt.Claims, by which golang-jwt checks the registered claims.

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.expires, nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.issued, nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return c.notBefore, nil }
func (c *claims) GetIssuer() (string, error)                   { return c.issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return c.audience, nil }
