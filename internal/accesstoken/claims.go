package accesstoken

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/strictjson"
)

// claims is the payload of an access token (RFC 9068, section 2.2), read with
// the types that its RFCs give. golang-jwt's own claims take a number in quotes
// for a date, and a name in any case for another.
type claims struct {
	issuer, subject, id, clientID, username, scope string
	audience, roles                                []string
	expires, notBefore, issued                     *jwt.NumericDate
}

// readClaims reads a payload. A claim that is there must have its type; which
// ones must be there is for the verifier to say.
func readClaims(payload []byte) (*claims, error) {
	members, err := strictjson.Object(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	c := &claims{}
	for name, target := range map[string]*string{
		"iss": &c.issuer, "sub": &c.subject, "jti": &c.id, "client_id": &c.clientID,
		"preferred_username": &c.username, "scope": &c.scope,
	} {
		if raw, present := members[name]; present {
			var ok bool
			if *target, ok = stringOf(raw); !ok {
				return nil, fmt.Errorf("%w: %s is not a string", ErrMalformed, name)
			}
		}
	}
	for name, target := range map[string]**jwt.NumericDate{"exp": &c.expires, "nbf": &c.notBefore, "iat": &c.issued} {
		if raw, present := members[name]; present {
			if *target = dateOf(raw); *target == nil {
				return nil, fmt.Errorf("%w: %s is not a date", ErrMalformed, name)
			}
		}
	}
	var ok bool
	// A single audience may stand without its array (RFC 7519, section 4.1.3).
	if single, isString := stringOf(members["aud"]); isString {
		c.audience = []string{single}
	} else if c.audience, ok = stringsOf(members["aud"]); !ok {
		return nil, fmt.Errorf("%w: aud is neither a string nor an array of strings", ErrAudience)
	}
	if raw, present := members["roles"]; present {
		if c.roles, ok = stringsOf(raw); !ok {
			return nil, fmt.Errorf("%w: roles is not an array of strings", ErrMalformed)
		}
	}
	return c, nil
}

// scopes are the words of the scope claim: a string with single blanks between
// (RFC 8693, section 4.2), and nothing else separates.
func (c *claims) scopes() []string {
	return slices.DeleteFunc(strings.Split(c.scope, " "), func(s string) bool { return s == "" })
}

// stringsOf reads a JSON array of strings.
func stringsOf(raw json.RawMessage) ([]string, bool) {
	var elements []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		return nil, false
	}
	list := make([]string, len(elements))
	for i, element := range elements {
		var ok bool
		if list[i], ok = stringOf(element); !ok {
			return nil, false
		}
	}
	return list, true
}

// lastSecond is the end of the year 9999: what lies beyond is no date but an
// attempt to overflow one.
const lastSecond = 253402300799

// dateOf reads a NumericDate (RFC 7519, section 2): a number of seconds after
// 1970.
func dateOf(raw json.RawMessage) *jwt.NumericDate {
	var seconds float64
	if len(raw) == 0 || raw[0] < '0' || raw[0] > '9' || json.Unmarshal(raw, &seconds) != nil || seconds <= 0 || seconds > lastSecond {
		return nil
	}
	whole, fraction := math.Modf(seconds)
	return jwt.NewNumericDate(time.Unix(int64(whole), int64(fraction*1e9)))
}

// The methods of jwt.Claims, by which golang-jwt checks the registered claims.

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.expires, nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.issued, nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return c.notBefore, nil }
func (c *claims) GetIssuer() (string, error)                   { return c.issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return c.audience, nil }
