// Package tokencache remembers the access tokens that were accepted, so that the
// signature of a token, which costs more than all other checks together, is computed
// once and not with every request.
//
//	verifier := tokencache.New(tokencache.Size, &accesstoken.Verifier{Issuer: …})
//	mcp = bearerauth.Require(verifier, challenge, mcp)
//
// What can change while the token doesn't is looked at each time: whether the issuer
// still publishes the key that verified it, and exp, nbf and iat. So nobody is let in
// whom the verifier itself would refuse; docs/token-cache.md says why. A token that
// was refused is verified anew each time.
package tokencache

import (
	"context"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// Size is how many tokens a server remembers; each takes about a kilobyte.
const Size = 4000

// Source verifies tokens. What it decides can be kept only where package accesstoken
// made the decision: nobody else can make one that [accesstoken.Decision.Keeps].
type Source interface {
	Decide(ctx context.Context, token string) (*accesstoken.Decision, error)
}

// Cache is a verifier that remembers the decisions of one source. It belongs to this
// source: tokens that another one accepted are unknown to it.
type Cache struct {
	source Source
	tokens *Table[*accesstoken.Decision]
}

// New returns a cache for the decisions of source about so many tokens. They are shared
// out by client, and one client alone may have them all: where there are too many, the
// client with the most gives up its oldest.
func New(tokens int, source Source) *Cache {
	return &Cache{source, NewTable[*accesstoken.Decision](tokens, tokens)}
}

// Verify returns the principal of a token, as the source does. It is the caller's own.
func (c *Cache) Verify(ctx context.Context, token string) (*principal.Principal, error) {
	key := KeyOf(token)
	if known, ok := c.tokens.Get(key); ok && known.Again(ctx) == nil {
		return known.Principal.Clone(), nil
	}
	decision, err := c.source.Decide(ctx, token)
	if err != nil {
		return nil, err
	}
	if decision.Keeps() {
		owner := decision.Principal.Issuer + "\n" + decision.Principal.ClientID
		c.tokens.Put(key, owner, decision, decision.Ends, decision.Made)
	}
	return decision.Principal.Clone(), nil
}
