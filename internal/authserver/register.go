package authserver

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// register lets a client register itself (RFC 7591, section 3). Anybody may, so
// a registration proves nothing: users decide whom they let act for them. It is
// bounded in rate, size and number, and unused clients are forgotten.
func (s *Server) register(w http.ResponseWriter, r *http.Request) error {
	if !s.registrations.take(s.remote(r)) {
		return tooManyTries("There were too many registrations. Register once and keep the client_id.")
	}
	body, err := readRegistration(r)
	if err != nil {
		return err
	}
	m, err := clientmetadata.ParseRegistration(body)
	if err != nil {
		return err
	}
	if err := s.clients.permit(m); err != nil {
		return err
	}
	granted, err := s.clients.issueID(m)
	if err != nil {
		return err
	}
	s.log.InfoContext(r.Context(), "client registered", "client_id", granted.ClientID, "auth_method", granted.TokenEndpointAuthMethod)
	jsonreply.Write(w, http.StatusCreated, granted)
	return nil
}

func readRegistration(r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, refuse(clientmetadata.InvalidClientMetadata, "Send the metadata as application/json.")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, clientmetadata.MaxRegistration+1))
	if err != nil {
		return nil, refuseBecause(clientmetadata.InvalidClientMetadata, "The body could not be read.", err)
	}
	return body, nil
}

// permit holds a registration against the realm, and takes out of it what
// registration doesn't give.
func (c *clients) permit(m *clientmetadata.Metadata) error {
	// Client credentials would be access for whoever asks.
	m.GrantTypes = slices.DeleteFunc(m.GrantTypes, func(g string) bool { return g == clientmetadata.GrantClientCredentials })
	hosts := c.scopes.realm.Registration.Hosts
	for _, uri := range m.RedirectURIs {
		if hosts != nil && !slices.Contains(hosts, uri.Host()) {
			return refuse(clientmetadata.InvalidRedirectURI, "This server registers no clients with that redirect host. "+
				"Its administrator can permit it in the realm file (trusted-hosts).")
		}
	}
	if len(m.GrantTypes) == 0 {
		return refuse(clientmetadata.InvalidClientMetadata, "Clients that act for themselves are set up by the administrator. "+
			"Registration is for authorization_code.")
	}
	return nil
}

// issueID gives a client an id, and a secret if it needs one, and keeps it. Only
// the client ever has the secret.
func (c *clients) issueID(m *clientmetadata.Metadata) (*clientmetadata.Metadata, error) {
	m.ClientID, m.ClientIDIssuedAt = "dcr-"+secret(), c.now().Unix()
	asked := m.Scopes()
	m.Scope = scopeList(c.scopes.ofClient(c.scopes.selfAsserted(m.ClientID, fromRegistration, m)))
	if slices.Contains(asked, openID) {
		m.Scope = scopeList(append(m.Scopes(), openID))
	}
	if len(asked) > 0 && m.Scope == "" {
		return nil, refuse(clientmetadata.InvalidClientMetadata, "This server knows none of the scopes. "+
			"Leave scope out, or name some of scopes_supported.")
	}
	kept := registration{Metadata: *m}
	if m.TokenEndpointAuthMethod == clientmetadata.AuthSecretBasic {
		never := int64(0)
		m.ClientSecret, m.ClientSecretExpiresAt = secret(), &never
		kept.Secret = digest(m.ClientSecret)
	}
	err := c.register(m.ClientID, kept)
	if errors.Is(err, errFull) {
		return nil, &oauthError{http.StatusTooManyRequests, "temporarily_unavailable",
			"Too many clients are registered. Try again later, or use a client metadata document.", err}
	}
	return m, err
}
