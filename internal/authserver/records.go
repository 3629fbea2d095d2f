package authserver

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"mcp-auth-step-by-step/internal/authserver/store"
)

// errFull says that a table holds as much as it may.
var errFull = errors.New("too many records")

// table is a bucket of records that end by themselves. Its size is bounded:
// nothing that strangers can make the server remember grows without end.
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

// get returns a record that has not ended.
func (t table[T]) get(tx store.Tx, key string, now time.Time) (value T, ok bool) {
	var r record[T]
	if raw := tx.Get(t.bucket, key); raw == nil || json.Unmarshal(raw, &r) != nil || r.Expires <= now.Unix() {
		return value, false
	}
	return r.Value, true
}

// put keeps a record until it expires.
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

// sweep deletes what has ended.
func (t table[T]) sweep(tx store.Tx, now time.Time) error {
	var ended []string
	tx.Each(t.bucket, func(key string, raw []byte) bool {
		var r record[json.RawMessage]
		if json.Unmarshal(raw, &r) != nil || r.Expires <= now.Unix() {
			ended = append(ended, key)
		}
		return true
	})
	for _, key := range ended {
		if err := tx.Delete(t.bucket, key); err != nil {
			return err
		}
	}
	return nil
}

// sweepEvery is how often ended records are looked for.
const sweepEvery = time.Minute

// update changes the durable store, and tidies it up now and then.
func (s *Server) update(f func(store.Tx) error) error {
	return s.durable.Update(func(tx store.Tx) error {
		now := s.now()
		// Update runs one at a time, so that swept needs no lock.
		if now.Sub(s.swept) >= sweepEvery {
			s.swept = now
			for _, sweep := range []func(store.Tx, time.Time) error{s.codes.sweep, s.grants.sweep, s.consents.sweep, s.registered.sweep, s.revoked.sweep} {
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

// digest is what the store knows of a secret. A secret of 130 random bits
// can't be found from it, so that it needs no salt and no slow hash.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
