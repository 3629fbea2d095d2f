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
		t.observer.note(StageRequest, "The server wants a token (401). What it says about itself tells who gives them out.")
	}
	resource, err := t.fetch.discoverResource(during(ctx, StageResource), t.server, why.challenge)
	if err != nil {
		return err
	}
	t.observer.note(StageResource, "It is "+resource.ID+", as called, and takes tokens of "+printable(resource.AuthorizationServers[0], 200)+".")
	issuer, err := t.chooseIssuer(resource)
	if err != nil {
		return err
	}
	server, err := t.fetch.discoverServer(during(ctx, StageServer), issuer)
	if err != nil {
		return err
	}
	t.observer.note(StageServer, "The document is the issuer's own: its issuer is the one that was asked for, to the letter.")
	entry, err := t.store.Load(issuer, resource.ID)
	if err != nil {
		return err
	}
	if entry == nil {
		entry = &Entry{Issuer: issuer, Resource: resource.ID}
	}
	entry.Server = t.config.Server
	f := &flowState{t: t, why: why, resource: resource, server: server, entry: entry}
	if f.proofs, err = t.prover(server, entry, why.dpop || resource.DPoP); err != nil {
		return err
	}
	if f.scope, err = f.chooseScope(); err != nil {
		return err
	}
	return f.run(ctx)
}

// chooseIssuer takes the authorization server that the client's credentials
// belong to, if one of those that are named is; else the first.
func (t *Transport) chooseIssuer(resource *Resource) (string, error) {
	issuer := resource.AuthorizationServers[0]
	own := t.config.PreRegistered
	if own == nil {
		for _, candidate := range resource.AuthorizationServers {
			if entry, err := t.store.Load(candidate, resource.ID); err == nil && entry != nil {
				return candidate, nil
			}
		}
		return issuer, nil
	}
	bound := own.Issuer
	if bound == "" {
		entries, err := t.store.ForServer(t.config.Server)
		if err != nil {
			return "", err
		}
		for _, entry := range entries {
			if entry.Client.ClientID == own.ClientID && entry.Client.How == "pre-registered" {
				bound = entry.Issuer
			}
		}
	}
	if bound == "" {
		return issuer, nil
	}
	if !slices.Contains(resource.AuthorizationServers, bound) {
		return "", fmt.Errorf("%w: client %s belongs to %s, and the server now names %s; its credentials are not shown there", ErrIssuer, own.ClientID, bound, printable(issuer, 200))
	}
	return bound, nil
}

// prover is the key that tokens are bound to, where they are.
func (t *Transport) prover(server *Server, entry *Entry, taken bool) (*prover, error) {
	t.mu.Lock()
	current := t.session
	t.mu.Unlock()
	bound := current.proofs != nil && current.entry.Issuer == entry.Issuer && current.entry.Resource == entry.Resource
	wanted, err := t.config.DPoP.wanted(server, taken || bound)
	if err != nil || !wanted {
		return nil, err
	}
	if bound {
		return current.proofs, nil
	}
	t.observer.note(StageServer, "It can bind tokens to a key of the client (DPoP): a stolen token is worth nothing without that key.")
	return newProver(entry.DPoPKey)
}

// flowState is what a flow has found out.
type flowState struct {
	t        *Transport
	why      reason
	resource *Resource
	server   *Server
	entry    *Entry
	proofs   *prover
	scope    string
}

func (f *flowState) chooseScope() (scope string, err error) {
	c := f.t.config
	if f.why.stepUp {
		scope, err = stepUpScope(join(append(strings.Fields(f.why.refused.Asked), strings.Fields(f.why.refused.Scope)...)), f.why.challenge, f.server, c.OfflineAccess)
	} else {
		scope, err = firstScope(f.why.challenge, f.resource, f.server, c.Scope, c.OfflineAccess)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrDiscovery, err)
	}
	return scope, nil
}

// run gets the token: by the refresh token if there is one, else by the grant.
func (f *flowState) run(ctx context.Context) error {
	if !f.why.stepUp && !f.why.anew && f.entry.Token != nil && f.entry.Token.Refresh != "" {
		done, err := f.refresh(ctx)
		if done || err != nil {
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
	_, client := lost(err)
	var shown *openError
	if !client && !errors.As(err, &shown) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	f.entry.Client = Registration{}
	if saveErr := f.t.store.Save(f.entry); saveErr != nil {
		return errors.Join(err, saveErr)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	f.t.observer.note(StageRegistration, f.server.Issuer+" does not know the client any more: it registers anew.")
	_, err = f.withUser(ctx)
	return err
}

// refresh renews a token that the server did not take. It is done, unless the
// refresh token is worth nothing any more.
func (f *flowState) refresh(ctx context.Context) (done bool, err error) {
	token, err := f.t.refreshToken(ctx, f.server, f.entry, f.proofs)
	if err == nil {
		return true, f.finish(token, f.entry.Client)
	}
	grant, client := lost(err)
	if !grant && !client {
		return false, err
	}
	f.t.observer.note(StageToken, "The refresh token is worth nothing any more: the flow begins anew.")
	f.entry.Token = nil
	if client {
		f.entry.Client = Registration{}
	}
	return false, nil
}

// finish stores a token and uses it.
func (f *flowState) finish(token *Token, client Registration) error {
	if client.How == "pre-registered" {
		client.ClientSecret = "" // it was given, and will be given again
	}
	client.signer = nil
	entry := *f.entry
	entry.Client, entry.Token = client, token
	if missing := missingFrom(token.Scope, token.Asked); len(missing) > 0 {
		f.t.observer.note(StageToken, fmt.Sprintf("Not all was granted: %q is missing.", missing))
	}
	return f.t.adopt(&entry, f.proofs)
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
		return fmt.Errorf("%w: %s has no token_endpoint", ErrDiscovery, f.server.Issuer)
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
	return f.redeem(ctx, form, client)
}

// withUser gets a token by the authorization code grant. reused tells that the
// registration is from an earlier flow.
func (f *flowState) withUser(ctx context.Context) (reused bool, err error) {
	if err := f.server.supportsCodes(); err != nil {
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
	if reused = client == known; !reused && client.How == "dynamic" {
		// Kept at once: a flow that the user breaks off must not leave a
		// registration behind each time.
		f.entry.Client = *client
		if err := f.t.store.Save(f.entry); err != nil {
			return false, err
		}
	}
	request := newAuthorizationRequest(f.server, callback.redirectURI)
	thumbprint := ""
	if f.proofs != nil {
		thumbprint = f.proofs.thumbprint()
	}
	target, err := request.url(client.ClientID, f.resource.ID, f.scope, thumbprint)
	if err != nil {
		return reused, err
	}
	f.t.observer.note(StageAuthorize, fmt.Sprintf("The user decides, at %s: does %s get %s?", f.server.Issuer, client.ClientID, described(f.scope)))
	code, err := f.t.askUser(ctx, callback, request, target)
	if err != nil {
		return reused, err
	}
	f.t.observer.note(StageAuthorize, "The answer belongs to this request (state) and to this authorization server (iss).")
	return reused, f.redeem(ctx, codeForm(request, code, f.resource.ID), client)
}

func described(scope string) string {
	if scope == "" {
		return "what the authorization server thinks fit"
	}
	return "“" + scope + "”"
}

// listen opens the callback: at the address of the registration that is known,
// or else at a new one.
func (f *flowState) listen(known *Registration) (*listener, error) {
	if known.How == "dynamic" && known.RedirectURI != "" {
		if l, err := listen(known.RedirectURI); err == nil {
			return l, nil
		}
	}
	return listen(f.t.config.Callback)
}

// redeem turns a grant into a token.
func (f *flowState) redeem(ctx context.Context, form url.Values, client *Registration) error {
	token, err := f.t.requestToken(ctx, tokenRequest{
		endpoint: f.server.TokenEndpoint, issuer: f.server.Issuer, client: client, methods: f.server.TokenAuthMethods,
		form: form, proofs: f.proofs,
	}, f.scope)
	if err != nil {
		return err
	}
	return f.finish(token, *client)
}
