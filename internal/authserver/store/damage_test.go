package store

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// stateFile makes a state file with some hundred entries, and returns its path
// and content.
func stateFile(t *testing.T) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "state.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(func(tx Tx) error {
		for i := range 300 {
			if err := tx.Put(fmt.Sprint("bucket ", i%3), fmt.Sprint("key ", i), bytes.Repeat([]byte{'x'}, 200)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

// WD18: a damaged state file is refused with a sentence, and never ends the
// program.
func TestWD18_DamagedStateFiles(t *testing.T) {
	_, good := stateFile(t)
	damaged := map[string][]byte{
		"not a database": []byte(strings.Repeat("hello ", 2000)),
		"cut to 1 byte":  good[:1],
		"cut to a page":  good[:4096],
		"cut in half":    good[:len(good)/2],
		"zeroed":         make([]byte, len(good)),
	}
	for at := 2 * 4096; at < len(good); at += 4096 { // pages after the two headers
		broken := bytes.Clone(good)
		copy(broken[at:], bytes.Repeat([]byte{0xff}, 64))
		damaged[fmt.Sprintf("page %d overwritten", at/4096)] = broken
	}
	refused := 0
	for name, content := range damaged {
		path := filepath.Join(t.TempDir(), "state.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err == nil { // a page that nothing uses
			_ = s.Close()
			if !strings.HasPrefix(name, "page") {
				t.Errorf("%s: it was opened", name)
			}
			continue
		}
		refused++
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if refused < 6 {
		t.Errorf("only %d of %d damaged files were refused", refused, len(damaged))
	}
}

// WD18: the state has secrets, so nobody else may read or write it, and it isn't
// written through a symbolic link.
func TestWD18_OpenModesAndLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path, _ := stateFile(t)
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o400: false, 0o640: false, 0o604: false, 0o620: false, 0o666: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path)
		if err == nil {
			err = s.Close()
		}
		if mode == 0o400 { // root may write it all the same
			continue
		}
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link": path, "dangling": filepath.Join(t.TempDir(), "none")} {
		link := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(link); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "none")); err == nil {
		t.Error("a file was made through the link")
	}
}
