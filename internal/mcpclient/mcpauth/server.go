package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
)

// Server is what an authorization server says about itself (RFC 8414, section
// 2; OpenID Connect Discovery, section 3), as far as a client needs it.
type Server struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	ScopesSupported       []string `json:"scopes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	CodeChallengeMethods  []string `json:"code_challenge_methods_supported"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	// IssParameter promises iss in every authorization response (RFC 9207).
	IssParameter bool `json:"authorization_response_iss_parameter_supported"`
	// MetadataDocuments says that a client_id may be the URL of a Client ID
	// Metadata Document.
	MetadataDocuments bool `json:"client_id_metadata_document_supported"`
	// DPoPAlgorithms are those of proofs (RFC 9449, section 5.1).
	DPoPAlgorithms []string `json:"dpop_signing_alg_values_supported"`
}

// discoverServer reads the metadata of an issuer (MC03). The document must
// name the issuer that was asked for, byte for byte: otherwise whoever answers
// at one well-known URL could speak for another (RFC 8414, section 3.3). A
// document that names another ends the search; a second try elsewhere would be
// a way around the check.
func (f *fetcher) discoverServer(ctx context.Context, issuer string) (*Server, error) {
	locations, err := serverLocations(issuer)
	if err != nil {
		return nil, err
	}
	body, location, err := f.first(ctx, "authorization server metadata", locations)
	if err != nil {
		return nil, err
	}
	server, err := parseServer(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDiscovery, location, err)
	}
	if server.Issuer != issuer {
		return nil, fmt.Errorf("%w: the metadata of %s says that it is %.200q's", ErrIssuer, issuer, server.Issuer)
	}
	for name, endpoint := range map[string]string{
		"authorization_endpoint": server.AuthorizationEndpoint, "token_endpoint": server.TokenEndpoint,
		"registration_endpoint": server.RegistrationEndpoint, "revocation_endpoint": server.RevocationEndpoint,
	} {
		if endpoint == "" {
			continue
		}
		if err := f.check(name, endpoint); err != nil {
			return nil, err
		}
	}
	return server, nil
}

// serverLocations lists where the metadata of an issuer may stand, if it is one
// (RFC 8414, section 2).
func serverLocations(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(issuer, "?#") {
		return nil, fmt.Errorf("%w: %.200q is no issuer: it must be a URL without query and fragment", ErrDiscovery, issuer)
	}
	return oauthmetadata.ServerLocations(u), nil
}

func parseServer(body []byte) (*Server, error) {
	var server Server
	if err := unmarshal(body, &server); err != nil {
		return nil, err
	}
	if server.Issuer == "" {
		return nil, errors.New("it names no issuer")
	}
	return &server, nil
}

// supportsCodes tells whether a user can be sent there with PKCE. Metadata that
// doesn't promise S256 means a server that may ignore the challenge, and then
// a stolen code is worth a token (MC07; MCP, authorization, "Authorization Code
// Protection").
func (s *Server) supportsCodes() error {
	switch {
	case s.AuthorizationEndpoint == "" || s.TokenEndpoint == "":
		return fmt.Errorf("%w: %s has no authorization_endpoint or no token_endpoint", ErrDiscovery, s.Issuer)
	case !slices.Contains(s.CodeChallengeMethods, "S256"):
		return fmt.Errorf("%w: %s lists %q", ErrPKCE, s.Issuer, s.CodeChallengeMethods)
	}
	return nil
}
