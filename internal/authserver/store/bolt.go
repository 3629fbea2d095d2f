package store

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrReadOnly says that a View tried to write.
var ErrReadOnly = errors.New("store: this transaction only reads")

// Bolt is a Store in one file. What an Update wrote is on the disk when it
// returns, so that a crash, or kill -9, loses nothing of it.
type Bolt struct {
	db      *bolt.DB
	writing sync.Mutex // held longer than bbolt's own lock: until counts is right again

	mu     sync.RWMutex
	counts map[string]int // of keys, by bucket: bbolt would count by reading all
}

// Open opens the file, and makes it on first use, readable by its owner alone.
// One program at a time can have it open.
func Open(path string) (*Bolt, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 2 * time.Second})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s is in use by another program: stop it, or name another file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s can't be used as a state file: %w", path, err)
	}
	s := &Bolt{db: db, counts: map[string]int{}}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			s.counts[string(name)] = b.Stats().KeyN
			return nil
		})
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Update runs f; see [Store].
func (s *Bolt) Update(f func(Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	counts := maps.Clone(s.counts) // only this transaction writes it now
	if err := s.db.Update(func(tx *bolt.Tx) error { return f(boltTx{tx, counts}) }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = counts
	return nil
}

// View runs f; see [Store].
func (s *Bolt) View(f func(Tx) error) error {
	return s.db.View(func(tx *bolt.Tx) error {
		s.mu.RLock()
		counts := maps.Clone(s.counts)
		s.mu.RUnlock()
		return f(boltTx{tx, counts})
	})
}

// Close waits for the transactions and closes the file.
func (s *Bolt) Close() error { return s.db.Close() }

type boltTx struct {
	tx     *bolt.Tx
	counts map[string]int
}

func (t boltTx) Get(bucket, key string) []byte {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.Get([]byte(key))
}

func (t boltTx) Put(bucket, key string, value []byte) error {
	if !t.tx.Writable() {
		return ErrReadOnly
	}
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	if b.Get([]byte(key)) == nil {
		t.counts[bucket]++
	}
	return b.Put([]byte(key), value)
}

func (t boltTx) Delete(bucket, key string) error {
	if !t.tx.Writable() {
		return ErrReadOnly
	}
	b := t.tx.Bucket([]byte(bucket))
	if b == nil || b.Get([]byte(key)) == nil {
		return nil
	}
	t.counts[bucket]--
	return b.Delete([]byte(key))
}

func (t boltTx) Each(bucket string, yield func(string, []byte) bool) {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return
	}
	for c, key, value := cursor(b); key != nil && yield(string(key), value); {
		key, value = c.Next()
	}
}

func cursor(b *bolt.Bucket) (c *bolt.Cursor, key, value []byte) {
	c = b.Cursor()
	key, value = c.First()
	return c, key, value
}

func (t boltTx) Len(bucket string) int { return t.counts[bucket] }
