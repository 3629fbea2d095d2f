package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// flow gets a token: all stages, in the order of the specification.
func (t *Transport) flow(ctx context.Context, why reason) error {
	if !why.stepUp {
		t.observer.note(StageRequest, "The server wants a token (401). Its metadata says which authorization server issues them.")
	}
	remembered, err := t.rememberedMetadata()
	if err != nil {
		return err
	}
	resource, at, err := t.fetch.discoverResource(during(ctx, StageResource), t.server, why.challenge, remembered)
	if err != nil {
		return err
	}
	t.observer.note(StageResource, "The metadata describes "+printable(resource.ID, 200)+", the server that was called. "+
		"Tokens for it are issued by "+printable(resource.AuthorizationServers[0], 200)+".")
	server, err := t.authorizationServer(during(ctx, StageServer), resource)
	if err != nil {
		return err
	}
	t.observer.note(StageServer, "✓ The document names the issuer that we asked, so it is not somebody else's.")
	key := EntryKey{server.Issuer, resource.ID, t.config.ResourceURL}
	unlock, err := t.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	entry, err := t.store.Load(key)
	if err != nil {
		return err
	}
	if entry == nil {
		entry = &Entry{Issuer: server.Issuer, Resource: resource.ID}
	}
	if t.newerThan(entry, why.refused) {
		return t.use(entry)
	}
	entry.ResourceURL, entry.MetadataURL, entry.Server = t.config.ResourceURL, at, server
	f := &flowState{t: t, why: why, resource: resource, server: server, entry: entry}
	if f.proofs, err = t.prover(server, entry, why.dpop || resource.takesDPoP()); err != nil {
		return err
	}
	if f.scope, err = f.chooseScope(); err != nil {
		return err
	}
	return f.run(ctx)
}

// rememberedMetadata is where an earlier challenge said that the server's
// metadata stands, or empty.
func (t *Transport) rememberedMetadata() (string, error) {
	entries, err := t.store.ForResourceURL(t.config.ResourceURL)
	for _, entry := range entries {
		if entry.MetadataURL != "" {
			return entry.MetadataURL, err
		}
	}
	return "", err
}

// maxIssuers bounds the authorization servers that are tried for one resource.
const maxIssuers = 4

// authorizationServer reads the metadata of the first authorization server, of
// those that the resource names, that has any. One that names another issuer
// ends the flow.
func (t *Transport) authorizationServer(ctx context.Context, resource *Resource) (*AuthorizationServer, error) {
	issuers, err := t.issuers(resource)
	if err != nil {
		return nil, err
	}
	var problems error
	for i, issuer := range issuers {
		server, err := t.fetch.discoverAuthorizationServer(ctx, issuer)
		if err == nil || !errors.Is(err, ErrDiscovery) || ctx.Err() != nil {
			return server, err
		}
		if problems == nil {
			problems = err
		} else {
			problems = fmt.Errorf("%w; %w", problems, err)
		}
		if i+1 < len(issuers) {
			t.observer.note(StageServer, "This authorization server can't be used now. The next one is tried.")
		}
	}
	return nil, problems
}

// issuers are the authorization servers to try, in order: only the one that the
// client's credentials belong to, if there is one; else first those that the
// client is known at.
func (t *Transport) issuers(resource *Resource) ([]string, error) {
	named := resource.AuthorizationServers[:min(maxIssuers, len(resource.AuthorizationServers))]
	entries, err := t.store.ForResourceURL(t.config.ResourceURL)
	if err != nil {
		return nil, err
	}
	own := t.config.PreRegistered
	if own == nil {
		var known, others []string
		for _, issuer := range named {
			if slices.ContainsFunc(entries, func(e *Entry) bool { return e.Issuer == issuer && e.Resource == resource.ID }) {
				known = append(known, issuer)
			} else {
				others = append(others, issuer)
			}
		}
		return append(known, others...), nil
	}
	bound := own.Issuer
	for _, entry := range entries {
		if bound == "" && entry.Client.ClientID == own.ClientID && entry.Client.Kind == PreRegisteredClient {
			bound = entry.Issuer
		}
	}
	if bound == "" {
		return named, nil
	}
	if !slices.Contains(resource.AuthorizationServers, bound) {
		return nil, fmt.Errorf("%w: client %s belongs to %s, and the server now names %s; the client's credentials are not sent there",
			ErrIssuer, own.ClientID, bound, printable(strings.Join(named, ", "), 300))
	}
	return []string{bound}, nil
}

// prover is the key that tokens are bound to, or nil where they are not.
func (t *Transport) prover(server *AuthorizationServer, entry *Entry, taken bool) (*prover, error) {
	t.mu.Lock()
	current := t.session
	t.mu.Unlock()
	bound := current.proofs != nil && current.entry.key() == entry.key()
	wanted, err := t.config.DPoP.wanted(server, taken || bound)
	if err != nil || !wanted {
		return nil, err
	}
	if bound {
		return current.proofs, nil
	}
	t.observer.note(StageServer, "Both servers support tokens that are bound to a key of this client (DPoP): "+
		"a stolen token can't be used without that key.")
	return newProver(entry.DPoPKey)
}

// flowState is what a flow has found out.
type flowState struct {
	t        *Transport
	why      reason
	resource *Resource
	server   *AuthorizationServer
	entry    *Entry
	proofs   *prover
	scope    string
}

func (f *flowState) chooseScope() (scope string, err error) {
	c := f.t.config
	if !f.why.stepUp {
		scope, err = firstScope(f.why.challenge, f.resource, f.server, c.Scope, c.OfflineAccess)
	} else {
		had := join(strings.Fields(f.why.refused.Asked + " " + f.why.refused.Scope))
		scope, err = stepUpScope(had, f.why.challenge, f.resource, f.server, c.OfflineAccess)
		if err == nil && f.why.challenge.Params["scope"] == "" && len(missingFrom(had, scope)) == 0 {
			return "", fmt.Errorf("%w: the server names no scope, and its metadata lists none that the token lacks", ErrScope)
		}
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDiscovery, err)
	}
	return scope, nil
}

// run gets the token: by the refresh token if there is one, else by the grant.
func (f *flowState) run(ctx context.Context) error {
	if f.why.refused != nil && !f.why.stepUp && !f.why.anew && f.entry.Token != nil && f.entry.Token.Refresh != "" {
		if what, err := f.t.refreshEntry(ctx, f.entry, f.proofs); what == renewed || what == keepIt {
			return err
		}
	}
	if grant := f.grant(); grant != nil {
		return f.withoutUser(ctx, grant)
	}
	reused, err := f.withUser(ctx)
	if err == nil || !reused {
		return err
	}
	// The registration came from an earlier flow and does not work: the
	// authorization server has forgotten it, and says so on a page, or not at
	// all. It is dropped; where the server did say so, the client registers
	// anew at once.
	refused, ok := errors.AsType[*ServerError](err)
	unknown := ok && refused.unknownClient()
	if !unknown && !errors.As(err, new(*openError)) && !errors.Is(err, ErrNoAnswer) {
		return err
	}
	f.entry.Client = Registration{}
	if saveErr := f.t.store.Save(f.entry); saveErr != nil {
		return errors.Join(err, saveErr)
	}
	if errors.Is(err, ErrNoAnswer) {
		return err
	}
	f.t.observer.note(StageRegistration, f.server.Issuer+" does not know the client any more. The client registers anew.")
	_, err = f.withUser(ctx)
	return err
}

// finish stores a token and uses it.
func (f *flowState) finish(token *Token, client Registration) error {
	if client.Kind == PreRegisteredClient {
		client.ClientSecret = "" // it was given, and will be given again
	}
	client.signer = nil
	entry := *f.entry
	entry.Client, entry.Token = client, token
	if missing := missingFrom(token.Scope, token.Asked); len(missing) > 0 {
		f.t.observer.note(StageToken, fmt.Sprintf("Not all of the scope was granted. Missing: %q.", missing))
	}
	if err := f.t.adopt(&entry, f.proofs); err != nil {
		return err
	}
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	f.t.untried = token
	return nil
}

// grant is the one without a user that was chosen, or the only one that there
// is: at a server without users, a client with credentials acts on its own
// behalf.
func (f *flowState) grant() Grant {
	c := f.t.config
	own, types := c.PreRegistered, f.server.GrantTypes
	if c.Grant == nil && own != nil && (own.ClientSecret != "" || own.Key != nil) &&
		slices.Contains(types, "client_credentials") && !slices.Contains(types, "authorization_code") {
		return ClientCredentials{}
	}
	return c.Grant
}

// withoutUser gets a token by a grant without a user.
func (f *flowState) withoutUser(ctx context.Context, grant Grant) error {
	if f.server.TokenEndpoint == "" {
		return fmt.Errorf("%w: the metadata of %s has no token_endpoint", ErrDiscovery, f.server.Issuer)
	}
	client, err := f.t.register(ctx, f.server, nil, "")
	if err != nil {
		return err
	}
	f.t.observer.note(StageToken, grant.describe())
	form, err := grant.request(ctx, f.t, grantTarget{f.server.Issuer, f.resource.ID, f.scope})
	if err != nil {
		return err
	}
	return f.exchangeGrant(ctx, form, client)
}

// withUser gets a token by the authorization code grant. reused tells that the
// registration is from an earlier flow.
func (f *flowState) withUser(ctx context.Context) (reused bool, err error) {
	if err := f.maySendUser(); err != nil {
		return false, err
	}
	known := &f.entry.Client
	callback, err := f.listen(known)
	if err != nil {
		return false, err
	}
	defer callback.close()
	client, err := f.t.register(ctx, f.server, known, callback.redirectURI)
	if err != nil {
		return false, err
	}
	if reused = client == known; !reused && client.Kind == DynamicRegistration {
		// Kept at once: a flow that the user breaks off must not leave a
		// registration behind each time.
		f.entry.Client = *client
		if err := f.t.store.Save(f.entry); err != nil {
			return false, err
		}
	}
	request := newAuthorizationRequest(f.server, callback.redirectURI)
	target, err := f.authorizationURL(request, client)
	if err != nil {
		return reused, err
	}
	f.t.observer.note(StageAuthorize, fmt.Sprintf("The user decides, at %s: does %s get %s?",
		f.server.Issuer, printable(client.ClientID, 200), described(f.scope)))
	code, err := f.t.askUser(ctx, callback, request, target)
	if err != nil {
		return reused, err
	}
	f.t.observer.note(StageAuthorize, "The answer belongs to this request (state) and comes from this authorization server (iss).")
	return reused, f.exchangeGrant(ctx, codeForm(request, code, f.resource.ID), client)
}

// maySendUser checks the authorization server before the user is sent there.
func (f *flowState) maySendUser() error {
	c := f.t.config
	if err := f.server.supportsCodes(c.AssumePKCE); err != nil {
		return err
	}
	if f.server.CodeChallengeMethods == nil {
		f.t.observer.alert(StageServer, "The metadata of "+f.server.Issuer+" does not say that it supports PKCE. "+
			"You permitted this for this issuer. If it ignores PKCE, a stolen code is worth a token.")
	}
	if c.PreRegistered != nil && c.PreRegistered.Issuer == f.server.Issuer {
		return nil // the user named it
	}
	return f.server.keepsItsOrigin(c.AuthorizationOrigin)
}

func (f *flowState) authorizationURL(request *authorizationRequest, client *Registration) (string, error) {
	parameters := map[string]string{"client_id": client.ClientID, "resource": f.resource.ID, "scope": f.scope}
	if f.proofs != nil {
		parameters["dpop_jkt"] = f.proofs.thumbprint()
	}
	if slices.Contains(strings.Fields(f.scope), offlineAccess) {
		// Otherwise a server must ignore the scope (OpenID Connect Core, section 11).
		parameters["prompt"] = "consent"
	}
	return request.url(parameters)
}

func described(scope string) string {
	if scope == "" {
		return "a scope that the authorization server chooses"
	}
	return "“" + scope + "”"
}

// listen opens the callback: at the address of the registration that is known,
// or else at a new one.
func (f *flowState) listen(known *Registration) (*listener, error) {
	wanted := f.t.config.Callback
	if wanted == "" {
		wanted = defaultCallback(f.server.Issuer)
	}
	if known.Kind == DynamicRegistration && samePath(known.RedirectURI, wanted) {
		if l, err := listen(known.RedirectURI); err == nil {
			return l, nil
		}
	}
	return listen(wanted)
}

// exchangeGrant turns a grant into a token.
func (f *flowState) exchangeGrant(ctx context.Context, form url.Values, client *Registration) error {
	if kept := f.entry.Client; kept.ClientID == client.ClientID {
		client.BasicWithID = client.BasicWithID || kept.BasicWithID
	}
	token, err := f.t.requestToken(ctx, tokenRequest{
		endpoint: f.server.TokenEndpoint, issuer: f.server.Issuer, client: client, methods: f.server.TokenAuthMethods,
		form: form, proofs: f.proofs,
	}, f.scope)
	if err != nil {
		return err
	}
	return f.finish(token, *client)
}
