package mcpauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
)

// RegistrationKind is where a registration comes from (MCP, authorization,
// "Client Registration Approaches"). Its values stand in store files.
type RegistrationKind string

// The kinds of registration.
const (
	PreRegisteredClient RegistrationKind = "pre-registered"
	MetadataDocument    RegistrationKind = "metadata document"
	DynamicRegistration RegistrationKind = "dynamic"
	AskedUser           RegistrationKind = "asked"
)

// Registration is a client at one authorization server.
type Registration struct {
	Kind         RegistrationKind `json:"how"`
	ClientID     string           `json:"client_id"`
	ClientSecret string           `json:"client_secret,omitempty"`
	// AuthMethod is how it authenticates itself at the token endpoint; empty
	// where the server didn't say (RFC 7591, section 2).
	AuthMethod string `json:"token_endpoint_auth_method,omitempty"`
	// BasicWithID says that the server wants client_id in the form beside HTTP
	// Basic.
	BasicWithID bool `json:"basic_with_client_id,omitempty"`
	// RedirectURI is the one that was registered, for dynamic registrations.
	RedirectURI string `json:"redirect_uri,omitempty"`
	// SecretExpires is in seconds after 1970; 0 is never.
	SecretExpires int64 `json:"client_secret_expires_at,omitempty"`
	// Management is where a dynamic registration can be deleted, and
	// ManagementToken what allows it (RFC 7592).
	Management      string `json:"registration_client_uri,omitempty"`
	ManagementToken string `json:"registration_access_token,omitempty"`

	signer *PreRegistered // whose key signs assertions, if any
}

// register makes the client known to an authorization server, in the order of
// MCP's "Client Registration Approaches" (MC04). known is what an earlier flow
// with the same issuer and resource left, or nil.
func (t *Transport) register(
	ctx context.Context, server *AuthorizationServer, known *Registration, redirectURI string,
) (*Registration, error) {
	ctx = during(ctx, StageRegistration)
	if own := t.config.PreRegistered; own != nil {
		return t.preRegistered(own, server.Issuer)
	}
	if t.config.MetadataURL != "" && server.MetadataDocuments {
		t.observer.note(StageRegistration, "The client_id is the URL of the client's metadata document, "+t.config.MetadataURL+
			". The authorization server reads the document there, and nothing is registered.")
		return &Registration{Kind: MetadataDocument, ClientID: t.config.MetadataURL, AuthMethod: clientauth.None}, nil
	}
	if known != nil && known.usable(redirectURI, t.now()) {
		t.observer.note(StageRegistration, "Already registered with "+server.Issuer+" as "+printable(known.ClientID, 200)+": nothing to do.")
		return known, nil
	}
	if server.RegistrationEndpoint != "" {
		return t.registerDynamically(ctx, server, redirectURI)
	}
	if t.config.Ask == nil {
		return nil, fmt.Errorf("%w: %s has no registration_endpoint. Have a client registered there and give its id, "+
			"or give a client metadata document where the server supports one", ErrRegistration, server.Issuer)
	}
	asked, err := t.config.Ask(ctx, server.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRegistration, err)
	}
	asked.Issuer = server.Issuer
	registration, err := t.preRegistered(asked, server.Issuer)
	if registration != nil {
		registration.Kind = AskedUser
	}
	return registration, err
}

// preRegistered uses the client's own credentials, at the one authorization
// server that they belong to (MC06).
func (t *Transport) preRegistered(own *PreRegistered, issuer string) (*Registration, error) {
	if own.Issuer != "" && own.Issuer != issuer {
		return nil, fmt.Errorf("%w: client %s belongs to %s and is not shown to %s", ErrIssuer, own.ClientID, own.Issuer, issuer)
	}
	t.observer.note(StageRegistration, "Already known at "+issuer+", as "+own.ClientID+".")
	r := &Registration{Kind: PreRegisteredClient, ClientID: own.ClientID, ClientSecret: own.ClientSecret}
	if own.Key != nil {
		r.AuthMethod, r.signer = clientauth.PrivateKeyJWT, own
	}
	return r, nil
}

// usable reports whether a stored registration still fits. The ports of literal
// loopback addresses are free (RFC 8252, section 7.3), but not every server
// knows that, so a registration is used with the redirect URI that it has.
func (r *Registration) usable(redirectURI string, now time.Time) bool {
	if r.ClientID == "" || r.SecretExpires != 0 && now.Unix() >= r.SecretExpires {
		return false
	}
	return r.Kind == AskedUser || r.Kind == DynamicRegistration && r.RedirectURI == redirectURI
}

// registerDynamically registers the client (RFC 7591, section 3). It is a
// native application (MC05): servers then allow http redirects to loopback.
func (t *Transport) registerDynamically(
	ctx context.Context, server *AuthorizationServer, redirectURI string,
) (*Registration, error) {
	body, err := json.Marshal(map[string]any{
		"client_name":                t.config.Name,
		"application_type":           "native",
		"redirect_uris":              []string{redirectURI},
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": methodToRegister(server.TokenAuthMethods),
	})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.RegistrationEndpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	response, answer, err := t.fetch.do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRegistration, err)
	}
	if refused := serverError(response.StatusCode, answer); !success(response.StatusCode) || refused.Code != "" {
		return nil, fmt.Errorf("%w: %w", ErrRegistration, refused)
	}
	registration, err := parseRegistration(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: the answer of %s can't be used: %w", ErrRegistration, server.Issuer, err)
	}
	registration.RedirectURI = redirectURI
	t.observer.note(StageRegistration, "Registered with "+server.Issuer+" as "+printable(registration.ClientID, 200)+".")
	return registration, nil
}

// methodToRegister is none where the server allows public clients.
func methodToRegister(supported []string) string {
	if len(supported) == 0 || slices.Contains(supported, clientauth.None) {
		return clientauth.None
	}
	return bySecret(supported)
}

// parseRegistration reads a registration response (RFC 7591, section 3.2.1).
// Members of another type than the standard's count as absent, but for
// client_id.
func parseRegistration(body []byte) (*Registration, error) {
	var document struct {
		ClientID        string          `json:"client_id"`
		ClientSecret    text            `json:"client_secret"`
		AuthMethod      text            `json:"token_endpoint_auth_method"`
		SecretExpires   json.RawMessage `json:"client_secret_expires_at"`
		Management      text            `json:"registration_client_uri"`
		ManagementToken text            `json:"registration_access_token"`
	}
	if err := unmarshal(body, &document); err != nil {
		return nil, err
	}
	if document.ClientID == "" {
		return nil, errors.New("it has no client_id")
	}
	expires, _ := number(document.SecretExpires)
	return &Registration{
		Kind: DynamicRegistration, ClientID: document.ClientID, ClientSecret: string(document.ClientSecret),
		AuthMethod: string(document.AuthMethod), SecretExpires: int64(expires),
		Management: string(document.Management), ManagementToken: string(document.ManagementToken),
	}, nil
}
