package authserver

import (
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// register lets a client make itself known (RFC 7591, section 3). Anybody may,
// so nothing follows from it: users decide whom they let act for them. It is
// bounded in rate, in size and in number, and who isn't used is forgotten.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	granted, f := s.registerClient(r)
	if f != nil {
		slog.InfoContext(r.Context(), "registration refused", "code", f.code, "why", f.why)
		f.write(w)
		return
	}
	slog.InfoContext(r.Context(), "client registered", "client_id", granted.ClientID, "auth_method", granted.TokenEndpointAuthMethod)
	noStore(w)
	jsonreply.Write(w, http.StatusCreated, granted)
}

func (s *Server) registerClient(r *http.Request) (*clientmetadata.Metadata, *failure) {
	if !s.registrations.take(s.remote(r)) {
		return nil, &failure{status: http.StatusTooManyRequests, code: "slow_down", description: "Too many registrations. Register once and keep the client_id.", why: "throttled"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, refuse(clientmetadata.InvalidClientMetadata, "Send the metadata as application/json.")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, clientmetadata.MaxRegistration+1))
	if err != nil {
		return nil, refuse(clientmetadata.InvalidClientMetadata, "The body could not be read.")
	}
	m, err := clientmetadata.ParseRegistration(body)
	var refused *clientmetadata.Error
	if errors.As(err, &refused) {
		return nil, refuse(refused.Code, refused.Description)
	}
	if err != nil {
		return nil, errInternal.because(err.Error())
	}
	// Client credentials would be a key to whoever asks for one.
	m.GrantTypes = slices.DeleteFunc(m.GrantTypes, func(g string) bool { return g == clientmetadata.GrantClientCredentials })
	for _, uri := range m.RedirectURIs {
		if s.realm.Registration.Hosts != nil && !slices.Contains(s.realm.Registration.Hosts, uri.Host()) {
			return nil, refuse(clientmetadata.InvalidRedirectURI, "This server registers no clients with that redirect host. Its administrator can permit it in the realm file (trusted-hosts).")
		}
	}
	if len(m.GrantTypes) == 0 {
		return nil, refuse(clientmetadata.InvalidClientMetadata, "Clients that act for themselves are set up by the administrator. Registration is for authorization_code.")
	}
	return s.keepClient(m)
}

// keepClient gives the client an id, and a secret if it needs one, and writes
// it down. Only the client ever has the secret.
func (s *Server) keepClient(m *clientmetadata.Metadata) (*clientmetadata.Metadata, *failure) {
	now := s.now()
	m.ClientID, m.ClientIDIssuedAt = "dcr-"+secret(), now.Unix()
	asked := m.Scopes()
	m.Scope = scopeList(s.shownScopes(s.stranger(m.ClientID, fromItself, m)))
	if slices.Contains(asked, openID) {
		m.Scope = scopeList(append(m.Scopes(), openID))
	}
	if len(asked) > 0 && m.Scope == "" {
		return nil, refuse(clientmetadata.InvalidClientMetadata, "This server knows none of the scopes. Leave scope out, or name some of scopes_supported.")
	}
	kept := registration{Metadata: *m}
	if m.TokenEndpointAuthMethod == clientmetadata.AuthSecretBasic {
		never := int64(0)
		m.ClientSecret, m.ClientSecretExpiresAt = secret(), &never
		kept.Secret = digest(m.ClientSecret)
	}
	err := s.update(func(tx store.Tx) error {
		return s.registered.put(tx, m.ClientID, kept, now, now.Add(s.limits.UnusedClient))
	})
	switch {
	case errors.Is(err, errFull):
		return nil, &failure{http.StatusTooManyRequests, "temporarily_unavailable", "Too many clients are registered. Try again later, or use a client metadata document.", "full"}
	case err != nil:
		return nil, errInternal.because(err.Error())
	}
	return m, nil
}

// usedClient lets a registered client be known for longer, once it was given
// something.
func (s *Server) usedClient(tx store.Tx, c *client) error {
	if c.source != fromItself {
		return nil
	}
	now := s.now()
	known, ok := s.registered.get(tx, c.id, now)
	if !ok {
		return errUnknownClient
	}
	known.Used = true
	return s.registered.put(tx, c.id, known, now, now.Add(s.limits.UsedClient))
}
