package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// AuthorizationServer is the metadata of an authorization server (RFC 8414,
// section 2; OpenID Connect Discovery, section 3), as far as a client needs it.
type AuthorizationServer struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorization_endpoint,omitempty"`
	TokenEndpoint         string `json:"token_endpoint,omitempty"`
	RegistrationEndpoint  string `json:"registration_endpoint,omitempty"`
	RevocationEndpoint    string `json:"revocation_endpoint,omitempty"`
	ScopesSupported       list   `json:"scopes_supported,omitempty"`
	GrantTypes            list   `json:"grant_types_supported,omitempty"`
	// CodeChallengeMethods is nil where the metadata doesn't have the member.
	CodeChallengeMethods list `json:"code_challenge_methods_supported,omitempty"`
	TokenAuthMethods     list `json:"token_endpoint_auth_methods_supported,omitempty"`
	// IssParameter promises iss in every authorization response (RFC 9207).
	IssParameter bool `json:"authorization_response_iss_parameter_supported,omitempty"`
	// MetadataDocuments says that a client_id may be the URL of a Client ID
	// Metadata Document.
	MetadataDocuments bool `json:"client_id_metadata_document_supported,omitempty"`
	// DPoPAlgorithms are those of proofs (RFC 9449, section 5.1).
	DPoPAlgorithms list `json:"dpop_signing_alg_values_supported,omitempty"`
}

// ReadAuthorizationServer reads the metadata of an issuer as the client does before
// it sends a user there. client is one of [safefetch.NewClient] with the policy.
func ReadAuthorizationServer(
	ctx context.Context, client *http.Client, policy safefetch.Policy, issuer string,
) (*AuthorizationServer, error) {
	return (&fetcher{client, policy}).discoverAuthorizationServer(ctx, issuer)
}

// CheckUsable tells why the client wouldn't send a user to this server, with no
// setting that permits something: [ErrPKCE], [ErrEndpoint] or [ErrDiscovery].
func (s *AuthorizationServer) CheckUsable() error {
	return errors.Join(s.supportsCodes(""), s.keepsItsOrigin(""))
}

// discoverAuthorizationServer reads the metadata of an issuer (MC03). The
// document must name the issuer that was asked for, byte for byte: otherwise
// whoever answers at one well-known URL could speak for another (RFC 8414,
// section 3.3).
func (f *fetcher) discoverAuthorizationServer(ctx context.Context, issuer string) (*AuthorizationServer, error) {
	locations, err := authorizationServerLocations(issuer)
	if err != nil {
		return nil, err
	}
	var server *AuthorizationServer
	err = f.document(ctx, "authorization server metadata of "+issuer, locations, func(body []byte, _ string) (err error) {
		if server, err = parseAuthorizationServer(body); err != nil {
			return err
		}
		if server.Issuer != issuer {
			return fmt.Errorf("%w: the metadata of %s names the issuer %.200q", ErrIssuer, issuer, server.Issuer)
		}
		return f.checkEndpoints(server)
	})
	if err != nil {
		return nil, err
	}
	return server, nil
}

func (f *fetcher) checkEndpoints(server *AuthorizationServer) error {
	for name, endpoint := range map[string]string{
		"authorization_endpoint": server.AuthorizationEndpoint, "token_endpoint": server.TokenEndpoint,
		"registration_endpoint": server.RegistrationEndpoint, "revocation_endpoint": server.RevocationEndpoint,
	} {
		if endpoint == "" {
			continue
		}
		if err := f.check(name, endpoint); err != nil {
			return err
		}
	}
	return nil
}

// authorizationServerLocations lists where the metadata of an issuer may stand,
// if it is one (RFC 8414, section 2).
func authorizationServerLocations(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || strings.ContainsAny(issuer, "?#") {
		return nil, fmt.Errorf("%w: %.200q is not an issuer; want a URL without query and fragment", ErrDiscovery, issuer)
	}
	return oauthmetadata.ServerLocations(u), nil
}

func parseAuthorizationServer(body []byte) (*AuthorizationServer, error) {
	var server AuthorizationServer
	if err := unmarshal(body, &server); err != nil {
		return nil, fmt.Errorf("not authorization server metadata: %w", err)
	}
	if server.Issuer == "" {
		return nil, errors.New("not authorization server metadata: it has no issuer")
	}
	return &server, nil
}

// supportsCodes reports whether a user can be sent there with PKCE. Metadata
// that doesn't promise S256 means a server that may ignore the challenge, and
// then a stolen code is worth a token (MC07; MCP, authorization, "Authorization
// Code Protection"). assumed is the one issuer that is trusted to support S256
// without saying so; one that lists other methods isn't.
func (s *AuthorizationServer) supportsCodes(assumed string) error {
	switch {
	case s.AuthorizationEndpoint == "" || s.TokenEndpoint == "":
		return fmt.Errorf("%w: the metadata of %s has no authorization_endpoint or no token_endpoint", ErrDiscovery, s.Issuer)
	case slices.Contains(s.CodeChallengeMethods, pkce.Method):
		return nil
	case s.CodeChallengeMethods != nil:
		return fmt.Errorf("%w: %s lists %q in code_challenge_methods_supported", ErrPKCE, s.Issuer, []string(s.CodeChallengeMethods))
	case assumed == s.Issuer:
		return nil
	}
	return fmt.Errorf("%w: the metadata of %s has no code_challenge_methods_supported, which MCP demands. "+
		"If its operator confirms that it supports S256, permit this one issuer", ErrPKCE, s.Issuer)
}

// keepsItsOrigin refuses an authorization endpoint at another origin than the
// issuer's, unless answers name their issuer: a malicious server that names the
// endpoint of an honest one would be given its code (RFC 9700, section 4.4).
func (s *AuthorizationServer) keepsItsOrigin(permitted string) error {
	issuer, err := url.Parse(s.Issuer)
	if err != nil {
		return fmt.Errorf("%w: issuer: %w", ErrURL, err)
	}
	endpoint, err := url.Parse(s.AuthorizationEndpoint)
	if err != nil {
		return fmt.Errorf("%w: authorization_endpoint: %w", ErrURL, err)
	}
	if s.IssParameter || baseurl.SameOrigin(issuer, endpoint) || permitted == baseurl.Origin(endpoint) {
		return nil
	}
	return fmt.Errorf("%w: %s sends users to another origin, %s, and does not promise to name itself (iss) in the answer. "+
		"If you know that both belong together, permit this origin", ErrEndpoint, s.Issuer, baseurl.Origin(endpoint))
}
