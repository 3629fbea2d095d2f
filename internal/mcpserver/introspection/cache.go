package introspection

import (
	"time"

	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/tokencache"
)

const (
	// moment is how long a refusal counts.
	moment = 2 * time.Second

	// PerUser is how many accepted tokens of one user and client are remembered, and
	// Accepted of all.
	PerUser  = 64
	Accepted = 2000
	// Refused is how many refused tokens are remembered.
	Refused = 1000
)

// answer is what is known about a token.
type answer struct {
	who   *principal.Principal // of an accepted token
	err   error                // why a token is refused
	until time.Time
}

// result is for one request: its principal is a copy.
func (a answer) result() (*principal.Principal, error) {
	if a.who == nil {
		return nil, a.err
	}
	return a.who.Clone(), nil
}

// cache remembers answers. Accepted tokens count against their user and client first.
// Refused ones are kept apart, so that made-up tokens can't displace good ones.
type cache struct {
	accepted, refused *tokencache.Table[answer]
}

func newCache() *cache {
	return &cache{tokencache.NewTable[answer](PerUser, Accepted), tokencache.NewTable[answer](Refused, Refused)}
}

// get returns an answer that still counts.
func (c *cache) get(key string, now time.Time) (answer, bool) {
	known, ok := c.refused.Get(key)
	if !ok {
		known, ok = c.accepted.Get(key)
	}
	return known, ok && now.Before(known.until)
}

// put remembers an answer, in the place of others where there are too many.
func (c *cache) put(key string, known answer, now time.Time) {
	table, other, owner := c.refused, c.accepted, ""
	if known.who != nil {
		table, other, owner = c.accepted, c.refused, known.who.Issuer+"\n"+known.who.ClientID+"\n"+known.who.Subject
	}
	if now.Before(known.until) {
		table.Put(key, owner, known, known.until, now)
	} else {
		table.Remove(key)
	}
	other.Remove(key)
}
