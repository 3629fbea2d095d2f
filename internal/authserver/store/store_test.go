package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// each runs a test with both stores.
func each(t *testing.T, test func(*testing.T, Store)) {
	t.Run("memory", func(t *testing.T) { test(t, &Memory{}) })
	t.Run("bolt", func(t *testing.T) {
		s, err := Open(filepath.Join(t.TempDir(), "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		test(t, s)
	})
}

func get(s Store, bucket, key string) (value string) {
	_ = s.View(func(tx Reader) error {
		value = string(tx.Get(bucket, key))
		return nil
	})
	return value
}

func length(s Store, bucket string) (n int) {
	_ = s.View(func(tx Reader) error {
		for range tx.Each(bucket) {
			n++
		}
		return nil
	})
	return n
}

func TestPutGetDelete(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		err := s.Update(func(tx Tx) error {
			return errors.Join(tx.Put("a", "k", []byte("1")), tx.Put("b", "k", []byte("2")), tx.Put("a", "k", []byte("3")), tx.Put("a", "gone", []byte("x")), tx.Delete("a", "gone"), tx.Delete("a", "never"), tx.Delete("nowhere", "k"))
		})
		if err != nil {
			t.Fatal(err)
		}
		if get(s, "a", "k") != "3" || get(s, "b", "k") != "2" || get(s, "a", "gone") != "" || get(s, "nowhere", "k") != "" {
			t.Error("wrong values")
		}
		if length(s, "a") != 1 || length(s, "b") != 1 || length(s, "nowhere") != 0 {
			t.Errorf("lengths %d, %d, %d", length(s, "a"), length(s, "b"), length(s, "nowhere"))
		}
	})
}

func TestAnUpdateThatFailsDidNothing(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		_ = s.Update(func(tx Tx) error {
			return errors.Join(tx.Put("a", "kept", []byte("1")), tx.Put("a", "changed", []byte("1")))
		})
		bad := errors.New("bad")
		err := s.Update(func(tx Tx) error {
			return errors.Join(tx.Put("a", "changed", []byte("2")), tx.Put("a", "changed", []byte("3")), tx.Put("a", "new", []byte("4")), tx.Delete("a", "kept"), bad)
		})
		if !errors.Is(err, bad) || get(s, "a", "kept") != "1" || get(s, "a", "changed") != "1" || get(s, "a", "new") != "" || length(s, "a") != 2 {
			t.Errorf("%v; kept %q, changed %q, new %q, %d keys", err, get(s, "a", "kept"), get(s, "a", "changed"), get(s, "a", "new"), length(s, "a"))
		}
	})
}

func TestUpdatesRunOneAfterAnother(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		const times = 50
		var all sync.WaitGroup
		for i := range times {
			all.Go(func() {
				_ = s.Update(func(tx Tx) error {
					n, _ := strconv.Atoi(string(tx.Get("a", "n")))
					return errors.Join(tx.Put("a", "n", []byte(strconv.Itoa(n+1))), tx.Put("b", strconv.Itoa(i), nil))
				})
				length(s, "a")
			})
		}
		all.Wait()
		if n := get(s, "a", "n"); n != strconv.Itoa(times) || length(s, "b") != times {
			t.Errorf("counted to %s, %d keys", n, length(s, "b"))
		}
	})
}

func TestEachStops(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		_ = s.Update(func(tx Tx) error { return errors.Join(tx.Put("a", "1", []byte("x")), tx.Put("a", "2", []byte("y"))) })
		seen := 0
		_ = s.View(func(tx Reader) error {
			for range tx.Each("a") {
				seen++
				break
			}
			return nil
		})
		if seen != 1 {
			t.Errorf("%d visits", seen)
		}
	})
}

func TestBoltKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Update(func(tx Tx) error { return errors.Join(tx.Put("a", "1", []byte("x")), tx.Put("a", "2", []byte("y"))) })
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if get(s, "a", "2") != "y" || length(s, "a") != 2 {
		t.Error("forgotten")
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("opened a folder")
	}
}

func TestWE4_AStoreKeepsItsOwnCopy(t *testing.T) {
	each(t, func(t *testing.T, s Store) {
		value := []byte("before")
		_ = s.Update(func(tx Tx) error { return tx.Put("a", "k", value) })
		copy(value, "after!")
		if got := get(s, "a", "k"); got != "before" {
			t.Errorf("the caller changed it to %q", got)
		}
	})
}
