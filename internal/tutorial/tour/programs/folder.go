package programs

import (
	"os"
	"path/filepath"
	"strings"
)

// folderPrefix begins the names of the folders of tours, in the system's folder for
// temporary files.
const folderPrefix = "mcp-auth-tour-"

// mostLeftBehind is how many folders one start removes at most.
const mostLeftBehind = 20

// folder is a temporary folder whose lock tells others that its owner runs. The system
// lets go of the lock when the owner is gone, also when it was killed.
type folder struct {
	path string
	lock *os.File // nil where the system has no such locks
}

// newFolder makes a folder, after it has removed what killed tours left there.
func newFolder(parent string) (*folder, error) {
	removeLeftBehind(parent)
	path, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := takeLock(path)
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, err
	}
	return &folder{path, lock}, nil
}

// remove removes the folder with all that is in it.
func (f *folder) remove() {
	_ = os.RemoveAll(f.path)
	if f.lock != nil {
		_ = f.lock.Close()
	}
}

// removeLeftBehind removes the folders of tours of this user that don't run any more.
// What can't be removed stays: that is no reason not to start.
func removeLeftBehind(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	removed := 0
	for _, entry := range entries {
		path := filepath.Join(parent, entry.Name())
		if removed == mostLeftBehind || !strings.HasPrefix(entry.Name(), folderPrefix) || !leftBehind(path) {
			continue
		}
		if os.RemoveAll(path) == nil {
			removed++
		}
	}
}
