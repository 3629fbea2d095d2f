package authserver

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
)

// tokens makes this server's tokens, and knows them again.
type tokens struct {
	issuer   string
	keys     *KeyRing
	verifier *accesstoken.Verifier
	grants   *grants
}

// mint signs what was decided on.
func (t *tokens) mint(given *issue) (*tokenResponse, error) {
	now := t.grants.now()
	lifetime := t.grants.lifetimes.accessToken(given.client)
	access, err := t.sign("at+jwt", t.accessClaims(given, now, now.Add(lifetime)))
	if err != nil {
		return nil, err
	}
	answer := &tokenResponse{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(lifetime / time.Second),
		RefreshToken: given.refresh, Scope: scopeList(given.scopes),
	}
	if given.account != nil && slices.Contains(given.scopes, openID) {
		answer.IDToken, err = t.sign("JWT", t.idClaims(given, access, now, now.Add(lifetime)))
	}
	return answer, err
}

// sign makes a JWT with the current key. The type in the header is what keeps
// an ID token from passing for an access token (RFC 9068, section 2.1; RFC
// 8725, section 3.11).
func (t *tokens) sign(kind string, claims jwt.MapClaims) (string, error) {
	key, id := t.keys.current()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["typ"], token.Header["kid"] = kind, id
	return token.SignedString(key)
}

// accessClaims are those of RFC 9068, section 2.2. Where Keycloak has a claim
// for the same, it is there in its form too: azp and resource_access.
func (t *tokens) accessClaims(given *issue, now, expires time.Time) jwt.MapClaims {
	user, subject := t.grants.users.serviceAccount(given.client.id), given.client.id
	if given.account != nil {
		user, subject = given.account.User, given.account.ID
	}
	claims := jwt.MapClaims{
		"iss":                t.issuer,
		"sub":                subject,
		"aud":                t.grants.resource,
		"iat":                now.Unix(),
		"exp":                expires.Unix(),
		"jti":                tokenID(given.family),
		"client_id":          given.client.id,
		"azp":                given.client.id,
		"scope":              scopeList(given.scopes),
		"preferred_username": user.Username,
	}
	if roles := t.grants.scopes.rolesIn(user, given.client, given.scopes); len(roles) > 0 {
		access := map[string]any{}
		for client, names := range roles {
			access[client] = map[string]any{"roles": names}
		}
		claims["resource_access"] = access
	}
	if given.account != nil {
		maps.Copy(claims, personal(user, given.scopes))
	}
	return claims
}

// idClaims are those of OpenID Connect Core, section 2. at_hash ties the ID
// token to the access token beside it (section 3.1.3.6).
func (t *tokens) idClaims(given *issue, access string, now, expires time.Time) jwt.MapClaims {
	sum := sha256.Sum256([]byte(access))
	claims := jwt.MapClaims{
		"iss":       t.issuer,
		"sub":       given.account.ID,
		"aud":       given.client.id,
		"azp":       given.client.id,
		"iat":       now.Unix(),
		"exp":       expires.Unix(),
		"auth_time": given.authTime,
		"at_hash":   base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]),
	}
	if given.nonce != "" {
		claims["nonce"] = given.nonce
	}
	maps.Copy(claims, personal(given.account.User, given.scopes))
	return claims
}

// personal are the claims about the user that scopes give (OpenID Connect
// Core, section 5.4).
func personal(user realm.User, scopes []string) jwt.MapClaims {
	claims := jwt.MapClaims{}
	add := func(name, value string) {
		if value != "" {
			claims[name] = value
		}
	}
	if slices.Contains(scopes, "profile") {
		add("preferred_username", user.Username)
		add("name", user.Name())
		add("given_name", user.FirstName)
		add("family_name", user.LastName)
	}
	if slices.Contains(scopes, "email") && user.Email != "" {
		add("email", user.Email)
		claims["email_verified"] = user.EmailVerified
	}
	return claims
}

// tokenID is a jti. It begins with the key of the family, by which
// introspection sees whether the token was revoked with it.
func tokenID(family string) string {
	if family == "" {
		return secret()
	}
	return family + "." + secret()
}
