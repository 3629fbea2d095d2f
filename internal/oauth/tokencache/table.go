package tokencache

import (
	"crypto/sha256"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/web/quota"
)

// KeyOf is what a token is remembered by: the SHA-256 of all of it, as it was sent.
// Of a part of it, such as what was signed or its jti, another token could have the
// same.
func KeyOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

// Table is what is known of tokens, by [KeyOf], for a bounded number of them. It is
// shared out by package quota: each owner has at most a part of it, and where the
// whole is full, the owner with the most gives up its oldest. It may be used by
// several goroutines at once.
type Table[V any] struct {
	mu     sync.RWMutex
	known  map[string]V
	ledger *quota.Ledger
}

// NewTable returns a table for so many tokens of one owner, and of all.
func NewTable[V any](perOwner, total int) *Table[V] {
	return &Table[V]{known: map[string]V{}, ledger: quota.New(perOwner, total)}
}

// Get returns what is known of a token, also where it has ended by now.
func (t *Table[V]) Get(key string) (known V, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	known, ok = t.known[key]
	return known, ok
}

// Put remembers what is known of a token until it ends, in the place of others where
// there are too many.
func (t *Table[V]) Put(key, owner string, known V, ends, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	gone, err := t.ledger.Add(owner, key, ends, now)
	for _, old := range gone {
		delete(t.known, old)
	}
	if err == nil {
		t.known[key] = known
	}
}

// Remove forgets a token.
func (t *Table[V]) Remove(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.Remove(key)
	delete(t.known, key)
}

// Len is how many tokens there are.
func (t *Table[V]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.known)
}
