package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/web/logging"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// origin says where a client is known from.
type origin int

const (
	fromRealmFile        origin = iota
	fromRegistration            // RFC 7591
	fromMetadataDocument        // Client ID Metadata Document
)

// grantPassword is the grant that OAuth 2.1 left out. Only the realm file can
// allow it.
const grantPassword = "password"

// client is a client, wherever it is known from.
type client struct {
	*clientmetadata.Metadata
	id                            string
	origin                        origin
	secret                        string // its digest; empty without one
	defaultScopes, optionalScopes []string
	fullScope                     bool
	lifetime                      time.Duration // of its access tokens; zero: the realm's
}

// name is what people read. Not every client has stated one.
func (c *client) name() string {
	if c.ClientName != "" {
		return plaintext.Line(c.ClientName)
	}
	return plaintext.Line(c.id)
}

// registration is a client that registered itself, as the store keeps it.
type registration struct {
	Metadata clientmetadata.Metadata `json:"metadata"`
	Secret   string                  `json:"secret,omitempty"` // its digest
}

// clients finds clients and authenticates them.
type clients struct {
	inFile       map[string]*client
	registered   table[registration]
	unused, used time.Duration // how long a registration is kept; an unused one less in a table that is half full
	documents    Documents
	store        *durable
	hasOurs      func(ctx context.Context, clientID string, form url.Values) bool // a code or token that the client was issued
	scopes       scopeRules
	wrongSecrets *limiter // by client and address
	remote       func(*http.Request) string
	assertions   *clientassertion.Verifier
	now          func() time.Time
}

// clientsOf turns the clients of a realm file into what the server works with.
func clientsOf(r *realm.Realm) (map[string]*client, error) {
	all := map[string]*client{}
	for _, c := range r.Clients {
		m := &clientmetadata.Metadata{
			ClientID: c.ID, ClientName: c.Name, RedirectURIs: redirects(c.RedirectURIs), GrantTypes: grantsOf(c),
			TokenEndpointAuthMethod: clientauth.Basic,
		}
		switch {
		case c.Public:
			m.TokenEndpointAuthMethod = clientauth.None
		case c.SignedJWT:
			m.TokenEndpointAuthMethod, m.JWKS = clientauth.PrivateKeyJWT, json.RawMessage(c.Keys)
			if _, err := jwks.Parse(m.JWKS); err != nil {
				return nil, fmt.Errorf("client %s: attributes.jwks.string: %w", c.ID, err)
			}
		}
		known := &client{
			Metadata: m, id: c.ID, origin: fromRealmFile,
			defaultScopes: c.DefaultScopes, optionalScopes: c.OptionalScopes,
			fullScope: c.FullScope, lifetime: c.AccessTokenLifetime,
		}
		if c.Secret != "" {
			known.secret = digest(c.Secret)
		}
		all[c.ID] = known
	}
	return all, nil
}

// grantsOf are the grant types of a client in the realm file, in any order.
func grantsOf(c realm.Client) (grants []string) {
	for grant, allowed := range map[string]bool{
		clientmetadata.GrantCode:              c.StandardFlow,
		clientmetadata.GrantRefresh:           c.RefreshTokens && (c.StandardFlow || c.DirectAccess),
		clientmetadata.GrantClientCredentials: c.ServiceAccount,
		grantPassword:                         c.DirectAccess,
	} {
		if allowed {
			grants = append(grants, grant)
		}
	}
	return grants
}

// redirects are the URIs of a client in the realm file to which codes may be
// sent. Others, such as those with wildcards, are left out.
func redirects(uris []string) []clientmetadata.Redirect {
	var list []clientmetadata.Redirect
	for _, uri := range uris {
		if r, err := clientmetadata.ParseRedirect(uri); err == nil {
			list = append(list, r)
		}
	}
	return list
}

// errUnknownClient says that no client has this id.
var errUnknownClient = errors.New("unknown client")

// find returns the client with an id: from the realm file, from the
// registrations, or from the document at the URL that the id is.
func (c *clients) find(ctx context.Context, id string) (*client, error) {
	if clientmetadata.IsURL(id) {
		return c.fetch(ctx, id)
	}
	return c.here(id)
}

// here is find without fetching anything.
func (c *clients) here(id string) (*client, error) {
	if known := c.inFile[id]; known != nil {
		return known, nil
	}
	found, ok, err := c.registered.find(c.store, id)
	if err == nil && !ok {
		err = errUnknownClient
	}
	if err != nil {
		return nil, err
	}
	known := c.selfAsserted(id, fromRegistration, &found.Metadata)
	known.secret = found.Secret
	return known, nil
}

// fetch gets the client whose id is a URL, if the realm permits the URL's host
// to publish clients.
func (c *clients) fetch(ctx context.Context, id string) (*client, error) {
	permitted := c.scopes.realm.Documents
	u, err := url.Parse(id)
	// Patterns don't mean this machine, which must be permitted by name.
	if err != nil || !permitted.Allows(u.Hostname()) || loopback.URL(u) && !slices.Contains(permitted.Hosts, u.Hostname()) {
		return nil, &clientmetadata.Error{Code: clientmetadata.InvalidClient,
			Description: "This server accepts no client metadata documents from the host in the client_id. " +
				"Its administrator can permit the host in the realm file (cimd-allow-permitted-domains), or with -document-hosts."}
	}
	fetched, err := c.documents.Fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	m := *fetched
	if err := c.permitRedirects(ctx, &m); err != nil {
		return nil, err
	}
	return c.selfAsserted(id, fromMetadataDocument, &m), nil
}

// permitRedirects leaves out the redirect URIs whose host the realm doesn't
// permit. A client is registered with what remains, and told so (RFC 7591,
// section 3.2.1); where nothing remains it is refused. That the realm accepts a
// document from a host permits no redirect to that host.
func (c *clients) permitRedirects(ctx context.Context, m *clientmetadata.Metadata) error {
	asked := m.RedirectURIs
	m.RedirectURIs = nil
	for _, uri := range asked {
		if c.scopes.realm.Registration.Permits(uri) {
			m.RedirectURIs = append(m.RedirectURIs, uri)
			continue
		}
		logging.FromContext(ctx).Info("redirect URI left out", "client_name", m.ClientName, logging.Error(notPermitted(uri)))
	}
	if len(asked) > 0 && len(m.RedirectURIs) == 0 {
		return notPermitted(asked[0])
	}
	return nil
}

// notPermitted names the redirect URI and the setting.
func notPermitted(uri clientmetadata.Redirect) error {
	text := "This server does not permit the host of the redirect URI " + uri.String() + ". " +
		"Its administrator can permit the host in the realm file (trusted-hosts and allow-permitted-domains), or with -redirect-hosts."
	if uri.Private() {
		text = "This server does not permit the scheme of the redirect URI " + uri.String() + ". " +
			"Use http to 127.0.0.1 or [::1], where the port is free, or let the administrator permit the scheme with -redirect-schemes."
	}
	return &clientmetadata.Error{Code: clientmetadata.InvalidRedirectURI, Description: text}
}

// selfAsserted is a client whose metadata nobody has checked.
func (c *clients) selfAsserted(id string, from origin, m *clientmetadata.Metadata) *client {
	known := &client{Metadata: m, id: id, origin: from}
	known.defaultScopes, known.optionalScopes = c.scopes.selfAsserted(m.Scopes())
	return known
}

// register keeps a new client on the account of a caller.
func (c *clients) register(caller, id string, r registration) error {
	return c.store.Update(func(tx store.Tx) error {
		now, lifetime := c.now(), c.unused
		if c.registered.ledger.Len() >= c.registered.total/2 {
			lifetime = min(lifetime, crowdedLifetime)
		}
		return c.registered.add(tx, caller, id, r, now.Add(lifetime))
	})
}

// crowdedLifetime is how long a client that is not used is known while the table
// is half full or more.
const crowdedLifetime = time.Hour

// loggedIn keeps a client for which a user has logged in, whatever others register.
func (c *clients) loggedIn(known *client) error {
	if known.origin != fromRegistration {
		return nil
	}
	return c.store.Update(func(tx store.Tx) error { return c.markUsed(tx, known) })
}

// proven reports whether somebody vouches for a client: the realm file, or a user who
// has logged in for it.
func (c *clients) proven(id string) bool {
	found := c.inFile[id] != nil
	_ = c.store.View(func(tx store.Reader) error {
		kept, _ := c.registered.record(tx, id)
		found = found || kept.Proven
		return nil
	})
	return found
}

// markUsed keeps a registered client for longer, once a user has logged in for it
// or it was issued something.
func (c *clients) markUsed(tx store.Tx, used *client) error {
	if used.origin != fromRegistration {
		return nil
	}
	now := c.now()
	known, ok := c.registered.get(tx, used.id)
	if !ok {
		return invalidClient(errUnknownClient)
	}
	return c.registered.replace(tx, used.id, known, true, now.Add(c.used))
}
