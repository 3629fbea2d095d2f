// Package dialect says how issuers write their access tokens, where they differ
// from RFC 9068: which type the header states, what shows that a token is an
// access token, and in which claims client, scopes, user and roles are.
//
//	d, err := dialect.Named("okta")
//	d.MaxLifetime = time.Hour
//	verifier := &accesstoken.Verifier{Issuer: issuer, Audience: resource, Keys: keys, Algorithms: algorithms, Dialect: d}
//
// The zero [Dialect] is RFC 9068 to the letter, and the strictest. The others
// are data: the presets of [All], and what settings change in them.
package dialect

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// NoType stands in Types for a token whose header has no typ.
	NoType = "absent"
	// MaxLifetime is the longest lifetime of a dialect that states none. A token
	// that lives for years is a password.
	MaxLifetime = 24 * time.Hour
)

// Dialect is how one issuer writes its access tokens. Each field that is empty
// has its value from RFC 9068, which the comment names.
type Dialect struct {
	Name   string // of the preset, for logs
	Source string // URL of the documentation that the preset follows

	// Types are the values of the header typ that access tokens have, in any case
	// (RFC 7515, section 4.1.9), and [NoType] where they have none. at+jwt stands
	// for application/at+jwt too. Empty: at+jwt (RFC 9068, section 2.1).
	Types []string
	// Proof shows that a token is an access token where the header doesn't say
	// at+jwt: each condition must hold. A token is never taken for an access token
	// because a claim is missing, so at least one condition must ask for a claim
	// that other tokens of the issuer don't have (RFC 8725, section 3.12). With the
	// header at+jwt, a condition on the value of a claim holds too if there is no
	// such claim. Empty: only at+jwt is taken.
	Proof []Condition

	// Audience is the claim whose values are compared with the server's audiences.
	// Another claim than aud is for issuers that write none; its tokens open every
	// server that asks no more. Empty: aud.
	Audience string
	// Client are the claims that can name the client. One must be there, and all
	// that are there must agree. Empty: client_id.
	Client []string
	// Scopes are the claims that can hold the scopes. The first that is there
	// counts. A name that ends in [] is an array of strings, any other a string
	// with blanks between (RFC 8693, section 4.2). Empty: scope.
	Scopes []string
	// ShortScopes says that a client asks for a scope by a long name, such as
	// api://id/tools, and that tokens have what follows its last slash.
	ShortScopes bool
	ID          string // claim with the token's id. Empty: jti
	Subject     string // claim with the user's id, unique at the issuer. Empty: sub
	Username    string // claim with a name for people to read. Empty: preferred_username
	// Tenant is a claim that must be a part of the issuer's path, for providers
	// that have an issuer a tenant. Empty: there is none.
	Tenant string
	// Roles is the path to the user's roles: the names of objects, one in another,
	// and of the array of strings. Empty: roles (RFC 9068, section 2.2.3.1).
	Roles []string
	// MayLack are the claims among iat, sub and jti that may be missing. Without
	// sub the principal is the client, in a name space of its own. Without iat the
	// lifetime is counted from now. Empty: all three are required (RFC 9068, section
	// 2.2).
	MayLack []string
	// MaxLifetime is the longest time from issue to expiry. Zero: [MaxLifetime].
	MaxLifetime time.Duration
}

// rfc9068 are the values of fields that are empty.
var rfc9068 = Dialect{
	Types: []string{"at+jwt"}, Client: []string{"client_id"}, Scopes: []string{"scope"}, Roles: []string{"roles"},
}

// Filled returns the dialect with every empty field filled in.
func (d Dialect) Filled() Dialect {
	fill(&d.Types, rfc9068.Types)
	fill(&d.Client, rfc9068.Client)
	fill(&d.Scopes, rfc9068.Scopes)
	fill(&d.Roles, rfc9068.Roles)
	d.Audience = cmp.Or(d.Audience, "aud")
	d.ID = cmp.Or(d.ID, "jti")
	d.Subject = cmp.Or(d.Subject, "sub")
	d.Username = cmp.Or(d.Username, "preferred_username")
	d.MaxLifetime = cmp.Or(d.MaxLifetime, MaxLifetime)
	return d
}

func fill(list *[]string, standard []string) {
	if len(*list) == 0 {
		*list = standard
	}
}

// Allows reports whether an access token of this issuer can have a header typ;
// present says whether the header has one.
func (d Dialect) Allows(typ string, present bool) bool {
	return slices.ContainsFunc(d.Filled().Types, func(allowed string) bool {
		switch allowed {
		case NoType:
			return !present
		case "at+jwt":
			return IsAccessTokenType(typ)
		}
		return present && strings.EqualFold(typ, allowed)
	})
}

// IsAccessTokenType reports whether a header typ is that of RFC 9068, section 2.1.
func IsAccessTokenType(typ string) bool {
	return strings.EqualFold(typ, "at+jwt") || strings.EqualFold(typ, "application/at+jwt")
}

// Lacks reports whether a claim may be missing.
func (d Dialect) Lacks(claim string) bool { return slices.Contains(d.MayLack, claim) }

// Granted is the name that a scope has in tokens, of the name by which clients
// ask for it.
func (d Dialect) Granted(asked string) string {
	if d.ShortScopes {
		return asked[strings.LastIndexByte(asked, '/')+1:]
	}
	return asked
}

// Names are the claims that the dialect reads: the outermost ones of paths, and
// those of conditions.
func (d Dialect) Names() []string {
	f := d.Filled()
	names := append([]string{f.Audience, f.ID, f.Subject, f.Username, f.Roles[0]}, f.Client...)
	if f.Tenant != "" {
		names = append(names, f.Tenant)
	}
	for _, scopes := range f.Scopes {
		names = append(names, strings.TrimSuffix(scopes, "[]"))
	}
	for _, condition := range f.Proof {
		names = append(names, condition.Claims...)
	}
	return names
}

// ParsePath reads a path as settings have it: the name of a claim, or a JSON Pointer
// (RFC 6901, section 3), which begins with a slash and has one before each name.
func ParsePath(text string) ([]string, error) {
	if !strings.HasPrefix(text, "/") {
		if text == "" {
			return nil, errPath
		}
		return []string{text}, nil
	}
	path := strings.Split(text[1:], "/")
	for i, name := range path {
		if path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name); path[i] == "" {
			return nil, fmt.Errorf("%q: %w", text, errPath)
		}
	}
	return path, nil
}

var errPath = errors.New("a path is the name of a claim, or a JSON Pointer such as /resource_access/client/roles")
