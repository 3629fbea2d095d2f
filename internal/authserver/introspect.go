package authserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// accessClaims are the claims of one of this server's access tokens, in the form
// in which introspection tells them (RFC 7662, section 2.2). The roles at each
// client are there as Keycloak adds them: a server that asks must not take a guest
// for somebody without a role. Of a token that isn't active it says nothing else.
type accessClaims struct {
	*principal.Principal `json:"-"`

	Active    bool            `json:"active"`
	Scope     string          `json:"scope,omitempty"`
	ClientID  string          `json:"client_id,omitempty"`
	Username  string          `json:"username,omitempty"` // preferred_username in the token
	TokenType string          `json:"token_type,omitempty"`
	Expires   int64           `json:"exp,omitempty"`
	Issued    int64           `json:"iat,omitempty"`
	Subject   string          `json:"sub,omitempty"`
	Audience  string          `json:"aud,omitempty"`
	Issuer    string          `json:"iss,omitempty"`
	ID        string          `json:"jti,omitempty"`
	Roles     json.RawMessage `json:"resource_access,omitempty"`
}

// errNotActive says that a token isn't an access token of this server, or has
// expired or was revoked.
var errNotActive = errors.New("not an active access token")

// inspect verifies an access token of this server, and that it is still active.
func (t *tokens) inspect(ctx context.Context, token string) (*accessClaims, error) {
	who, err := t.verifier.Verify(ctx, token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotActive, err)
	}
	claims := &accessClaims{Principal: who, Active: true, Username: who.Username, TokenType: "Bearer"}
	read, err := jws.Parse(token)
	if err == nil {
		err = json.Unmarshal(read.Payload, claims)
	}
	// Verify allows for clocks that differ; this one doesn't.
	if err == nil && t.grants.now().Unix() >= claims.Expires {
		err = accesstoken.ErrExpired
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotActive, err)
	}
	if err := t.grants.checkRevoked(claims.ID); err != nil {
		return nil, err
	}
	return claims, nil
}

// hasOurs reports whether a request brings a code or token that the client was
// issued.
func (t *tokens) hasOurs(ctx context.Context, clientID string, form url.Values) bool {
	g := t.grants
	found := false
	_ = g.store.View(func(tx store.Reader) error {
		code, ok := g.codes.get(tx, digest(form.Get("code")))
		found = ok && code.Request.ClientID == clientID
		for _, name := range []string{"refresh_token", "token"} {
			family, ok := g.families.get(tx, familyOf(form.Get(name)))
			found = found || ok && family.ClientID == clientID
		}
		return nil
	})
	if !found && form.Has("token") {
		access, err := t.inspect(ctx, form.Get("token"))
		found = err == nil && access.ClientID == clientID
	}
	return found
}

// checkRevoked fails for the id of an access token that was revoked, by itself
// or with its family.
func (g *grants) checkRevoked(id string) error {
	return g.store.View(func(tx store.Reader) error {
		key, _, hasFamily := strings.Cut(id, ".")
		_, alive := g.families.get(tx, key)
		_, revoked := g.revoked.get(tx, id)
		if revoked || hasFamily && !alive {
			return fmt.Errorf("%w: it was revoked", errNotActive)
		}
		return nil
	})
}

// introspect tells a resource server whether an access token is active (RFC
// 7662). It asks for a confidential client of the realm file: a client that
// registered itself is not a resource server, and could try out found tokens.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) error {
	c, token, err := s.tokenRequest(r)
	if err != nil {
		return err
	}
	if c.origin != fromRealmFile || !c.Confidential() {
		return invalidClient(errors.New("introspection is for confidential clients of the realm file"))
	}
	claims, err := s.tokens.inspect(r.Context(), token)
	if err != nil && !errors.Is(err, errNotActive) {
		return err
	}
	if claims == nil {
		claims = &accessClaims{}
	}
	logging.FromContext(r.Context()).Info("token introspected", "client_id", c.id, "active", claims.Active, logging.Error(err))
	jsonreply.Write(w, http.StatusOK, claims)
	return nil
}
