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
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/web/caller"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/quota"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// Server is the authorization server of one realm. It is an [http.Handler].
type Server struct {
	location
	realm              *realm.Realm
	scopes             scopeRules
	users              *directory
	upstream           Upstream // nil: users log in here
	upstreamTries      *limiter
	clients            *clients
	grants             *grants
	tokens             *tokens
	interactions       *interactions
	pages              pages
	registrations      *limiter
	remote             func(*http.Request) string
	turns              *quota.Turns // by address
	pause              time.Duration
	advertiseDocuments bool
	now                func() time.Time
	handler            http.Handler
}

// lifetimes are the realm's, with defaults and bounds.
type lifetimes struct{ access, code, login, idle, longest time.Duration }

const (
	maxCode         = 60 * time.Second     // OAuth 2.1, section 4.1.2, recommends at most 10 minutes; seconds are enough
	consentLifetime = 365 * 24 * time.Hour // until the user is asked again
	maxGrant        = 30 * 24 * time.Hour  // bounds SessionMax
	defaultMax      = 10 * time.Hour       // Keycloak's ssoSessionMaxLifespan
	maxIdle         = 30 * 24 * time.Hour  // bounds SessionIdle
)

// lifetimes are the realm's. A login ends when the provider has to be asked again.
func (c *Config) lifetimes() lifetimes {
	r := c.Realm
	l := lifetimes{
		access:  cmp.Or(r.AccessTokenLifetime, 5*time.Minute),
		code:    min(cmp.Or(r.CodeLifetime, maxCode), maxCode),
		login:   cmp.Or(r.LoginLifetime, 30*time.Minute),
		idle:    min(cmp.Or(r.SessionIdle, 30*time.Minute), maxIdle),
		longest: min(cmp.Or(r.SessionMax, defaultMax), maxGrant),
	}
	if c.Upstream != nil {
		l.longest = min(l.longest, c.Upstream.Settings().Lifetime)
	}
	return l
}

// accessToken is how long access tokens of a client live.
func (l lifetimes) accessToken(c *client) time.Duration {
	if c.lifetime > 0 {
		return min(c.lifetime, l.access)
	}
	return l.access
}

// New makes a server. It fails with a sentence that says what to change when
// the configuration can't be served, or not safely.
func New(c Config) (*Server, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	where, err := locate(c.Issuer, c.Hosts, c.Realm)
	if err != nil {
		return nil, err
	}
	if err := checkExposed(c, where.url); err != nil {
		return nil, err
	}
	if c.Resource == "" {
		return nil, errors.New("there is no resource to issue tokens for: " +
			"give the mcp:* client scopes of the realm file an oidc-audience-mapper, or set -resource")
	}
	if c.Documents == nil {
		policy := safefetch.Policy{Loopback: loopback.URL(where.url)} // of hosts that the realm permits by name
		c.Documents = clientmetadata.NewFetcher(safefetch.NewClient(policy), c.Now)
	}
	federation, provider, err := c.federate()
	if err != nil {
		return nil, err
	}
	users, err := newDirectory(c.Realm, c.PasswordCost, c.Limits, c.Now)
	if err != nil {
		return nil, err
	}
	users.upstream = federation
	s := &Server{
		location: where, realm: c.Realm, scopes: scopeRules{c.Realm}, users: users, upstream: c.Upstream, remote: c.ClientAddress,
		now: c.Now, turns: quota.NewTurns(AtATime), pause: c.Limits.Pause,
		upstreamTries:      newLimiter(c.Limits.AddressTries, c.Limits.TryInterval/10, c.Now),
		advertiseDocuments: beyondLoopback(c.Realm.Documents) || c.AdvertiseDocuments && c.Realm.Documents != nil,
		registrations:      newLimiter(c.Limits.Registrations, c.Limits.RegistrationInterval, c.Now),
		pages:              pages{c.Realm, where.base(), demoUsers(c, where.url), provider},
		interactions: &interactions{
			location: where, store: &store.Memory{}, lifetimes: c.lifetimes(), now: c.Now,
			pending:   newTable[interaction]("interactions", c.Limits.InteractionsPerAddress, c.Limits.Interactions, c.Now),
			decisions: newTable[interaction]("decisions", DecisionsPerUser, c.Limits.Decisions, c.Now),
			sessions:  newTable[session]("sessions", SessionsPerUser, c.Limits.Grants, c.Now),
		},
	}
	if err := s.keep(c); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// keep makes the parts that share the durable store.
func (s *Server) keep(c Config) error {
	inFile, err := clientsOf(c.Realm)
	if err != nil {
		return err
	}
	kept := &durable{Store: c.Store}
	s.clients = &clients{
		inFile: inFile, registered: newTable[registration]("clients", c.Limits.ClientsPerAddress, c.Limits.Clients, c.Now),
		unused: c.Limits.UnusedClient, used: c.Limits.UsedClient,
		documents: c.Documents, store: kept, scopes: s.scopes, now: c.Now,
		remote:       c.ClientAddress,
		wrongSecrets: newLimiter(c.Limits.UserTries, c.Limits.TryInterval, c.Now),
	}
	s.clients.assertions = &clientassertion.Verifier{
		Audience: []string{s.issuer, s.endpoint(pathToken)}, Now: c.Now, Since: c.Now(), Proven: s.clients.proven,
	}
	s.grants = &grants{
		store: kept, clients: s.clients, users: s.users, scopes: s.scopes,
		resource: c.Resource, lifetimes: c.lifetimes(), now: c.Now,
		codes:    newTable[codeGrant]("codes", CodesPerUser, c.Limits.Codes, c.Now),
		families: newTable[family]("grants", FamiliesPerUser, c.Limits.Grants, c.Now),
		consents: newTable[consentGiven]("consents", ConsentsPerUser, c.Limits.Grants, c.Now),
		revoked:  newTable[bool]("revoked", RevokedPerClient, c.Limits.Grants, c.Now),
	}
	kept.tables = []countedTable{s.grants.codes, s.grants.families, s.grants.consents, s.grants.revoked, s.clients.registered}
	if f := s.users.upstream; f != nil {
		f.store, f.keep = kept, s.grants.lifetimes.longest+s.grants.lifetimes.access
		kept.tables = append(kept.tables, f.kept)
	}
	if err := kept.Store.Update(kept.load); err != nil {
		return fmt.Errorf("the state can't be read: %w", err)
	}
	s.tokens = &tokens{
		issuer: s.issuer, keys: c.Keys, grants: s.grants,
		verifier: &accesstoken.Verifier{Issuer: s.issuer, Audience: c.Resource, Keys: c.Keys, Algorithms: []string{"RS256"}, Now: c.Now},
	}
	s.clients.hasOurs = s.tokens.hasOurs
	return nil
}

// ServeHTTP answers requests that are addressed to one of the server's hosts.
// Others come from a page whose name was bound to this address (DNS rebinding).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.hasHost(r.Host) {
		(&oauthError{status: http.StatusForbidden, code: "host_not_allowed",
			description: "This server does not have the name in the Host header. Use the address of its issuer."}).write(w)
		return
	}
	caller := s.remote(r)
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	done, err := s.turns.Take(ctx, caller)
	if err != nil {
		(&oauthError{status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
			description: "Too many requests come from your address. Try again in a moment."}).write(w)
		return
	}
	seen := &statusWriter{w, http.StatusOK}
	defer func() { done(s.keepTurn(r, seen.status)) }()
	s.handler.ServeHTTP(seen, r.WithContext(clientmetadata.WithCaller(r.Context(), caller)))
}

// keepTurn is how long a request keeps its turn after the answer. One that proved
// nothing does so for a while, so that no address has more than some of them a
// second.
func (s *Server) keepTurn(r *http.Request, status int) time.Duration {
	path, _ := strings.CutPrefix(r.URL.Path, s.base())
	if status < 400 && path != pathAuthorize && path != pathRegister {
		return 0
	}
	return s.pause
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

const (
	// AtATime is how many requests of one address are answered at a time.
	AtATime = 8
	maxWait = 10 * time.Second // for the others of that address
)

// peer is the address of the other end of the connection, as limits know it.
func peer(r *http.Request) string { return caller.Group(caller.Proxies{}.Address(r)) }

func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }
