package mcpauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Registration is a client at one authorization server.
type Registration struct {
	// How tells where it comes from: "pre-registered", "metadata document",
	// "dynamic" or "asked".
	How          string `json:"how"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret,omitempty"`
	// AuthMethod is how it proves itself at the token endpoint; empty where
	// nobody said (RFC 7591, section 2).
	AuthMethod string `json:"token_endpoint_auth_method,omitempty"`
	// RedirectURI is the one that was registered, for those that are.
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
func (t *Transport) register(ctx context.Context, server *Server, known *Registration, redirectURI string) (*Registration, error) {
	ctx = during(ctx, StageRegistration)
	if own := t.config.PreRegistered; own != nil {
		return t.preRegistered(own, server.Issuer)
	}
	if t.config.MetadataURL != "" && server.MetadataDocuments {
		t.observer.note(StageRegistration, "The client's name is the URL of its metadata document, "+t.config.MetadataURL+": the authorization server reads it there, and nothing is registered.")
		return &Registration{How: "metadata document", ClientID: t.config.MetadataURL, AuthMethod: "none"}, nil
	}
	if known != nil && known.usable(redirectURI, t.now()) {
		t.observer.note(StageRegistration, "Already registered with "+server.Issuer+" as "+known.ClientID+": nothing to do.")
		return known, nil
	}
	if server.RegistrationEndpoint != "" {
		return t.registerDynamically(ctx, server, redirectURI)
	}
	if t.config.Ask != nil {
		asked, err := t.config.Ask(ctx, server.Issuer)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRegistration, err)
		}
		asked.Issuer = server.Issuer
		registration, err := t.preRegistered(asked, server.Issuer)
		if registration != nil {
			registration.How = "asked"
		}
		return registration, err
	}
	return nil, fmt.Errorf("%w: %s takes no registration; have a client registered there and name it, or name a client metadata document if it supports them", ErrRegistration, server.Issuer)
}

// preRegistered uses the client's own credentials, at the one authorization
// server that they belong to (MC06).
func (t *Transport) preRegistered(own *PreRegistered, issuer string) (*Registration, error) {
	if own.Issuer != "" && own.Issuer != issuer {
		return nil, fmt.Errorf("%w: client %s belongs to %s and is not shown to %s", ErrIssuer, own.ClientID, own.Issuer, issuer)
	}
	t.observer.note(StageRegistration, "Known at "+issuer+" already, as "+own.ClientID+".")
	r := &Registration{How: "pre-registered", ClientID: own.ClientID, ClientSecret: own.ClientSecret}
	if own.Key != nil {
		r.AuthMethod, r.signer = "private_key_jwt", own
	}
	return r, nil
}

// usable tells whether a stored registration still fits. The ports of literal
// loopback addresses are free (RFC 8252, section 7.3), but not every server
// knows that, so a registration is used with the redirect URI that it has.
func (r *Registration) usable(redirectURI string, now time.Time) bool {
	if r.ClientID == "" || r.SecretExpires != 0 && now.Unix() >= r.SecretExpires {
		return false
	}
	return r.How == "asked" || r.How == "dynamic" && r.RedirectURI == redirectURI
}

// registerDynamically registers the client (RFC 7591, section 3). It is a
// native application (MC05): servers then allow http redirects to loopback.
func (t *Transport) registerDynamically(ctx context.Context, server *Server, redirectURI string) (*Registration, error) {
	method := "none"
	if len(server.TokenAuthMethods) > 0 && !slices.Contains(server.TokenAuthMethods, "none") {
		for _, supported := range []string{"client_secret_basic", "client_secret_post"} {
			if slices.Contains(server.TokenAuthMethods, supported) {
				method = supported
				break
			}
		}
	}
	body, err := json.Marshal(map[string]any{
		"client_name":                t.config.Name,
		"application_type":           "native",
		"redirect_uris":              []string{redirectURI},
		"grant_types":                []string{"authorization_code", "refresh_token"},
		"response_types":             []string{"code"},
		"token_endpoint_auth_method": method,
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
	status, answer, err := t.fetch.do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRegistration, err)
	}
	if status != http.StatusCreated && status != http.StatusOK {
		return nil, fmt.Errorf("%w: %w", ErrRegistration, serverError(status, answer))
	}
	registration, err := parseRegistration(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRegistration, err)
	}
	registration.RedirectURI = redirectURI
	t.observer.note(StageRegistration, "Registered with "+server.Issuer+" as "+registration.ClientID+".")
	return registration, nil
}

func parseRegistration(body []byte) (*Registration, error) {
	r := Registration{}
	if err := unmarshal(body, &r); err != nil {
		return nil, err
	}
	if r.ClientID == "" {
		return nil, errors.New("the answer names no client_id")
	}
	r.How = "dynamic"
	return &r, nil
}

// do sends a request that the client made itself, and reads all of the answer.
func (f *fetcher) do(request *http.Request) (status int, body []byte, err error) {
	response, err := f.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(response.Body) // which the policy caps
	return response.StatusCode, body, err
}

// serverError reads the error of an answer that isn't a success.
func serverError(status int, body []byte) *ServerError {
	var document struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = unmarshal(body, &document)
	e := newServerError(document.Error, document.Description)
	e.Status = status
	if e.Code == "" {
		e.Code = fmt.Sprintf("status %d without an error code", status)
	}
	return e
}
