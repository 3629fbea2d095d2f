package authserver

import (
	"net/http"
	"net/url"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
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
func (s *Server) token(w http.ResponseWriter, r *http.Request) error {
	given, err := s.grant(r)
	if err != nil {
		return err
	}
	answer, err := s.tokens.mint(given)
	if err != nil {
		return err
	}
	subject := given.client.id
	if given.account != nil {
		subject = given.account.ID
	}
	logging.FromContext(r.Context()).Info("token issued", "client_id", given.client.id, "sub", subject, "scope", answer.Scope)
	jsonreply.Write(w, http.StatusOK, answer)
	return nil
}

// grant decides by the grant type what is given to the client.
func (s *Server) grant(r *http.Request) (*issue, error) {
	values, err := form(r)
	if err != nil {
		return nil, err
	}
	kind := values.Get("grant_type")
	if kind == "" {
		return nil, refuse("invalid_request", "grant_type is missing.")
	}
	c, err := s.clients.authenticate(r, values)
	if err != nil {
		return nil, err
	}
	give := map[string]func(*client, url.Values) (*issue, error){
		clientmetadata.GrantCode:              s.grants.exchangeCode,
		clientmetadata.GrantRefresh:           s.grants.refresh,
		clientmetadata.GrantClientCredentials: s.clientCredentials,
		grantPassword:                         func(c *client, form url.Values) (*issue, error) { return s.password(r, c, form) },
	}[kind]
	switch {
	case give == nil:
		return nil, refuse("unsupported_grant_type", "This server supports authorization_code, refresh_token and client_credentials.")
	case !c.AllowsGrant(kind) && kind == grantPassword:
		return nil, refuse("unauthorized_client", "OAuth 2.1 has no password grant. Use authorization_code.")
	case !c.AllowsGrant(kind):
		return nil, refuse("unauthorized_client", "This client may not use this grant type.")
	}
	return give(c, values)
}

// clientCredentials is the grant of OAuth 2.1, section 4.2. There is no user and
// no refresh token.
func (s *Server) clientCredentials(c *client, form url.Values) (*issue, error) {
	asked, err := s.requestedScopes(c, form)
	if err != nil {
		return nil, err
	}
	scopes := s.scopes.ofUser(s.users.serviceAccount(c.id), without(asked, func(name string) bool { return name == openID }))
	if len(asked) > 0 && len(scopes) == 0 {
		return nil, errScope
	}
	return &issue{client: c, scopes: scopes}, nil
}

// requestedScopes are the scopes that a token request asks for, for the one
// resource that there is.
func (s *Server) requestedScopes(c *client, form url.Values) ([]string, error) {
	if err := checkResource(s.grants.resource, form["resource"]); err != nil {
		return nil, err
	}
	scopes, _, err := s.scopes.requested(c, form.Get("scope"))
	return scopes, err
}

// password is the grant that OAuth 2.1 left out: for trying things out with
// curl, by the one client to which the realm file gives it. It shows the user's
// password to the client, which no other grant does.
func (s *Server) password(r *http.Request, c *client, form url.Values) (*issue, error) {
	if form.Get("username") == "" || form.Get("password") == "" {
		return nil, refuse("invalid_request", "username and password are required.")
	}
	asked, err := s.requestedScopes(c, form)
	if err != nil {
		return nil, err
	}
	user, err := s.logIn(r, form.Get("username"), form.Get("password"))
	if err != nil {
		if told := asOAuth(err); told.status == http.StatusUnauthorized {
			return nil, refuseBecause(told.code, told.description, err) // RFC 6749, section 5.2: 401 is for clients
		}
		return nil, err
	}
	scopes := s.scopes.ofUser(user.User, asked)
	if len(asked) > 0 && len(scopes) == 0 {
		return nil, errScope
	}
	return s.grants.update(func(tx store.Tx) (*issue, error) {
		return s.grants.start(tx, c, session{Subject: user.ID, AuthTime: s.now().Unix()}, scopes)
	})
}
