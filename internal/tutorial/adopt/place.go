package adopt

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/localfile"
)

// Record is the file that keeps what was written, so that a later run knows what
// was edited since.
const Record = ".adopt.json"

// record is the content of [Record].
type record struct {
	Source string            `json:"source"` // module and version that was copied
	Commit string            `json:"commit,omitempty"`
	Layers []string          `json:"layers"`
	For    string            `json:"for"`
	Files  map[string]string `json:"files"` // SHA-256 of each file as it was written
}

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(digest[:])
}

// target is the folder of an adopter.
type target struct {
	dir    string
	prefix string // of the import paths of its packages, with a slash
}

// openTarget finds the module that a folder belongs to. The folder must not be
// in this repository, or in a copy of it.
func openTarget(root, dir string) (*target, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; make the folder and run go mod init in it first", dir, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	if inside(root, real) {
		return nil, fmt.Errorf("%s is inside this repository: name a folder of your own", dir)
	}
	top := real
	for {
		text, err := os.ReadFile(filepath.Join(top, "go.mod"))
		if err == nil {
			return newTarget(real, top, string(text))
		}
		if top == filepath.Dir(top) || !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is in no Go module: run go mod init there first, for example: go mod init example.com/myserver", dir)
		}
		top = filepath.Dir(top)
	}
}

func newTarget(dir, top, goMod string) (*target, error) {
	for line := range strings.Lines(goMod) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "module" {
			continue
		}
		name := strings.Trim(fields[1], "\"`")
		if name+"/" == module {
			return nil, fmt.Errorf("%s is a copy of this repository: name a folder of your own", top)
		}
		below, err := filepath.Rel(top, dir)
		return &target{dir: dir, prefix: path.Join(name, filepath.ToSlash(below)) + "/"}, err
	}
	return nil, fmt.Errorf("%s has no module line", filepath.Join(top, "go.mod"))
}

// inside reports whether a path is a folder or in it.
func inside(folder, path string) bool {
	below, err := filepath.Rel(folder, path)
	return err == nil && below != ".." && !strings.HasPrefix(below, ".."+string(filepath.Separator))
}

// path is where a file of the target stands. It fails where a link would lead
// elsewhere, and where a folder is wanted and something else is there.
func (t *target) path(name string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", fmt.Errorf("%q leads out of %s", name, t.dir)
	}
	where, parts := t.dir, strings.Split(name, "/")
	for i, part := range parts {
		where = filepath.Join(where, part)
		info, err := os.Lstat(where)
		last := i == len(parts)-1
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink != 0:
			return "", fmt.Errorf("%s is a symbolic link: nothing is written through it; replace it by a real file or folder", where)
		case last && !info.Mode().IsRegular(), !last && !info.IsDir():
			return "", fmt.Errorf("%s is in the way; move it", where)
		}
	}
	return where, nil
}

// readRecord reads what earlier runs wrote. There may be none.
func (t *target) readRecord() (*record, error) {
	r := &record{Files: map[string]string{}}
	where, err := t.path(Record)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(where)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil || r.Files == nil {
		return nil, fmt.Errorf("%s can't be read: %w; restore it, since it says which files were edited", where, err)
	}
	return r, nil
}

// change is what is to become of one file.
type change struct {
	name    string
	verdict verdict
	there   []byte // what stands there now
}

type verdict string

const (
	written   verdict = "new"
	updated   verdict = "updated"
	unchanged verdict = "unchanged"
	edited    verdict = "edited: left as it is"
	deleted   verdict = "deleted: left out"
	gone      verdict = "no longer needed: left as it is"
	foreign   verdict = "not written by adopt: move it"
)

// plan compares what is wanted with what is there, in the order of names.
func (t *target) plan(files map[string][]byte, old *record) ([]change, error) {
	names := maps.Clone(files)
	for name := range old.Files {
		names[name] = files[name]
	}
	var changes []change
	for _, name := range slices.Sorted(maps.Keys(names)) {
		where, err := t.path(name)
		if err != nil {
			return nil, err
		}
		there, err := os.ReadFile(where)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		_, wanted := files[name]
		c := change{name: name, there: there, verdict: gone}
		if wanted {
			c.verdict = judge(files[name], there, err == nil, old.Files[name])
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// judge decides about a file that is wanted. hash is that of what an earlier run
// wrote; empty: none did.
func judge(wanted, there []byte, exists bool, hash string) verdict {
	switch {
	case !exists && hash == "":
		return written
	case !exists:
		return deleted
	case sum(there) == sum(wanted):
		return unchanged
	case hash == "":
		return foreign
	case sum(there) == hash:
		return updated
	}
	return edited
}

// write writes the files that a plan says, each whole or not at all, and keeps a
// record of those that were written also if one fails.
func (t *target) write(changes []change, files map[string][]byte, r *record) (err error) {
	for _, c := range changes {
		switch c.verdict {
		case written, updated:
			if err = t.writeFile(c.name, files[c.name]); err == nil {
				r.Files[c.name] = sum(files[c.name])
			}
		case unchanged:
			r.Files[c.name] = sum(files[c.name])
		}
		if err != nil {
			break
		}
	}
	text, encoding := json.MarshalIndent(r, "", "  ")
	return errors.Join(err, encoding, t.writeFile(Record, append(text, '\n')))
}

func (t *target) writeFile(name string, content []byte) error {
	where, err := t.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
		return err
	}
	return localfile.Write(where, content, 0o644)
}
