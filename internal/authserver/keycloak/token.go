package keycloak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// token is a token response.
type token struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// claims are those of an access token that the MCP server goes by.
type claims struct {
	jwt.RegisteredClaims
	Client string                     `json:"azp"`
	Name   string                     `json:"preferred_username"`
	Scope  string                     `json:"scope"`
	Access map[string]json.RawMessage `json:"resource_access"`
	Realm  map[string]json.RawMessage `json:"realm_access"`
}

// passwordGrant gets a token for a user of the realm file.
func (s *setup) passwordGrant(ctx context.Context, client realm.Client, user realm.User, more url.Values) (got token, err error) {
	more.Set("grant_type", "password")
	more.Set("client_id", client.ID)
	more.Set("username", user.Username)
	more.Set("password", user.Password)
	status, body, err := s.post(ctx, s.endpoint(pathToken), more, nil)
	if err != nil {
		return got, err
	}
	if status != http.StatusOK {
		return got, fmt.Errorf("there is no token from Keycloak (status %d: %s); "+
			"if the user existed before, set the password to the realm file's",
			status, reason(body))
	}
	err = json.Unmarshal(body, &got)
	return got, err
}

// revoke ends the session that a check began.
func (s *setup) revoke(ctx context.Context, client realm.Client, got token) {
	_, _, _ = s.post(ctx, s.endpoint(pathRevoke), url.Values{"client_id": {client.ID}, "token": {got.Refresh}}, nil)
}

// readClaims reads a token that came from Keycloak itself a moment ago.
func readClaims(token string) (*claims, error) {
	c := &claims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, c); err != nil {
		return nil, fmt.Errorf("the access token is not a JWT: %w", err)
	}
	return c, nil
}
