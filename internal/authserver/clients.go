package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/jwks"
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
	Used     bool                    `json:"used"`
}

// clients finds clients and authenticates them.
type clients struct {
	inFile       map[string]*client
	registered   table[registration]
	unused, used time.Duration // how long a registration is kept
	documents    Documents
	store        *durable
	scopes       scopeRules
	secrets      *limiter
	assertions   *clientassertion.Verifier
	now          func() time.Time
}

// clientsOf turns the clients of a realm file into what the server works with.
func clientsOf(r *realm.Realm) (map[string]*client, error) {
	all := map[string]*client{}
	for _, c := range r.Clients {
		m := &clientmetadata.Metadata{
			ClientID: c.ID, ClientName: c.Name, RedirectURIs: redirects(c.RedirectURIs), GrantTypes: grantsOf(c),
			TokenEndpointAuthMethod: clientmetadata.AuthSecretBasic,
		}
		switch {
		case c.Public:
			m.TokenEndpointAuthMethod = clientmetadata.AuthNone
		case c.SignedJWT:
			m.TokenEndpointAuthMethod, m.JWKS = clientmetadata.AuthPrivateKeyJWT, json.RawMessage(c.Keys)
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

func grantsOf(c realm.Client) (grants []string) {
	for _, grant := range []struct {
		name    string
		allowed bool
	}{
		{clientmetadata.GrantCode, c.StandardFlow},
		{clientmetadata.GrantRefresh, c.RefreshTokens && (c.StandardFlow || c.DirectAccess)},
		{clientmetadata.GrantClientCredentials, c.ServiceAccount},
		{grantPassword, c.DirectAccess},
	} {
		if grant.allowed {
			grants = append(grants, grant.name)
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
	if known := c.inFile[id]; known != nil {
		return known, nil
	}
	if clientmetadata.IsURL(id) {
		return c.fetch(ctx, id)
	}
	var found registration
	err := c.store.View(func(tx store.Tx) error {
		var ok bool
		if found, ok = c.registered.get(tx, id, c.now()); !ok {
			return errUnknownClient
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	known := c.scopes.selfAsserted(id, fromRegistration, &found.Metadata)
	known.secret = found.Secret
	return known, nil
}

// fetch gets the client whose id is a URL, if the realm permits the URL's host
// to publish clients.
func (c *clients) fetch(ctx context.Context, id string) (*client, error) {
	permitted := c.scopes.realm.Documents
	u, err := url.Parse(id)
	if err != nil || !permitted.Allows(u.Hostname()) {
		return nil, &clientmetadata.Error{Code: clientmetadata.InvalidClient,
			Description: "This server accepts no client metadata documents from the host in the client_id. " +
				"Its administrator can permit the host in the realm file (cimd-allow-permitted-domains)."}
	}
	m, err := c.documents.Fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, uri := range m.RedirectURIs {
		if uri.Scheme() == "https" && !permitted.Allows(uri.Host()) {
			return nil, &clientmetadata.Error{Code: clientmetadata.InvalidClient,
				Description: "The document at the client_id names a redirect URI whose host this server does not permit."}
		}
	}
	return c.scopes.selfAsserted(id, fromMetadataDocument, m), nil
}

// selfAsserted is a client whose metadata nobody has checked. It may ask for the
// scopes that the realm permits, and its scope member can only make that less.
func (s scopeRules) selfAsserted(id string, from origin, m *clientmetadata.Metadata) *client {
	bounded := func(scopes []string) []string {
		return slices.DeleteFunc(slices.Clone(scopes), func(name string) bool {
			permitted := s.realm.Registration.Scopes
			return permitted != nil && !slices.Contains(permitted, name) || m.Scope != "" && !slices.Contains(m.Scopes(), name)
		})
	}
	c := &client{
		Metadata: m, id: id, origin: from,
		// Default scopes that don't show in tokens are the realm's own doing.
		defaultScopes: s.realm.DefaultScopes, optionalScopes: bounded(s.realm.OptionalScopes),
	}
	if m.Scope != "" {
		// What a client says it needs is what it gets when it asks for nothing
		// in particular (RFC 7591, section 2).
		c.defaultScopes, c.optionalScopes = append(slices.Clone(c.defaultScopes), c.optionalScopes...), nil
	}
	return c
}

// register keeps a new client.
func (c *clients) register(id string, r registration) error {
	return c.store.Update(func(tx store.Tx) error {
		now := c.now()
		return c.registered.put(tx, id, r, now, now.Add(c.unused))
	})
}

// markUsed keeps a registered client for longer, once it was issued something.
func (c *clients) markUsed(tx store.Tx, used *client) error {
	if used.origin != fromRegistration {
		return nil
	}
	now := c.now()
	known, ok := c.registered.get(tx, used.id, now)
	if !ok {
		return invalidClient(errUnknownClient)
	}
	known.Used = true
	return c.registered.put(tx, used.id, known, now, now.Add(c.used))
}
