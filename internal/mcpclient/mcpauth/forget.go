package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"mcp-auth-step-by-step/internal/web/baseurl"
)

// Forget revokes what the store has for the server (RFC 7009), deletes a dynamic
// registration (RFC 7592) where that is possible, and removes the entries. It
// removes them also where the authorization server can't be reached, and then
// says so.
func (t *Transport) Forget(ctx context.Context) (forgotten int, err error) {
	entries, err := t.store.ForResourceURL(t.config.ResourceURL)
	if err != nil {
		return 0, err
	}
	var problems error
	for _, entry := range entries {
		problem, err := t.forget(during(ctx, StageRevoke), entry)
		if err != nil {
			return forgotten, err
		}
		problems = errors.Join(problems, problem)
		forgotten++
	}
	t.mu.Lock()
	t.session = session{}
	t.mu.Unlock()
	return forgotten, problems
}

// forget removes one entry. problem says why it could not be revoked.
func (t *Transport) forget(ctx context.Context, entry *Entry) (problem, err error) {
	unlock, err := t.lock(ctx, entry.key())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if problem = t.revoke(ctx, entry); problem != nil {
		problem = fmt.Errorf("%s could not revoke them: %w", entry.Issuer, problem)
	}
	return problem, t.store.Delete(entry.key())
}

func (t *Transport) revoke(ctx context.Context, entry *Entry) error {
	server, err := t.fetch.discoverAuthorizationServer(ctx, entry.Issuer)
	if err != nil {
		return err
	}
	client := entry.Client
	if client.Kind == PreRegisteredClient && t.config.PreRegistered != nil {
		client.ClientSecret, client.signer = t.config.PreRegistered.ClientSecret, t.config.PreRegistered
	}
	if entry.Token != nil && server.RevocationEndpoint != "" {
		for hint, token := range map[string]string{"refresh_token": entry.Token.Refresh, "access_token": entry.Token.Access} {
			if token == "" {
				continue
			}
			_, err := t.sendTokenRequest(ctx, tokenRequest{
				endpoint: server.RevocationEndpoint, issuer: server.Issuer, client: &client, methods: server.TokenAuthMethods,
				form: url.Values{"token": {token}, "token_type_hint": {hint}},
			})
			if err != nil && !alreadyInvalid(err) {
				return err
			}
		}
	}
	if client.Management == "" || client.ManagementToken == "" {
		return nil
	}
	return t.deleteRegistration(ctx, server, &client)
}

// alreadyInvalid reports whether a token could not be revoked because it is no
// longer valid, which is what revocation is for (RFC 7009, section 2.2). Keycloak
// says so of an access token whose refresh token was revoked before, with status
// 200.
func alreadyInvalid(err error) bool {
	said, ok := errors.AsType[*ServerError](err)
	return ok && said.Code == "invalid_token"
}

// deleteRegistration deletes a dynamic registration (RFC 7592, section 2.3). The
// token that allows it goes to no other server than the one that issued it.
func (t *Transport) deleteRegistration(ctx context.Context, server *AuthorizationServer, client *Registration) error {
	at, err := url.Parse(client.Management)
	registered, registeredErr := url.Parse(server.RegistrationEndpoint)
	if err != nil || registeredErr != nil || !baseurl.SameOrigin(at, registered) {
		return fmt.Errorf("%w: registration_client_uri is not at %s", ErrURL, server.Issuer)
	}
	if err := t.fetch.check("registration_client_uri", client.Management); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, client.Management, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+client.ManagementToken)
	response, body, err := t.fetch.do(request)
	if err == nil && !success(response.StatusCode) {
		err = serverError(response.StatusCode, body)
	}
	return err
}
