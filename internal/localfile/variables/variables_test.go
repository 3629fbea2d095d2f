package variables

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// load reads a text of a mode, in an environment.
func load(t *testing.T, text string, mode os.FileMode, environment map[string]string) (*Set, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "some.env")
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := Load(file, map[string]string{"A": "", "B": "default", "LIST": "x"}, func(name string) string { return environment[name] },
		slog.New(slog.NewTextHandler(&log, nil)))
	return s, log.String(), err
}

func TestLoad(t *testing.T) {
	s, log, err := load(t, "# comment\nA=file\nB=\nA=again\nTYPO=1\nLIST=x, y ,x\n", 0o600, map[string]string{"A": "environment"})
	if err != nil {
		t.Fatal(err)
	}
	if value, where := s.Find("A"); value != "environment" || where != "the environment" {
		t.Errorf("A is %q in %s", value, where)
	}
	if s.Get("B") != "default" || s.Get("TYPO") != "1" {
		t.Errorf("B is %q", s.Get("B"))
	}
	if list, err := s.Subset("LIST", []string{"x", "y"}); err != nil || len(list) != 2 {
		t.Errorf("%q, %v", list, err)
	}
	if _, err := s.Subset("LIST", []string{"x"}); err == nil || !strings.Contains(err.Error(), "some.env: LIST:") {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"variable=A", "variable=TYPO"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none"), nil, os.Getenv, slog.Default()); !errors.Is(err, ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	if _, _, err := load(t, "A=1\nwhat is this\n", 0o600, nil); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "what") {
		t.Errorf("bad line: %v", err)
	}
	if _, _, err := load(t, "A\x00=\x001", 0o600, nil); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("UTF-16: %v", err)
	}
}

func TestCheckSecret(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	for mode, text := range map[os.FileMode]string{0o600: "A=secret\n", 0o644: "B=1\n"} {
		s, _, err := load(t, text, mode, map[string]string{"A": "from the environment"})
		if err == nil {
			err = s.CheckSecret("A")
		}
		if err != nil {
			t.Errorf("%04o: %v", mode, err)
		}
	}
	s, _, err := load(t, "A=secret\n", 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CheckSecret("A"); err == nil || strings.Contains(err.Error(), "=secret") || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that all can read: %v", err)
	}
}
