package authserver

import (
	"errors"
	"net/http"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"

	"mcp-auth-step-by-step/internal/web/logging"
)

// revoke is the revocation endpoint (RFC 7009): a refresh token goes with its
// whole family, an access token alone. An unknown token is not an error, since
// then the client has what it wants.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	c, token, err := s.tokenRequest(r)
	if err != nil {
		return err
	}
	access, err := s.tokens.inspect(r.Context(), token)
	if err != nil && !errors.Is(err, errNotActive) {
		return err
	}
	if err := s.grants.revoke(c, token, access); err != nil {
		return err
	}
	logging.FromContext(r.Context()).Info("token revoked", "client_id", c.id)
	w.WriteHeader(http.StatusOK)
	return nil
}

// tokenRequest reads a request of an authenticated client about a token.
func (s *Server) tokenRequest(r *http.Request) (*client, string, error) {
	values, err := form(r)
	if err != nil {
		return nil, "", err
	}
	c, err := s.clients.authenticate(r, values)
	if err != nil {
		return nil, "", err
	}
	if values.Get("token") == "" {
		return nil, "", refuse("invalid_request", "token is required.")
	}
	return c, values.Get("token"), nil
}

// revoke revokes a client's refresh token, or its access token with these
// claims, if it is one.
func (g *grants) revoke(c *client, token string, access *accessClaims) error {
	return g.store.Update(func(tx store.Tx) error {
		found, isRefresh := g.families.get(tx, familyOf(token))
		switch {
		case isRefresh && found.ClientID != c.id, !isRefresh && access != nil && access.ClientID != c.id:
			return refuse("unauthorized_client", "The token was issued to another client.")
		case isRefresh:
			return g.families.delete(tx, familyOf(token))
		case access != nil:
			expires := time.Unix(access.Expires, 0)
			if err := g.revoked.add(tx, c.id, access.ID, true, expires); err != nil {
				return err
			}
			return g.revoked.replace(tx, access.ID, true, true, expires) // a revocation must not be forgotten
		}
		return nil
	})
}
