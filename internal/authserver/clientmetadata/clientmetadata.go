// Package clientmetadata reads what OAuth clients say about themselves: in a
// registration (RFC 7591) or in a document at the URL that is their client_id
// (Client ID Metadata Document draft 02, which MCP 2026-07-28 names). Nobody
// vouches for either, so this package decides which members are granted.
//
// No URL inside a registration or a document is ever fetched. Keys come by
// value; a logo would be fetched by the user's browser.
//
//	m, err := clientmetadata.ParseRegistration(body)
//
//	f := clientmetadata.NewFetcher(safefetch.NewClient(safefetch.Policy{}), nil)
//	m, err := f.Fetch(ctx, "https://app.example/client.json")
package clientmetadata

import (
	"encoding/json"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
)

// Grant types.
const (
	GrantCode              = "authorization_code"
	GrantRefresh           = "refresh_token"
	GrantClientCredentials = "client_credentials"
)

// Application types (OpenID Connect Registration, section 2).
const (
	Native = "native"
	Web    = "web"
)

// Error codes of RFC 7591, section 3.2.2, and of RFC 6749 for a client whose
// document can't be used.
const (
	InvalidRedirectURI    = "invalid_redirect_uri"
	InvalidClientMetadata = "invalid_client_metadata"
	InvalidClient         = "invalid_client"
)

// Error is a refusal that may be shown to the client: a code for programs and
// a sentence for people.
type Error struct{ Code, Description string }

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Metadata describes a client (RFC 7591, section 2; application_type of OpenID
// Connect Registration). It has members only for what has an effect here, so
// that a client learns what it was granted.
type Metadata struct {
	ClientID              string `json:"client_id,omitempty"`
	ClientIDIssuedAt      int64  `json:"client_id_issued_at,omitempty"`      // seconds since 1970
	ClientSecret          string `json:"client_secret,omitempty"`            // shown once, to its owner
	ClientSecretExpiresAt *int64 `json:"client_secret_expires_at,omitempty"` // required beside a secret; 0: never

	RedirectURIs            []Redirect      `json:"redirect_uris,omitempty"`
	TokenEndpointAuthMethod string          `json:"token_endpoint_auth_method"`
	GrantTypes              []string        `json:"grant_types"`
	ResponseTypes           []string        `json:"response_types"`
	ApplicationType         string          `json:"application_type"`
	ClientName              string          `json:"client_name,omitempty"` // free of control and bidi characters
	ClientURI               string          `json:"client_uri,omitempty"`  // https, or empty
	LogoURI                 string          `json:"logo_uri,omitempty"`    // https, or empty
	Scope                   string          `json:"scope,omitempty"`       // as asked for: the server bounds it
	JWKSURI                 string          `json:"jwks_uri,omitempty"`    // always empty: never fetched, so never granted
	JWKS                    json.RawMessage `json:"jwks,omitempty"`        // public keys for private_key_jwt
}

// Confidential reports whether the client can authenticate.
func (m *Metadata) Confidential() bool { return m.TokenEndpointAuthMethod != clientauth.None }

// AllowsGrant reports whether the client may use a grant type.
func (m *Metadata) AllowsGrant(grant string) bool { return slices.Contains(m.GrantTypes, grant) }

// Scopes are the words of Scope.
func (m *Metadata) Scopes() []string { return strings.Fields(m.Scope) }

// clone makes a copy that shares nothing which a caller could change.
func (m *Metadata) clone() *Metadata {
	c := *m
	c.RedirectURIs = slices.Clone(m.RedirectURIs)
	c.GrantTypes = slices.Clone(m.GrantTypes)
	c.ResponseTypes = slices.Clone(m.ResponseTypes)
	c.JWKS = slices.Clone(m.JWKS)
	return &c
}
