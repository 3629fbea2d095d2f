package localfile

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWriteReplacesAndCreateDoesNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, step := range []struct {
		write      func(string, []byte, os.FileMode) error
		text, want string
	}{{Create, "first", "first"}, {Create, "second", "first"}, {Write, "third", "third"}} {
		if err := step.write(path, []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != step.want {
			t.Fatalf("%q, want %q", got, step.want)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// What is written never goes through a symbolic link.
func TestWriteFollowsNoLink(t *testing.T) {
	folder := t.TempDir()
	target, link := filepath.Join(folder, "target"), filepath.Join(folder, "link")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := Write(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if content(t, target) != "kept" || content(t, link) != "new" {
		t.Error("written through the link")
	}
}

func TestErrorsLeaveNothing(t *testing.T) {
	folder := t.TempDir()
	if err := Write(filepath.Join(folder, "missing", "file"), nil, 0o600); err == nil {
		t.Error("no error")
	}
	if err := os.Mkdir(filepath.Join(folder, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(folder, "dir"), nil, 0o600); err == nil {
		t.Error("no error")
	}
	if left, _ := os.ReadDir(folder); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
