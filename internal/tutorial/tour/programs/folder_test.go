package programs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// owner, set in the environment, makes the test binary be a tour that is killed: it makes
// a folder in the one that is named, and waits.
const owner = "PROGRAMS_TEST_OWNER"

func own(parent string) {
	f, err := newFolder(parent)
	if err != nil {
		panic(err)
	}
	fmt.Println(f.path)
	select {}
}

// T19: the folder of a killed tour is removed when the next one starts; the folder of one
// that runs stays, and so does what no tour made.
func TestT19_WhatAKilledTourLeftIsRemoved(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no locks of files")
	}
	parent := t.TempDir()
	killed := exec.CommandContext(t.Context(), os.Args[0])
	killed.Env = append(os.Environ(), owner+"="+parent)
	said, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	var left string
	if _, err := fmt.Fscanln(said, &left); err != nil {
		t.Fatal(err)
	}
	running, err := newFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Fatalf("the folder of a tour that runs is gone: %v", err)
	}
	_ = killed.Process.Kill()
	_ = killed.Wait()

	outside := filepath.Join(t.TempDir(), "outside")
	stays := []string{running.path, outside, filepath.Join(parent, "other"), filepath.Join(parent, folderPrefix+"nolock")}
	for _, path := range stays[1:] {
		makeFolder(t, path)
	}
	writeLock(t, outside)
	writeLock(t, stays[2])
	link := filepath.Join(parent, folderPrefix+"link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	next, err := newFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(stays, link, next.path) {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone: %v", path, err)
		}
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the folder of the killed tour is still there")
	}
	running.remove()
	if _, err := os.Stat(running.path); err == nil {
		t.Error("a tour that ends leaves its folder")
	}
}

// T19: one start removes so many at most, and nothing of another user.
func TestT19_ItIsBoundedAndByUser(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("this system has no locks of files")
	}
	parent := t.TempDir()
	const beyond = 3
	for i := range mostLeftBehind + beyond {
		path := filepath.Join(parent, fmt.Sprint(folderPrefix, i))
		makeFolder(t, path)
		writeLock(t, path)
	}
	others := filepath.Join(parent, folderPrefix+"others")
	makeFolder(t, others)
	writeLock(t, others)
	chowned := os.Chown(others, os.Getuid()+1, -1) == nil // as root alone
	removeLeftBehind(parent)
	want := beyond + 1
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != want {
		t.Errorf("%d folders are left, want %d (%v)", len(entries), want, err)
	}
	removeLeftBehind(parent)
	if _, err := os.Stat(others); chowned && err != nil {
		t.Errorf("the folder of another user is gone: %v", err)
	}
}

func makeFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func writeLock(t *testing.T, folder string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
