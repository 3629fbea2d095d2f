package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// revoke takes back a token (RFC 7009): a refresh token with its whole family,
// an access token alone. That a token is unknown is no error, since then it is
// as the client wants it.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	values, f := form(r)
	var c *client
	if f == nil {
		c, f = s.authenticate(r, values)
	}
	if f == nil && values.Get("token") == "" {
		f = refuse("invalid_request", "token is required.")
	}
	if f == nil {
		f = s.revokeToken(r.Context(), c, values.Get("token"))
	}
	if f != nil {
		slog.InfoContext(r.Context(), "revocation refused", "code", f.code, "why", f.why)
		f.write(w)
		return
	}
	slog.InfoContext(r.Context(), "token revoked", "client_id", c.id)
	w.WriteHeader(http.StatusOK)
}

func (s *Server) revokeToken(ctx context.Context, c *client, token string) *failure {
	_, said, err := s.inspect(ctx, token)
	isAccess := err == nil
	var f *failure
	err = s.update(func(tx store.Tx) error {
		now := s.now()
		owner := said.ClientID
		found, isRefresh := s.grants.get(tx, familyOf(token), now)
		if isRefresh {
			owner = found.ClientID
		}
		switch {
		case !isRefresh && !isAccess:
			return nil
		case owner != c.id:
			f = refuse("unauthorized_client", "The token was issued to another client.")
			return nil
		case isRefresh:
			return s.grants.delete(tx, familyOf(token))
		}
		return s.revoked.put(tx, said.ID, true, now, time.Unix(said.Expires, 0))
	})
	if err != nil {
		return storeFailure(err)
	}
	return f
}
