package authserver

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
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
	if err := s.clients.permit(r.Context(), m); err != nil {
		return err
	}
	granted, err := s.clients.issueID(s.remote(r), m)
	if err != nil {
		return err
	}
	logging.FromContext(r.Context()).Info("client registered", "client_id", granted.ClientID, "auth_method", granted.TokenEndpointAuthMethod)
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

// permit takes out of a registration what the realm doesn't give to clients that
// register themselves.
func (c *clients) permit(ctx context.Context, m *clientmetadata.Metadata) error {
	// Client credentials would be access for whoever asks.
	m.GrantTypes = without(m.GrantTypes, func(grant string) bool { return grant == clientmetadata.GrantClientCredentials })
	if len(m.GrantTypes) == 0 {
		return refuse(clientmetadata.InvalidClientMetadata, "Clients that act for themselves are set up by the administrator. "+
			"Registration is for authorization_code.")
	}
	return c.permitRedirects(ctx, m)
}

// issueID gives a client an id, and a secret if it needs one, and keeps it. Only
// the client ever has the secret.
func (c *clients) issueID(caller string, m *clientmetadata.Metadata) (*clientmetadata.Metadata, error) {
	m.ClientID, m.ClientIDIssuedAt = "dcr-"+secret(), c.now().Unix()
	_, canUse := c.scopes.selfAsserted(nil)
	m.Scope = scopeList(without(m.Scopes(), func(name string) bool { return name != openID && !slices.Contains(canUse, name) }))
	kept := registration{Metadata: *m}
	if m.Scope == "" {
		m.Scope = scopeList(canUse) // the scopes that it can use (RFC 7591, section 2)
	}
	if m.TokenEndpointAuthMethod == clientauth.Basic || m.TokenEndpointAuthMethod == clientauth.Post {
		never := int64(0)
		m.ClientSecret, m.ClientSecretExpiresAt = secret(), &never
		kept.Secret = digest(m.ClientSecret)
	}
	err := c.register(caller, m.ClientID, kept)
	if errors.Is(err, errFull) {
		return nil, &oauthError{http.StatusTooManyRequests, "temporarily_unavailable",
			"Too many clients are registered. Try again later, or use a client metadata document.", err}
	}
	return m, err
}
