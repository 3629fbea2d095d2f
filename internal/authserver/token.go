package authserver

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// tokenResponse is RFC 6749, section 5.1. scope is always there: it may be
// less than was asked for.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
}

// token is the token endpoint (OAuth 2.1, section 3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	given, f := s.grant(r)
	if f != nil {
		slog.InfoContext(r.Context(), "token refused", "code", f.code, "why", f.why)
		f.write(w)
		return
	}
	answer, err := s.mint(given)
	if err != nil {
		slog.ErrorContext(r.Context(), "token not signed", "why", err)
		errInternal.write(w)
		return
	}
	subject := given.client.id
	if given.account != nil {
		subject = given.account.ID
	}
	slog.InfoContext(r.Context(), "token issued", "client_id", given.client.id, "sub", subject, "scope", answer.Scope)
	jsonreply.Write(w, http.StatusOK, answer)
}

// grant decides by the grant type what is given to the client.
func (s *Server) grant(r *http.Request) (*issue, *failure) {
	values, f := form(r)
	if f != nil {
		return nil, f
	}
	kind := values.Get("grant_type")
	if kind == "" {
		return nil, refuse("invalid_request", "grant_type is missing.")
	}
	c, f := s.authenticate(r, values)
	if f != nil {
		return nil, f
	}
	grants := map[string]func(*http.Request, *client, url.Values) (*issue, *failure){
		clientmetadata.GrantCode:              func(_ *http.Request, c *client, v url.Values) (*issue, *failure) { return s.redeem(c, v) },
		clientmetadata.GrantRefresh:           func(_ *http.Request, c *client, v url.Values) (*issue, *failure) { return s.rotate(c, v) },
		clientmetadata.GrantClientCredentials: func(_ *http.Request, c *client, v url.Values) (*issue, *failure) { return s.forItself(c, v) },
		grantPassword:                         s.byPassword,
	}
	grant, known := grants[kind]
	switch {
	case !known:
		return nil, refuse("unsupported_grant_type", "This server knows authorization_code, refresh_token and client_credentials.")
	case !c.AllowsGrant(kind) && kind == grantPassword:
		return nil, refuse("unauthorized_client", "OAuth 2.1 has no password grant. Use authorization_code.")
	case !c.AllowsGrant(kind):
		return nil, refuse("unauthorized_client", "This client may not use this grant.")
	}
	return grant(r, c, values)
}

// forItself is the client credentials grant (OAuth 2.1, section 4.2). There is
// no user and no refresh token.
func (s *Server) forItself(c *client, form url.Values) (*issue, *failure) {
	if f := s.checkResource(form["resource"]); f != nil {
		return nil, f
	}
	asked, f := s.askedScopes(c, form.Get("scope"))
	if f != nil {
		return nil, f
	}
	scopes := s.userScopes(s.users.serviceAccount(c.id), withoutOpenID(asked))
	if len(asked) > 0 && len(scopes) == 0 {
		return nil, errScope
	}
	return &issue{client: c, scopes: scopes}, nil
}

// byPassword is the grant that OAuth 2.1 left out: here for trying things out
// with curl, by the one client to which the realm file gives it. It shows the
// user's password to the client, which everything else here avoids.
func (s *Server) byPassword(r *http.Request, c *client, form url.Values) (*issue, *failure) {
	if form.Get("username") == "" || form.Get("password") == "" {
		return nil, refuse("invalid_request", "username and password are required.")
	}
	if f := s.checkResource(form["resource"]); f != nil {
		return nil, f
	}
	asked, f := s.askedScopes(c, form.Get("scope"))
	if f != nil {
		return nil, f
	}
	user, f := s.checkPassword(r, form.Get("username"), form.Get("password"))
	if f != nil {
		if f.status == http.StatusUnauthorized {
			f = refuse(f.code, f.description) // RFC 6749, section 5.2: 401 is for clients
		}
		return nil, f
	}
	scopes := s.userScopes(user.User, asked)
	if len(asked) > 0 && len(scopes) == 0 {
		return nil, errScope
	}
	var given *issue
	err := s.update(func(tx store.Tx) (err error) {
		given, err = s.startFamily(tx, c, user.ID, s.now().Unix(), scopes)
		return err
	})
	if err != nil {
		return nil, storeFailure(err)
	}
	return given, nil
}

// accessLifetime is how long access tokens of a client live.
func (s *Server) accessLifetime(c *client) time.Duration {
	if c.lifetime > 0 {
		return min(c.lifetime, s.lifetimes.access)
	}
	return s.lifetimes.access
}
