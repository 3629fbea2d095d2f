package authserver

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/jwks"
)

// Where a client is known from.
const (
	fromFile     = "realm file"
	fromItself   = "registration"
	fromDocument = "metadata document"
)

// grantPassword is the grant that OAuth 2.1 left out. Only the realm file can
// allow it.
const grantPassword = "password"

// client is a client, wherever it is known from.
type client struct {
	*clientmetadata.Metadata
	id, source                    string
	secret                        string // its digest
	defaultScopes, optionalScopes []string
	fullScope                     bool
	lifetime                      time.Duration // of its access tokens
}

// name is what people read. Not every client has said one.
func (c *client) name() string {
	if c.ClientName != "" {
		return visible(c.ClientName)
	}
	return visible(c.id)
}

// registration is a client that registered itself, as the store keeps it.
type registration struct {
	Metadata clientmetadata.Metadata `json:"metadata"`
	Secret   string                  `json:"secret,omitempty"` // its digest
	Used     bool                    `json:"used"`
}

// fileClients turns the clients of a realm into what the rest works with.
func fileClients(r *realm.Realm) (map[string]*client, error) {
	clients := map[string]*client{}
	for _, c := range r.Clients {
		m := &clientmetadata.Metadata{
			ClientID: c.ID, ClientName: c.Name, RedirectURIs: redirects(c.RedirectURIs),
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
		for grant, allowed := range map[string]bool{
			clientmetadata.GrantCode:              c.StandardFlow,
			clientmetadata.GrantRefresh:           c.RefreshTokens && (c.StandardFlow || c.DirectAccess),
			clientmetadata.GrantClientCredentials: c.ServiceAccount,
			grantPassword:                         c.DirectAccess,
		} {
			if allowed {
				m.GrantTypes = append(m.GrantTypes, grant)
			}
		}
		known := &client{
			Metadata: m, id: c.ID, source: fromFile,
			defaultScopes: c.DefaultScopes, optionalScopes: c.OptionalScopes,
			fullScope: c.FullScope, lifetime: c.AccessTokenLifetime,
		}
		if c.Secret != "" {
			known.secret = digest(c.Secret)
		}
		clients[c.ID] = known
	}
	return clients, nil
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

// errUnknownClient says that nobody knows the client.
var errUnknownClient = errors.New("no such client")

// client finds a client by its id: in the realm file, among those that
// registered, or at the URL that the id is.
func (s *Server) client(ctx context.Context, id string) (*client, error) {
	if c := s.clients[id]; c != nil {
		return c, nil
	}
	if clientmetadata.IsURL(id) {
		return s.documented(ctx, id)
	}
	var found registration
	ok := false
	err := s.durable.View(func(tx store.Tx) error {
		found, ok = s.registered.get(tx, id, s.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errUnknownClient
	}
	c := s.stranger(id, fromItself, &found.Metadata)
	c.secret = found.Secret
	return c, nil
}

// documented fetches the client whose id is a URL, if the realm lets its host
// publish clients.
func (s *Server) documented(ctx context.Context, id string) (*client, error) {
	u, err := url.Parse(id)
	if err != nil || !s.realm.Documents.Allows(u.Hostname()) {
		return nil, &clientmetadata.Error{Code: clientmetadata.InvalidClient, Description: "This server takes no client metadata documents from the host in the client_id. Its administrator can permit it in the realm file (cimd-allow-permitted-domains)."}
	}
	m, err := s.documents.Fetch(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, uri := range m.RedirectURIs {
		if uri.Scheme() == "https" && !s.realm.Documents.Allows(uri.Host()) {
			return nil, &clientmetadata.Error{Code: clientmetadata.InvalidClient, Description: "The document at the client_id names a redirect URI at a host that this server does not permit."}
		}
	}
	return s.stranger(id, fromDocument, m), nil
}

// stranger is a client that nobody vouches for. It may ask for the scopes of
// the realm, and its scope member can only make that less.
func (s *Server) stranger(id, source string, m *clientmetadata.Metadata) *client {
	bounded := func(scopes []string) []string {
		return slices.DeleteFunc(slices.Clone(scopes), func(name string) bool {
			permitted := s.realm.Registration.Scopes
			return permitted != nil && !slices.Contains(permitted, name) || m.Scope != "" && !slices.Contains(m.Scopes(), name)
		})
	}
	c := &client{
		Metadata: m, id: id, source: source,
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

// shownScopes are all that can stand in a token of the client.
func (s *Server) shownScopes(c *client) []string {
	return slices.DeleteFunc(slices.Concat(c.defaultScopes, c.optionalScopes), func(name string) bool { return !s.shows(name) })
}

// authenticate finds out which client sends a request with parameters (RFC
// 6749, section 2.3; RFC 7523, section 2.2). It takes the one method that the
// client registered for. Public clients only say who they are; what they may
// do with that is bound to PKCE.
func (s *Server) authenticate(r *http.Request, form url.Values) (*client, *failure) {
	id, password, basic, err := basicAuth(r)
	if err != nil {
		return nil, invalidClient("malformed Authorization header")
	}
	assertion := form.Get("client_assertion")
	method := clientmetadata.AuthNone
	switch {
	case form.Has("client_secret") || basic && assertion != "":
		return nil, invalidClient("credentials in the body, or two kinds of them")
	case basic:
		method = clientmetadata.AuthSecretBasic
	case assertion != "":
		method = clientmetadata.AuthPrivateKeyJWT
		if form.Get("client_assertion_type") != clientassertion.Type {
			return nil, invalidClient("unknown client_assertion_type")
		}
	}
	if named := form.Get("client_id"); named != "" {
		if id != "" && id != named {
			return nil, invalidClient("two client identifiers")
		}
		id = named
	}
	if id == "" && assertion != "" {
		id = assertionSubject(assertion)
	}
	c, err := s.client(r.Context(), id)
	if err != nil {
		return nil, invalidClient(err.Error())
	}
	if c.TokenEndpointAuthMethod != method {
		return nil, invalidClient("authenticates with " + method + ", registered for " + c.TokenEndpointAuthMethod)
	}
	return c, s.prove(r, c, method, password, assertion)
}

// prove checks the credentials of a client. Guesses are limited by client.
func (s *Server) prove(r *http.Request, c *client, method, password, assertion string) *failure {
	switch method {
	case clientmetadata.AuthSecretBasic:
		key := "client " + c.id
		if !s.guesses.begin(key) {
			return tooManyTries()
		}
		good := c.secret != "" && subtle.ConstantTimeCompare([]byte(digest(password)), []byte(c.secret)) == 1
		if s.guesses.end(key, good); !good {
			return invalidClient("wrong secret")
		}
	case clientmetadata.AuthPrivateKeyJWT:
		keys, err := jwks.Parse(c.JWKS)
		if err == nil {
			err = s.assertions.Verify(r.Context(), assertion, c.id, keys)
		}
		if err != nil {
			return invalidClient(err.Error())
		}
	}
	return nil
}

func tooManyTries() *failure {
	return &failure{status: http.StatusTooManyRequests, code: "slow_down", description: "There were too many wrong tries. Wait a moment.", why: "throttled"}
}

// basicAuth reads client_secret_basic: both parts are form-encoded before they
// are joined (RFC 6749, section 2.3.1).
func basicAuth(r *http.Request) (id, secret string, present bool, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", "", false, nil
	}
	user, password, ok := r.BasicAuth()
	if !ok || len(headers) > 1 {
		return "", "", false, errors.New("not one Basic header")
	}
	if id, err = url.QueryUnescape(user); err == nil {
		secret, err = url.QueryUnescape(password)
	}
	return id, secret, true, err
}

// assertionSubject reads who an assertion says it is from, before it is
// verified: to know whose keys to verify it with.
func assertionSubject(assertion string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return ""
	}
	var said struct {
		Subject string `json:"sub"`
	}
	payload, err := decodeSegment(parts[1])
	if err != nil || json.Unmarshal(payload, &said) != nil {
		return ""
	}
	return said.Subject
}
