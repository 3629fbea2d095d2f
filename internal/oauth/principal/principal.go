// Package principal is who makes a request: the user, the client that acts
// for the user, and what both may do. It knows nothing of tokens, so that
// tools and checks depend on the facts alone.
package principal

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Principal is what a valid access token says. Its values come from the
// issuer; nothing of it is taken from the request otherwise.
type Principal struct {
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`            // unique at the issuer; RFC 9068, section 2.2; see [ClientSubject]
	Username string    `json:"username,omitempty"` // for people to read; never to decide by
	ClientID string    `json:"client_id,omitempty"`
	Scopes   []string  `json:"scopes"` // what the client may do, in the issuer's words; RFC 8693, section 4.2
	Roles    []string  `json:"roles"`  // what the user may do
	Expires  time.Time `json:"expires_at"`
	// ScopeNames are the issuer's names for scopes of this server.
	ScopeNames ScopeNames `json:"-"`
}

// ClientSubject begins the Subject of a principal that is a client without a user,
// where the issuer names no subject: "client:" and the client's id. No user's
// subject begins like this.
const ClientSubject = "client:"

// DisplayName is the name of the user for people to read: the username, or the
// subject where the issuer gives none (OpenID Connect Core 1.0, section 5.7).
func (p *Principal) DisplayName() string { return cmp.Or(p.Username, p.Subject) }

// HasScope reports whether the client was granted a scope of this server, by the
// issuer's name for it. Scopes are compared exactly and in their case (RFC 6749,
// section 3.3).
func (p *Principal) HasScope(scope string) bool {
	return slices.Contains(p.Scopes, p.ScopeNames.Granted(scope))
}

// HasRole reports whether the user has a role.
func (p *Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }

// Clone returns a copy that may be changed. ScopeNames are the server's, and shared.
func (p *Principal) Clone() *Principal {
	who := *p
	who.Scopes, who.Roles = slices.Clone(p.Scopes), slices.Clone(p.Roles)
	return &who
}

type key struct{}

// NewContext returns a context that carries p.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, key{}, p)
}

// FromContext returns the caller of the request. It panics when nobody was
// authenticated: a decision without a caller must not be made at all.
func FromContext(ctx context.Context) *Principal { return ctx.Value(key{}).(*Principal) }
