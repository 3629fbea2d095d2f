package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
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
	entries, err := t.store.ForResourceURL(t.config.ResourceURL)
	if err != nil {
		return err
	}
	entries = slices.DeleteFunc(entries, func(e *Entry) bool { return e.Token == nil || !t.mayUse(e) })
	if len(entries) == 0 {
		return nil
	}
	newest := slices.MaxFunc(entries, func(a, b *Entry) int { return a.Saved.Compare(b.Saved) })
	if err := t.use(newest); err != nil {
		return err
	}
	t.observer.note(StageRequest, "There is a token for this server from an earlier run. It is used, so nothing needs to be discovered.")
	return nil
}

// mayUse reports whether an entry belongs to the client that the user named, or
// the user named none.
func (t *Transport) mayUse(entry *Entry) bool {
	own := t.config.PreRegistered
	return own == nil || own.ClientID == entry.Client.ClientID && (own.Issuer == "" || own.Issuer == entry.Issuer)
}

// use makes an entry of the store the session.
func (t *Transport) use(entry *Entry) error {
	s := session{entry: entry}
	if len(entry.DPoPKey) > 0 {
		var err error
		if s.proofs, err = newProver(entry.DPoPKey); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.session = s
	return nil
}

// adopt stores an entry with a new token and makes it the session.
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
	t.unused = entry.Token
	return nil
}

func (t *Transport) drop(s session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == s {
		t.session = session{}
	}
}

// ready returns what to send a request with, renewed if it is about to end.
func (t *Transport) ready(ctx context.Context) (session, error) {
	t.mu.Lock()
	s := t.session
	token := s.token()
	first := token != nil && t.unused == token
	if first {
		t.unused = nil
	}
	t.mu.Unlock()
	// A token that expires at once is good for one request. Without a refresh
	// token it is used until the server refuses it: only a login could replace it.
	if token == nil || token.fresh(t.now()) || token.momentary() && (first || token.Refresh == "") {
		return s, nil
	}
	err := t.share(ctx, &t.renewing, token, func(ctx context.Context) error { return t.renew(ctx, s) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unused = nil // it is sent now
	return t.session, err
}

// renew replaces a token that is about to end. Where that fails for good, the
// session goes on without a token, and the server's 401 starts a flow.
func (t *Transport) renew(ctx context.Context, s session) error {
	unlock, err := t.lock(ctx, s.entry.key())
	if err != nil {
		return t.keepWhileValid(s, err)
	}
	defer unlock()
	entry, err := t.store.Load(s.entry.key())
	switch {
	case err != nil:
		return err
	case entry == nil || entry.Token == nil || !t.mayUse(entry): // another program has forgotten it
		t.drop(s)
		return nil
	case t.newerThan(entry, s.token()):
		return t.use(entry)
	case entry.Token.Refresh == "":
		t.drop(s)
		return nil
	}
	what, err := t.refreshEntry(ctx, entry, s.proofs)
	switch what {
	case renewed:
		return err
	case keepIt:
		return t.keepWhileValid(s, err)
	}
	t.drop(s)
	return t.store.Save(entry)
}

// newerThan reports whether another program has put a token into an entry that
// is better than the one in use, and notes it.
func (t *Transport) newerThan(entry *Entry, token *Token) bool {
	if entry.Token == nil || token != nil && entry.Token.Access == token.Access || !entry.Token.fresh(t.now()) || !t.mayUse(entry) {
		return false
	}
	t.observer.note(StageToken, "Another program has got a token for this server in the meantime. It is used.")
	return true
}

// refreshEntry renews the token of an entry, whose lock the caller holds, and
// makes it the session. Where that fails, it returns what the failure means, and
// takes out of the entry what is invalid.
func (t *Transport) refreshEntry(ctx context.Context, entry *Entry, proofs *prover) (verdict, error) {
	token, err := t.refreshToken(ctx, entry, proofs)
	if err == nil {
		entry.Token = token
		return renewed, t.adopt(entry, proofs)
	}
	what := verdictOf(err)
	switch what {
	case logIn:
		t.observer.note(StageToken, "The refresh token was not accepted ("+printable(err.Error(), 200)+"). A new login is needed.")
	case ended, unknownClient:
		// A program that takes no lock may have been quicker.
		if stored, err := t.store.Load(entry.key()); err == nil && stored != nil && t.newerThan(stored, entry.Token) {
			return renewed, t.use(stored)
		}
		t.observer.note(StageToken, "The refresh token is no longer valid ("+printable(err.Error(), 200)+"). The flow begins anew.")
		entry.Token = nil
		if what == unknownClient {
			entry.Client = Registration{}
		}
	}
	return what, err
}

// refreshToken asks for a new token by the refresh token of an entry, at the
// authorization server that issued it. Its metadata is that of the last flow;
// where its token endpoint doesn't answer any more, it is read again.
func (t *Transport) refreshToken(ctx context.Context, entry *Entry, proofs *prover) (*Token, error) {
	client, err := t.clientOf(entry)
	if err != nil {
		return nil, err
	}
	server := entry.Server
	if server == nil {
		if server, err = t.fetch.discoverAuthorizationServer(during(ctx, StageServer), entry.Issuer); err != nil {
			return nil, err
		}
	}
	t.observer.note(StageToken, "The refresh token gets a new access token, without the user.")
	token, err := t.refreshAt(ctx, server, entry, client, proofs)
	if what := verdictOf(err); entry.Server != nil && (what == keepIt || what == logIn) {
		current, discoveryErr := t.fetch.discoverAuthorizationServer(during(ctx, StageServer), entry.Issuer)
		if discoveryErr == nil && current.TokenEndpoint != server.TokenEndpoint {
			server = current
			token, err = t.refreshAt(ctx, server, entry, client, proofs)
		}
	}
	if err != nil {
		return nil, err
	}
	entry.Server, entry.Client.BasicWithID = server, client.BasicWithID
	if token.Refresh == "" { // it stays (RFC 6749, section 6)
		token.Refresh = entry.Token.Refresh
	}
	token.Asked = entry.Token.Asked
	return token, nil
}

func (t *Transport) refreshAt(
	ctx context.Context, server *AuthorizationServer, entry *Entry, client *Registration, proofs *prover,
) (*Token, error) {
	return t.requestToken(ctx, tokenRequest{
		endpoint: server.TokenEndpoint, issuer: server.Issuer, client: client, methods: server.TokenAuthMethods,
		form: refreshForm(entry.Token.Refresh, entry.Resource), proofs: proofs,
	}, entry.Token.Scope)
}

// clientOf is the client of an entry, with the credentials that aren't stored.
func (t *Transport) clientOf(entry *Entry) (*Registration, error) {
	client := entry.Client
	if client.Kind != PreRegisteredClient {
		return &client, nil
	}
	own := t.config.PreRegistered
	if own == nil {
		return nil, &ServerError{Code: "invalid_client", Description: "the token belongs to a client whose credentials were not given this time"}
	}
	registration, err := t.preRegistered(own, entry.Issuer)
	if err != nil {
		return nil, err
	}
	registration.BasicWithID = client.BasicWithID
	return registration, nil
}

// keepWhileValid lets requests go on with a token that could not be renewed
// and has not ended yet.
func (t *Transport) keepWhileValid(s session, err error) error {
	if t.now().Before(s.token().Expires) {
		return nil
	}
	return err
}

// lockInterval is the time between two tries to lock an entry.
const lockInterval = 100 * time.Millisecond

// lock takes an entry of the store, as soon as no other program has it.
func (t *Transport) lock(ctx context.Context, key EntryKey) (unlock func(), err error) {
	for waited := false; ; waited = true {
		unlock, err := t.store.Lock(key)
		if !errors.Is(err, ErrLocked) {
			return unlock, err
		}
		if !waited {
			t.observer.alert(StageToken, "Another program is getting a token for this server. Waiting until it has finished.")
		}
		select {
		case <-time.After(lockInterval):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrLocked, ctx.Err())
		}
	}
}
