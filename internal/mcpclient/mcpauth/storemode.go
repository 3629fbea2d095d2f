package mcpauth

import (
	"fmt"
	"io/fs"
	"runtime"
)

// onlyForOwner refuses a file with tokens that others can read or write (WD18 of
// the rows about files). Windows has no such modes.
func onlyForOwner(path string, info fs.FileInfo) error {
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read or written by other users (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return nil
}
