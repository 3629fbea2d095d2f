package authserver

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// table is a bucket of records that expire. Its size is bounded, so that
// unknown callers can't fill the store.
type table[T any] struct {
	bucket string
	max    int
	evict  bool // make room by dropping any record, instead of refusing
}

// record is what the store holds.
type record[T any] struct {
	Expires int64 `json:"expires"` // Unix seconds
	Value   T     `json:"value"`
}

// get returns a record that has not expired.
func (t table[T]) get(tx store.Tx, key string, now time.Time) (value T, ok bool) {
	var r record[T]
	if raw := tx.Get(t.bucket, key); raw == nil || json.Unmarshal(raw, &r) != nil || r.Expires <= now.Unix() {
		return value, false
	}
	return r.Value, true
}

// put keeps a record until it expires. In a full table it fails with [errFull].
func (t table[T]) put(tx store.Tx, key string, value T, now, expires time.Time) error {
	if tx.Get(t.bucket, key) == nil && tx.Len(t.bucket) >= t.max {
		if err := t.makeRoom(tx, now); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(record[T]{expires.Unix(), value})
	if err != nil {
		return err
	}
	return tx.Put(t.bucket, key, raw)
}

func (t table[T]) delete(tx store.Tx, key string) error { return tx.Delete(t.bucket, key) }

func (t table[T]) makeRoom(tx store.Tx, now time.Time) error {
	if err := t.sweep(tx, now); err != nil || tx.Len(t.bucket) < t.max {
		return err
	}
	if !t.evict {
		return errFull
	}
	var victim string
	tx.Each(t.bucket, func(key string, _ []byte) bool {
		victim = key
		return false
	})
	return tx.Delete(t.bucket, victim)
}

// sweep deletes what has expired.
func (t table[T]) sweep(tx store.Tx, now time.Time) error {
	var expired []string
	tx.Each(t.bucket, func(key string, raw []byte) bool {
		var r record[json.RawMessage]
		if json.Unmarshal(raw, &r) != nil || r.Expires <= now.Unix() {
			expired = append(expired, key)
		}
		return true
	})
	for _, key := range expired {
		if err := tx.Delete(t.bucket, key); err != nil {
			return err
		}
	}
	return nil
}

// sweepInterval is how often expired records are looked for.
const sweepInterval = time.Minute

// durable is the store that may outlive the program. Its Update also deletes
// expired records now and then.
type durable struct {
	store.Store
	now    func() time.Time
	sweeps []func(store.Tx, time.Time) error
	swept  time.Time
}

// Update changes the store; see [store.Store].
func (d *durable) Update(f func(store.Tx) error) error {
	return d.Store.Update(func(tx store.Tx) error {
		now := d.now()
		// Update runs one at a time, so that swept needs no lock.
		if now.Sub(d.swept) >= sweepInterval {
			d.swept = now
			for _, sweep := range d.sweeps {
				if err := sweep(tx, now); err != nil {
					return err
				}
			}
		}
		return f(tx)
	})
}

// secret makes a value that can't be guessed: 130 random bits.
func secret() string { return rand.Text() }

// digest is what the store knows of a secret. A secret of 130 random bits can't
// be found from it, so that it needs no salt and no slow hash.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
