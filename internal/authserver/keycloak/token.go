package keycloak

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// token is a token response.
type token struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// claims are those of an access token that the MCP server goes by.
type claims struct {
	Issuer   string                              `json:"iss"`
	Audience audience                            `json:"aud"`
	Subject  string                              `json:"sub"`
	Client   string                              `json:"azp"`
	Name     string                              `json:"preferred_username"`
	Scope    string                              `json:"scope"`
	Access   map[string]struct{ Roles []string } `json:"resource_access"`
	Realm    map[string]json.RawMessage          `json:"realm_access"`
}

// audience is a string or a list of them (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// passwordGrant gets a token for a user of the realm file.
func (s *setup) passwordGrant(ctx context.Context, client realm.Client, user realm.User, more url.Values) (token, error) {
	more.Set("grant_type", "password")
	more.Set("client_id", client.ID)
	more.Set("username", user.Username)
	more.Set("password", user.Password)
	status, body, err := s.post(ctx, s.endpoint(pathToken), more, nil)
	if err != nil {
		return token{}, err
	}
	if status != http.StatusOK {
		return token{}, fmt.Errorf("there is no token from Keycloak (status %d: %s); "+
			"if the user existed before, set the password to the realm file's",
			status, reason(body))
	}
	var got token
	return got, json.Unmarshal(body, &got)
}

// revoke ends the session that a check began.
func (s *setup) revoke(ctx context.Context, client realm.Client, got token) {
	_, _, _ = s.post(ctx, s.endpoint(pathRevoke), url.Values{"client_id": {client.ID}, "token": {got.Refresh}}, nil)
}

// readClaims reads a token that came from Keycloak itself a moment ago.
func readClaims(jwt string) (claims, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return claims{}, errors.New("the access token is not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}, fmt.Errorf("the access token is not a JWT: %w", err)
	}
	var c claims
	return c, json.Unmarshal(payload, &c)
}
