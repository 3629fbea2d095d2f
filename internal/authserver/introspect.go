package authserver

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// tokenClaims are the claims of an own access token that was verified.
type tokenClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	Username string `json:"preferred_username"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// errRevoked says that a token was good once.
var errRevoked = errors.New("revoked")

// inspect verifies an access token of this server and whether it is still in
// force.
func (s *Server) inspect(ctx context.Context, token string) (who *principal.Principal, said tokenClaims, err error) {
	if who, err = s.verifier.Verify(ctx, token); err != nil {
		return nil, said, err
	}
	payload, err := decodeSegment(strings.Split(token, ".")[1]) // three parts, or Verify would have failed
	if err == nil {
		err = json.Unmarshal(payload, &said)
	}
	now := s.now()
	// Verify allows for clocks that differ; this one doesn't.
	if err == nil && now.Unix() >= said.Expires {
		err = accesstoken.ErrExpired
	}
	if err != nil {
		return nil, said, err
	}
	return who, said, s.durable.View(func(tx store.Tx) error {
		key, _, hasFamily := strings.Cut(said.ID, ".")
		_, alive := s.grants.get(tx, key, now)
		_, gone := s.revoked.get(tx, said.ID, now)
		if gone || hasFamily && !alive {
			return errRevoked
		}
		return nil
	})
}

// introspection is RFC 7662, section 2.2. Of a token that isn't in force it
// says nothing else.
type introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Username  string `json:"username,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitempty"`
	Issued    int64  `json:"iat,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	ID        string `json:"jti,omitempty"`
}

// introspect tells a resource server whether an access token is in force (RFC
// 7662). It asks for a confidential client of the realm file: whoever can
// register itself is no resource server, and could try out found tokens.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	values, f := form(r)
	var c *client
	if f == nil {
		c, f = s.authenticate(r, values)
	}
	if f == nil && (c.source != fromFile || !c.Confidential()) {
		f = invalidClient("introspection is for confidential clients of the realm file")
	}
	if f == nil && values.Get("token") == "" {
		f = refuse("invalid_request", "token is required.")
	}
	if f != nil {
		slog.InfoContext(r.Context(), "introspection refused", "code", f.code, "why", f.why)
		f.write(w)
		return
	}
	_, said, err := s.inspect(r.Context(), values.Get("token"))
	answer := introspection{}
	if err == nil {
		answer = introspection{
			Active: true, Scope: said.Scope, ClientID: said.ClientID, Username: said.Username, TokenType: "Bearer",
			Expires: said.Expires, Issued: said.Issued, Subject: said.Subject, Audience: said.Audience, Issuer: said.Issuer, ID: said.ID,
		}
	}
	slog.InfoContext(r.Context(), "token introspected", "client_id", c.id, "active", answer.Active, "why", err)
	jsonreply.Write(w, http.StatusOK, answer)
}

func decodeSegment(segment string) ([]byte, error) {
	return base64.RawURLEncoding.Strict().DecodeString(segment)
}
