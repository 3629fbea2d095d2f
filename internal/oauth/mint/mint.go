// Package mint makes access tokens for tests and lessons: good ones, and ones
// that are wrong in one way. It stands in for an authorization server until
// there is one.
package mint

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Grant is what a token says.
type Grant struct {
	Issuer   string
	Audience string
	Username string
	ClientID string
	Scopes   []string
	Roles    []string
	Lifetime time.Duration
	Now      time.Time
	// RolesClient, where it is set, is the client of a provider that the roles belong
	// to: they then stand where Keycloak writes them, in resource_access.
	RolesClient string
	// Attacker is the base URL of the site at which flaws let keys be fetched; empty:
	// [Attacker].
	Attacker string
}

// Attacker is where the attacker's site of cmd/naive listens.
const Attacker = "http://localhost:9666"

// RolesOf are the roles that a demo user has by name. Servers never decide by
// the name; they read the roles that the token states.
func RolesOf(username string) []string {
	switch username {
	case "admin", "administrator":
		return []string{"user", "admin"}
	case "guest":
		return []string{"guest"}
	}
	return []string{"user"}
}

// Draft is a token before it is signed. A [Flaw] changes it.
type Draft struct {
	Header, Claims map[string]any
	// Text, where set, stands in for the JSON of Header or Claims: for what
	// a map can't say, like a name that comes twice.
	HeaderText, ClaimsText string
	// Sign computes the signature over the input. By default: RS256 by the key.
	Sign func(input []byte) ([]byte, error)

	key   *rsa.PrivateKey
	grant Grant
}

// New drafts a token of RFC 9068 for a grant, to be signed by key, whose id is
// kid.
func New(key *rsa.PrivateKey, kid string, g Grant) *Draft {
	d := &Draft{
		Header: map[string]any{"typ": "at+jwt", "kid": kid},
		Claims: map[string]any{
			"iss":                g.Issuer,
			"aud":                g.Audience,
			"sub":                g.Username,
			"iat":                g.Now.Unix(),
			"exp":                g.Now.Add(g.Lifetime).Unix(),
			"jti":                rand.Text(),
			"client_id":          g.ClientID,
			"preferred_username": g.Username,
			"scope":              strings.Join(g.Scopes, " "),
			"roles":              append([]string{}, g.Roles...),
		},
		key:   key,
		grant: g,
	}
	if g.RolesClient != "" {
		d.Claims["resource_access"] = map[string]any{g.RolesClient: map[string]any{"roles": d.Claims["roles"]}}
		delete(d.Claims, "roles")
	}
	d.signBy(jwt.SigningMethodRS256, key)
	return d
}

// signBy changes the algorithm and the key of the signature.
func (d *Draft) signBy(method jwt.SigningMethod, key any) {
	d.Header["alg"] = method.Alg()
	d.Sign = func(input []byte) ([]byte, error) { return method.Sign(string(input), key) }
}

// Replace sets members of the header and of the claims to what two JSON objects
// say, and takes away those of null. An empty text changes nothing. {issuer} and
// {resource} stand for the issuer and the audience of the grant.
func (d *Draft) Replace(header, claims string) error {
	for _, change := range []struct {
		what, text string
		members    map[string]any
	}{{"header", header, d.Header}, {"claims", claims, d.Claims}} {
		if change.text == "" {
			continue
		}
		text := strings.NewReplacer("{issuer}", d.grant.Issuer, "{resource}", d.grant.Audience).Replace(change.text)
		if err := json.Unmarshal([]byte(text), &change.members); err != nil {
			return fmt.Errorf("%s %q is not a JSON object: %w", change.what, change.text, err)
		}
		maps.DeleteFunc(change.members, func(_ string, value any) bool { return value == nil })
	}
	return nil
}

// Token signs the draft and writes it in its compact form (RFC 7515, section
// 7.1).
func (d *Draft) Token() (string, error) {
	var parts [2]string
	for i, part := range []struct {
		text   string
		values map[string]any
	}{{d.HeaderText, d.Header}, {d.ClaimsText, d.Claims}} {
		text := []byte(part.text)
		if part.text == "" {
			var err error
			if text, err = json.Marshal(part.values); err != nil {
				return "", err
			}
		}
		parts[i] = encode(text)
	}
	input := parts[0] + "." + parts[1]
	signature, err := d.Sign([]byte(input))
	return input + "." + encode(signature), err
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
