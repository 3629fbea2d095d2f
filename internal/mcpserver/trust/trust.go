// Package trust is whose tokens a server takes: of one issuer or of several, each
// with its own keys and by its own rules.
//
//	issuers := trust.Start(ctx, settings.Issuers)
//	mcp = bearerauth.Require(issuers, challenge, mcp)
//
// A token is held to the rules of the issuer that it names, and to no other's: a
// key of one issuer is never used for a token that names another (RFC 9700,
// section 4.4, is the same mix-up on the client's side).
package trust

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/introspection"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/tokencache"
)

// Issuer is one whose tokens are taken.
type Issuer struct {
	Rules accesstoken.Verifier // how they are checked; without Keys
	Keys  issuerkeys.Config    // where its keys are
	// Introspection is how the issuer is asked about each token (RFC 7662), in the place
	// of a check by its keys; nil: it isn't asked.
	Introspection *introspection.Config
}

// Issuers verifies tokens of all of them. [Start] makes it.
type Issuers struct {
	all   []*started
	cache *tokencache.Cache // nil: each token is verified each time
}

type started struct {
	Issuer
	keys     *issuerkeys.Source
	verifier bearerauth.Verifier
}

// Start begins to fetch the keys of all issuers, and goes on until ctx ends; see
// [issuerkeys.Start]. There must be at least one issuer, and none twice.
func Start(ctx context.Context, issuers []Issuer) *Issuers {
	i := &Issuers{all: make([]*started, len(issuers))}
	var all sync.WaitGroup
	for n, issuer := range issuers {
		all.Go(func() { i.all[n] = start(ctx, issuer) })
	}
	all.Wait()
	return i
}

func start(ctx context.Context, issuer Issuer) *started {
	s := &started{Issuer: issuer, keys: issuerkeys.Start(ctx, issuer.Keys)}
	verifier := issuer.Rules
	verifier.Keys = s.keys
	s.verifier = introspection.Instead(issuer.Introspection, &verifier, s.keys.IntrospectionEndpoint)
	return s
}

func (s *started) decide(ctx context.Context, token *accesstoken.Unverified) (*accesstoken.Decision, error) {
	if rules, ok := s.verifier.(*accesstoken.Verifier); ok {
		return rules.DecideRead(ctx, token)
	}
	who, err := s.verifier.Verify(ctx, token.Text)
	if err != nil {
		return nil, err
	}
	return &accesstoken.Decision{Principal: who}, nil
}

// retry is when to ask again for keys that were never there.
const retry = 5 * time.Second

// Remember keeps what comes of tokens that are good, as package tokencache says, and
// returns for how many. Call it before the first request.
func (i *Issuers) Remember(tokens int) int {
	i.cache = tokencache.New(tokens, i)
	return tokens
}

// Verify checks a token by the rules of the issuer that it names.
func (i *Issuers) Verify(ctx context.Context, token string) (*principal.Principal, error) {
	if i.cache != nil {
		return i.cache.Verify(ctx, token)
	}
	decision, err := i.Decide(ctx, token)
	if err != nil {
		return nil, err
	}
	return decision.Principal, nil
}

// Decide is [Issuers.Verify] without what is remembered. Of an issuer that is asked
// about each token, the decision can't be kept: its verifier keeps its own, for a
// shorter time.
func (i *Issuers) Decide(ctx context.Context, token string) (*accesstoken.Decision, error) {
	read := &accesstoken.Unverified{Text: token}
	if len(i.all) == 1 {
		return i.all[0].decide(ctx, read)
	}
	name, err := read.Issuer()
	if asked := i.forOpaque(); err != nil && asked != nil && strings.Count(token, ".") < 2 {
		return asked.decide(ctx, read)
	}
	if err != nil {
		return nil, err
	}
	for _, issuer := range i.all {
		if issuer.Rules.Issuer != name {
			continue
		}
		// The others' tokens can be told; of this one's, nothing is known yet.
		if !issuer.keys.Ready() {
			return nil, &accesstoken.UndecidedError{Err: fmt.Errorf("%s: %w", name, issuerkeys.ErrNoKeys), Retry: retry}
		}
		return issuer.decide(ctx, read)
	}
	return nil, &accesstoken.Refusal{
		Err: accesstoken.ErrIssuer, Has: fmt.Sprintf("the token says %.64q", name), Want: fmt.Sprintf("one of %.200q", i.Names()),
		Do: "JWT_ISSUERS lists the files of trusted issuers",
	}
}

// forOpaque is the issuer that is asked about tokens that name none. It is nil where
// several could be: a token of one issuer must not be shown to another.
func (i *Issuers) forOpaque() *started {
	var asked *started
	for _, issuer := range i.all {
		if issuer.Introspection == nil {
			continue
		}
		if asked != nil {
			return nil
		}
		asked = issuer
	}
	return asked
}

// Names are the issuers to the letter, for the metadata of the protected resource
// (RFC 9728, section 2).
func (i *Issuers) Names() []string {
	names := make([]string, len(i.all))
	for n, issuer := range i.all {
		names[n] = issuer.Rules.Issuer
	}
	return names
}

// Ready reports whether tokens of one of the issuers at least can be checked.
func (i *Issuers) Ready() bool {
	for _, issuer := range i.all {
		if issuer.keys.Ready() {
			return true
		}
	}
	return false
}

// MetadataURL is where the metadata of the issuers was found, with blanks between.
func (i *Issuers) MetadataURL() string {
	var urls []string
	for _, issuer := range i.all {
		urls = append(urls, issuer.keys.MetadataURL())
	}
	return strings.Join(urls, " ")
}

// Ask are the names by which clients ask the issuers for scopes of this server,
// with blanks between; see [Ask].
func (i *Issuers) Ask(scopes string) string {
	issuers := make([]Issuer, len(i.all))
	for n, issuer := range i.all {
		issuers[n] = issuer.Issuer
	}
	return Ask(issuers, scopes)
}

// Ask are the names by which clients ask some issuers for scopes, with blanks
// between. Where the issuers have different names it is empty: an authorization
// server may refuse a request for scopes that it doesn't know (RFC 6749, section
// 4.1.2.1). A client that names no scope gets the issuer's default, and learns the
// issuer's own names from the first refusal.
func Ask(issuers []Issuer, scopes string) string {
	asked := ""
	for n, issuer := range issuers {
		names := issuer.Rules.ScopeNames.AskAll(strings.Fields(scopes))
		switch list := strings.Join(names, " "); {
		case n == 0:
			asked = list
		case list != asked:
			return ""
		}
	}
	return asked
}
