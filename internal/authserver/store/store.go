// Package store keeps what an authorization server must remember, in named
// buckets: in memory, or in a file that survives a crash (bbolt).
//
// What belongs together happens in one Update. Reading a code, marking it as used
// and storing what it gave is one step: no other transaction that writes runs in
// between, and the step is done completely or not at all.
package store

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// Reader is a transaction that only reads. It must not be used after its function
// has returned.
type Reader interface {
	// Get returns the value of a key, or nil. The value must not be changed.
	Get(bucket, key string) []byte
	// Each are the keys and values of a bucket, in any order. The transaction
	// must not write meanwhile.
	Each(bucket string) iter.Seq2[string, []byte]
}

// Tx is a [Reader] that writes.
type Tx interface {
	Reader
	Put(bucket, key string, value []byte) error
	Delete(bucket, key string) error
}

// Store keeps the buckets. Transactions that write run one after another.
type Store interface {
	// Update runs f and keeps what it wrote, unless f or keeping it fails:
	// then nothing is kept and the error is returned.
	Update(f func(Tx) error) error
	// View runs f, which can't write.
	View(f func(Reader) error) error
}

// Memory is a Store that lives as long as the program. Its zero value is
// empty and ready to use.
type Memory struct {
	mu      sync.RWMutex
	buckets map[string]map[string][]byte
}

// Update runs f; see [Store].
func (m *Memory) Update(f func(Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.buckets == nil {
		m.buckets = map[string]map[string][]byte{}
	}
	tx := &memoryTx{store: m}
	if err := f(tx); err != nil {
		tx.rollback()
		return err
	}
	return nil
}

// View runs f; see [Store].
func (m *Memory) View(f func(Reader) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return f(&memoryTx{store: m})
}

// memoryTx writes at once and remembers what was there before.
type memoryTx struct {
	store  *Memory
	before []undo
}

type undo struct {
	bucket, key string
	value       []byte // nil: there was none
}

func (t *memoryTx) Get(bucket, key string) []byte { return t.store.buckets[bucket][key] }

func (t *memoryTx) Put(bucket, key string, value []byte) error {
	if t.store.buckets[bucket] == nil {
		t.store.buckets[bucket] = map[string][]byte{}
	}
	t.before = append(t.before, undo{bucket, key, t.store.buckets[bucket][key]})
	t.store.buckets[bucket][key] = slices.Clone(value)
	return nil
}

func (t *memoryTx) Delete(bucket, key string) error {
	if old, ok := t.store.buckets[bucket][key]; ok {
		t.before = append(t.before, undo{bucket, key, old})
		delete(t.store.buckets[bucket], key)
	}
	return nil
}

func (t *memoryTx) Each(bucket string) iter.Seq2[string, []byte] {
	return maps.All(t.store.buckets[bucket])
}

func (t *memoryTx) rollback() {
	for _, u := range slices.Backward(t.before) {
		if u.value == nil {
			delete(t.store.buckets[u.bucket], u.key)
		} else {
			t.store.buckets[u.bucket][u.key] = u.value
		}
	}
}
