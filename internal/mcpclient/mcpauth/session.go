package mcpauth

import (
	"context"
	"fmt"
)

// session is what requests are sent with.
type session struct {
	entry  *Entry  // nil before the first flow
	proofs *prover // nil for bearer tokens
}

func (s session) token() *Token {
	if s.entry == nil {
		return nil
	}
	return s.entry.Token
}

// resume takes over the newest token that the store has for the server, unless
// it belongs to another client than the one that was named.
func (t *Transport) resume() error {
	entries, err := t.store.ForServer(t.config.Server)
	if err != nil {
		return err
	}
	var newest *Entry
	for _, entry := range entries {
		own := t.config.PreRegistered
		if entry.Token == nil || own != nil && (own.ClientID != entry.Client.ClientID || own.Issuer != "" && own.Issuer != entry.Issuer) {
			continue
		}
		if newest == nil || entry.Saved.After(newest.Saved) {
			newest = entry
		}
	}
	if newest == nil {
		return nil
	}
	s := session{entry: newest}
	if len(newest.DPoPKey) > 0 {
		if s.proofs, err = newProver(newest.DPoPKey); err != nil {
			return err
		}
	}
	t.session = s
	t.observer.note(StageRequest, "There is a token for this server from an earlier run: it is used, and everything up to it skipped.")
	return nil
}

// ready returns what to send a request with, renewed if it is about to end.
func (t *Transport) ready(ctx context.Context) (session, error) {
	t.mu.Lock()
	s := t.session
	t.mu.Unlock()
	token := s.token()
	if token == nil || token.fresh(t.now()) {
		return s, nil
	}
	err := t.share(ctx, &t.renewing, token, func(ctx context.Context) error {
		return t.renew(ctx, s)
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session, err
}

// renew replaces a token that is about to end. Where that fails for good, the
// session goes on without a token, and the server's 401 starts a flow.
func (t *Transport) renew(ctx context.Context, s session) error {
	entry := *s.entry
	if entry.Token.Refresh == "" {
		t.drop(s)
		return nil
	}
	server, err := t.fetch.discoverServer(during(ctx, StageServer), entry.Issuer)
	if err != nil {
		return t.keepWhileValid(s, err)
	}
	token, err := t.refreshToken(ctx, server, &entry, s.proofs)
	if err != nil {
		grant, client := lost(err)
		if !grant && !client {
			return t.keepWhileValid(s, err)
		}
		entry.Token = nil
		if client {
			entry.Client = Registration{}
		}
		t.observer.note(StageToken, "The refresh token is worth nothing any more.")
		t.drop(s)
		return t.store.Save(&entry)
	}
	entry.Token = token
	return t.adopt(&entry, s.proofs)
}

// refreshToken asks for a new token by the refresh token of an entry, at the
// authorization server that gave it out.
func (t *Transport) refreshToken(ctx context.Context, server *Server, entry *Entry, proofs *prover) (*Token, error) {
	client := entry.Client
	if own := t.config.PreRegistered; client.How == "pre-registered" {
		if own == nil {
			return nil, &ServerError{Code: "invalid_client", Description: "the client's credentials are not kept"}
		}
		registration, err := t.preRegistered(own, server.Issuer)
		if err != nil {
			return nil, err
		}
		client = *registration
	}
	t.observer.note(StageToken, "The refresh token gets a new access token, without the user.")
	token, err := t.requestToken(ctx, tokenRequest{
		endpoint: server.TokenEndpoint, issuer: server.Issuer, client: &client, methods: server.TokenAuthMethods,
		form: refreshForm(entry.Token.Refresh, entry.Resource), proofs: proofs,
	}, entry.Token.Scope)
	if err != nil {
		return nil, err
	}
	if token.Refresh == "" { // it stays (RFC 6749, section 6)
		token.Refresh = entry.Token.Refresh
	}
	token.Asked = entry.Token.Asked
	return token, nil
}

// keepWhileValid lets requests go on with a token that could not be renewed
// and has not ended yet.
func (t *Transport) keepWhileValid(s session, err error) error {
	if t.now().Before(s.token().Expires) {
		return nil
	}
	return err
}

func (t *Transport) drop(s session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == s {
		t.session = session{}
	}
}

// adopt makes an entry what requests are sent with, once it is stored.
func (t *Transport) adopt(entry *Entry, proofs *prover) error {
	entry.Saved = t.now()
	entry.DPoPKey = nil
	if proofs != nil {
		var err error
		if entry.DPoPKey, err = proofs.marshal(); err != nil {
			return err
		}
	}
	if err := t.store.Save(entry); err != nil {
		return fmt.Errorf("the token can't be stored: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = session{entry: entry, proofs: proofs}
	return nil
}
