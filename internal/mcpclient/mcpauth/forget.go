package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Forget gives back what the store has for the server: it revokes the tokens
// (RFC 7009), deletes a dynamic registration (RFC 7592) where that is possible,
// and removes the entries. It removes them also where the authorization server
// can't be reached, and then says so.
func (t *Transport) Forget(ctx context.Context) (forgotten int, err error) {
	entries, err := t.store.ForServer(t.config.Server)
	if err != nil {
		return 0, err
	}
	var problems error
	for _, entry := range entries {
		if err := t.giveBack(during(ctx, StageRevoke), entry); err != nil {
			problems = errors.Join(problems, fmt.Errorf("%s could not be told: %w", entry.Issuer, err))
		}
		if err := t.store.Delete(entry.Issuer, entry.Resource); err != nil {
			return forgotten, err
		}
		forgotten++
	}
	t.mu.Lock()
	t.session = session{}
	t.mu.Unlock()
	return forgotten, problems
}

func (t *Transport) giveBack(ctx context.Context, entry *Entry) error {
	server, err := t.fetch.discoverServer(ctx, entry.Issuer)
	if err != nil {
		return err
	}
	client := entry.Client
	if client.How == "pre-registered" && t.config.PreRegistered != nil {
		client.ClientSecret, client.signer = t.config.PreRegistered.ClientSecret, t.config.PreRegistered
	}
	if entry.Token != nil && server.RevocationEndpoint != "" {
		for hint, token := range map[string]string{"refresh_token": entry.Token.Refresh, "access_token": entry.Token.Access} {
			if token == "" {
				continue
			}
			status, body, _, err := t.sendTokenRequest(ctx, tokenRequest{
				endpoint: server.RevocationEndpoint, issuer: server.Issuer, client: &client, methods: server.TokenAuthMethods,
				form: url.Values{"token": {token}, "token_type_hint": {hint}},
			})
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return serverError(status, body)
			}
		}
	}
	if client.Management == "" || client.ManagementToken == "" {
		return nil
	}
	// The token that deletes it goes to no other server than the one that
	// gave it out.
	if at, err := url.Parse(client.Management); err != nil || !sameOrigin(at, server.RegistrationEndpoint) {
		return fmt.Errorf("%w: registration_client_uri is not at %s", ErrURL, entry.Issuer)
	}
	if err := t.fetch.check("registration_client_uri", client.Management); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, client.Management, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+client.ManagementToken)
	status, body, err := t.fetch.do(request)
	if err == nil && status != http.StatusNoContent && status != http.StatusOK {
		err = serverError(status, body)
	}
	return err
}
