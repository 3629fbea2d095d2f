package authserver

import (
	"context"
	"net/http"
	"slices"

	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// Verify makes a bearerauth.Verifier of the active access tokens, for this
// server's own userinfo.
func (t *tokens) Verify(ctx context.Context, token string) (*principal.Principal, error) {
	claims, err := t.inspect(ctx, token)
	if err != nil {
		return nil, err
	}
	return claims.Principal, nil
}

var userinfoChallenge = bearerauth.Challenge{Realm: "userinfo"}

// userinfo says who the user is (OpenID Connect Core, section 5.3).
func (s *Server) userinfo() http.Handler {
	return bearerauth.Require(s.tokens, userinfoChallenge, http.HandlerFunc(s.aboutUser))
}

// aboutUser answers for an active token.
func (s *Server) aboutUser(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	who := principal.FromContext(r.Context())
	user := s.users.subject(who.Subject)
	if user == nil || !slices.Contains(who.Scopes, openID) {
		userinfoChallenge.InsufficientScope(w, r, openID, "This needs a user's access token with the scope openid.")
		return
	}
	claims := personal(user.User, who.Scopes)
	claims["sub"] = user.ID
	jsonreply.Write(w, http.StatusOK, claims)
}
