// Package localfile writes files whole: a reader sees the old content or the
// new one and never a part, a crash leaves one of the two, and no symbolic
// link is followed. It reads secrets and configuration only from files that
// nobody else can have changed.
package localfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Write replaces a file, or makes it, with the given mode from its first byte.
func Write(path string, content []byte, mode fs.FileMode) error {
	temporary, err := write(path, content, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// Create is [Write] for a file that may be there already and then stays as it
// is: of several programs that start at once, the first one's content counts.
func Create(path string, content []byte, mode fs.FileMode) error {
	temporary, err := write(path, content, mode)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }()
	// Link, unlike Rename, never replaces what is there.
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// write puts the content into a new file beside path and returns its name.
func write(path string, content []byte, mode fs.FileMode) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// Access says who may read a secret besides its owner.
type Access int

const (
	// OwnerOnly is for secrets in a regular file of the user's.
	OwnerOnly Access = iota
	// Mounted is for secrets that a container platform puts there: a group can
	// read them, and their names are symbolic links.
	Mounted
)

// ReadSecret reads a file of at most limit bytes that holds a secret. It refuses a
// file that others can read or write; see [CheckSecret] and [Access].
func ReadSecret(path string, access Access, limit int64) ([]byte, error) {
	if access == OwnerOnly {
		info, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() { // opening a pipe would wait
			return nil, CheckSecret(path, info)
		}
	}
	return read(path, limit, func(info fs.FileInfo) error {
		if mode := info.Mode(); access == Mounted && mode.IsRegular() && (runtime.GOOS == "windows" || mode.Perm()&0o037 == 0) {
			return nil
		}
		return CheckSecret(path, info)
	})
}

// ReadConfiguration reads a file of at most limit bytes. It refuses a file that
// everybody can write. Git gives files the modes 0644 and 0664, so what group and
// others can read is accepted.
func ReadConfiguration(path string, limit int64) ([]byte, error) {
	return read(path, limit, func(info fs.FileInfo) error {
		if mode := info.Mode(); runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&0o002 != 0 {
			return fmt.Errorf("%s can be written by every user (mode %04o): run chmod o-w %s", path, mode.Perm(), path)
		}
		return nil
	})
}

// read reads a file if the opened file passes a check.
func read(path string, limit int64, check func(fs.FileInfo) error) (content []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name a file", path)
	}
	if err := check(info); err != nil {
		return nil, err
	}
	content, err = io.ReadAll(io.LimitReader(file, limit+1))
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes, so it can't be what is wanted here", path, limit)
	}
	return content, err
}

// CheckSecret refuses a file that the group or others can read or write, and one
// that is not a regular file, such as a symbolic link. info is that of os.Lstat.
// Windows has no such modes: there only the kind of file is checked.
func CheckSecret(path string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return fmt.Errorf("%s is not a regular file (%s): name the file itself", path, mode.Type())
	case runtime.GOOS != "windows" && mode.Perm()&0o077 != 0:
		return fmt.Errorf("%s can be read or written by other users (mode %04o): run chmod 600 %s", path, mode.Perm(), path)
	}
	return nil
}
