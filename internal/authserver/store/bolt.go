package store

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"mcp-auth-step-by-step/internal/localfile"
)

// Bolt is a Store in one file. What an Update wrote is on the disk when it
// returns, so that a crash, or kill -9, loses nothing of it.
type Bolt struct{ db *bolt.DB }

// Open opens the file, and makes it on first use, readable by its owner alone.
// One program at a time can have it open. It refuses a file that others can read
// or write, a symbolic link, and a damaged file.
func Open(path string) (*Bolt, error) {
	s := &Bolt{}
	err := undamaged(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: 2 * time.Second, OpenFile: openPrivate})
		if err != nil {
			return err
		}
		return s.db.View(readAll)
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s is in use by another program: stop it, or name another file", path)
	case errors.Is(err, errDamaged):
		// Not closed: bbolt could wait for a transaction that never ends.
		return nil, fmt.Errorf("the state file %s is damaged: restore it from a copy, or move it away and start anew: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("%s can't be used as a state file: %w", path, err)
	}
	return s, nil
}

// readAll reads the whole file, so that damage shows at once.
func readAll(tx *bolt.Tx) error {
	return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
		return b.ForEach(func(_, _ []byte) error { return nil })
	})
}

// errDamaged says that bbolt can't make sense of the file.
var errDamaged = errors.New("it can't be read")

// undamaged runs f, and turns panics into errors. bbolt reads the file as memory,
// and panics where a page isn't what it should be; reading beyond the end of a
// file that was cut would otherwise end the program.
func undamaged(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	err = f()
	if errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) || errors.Is(err, bolterrors.ErrVersionMismatch) {
		err = fmt.Errorf("%w: %w", errDamaged, err)
	}
	return err
}

// openPrivate opens a file whose secrets only its owner can read, or creates it.
func openPrivate(path string, flag int, mode os.FileMode) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil {
		if err := localfile.CheckSecret(path, info); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(path, flag, mode)
	if err != nil {
		return nil, err
	}
	// What was opened is what was looked at.
	opened, err := file.Stat()
	if err == nil {
		var there os.FileInfo
		if there, err = os.Lstat(path); err == nil && !os.SameFile(opened, there) {
			err = fmt.Errorf("%s was replaced while it was opened", path)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Update runs f; see [Store].
func (s *Bolt) Update(f func(Tx) error) error {
	return s.db.Update(func(tx *bolt.Tx) error { return f(boltTx{tx}) })
}

// View runs f; see [Store].
func (s *Bolt) View(f func(Reader) error) error {
	return s.db.View(func(tx *bolt.Tx) error { return f(boltTx{tx}) })
}

// Close waits for the transactions and closes the file.
func (s *Bolt) Close() error { return s.db.Close() }

type boltTx struct{ tx *bolt.Tx }

func (t boltTx) Get(bucket, key string) []byte {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.Get([]byte(key))
}

func (t boltTx) Put(bucket, key string, value []byte) error {
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	return b.Put([]byte(key), value)
}

func (t boltTx) Delete(bucket, key string) error {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.Delete([]byte(key))
}

func (t boltTx) Each(bucket string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		b := t.tx.Bucket([]byte(bucket))
		if b == nil {
			return
		}
		c := b.Cursor()
		for key, value := c.First(); key != nil && yield(string(key), value); {
			key, value = c.Next()
		}
	}
}
