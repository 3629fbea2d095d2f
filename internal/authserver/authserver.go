// Package authserver is an authorization server, small enough to be read: the
// profile of OAuth 2.1 that MCP asks for and no more.
//
// It has the authorization code grant with PKCE (RFC 7636) and resource
// indicators (RFC 8707), refresh tokens that rotate, client credentials,
// dynamic registration (RFC 7591), Client ID Metadata Documents, revocation
// (RFC 7009), introspection (RFC 7662), metadata (RFC 8414), the issuer in
// authorization responses (RFC 9207), access tokens of RFC 9068, and of OpenID
// Connect the ID token, discovery and userinfo. It has no implicit grant, no
// plain PKCE, no refresh tokens that stay the same, no administration and no
// user database: whoever outgrows it takes Keycloak, at whose paths it answers
// and whose realm file it reads.
package authserver

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// Server is the authorization server of one realm. It is an [http.Handler].
type Server struct {
	issuer, resource string
	issuerURL        *url.URL
	base             string // path of the issuer
	realm            *realm.Realm
	lifetimes        lifetimes
	limits           Limits
	now              func() time.Time
	keys             *KeyRing
	verifier         *accesstoken.Verifier
	documents        Documents
	assertions       *clientassertion.Verifier
	clients          map[string]*client // of the realm file
	users            *directory
	hosts            []string
	remote           func(*http.Request) string
	handler          http.Handler

	guesses, registrations *throttle
	addressGuesses         *throttle

	durable    store.Store
	swept      time.Time
	codes      table[codeGrant]
	grants     table[family]
	consents   table[[]string]
	registered table[registration]
	revoked    table[bool]

	volatile *store.Memory
	visits   table[visit]
	sessions table[session]
}

// lifetimes are the realm's, with defaults and bounds.
type lifetimes struct{ access, code, login, idle, longest time.Duration }

const (
	maxCode    = 60 * time.Second     // OAuth 2.1, section 4.1.2, recommends at most 10 minutes; seconds are enough
	consentFor = 365 * 24 * time.Hour // until a remembered consent is asked for again
	maxGrant   = 30 * 24 * time.Hour  // bounds SessionMax
	defaultMax = 10 * time.Hour       // Keycloak's ssoSessionMaxLifespan
	idleMax    = 30 * 24 * time.Hour  // bounds SessionIdle
)

// New makes a server. It fails with a sentence that says what to change when
// the configuration can't be served, or not safely.
func New(c Config) (*Server, error) {
	if c.Realm == nil {
		c.Realm = realm.Demo()
	}
	issuer, err := checkIssuer(c.Issuer, c.Realm)
	if err != nil {
		return nil, err
	}
	if err := checkExposed(c, issuer); err != nil {
		return nil, err
	}
	s := &Server{
		issuer: c.Issuer, issuerURL: issuer, base: issuer.Path,
		resource: cmp.Or(c.Resource, c.Realm.Audience()),
		realm:    c.Realm,
		lifetimes: lifetimes{
			access:  cmp.Or(c.Realm.AccessTokenLifetime, 5*time.Minute),
			code:    min(cmp.Or(c.Realm.CodeLifetime, maxCode), maxCode),
			login:   cmp.Or(c.Realm.LoginLifetime, 30*time.Minute),
			idle:    min(cmp.Or(c.Realm.SessionIdle, 30*time.Minute), idleMax),
			longest: min(cmp.Or(c.Realm.SessionMax, defaultMax), maxGrant),
		},
		limits: c.Limits.withDefaults(c.Realm), now: c.Now, keys: c.Keys, documents: c.Documents, remote: c.ClientAddress,
		durable: c.Store, volatile: &store.Memory{},
		users: newDirectory(c.Realm, c.PasswordCost),
		hosts: append(hostsOf(issuer), c.Hosts...),
	}
	if s.resource == "" {
		return nil, errors.New("there is no resource to issue tokens for: give the mcp:* client scopes of the realm file an oidc-audience-mapper, or name it with -resource")
	}
	if s.clients, err = fileClients(c.Realm); err != nil {
		return nil, err
	}
	return s, s.fill()
}

// fill puts in what the configuration left out, and what follows from the rest.
func (s *Server) fill() (err error) {
	if s.now == nil {
		s.now = time.Now
	}
	if s.remote == nil {
		s.remote = remote
	}
	if s.keys == nil {
		if s.keys, err = GenerateKeyRing(); err != nil {
			return err
		}
	}
	if s.durable == nil {
		s.durable = &store.Memory{}
	}
	if s.documents == nil {
		s.documents = clientmetadata.NewFetcher(safefetch.NewClient(safefetch.Policy{Loopback: s.onThisMachine()}), s.now)
	}
	s.assertions = &clientassertion.Verifier{Audience: []string{s.issuer, s.endpoint(pathToken)}, Now: s.now}
	s.verifier = &accesstoken.Verifier{Issuer: s.issuer, Audience: s.resource, Keys: s.keys, Algorithms: []string{"RS256"}, Now: s.now}

	s.guesses = newThrottle(s.limits.UserTries, s.limits.TryAgain, s.now)
	s.addressGuesses = newThrottle(s.limits.AddressTries, s.limits.TryAgain/10, s.now)
	s.registrations = newThrottle(s.limits.Registrations, s.limits.RegisterAgain, s.now)

	s.codes = table[codeGrant]{bucket: "codes", max: s.limits.Grants}
	s.grants = table[family]{bucket: "grants", max: s.limits.Grants}
	s.consents = table[[]string]{bucket: "consents", max: s.limits.Grants, evict: true}
	s.registered = table[registration]{bucket: "clients", max: s.limits.Clients}
	s.revoked = table[bool]{bucket: "revoked", max: s.limits.Grants}
	s.visits = table[visit]{bucket: "visits", max: s.limits.Visits, evict: true}
	s.sessions = table[session]{bucket: "sessions", max: s.limits.Visits, evict: true}
	s.handler = s.routes()
	return nil
}

// onThisMachine reports whether documents may be fetched from loopback: on a
// server that is there itself, whose realm file permits no other hosts.
func (s *Server) onThisMachine() bool {
	permitted := s.realm.Documents
	return isLoopback(s.issuerURL.Hostname()) && permitted != nil && len(permitted.Hosts) > 0 &&
		!slices.ContainsFunc(permitted.Hosts, func(host string) bool { return !isLoopback(host) })
}

// ServeHTTP answers requests that are addressed to one of the server's hosts;
// others come from a page whose name was bound to this address (DNS
// rebinding).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !slices.ContainsFunc(s.hosts, func(h string) bool { return strings.EqualFold(h, r.Host) }) {
		(&failure{status: http.StatusForbidden, code: "host_not_allowed", description: "This server does not go by the name in the Host header. Use the address of its issuer."}).write(w)
		return
	}
	s.handler.ServeHTTP(w, r)
}

func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }
