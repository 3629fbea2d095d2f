package authserver

import (
	"context"
	"net/http"

	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// activeTokens are the access tokens that are in force, for this server's own
// userinfo.
type activeTokens struct{ s *Server }

// Verify makes it a bearerauth.Verifier.
func (a activeTokens) Verify(ctx context.Context, token string) (*principal.Principal, error) {
	who, _, err := a.s.inspect(ctx, token)
	if err != nil {
		return nil, err
	}
	return who, nil
}

var userinfoChallenge = bearerauth.Challenge{Realm: "userinfo"}

// userinfo says who the user is (OpenID Connect Core, section 5.3).
func (s *Server) userinfo() http.Handler {
	return bearerauth.Require(activeTokens{s}, userinfoChallenge, http.HandlerFunc(s.aboutUser))
}

// aboutUser answers for a token that is in force.
func (s *Server) aboutUser(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	who := principal.FromContext(r.Context())
	user := s.users.subject(who.Subject)
	if user == nil || !containsAll(who.Scopes, []string{openID}) {
		userinfoChallenge.InsufficientScope(w, openID, "This needs a user's access token with the scope openid.")
		return
	}
	claims := personal(user.User, who.Scopes)
	claims["sub"] = user.ID
	jsonreply.Write(w, http.StatusOK, claims)
}
