// Package realm reads a realm file of Keycloak: the clients, scopes and users
// that an authorization server starts with. One file configures Keycloak and
// the embedded server, so that neither can say what the other doesn't.
//
// It understands the part of Keycloak's RealmRepresentation that the embedded
// server can honour. What a file asks for beyond that is left out where
// leaving it out gives nobody more than the file does, and is an error that
// names it everywhere else.
package realm

import (
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
)

// Realm is what a realm file says. Its durations are zero where the file
// names none.
type Realm struct {
	Name        string
	DisplayName string

	AccessTokenLifetime time.Duration // accessTokenLifespan
	CodeLifetime        time.Duration // accessCodeLifespan
	LoginLifetime       time.Duration // accessCodeLifespanLogin: how long a login form may lie around
	SessionIdle         time.Duration // ssoSessionIdleTimeout: a session, and refresh tokens, unused
	SessionMax          time.Duration // ssoSessionMaxLifespan: the same, used

	LoginTries int // failureFactor: wrong passwords in a row

	// RequireTLS is sslRequired "all": no plain http, not even on loopback.
	RequireTLS bool

	Scopes []Scope
	// DefaultScopes and OptionalScopes are given to clients that register
	// themselves.
	DefaultScopes, OptionalScopes []string
	Registration                  Registration
	// Documents says whose Client ID Metadata Documents are accepted; nil:
	// nobody's.
	Documents *Documents
	Roles     []Role // that clients have
	Clients   []Client
	Users     []User
}

// WithoutUsers is the realm for a server whose users log in elsewhere: without the
// users who would log in here, and without the password grant. The accounts of
// clients stay.
func (r *Realm) WithoutUsers() *Realm {
	w := *r
	w.Users = slices.DeleteFunc(slices.Clone(r.Users), func(u User) bool { return u.ServiceAccountOf == "" })
	w.Clients = slices.Clone(r.Clients)
	for i := range w.Clients {
		w.Clients[i].DirectAccess = false
	}
	return &w
}

// Registration bounds what clients get that register themselves or publish a
// metadata document: the policies of the components
// org.keycloak.services.clientregistration.policy.
type Registration struct {
	// Hosts are those to which codes may be sent: the trusted-hosts that the
	// executor secure-redirect-uris-enforcer permits too, since trusted-hosts
	// alone also counts for home pages. Each is an exact name, IPv6 addresses
	// in brackets; nil: any.
	Hosts []string
	// Schemes are private-use schemes of apps to which codes may be sent, each
	// exactly, such as cursor. No member of a realm file names them.
	Schemes []string
	// Scopes are those that they may have beside the default ones
	// (allowed-client-templates); nil: any.
	Scopes []string
	// Max is how many there may be (max-clients); 0: no word about it.
	Max int
}

// Permits reports whether codes may be sent to a redirect URI that a client
// stated itself. A private-use scheme must be named in Schemes; where any host is
// permitted, a scheme with a dot is too (RFC 8252, section 7.1).
func (r Registration) Permits(uri clientmetadata.Redirect) bool {
	if uri.Private() {
		return slices.Contains(r.Schemes, uri.Scheme()) || r.Hosts == nil && strings.Contains(uri.Scheme(), ".")
	}
	return r.Hosts == nil || slices.Contains(r.Hosts, uri.Host())
}

// Documents is the policy for clients whose client_id is the URL of a document.
type Documents struct {
	// Hosts may publish documents: a name, *.name for all below it, or * for
	// all. They are those of the executor client-id-metadata-document
	// (cimd-allow-permitted-domains) that its policy's condition client-id-uri
	// names too (client-id-uri-allow-permitted-domains). They say nothing about
	// where codes may be sent.
	Hosts []string
}

// Allows reports whether a host is one of those.
func (d *Documents) Allows(host string) bool {
	return d != nil && slices.ContainsFunc(d.Hosts, func(pattern string) bool {
		below, wild := strings.CutPrefix(pattern, "*")
		return pattern == host || wild && strings.HasSuffix(host, below) && (below == "" || below[0] == '.')
	})
}

// Scope is a client scope.
type Scope struct {
	Name string
	// ConsentText says in words what the scope allows.
	ConsentText string
	// Audience is what the scope's oidc-audience-mapper adds to tokens; empty
	// without one.
	Audience string
	// Roles are the client roles of which a user needs one to be given the
	// scope; without any, everybody is.
	Roles []Role
	// InToken says that the scope stands in the scope claim
	// (include.in.token.scope).
	InToken bool
}

// Role is a role of a client.
type Role struct{ Client, Name string }

// Client is a client that needs no registration.
type Client struct {
	ID             string   `json:"clientId"`
	Name           string   `json:"name"`
	Public         bool     `json:"publicClient"`
	Secret         string   `json:"secret"` // of a confidential client that authenticates with one
	RedirectURIs   []string `json:"redirectUris"`
	DirectAccess   bool     `json:"directAccessGrantsEnabled"`
	ServiceAccount bool     `json:"serviceAccountsEnabled"`
	DefaultScopes  []string `json:"defaultClientScopes"`
	OptionalScopes []string `json:"optionalClientScopes"`

	StandardFlow  bool `json:"-"`
	RefreshTokens bool `json:"-"`
	// FullScope puts all roles of the user into a token; without it only those
	// that its scopes map.
	FullScope bool `json:"-"`
	// SignedJWT says that a confidential client authenticates with
	// private_key_jwt, by the keys of the JSON Web Key Set in Keys.
	SignedJWT           bool          `json:"-"`
	Keys                string        `json:"-"`
	AccessTokenLifetime time.Duration `json:"-"` // zero: the realm's
}

// User is somebody who can log in, or the account of a client.
type User struct {
	// ID is the subject of the user's tokens; empty where the file has none.
	ID                                   string
	Username, FirstName, LastName, Email string
	EmailVerified                        bool
	Password                             string
	// Roles are the client roles, by client.
	Roles map[string][]string
	// ServiceAccountOf is the client that acts as this user when it acts for
	// itself.
	ServiceAccountOf string
}

// Scope returns the scope of a name.
func (r *Realm) Scope(name string) (Scope, bool) {
	at := slices.IndexFunc(r.Scopes, func(s Scope) bool { return s.Name == name })
	if at < 0 {
		return Scope{}, false
	}
	return r.Scopes[at], true
}

// Audience is the one that the scopes of the realm agree on; empty where none
// names one. [File.Realm] refuses a file in which they differ.
func (r *Realm) Audience() string {
	for _, s := range r.Scopes {
		if s.Audience != "" {
			return s.Audience
		}
	}
	return ""
}

// Name is the user's full name, as it is shown.
func (u User) Name() string {
	switch {
	case u.FirstName == "":
		return u.LastName
	case u.LastName == "":
		return u.FirstName
	}
	return u.FirstName + " " + u.LastName
}

// HasAny reports whether the user has one of the roles. Without roles to have
// it is true.
func (u User) HasAny(roles []Role) bool {
	return len(roles) == 0 || slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(u.Roles[r.Client], r.Name) })
}
