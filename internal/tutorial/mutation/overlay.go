package mutation

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Part is a package, or some files of one, whose statements can be taken out.
type Part struct {
	Folder string   // below the root of the repository
	Files  []string // of the package; nil: all
}

// Instrumented are packages with each statement behind a question.
type Instrumented struct {
	Mutants []Mutant
	Overlay string // file for the flag -overlay of go build and go test
}

// Instrument writes the changed files of packages, and the overlay that puts them in
// the place of the real ones, into the folder scratch. A program or a test that is
// built with the overlay runs without the mutant whose number is in [Variable].
func Instrument(root, scratch string, parts ...Part) (Instrumented, error) {
	var all Instrumented
	replace := map[string]string{}
	for i, part := range parts {
		if err := all.add(root, filepath.Join(scratch, strconv.Itoa(i)), part, replace); err != nil {
			return Instrumented{}, fmt.Errorf("%s: %w", part.Folder, err)
		}
	}
	var err error
	all.Overlay, err = writeOverlay(filepath.Join(scratch, "overlay.json"), replace)
	return all, err
}

// add changes one package.
func (all *Instrumented) add(root, scratch string, part Part, replace map[string]string) error {
	dir := filepath.Join(root, filepath.FromSlash(part.Folder))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	count := len(all.Mutants)
	next := func() string { count++; return strconv.Itoa(count) }
	name := ""
	for _, file := range files {
		base := filepath.Base(file)
		if strings.HasSuffix(base, "_test.go") || part.Files != nil && !slices.Contains(part.Files, base) {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		changed, mutants, err := instrument(source, next)
		if err != nil {
			return err
		}
		for _, m := range mutants {
			m.File = path.Join(part.Folder, base)
			all.Mutants = append(all.Mutants, m)
		}
		replace[file] = filepath.Join(scratch, base)
		if err := os.WriteFile(replace[file], changed, 0o600); err != nil {
			return err
		}
		_, name, _ = strings.Cut("\n"+string(source), "\npackage ")
		name, _, _ = strings.Cut(name, "\n")
	}
	added := filepath.Join(scratch, "zz_keeps.go")
	replace[filepath.Join(dir, "zz_keeps.go")] = added
	return os.WriteFile(added, []byte(helper(name)), 0o600)
}

// Overlay writes other contents for files, by their path below the root, into the
// folder scratch, and returns the file for the flag -overlay.
func Overlay(root, scratch string, contents map[string]string) (string, error) {
	replace := map[string]string{}
	for name, text := range contents {
		changed := filepath.Join(scratch, "changed-"+strings.ReplaceAll(name, "/", "-"))
		replace[filepath.Join(root, filepath.FromSlash(name))] = changed
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return writeOverlay(filepath.Join(scratch, "changed.json"), replace)
}

func writeOverlay(path string, replace map[string]string) (string, error) {
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, overlay, 0o600)
}
