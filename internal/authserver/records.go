package authserver

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
	"mcp-auth-step-by-step/internal/web/quota"
)

// table is a bucket of records that expire. Whose record goes when there are too
// many is decided by the rule of package quota. No call looks at more than a few
// records, however many there are.
type table[T any] struct {
	bucket           string
	perCaller, total int
	now              func() time.Time
	*counts
}

// counts are what a table knows of its records without reading them. The lock of
// the store guards them.
type counts struct {
	ledger  *quota.Ledger
	changed bool // in this transaction
}

// record is what the store holds.
type record[T any] struct {
	Expires int64  `json:"expires"`          // Unix seconds
	Caller  string `json:"caller,omitempty"` // on whose account it is
	Proven  bool   `json:"proven,omitempty"` // it stays until it expires
	Value   T      `json:"value"`
}

func newTable[T any](bucket string, perCaller, total int, now func() time.Time) table[T] {
	t := table[T]{bucket, min(perCaller, total), total, now, &counts{}}
	t.reset()
	return t
}

// wereChanged reports whether the counts were changed since it was asked before.
func (c *counts) wereChanged() bool {
	changed := c.changed
	c.changed = false
	return changed
}

func (t table[T]) reset() { t.ledger = quota.New(t.perCaller, t.total) }

// get returns a record that has not expired.
func (t table[T]) get(tx store.Reader, key string) (value T, ok bool) {
	r, ok := t.record(tx, key)
	return r.Value, ok
}

func (t table[T]) record(tx store.Reader, key string) (r record[T], ok bool) {
	raw := tx.Get(t.bucket, key)
	if raw == nil || json.Unmarshal(raw, &r) != nil || r.Expires <= t.now().Unix() {
		return record[T]{}, false
	}
	return r, true
}

// find is get in a transaction of its own.
func (t table[T]) find(in store.Store, key string) (value T, ok bool, err error) {
	err = in.View(func(tx store.Reader) error {
		value, ok = t.get(tx, key)
		return nil
	})
	return value, ok, err
}

// add keeps a new record on the account of a caller. Records that go for it are
// deleted. It fails with [errFull] where none may go.
func (t table[T]) add(tx store.Tx, caller, key string, value T, expires time.Time) error {
	gone, err := t.ledger.Add(caller, key, expires, t.now())
	// A refusal alone changes nothing, so it can't make the tables count anew.
	t.changed = t.changed || err == nil || len(gone) > 0
	for _, old := range gone {
		if err := tx.Delete(t.bucket, old); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errFull, t.bucket, err)
	}
	return t.write(tx, key, record[T]{Expires: expires.Unix(), Caller: caller, Value: value})
}

// replace changes a record that is there, and when it expires. A proven one never
// goes for a record of somebody else.
func (t table[T]) replace(tx store.Tx, key string, value T, proven bool, expires time.Time) error {
	old, ok := t.record(tx, key)
	if !ok {
		return nil
	}
	t.changed = true
	t.ledger.Extend(key, expires)
	if proven = proven || old.Proven; proven {
		t.ledger.Prove(key)
	}
	return t.write(tx, key, record[T]{Expires: expires.Unix(), Caller: old.Caller, Proven: proven, Value: value})
}

// of are the records of a caller that are not proven, by key.
func (t table[T]) of(tx store.Reader, caller string) map[string]T {
	found := map[string]T{}
	for key := range t.ledger.Unproven(caller) {
		if value, ok := t.get(tx, key); ok {
			found[key] = value
		}
	}
	return found
}

// deleteOf deletes those of a caller's records that are not proven and match.
func (t table[T]) deleteOf(tx store.Tx, caller string, match func(T) bool) error {
	for key, value := range t.of(tx, caller) {
		if match(value) {
			if err := t.delete(tx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t table[T]) write(tx store.Tx, key string, r record[T]) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.Put(t.bucket, key, raw)
}

func (t table[T]) delete(tx store.Tx, key string) error {
	t.changed = true
	t.ledger.Remove(key)
	return tx.Delete(t.bucket, key)
}

// owned is a record that says itself on whose account it is, for those of earlier
// versions, which name no caller.
type owned interface{ owner() string }

// load counts the records that are in the store, the oldest first. Those that
// can't be read any more are deleted.
func (t table[T]) load(tx store.Tx) error {
	t.reset()
	now := t.now()
	type counted struct {
		key, caller string
		expires     int64
		proven      bool
	}
	var found []counted
	var gone []string
	for key, raw := range tx.Each(t.bucket) {
		var r record[T]
		if json.Unmarshal(raw, &r) != nil || r.Expires <= now.Unix() {
			gone = append(gone, key)
			continue
		}
		if o, ok := any(r.Value).(owned); ok {
			r.Caller = cmp.Or(r.Caller, o.owner())
		}
		found = append(found, counted{key, cmp.Or(r.Caller, key), r.Expires, r.Proven})
	}
	slices.SortFunc(found, func(a, b counted) int { return cmp.Compare(a.expires, b.expires) })
	for _, r := range found {
		dropped, err := t.ledger.Add(r.caller, r.key, time.Unix(r.expires, 0), now)
		if gone = append(gone, dropped...); err != nil {
			gone = append(gone, r.key)
		}
		if r.proven {
			t.ledger.Prove(r.key)
		}
	}
	for _, key := range gone {
		if err := tx.Delete(t.bucket, key); err != nil {
			return err
		}
	}
	return nil
}

// countedTable is a table of any type.
type countedTable interface {
	load(tx store.Tx) error
	wereChanged() bool
}

// durable is the store that may outlive the program.
type durable struct {
	store.Store
	tables []countedTable
	failed atomic.Bool // a transaction that changed counts was not kept
}

// Update changes the store; see [store.Store]. After a transaction that was not
// kept, the tables count anew.
func (d *durable) Update(f func(store.Tx) error) error {
	changed := false
	err := d.Store.Update(func(tx store.Tx) error {
		if d.failed.Swap(false) {
			changed = true
			if err := d.load(tx); err != nil {
				return err
			}
		}
		err := f(tx)
		changed = false
		for _, t := range d.tables {
			changed = t.wereChanged() || changed
		}
		return err
	})
	if err != nil && changed {
		d.failed.Store(true)
	}
	return err
}

func (d *durable) load(tx store.Tx) error {
	for _, t := range d.tables {
		if err := t.load(tx); err != nil {
			return err
		}
	}
	return nil
}

// secret makes a value that can't be guessed: 130 random bits.
func secret() string { return rand.Text() }

// digest is what the store knows of a secret. A secret of 130 random bits can't
// be found from it, so that it needs no salt and no slow hash.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
