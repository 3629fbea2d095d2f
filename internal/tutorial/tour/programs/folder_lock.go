//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package programs

import (
	"os"
	"path/filepath"
	"syscall"
)

const lockName = "lock"

// takeLock locks a folder until this process ends. The file gets its name when it is
// locked, so nobody finds it without its lock.
func takeLock(path string) (*os.File, error) {
	name := filepath.Join(path, lockName)
	lock, err := os.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

// leftBehind tells whether path is a folder of this user, and no link to one, whose
// owner has ended. Without a lock in it there is no telling, so it stays.
func leftBehind(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	if system, ok := info.Sys().(*syscall.Stat_t); !ok || int(system.Uid) != os.Getuid() {
		return false
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = lock.Close() }()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
