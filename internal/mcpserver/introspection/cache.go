package introspection

import (
	"slices"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/quota"
)

const (
	// moment is how long a refusal counts.
	moment = 2 * time.Second

	perUser  = 64     // accepted tokens of one user and client that are remembered
	accepted = 10_000 // accepted tokens of all
	refused  = 1_000  // refused tokens
)

// answer is what is known about a token.
type answer struct {
	who   *person // of an accepted token
	err   error   // why a token is refused
	until time.Time
}

// person is who has an accepted token. Each request gets a copy of its own.
type person principal.Principal

func (p *person) clone() *principal.Principal {
	if p == nil {
		return nil
	}
	who := principal.Principal(*p)
	who.Scopes, who.Roles = slices.Clone(who.Scopes), slices.Clone(who.Roles)
	return &who
}

// cache remembers answers, by the SHA-256 of the token. Accepted tokens count
// against their user and client first. Refused ones are kept apart, so that made-up
// tokens can't displace good ones.
type cache struct {
	mu       sync.Mutex
	answers  map[string]answer
	accepted *quota.Ledger
	refused  *quota.Ledger
}

func newCache() *cache {
	return &cache{answers: map[string]answer{}, accepted: quota.New(perUser, accepted), refused: quota.New(refused, refused)}
}

// get returns an answer that still counts.
func (c *cache) get(key string, now time.Time) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.answers[key]
	return known, ok && now.Before(known.until)
}

// put remembers an answer, in the place of others where there are too many.
func (c *cache) put(key string, known answer, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ledger, owner := c.refused, ""
	if known.who != nil {
		ledger, owner = c.accepted, known.who.Issuer+"\n"+known.who.ClientID+"\n"+known.who.Subject
	}
	c.accepted.Remove(key)
	c.refused.Remove(key)
	delete(c.answers, key)
	if !now.Before(known.until) {
		return
	}
	gone, err := ledger.Add(owner, key, known.until, now)
	for _, old := range gone {
		delete(c.answers, old)
	}
	if err == nil {
		c.answers[key] = known
	}
}
