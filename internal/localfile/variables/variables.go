// Package variables reads NAME=value settings from a file and from the
// environment, which wins over the file. Errors name the variable and where it
// is set, and never show a value that could be a secret.
//
//	v, err := variables.Load("okta.env", map[string]string{"JWT_ISSUER": ""}, os.Getenv, log)
//	issuer := v.Get("JWT_ISSUER")
package variables

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"mcp-auth-step-by-step/internal/localfile"
)

// MaxFile is more than a file of settings needs, in bytes.
const MaxFile = 64 << 10

// ErrNotFound says that there is no such file.
var ErrNotFound = errors.New("file not found")

// Set are the variables that are set, and where.
type Set struct {
	file          string // that was read; empty: none
	set, defaults map[string]string
	getenv        func(string) string
}

// Load reads a file; with an empty name only the environment counts. defaults has
// the names that are known, each with its value where nobody sets it. About other
// names it warns, and ignores them. The error is [ErrNotFound] where there is no
// such file.
func Load(file string, defaults map[string]string, getenv func(string) string, log *slog.Logger) (*Set, error) {
	if file == "" {
		return &Set{defaults: defaults, getenv: getenv}, nil
	}
	text, err := localfile.ReadConfiguration(file, MaxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", file, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("%s can't be read: %w", file, err)
	case bytes.IndexByte(text, 0) >= 0:
		return nil, fmt.Errorf("%s is not UTF-8, but perhaps UTF-16: save it as UTF-8", file)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the byte order mark of some editors
	set, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s, line %d: want NAME=value, one a line, and # before a comment", file, badLine(string(text)))
	}
	seen := map[string]int{}
	for _, match := range assignment.FindAllSubmatch(text, -1) {
		name := string(match[1])
		if seen[name]++; seen[name] == 2 {
			log.Warn("variable set twice; the last value counts", "file", file, "variable", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if _, known := defaults[name]; !known {
			log.Warn("unknown variable ignored; check its spelling", "file", file, "variable", name)
		}
	}
	return &Set{file, set, defaults, getenv}, nil
}

// assignment is a line that sets a variable.
var assignment = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*[=:]`)

// badLine is the number of the first line that can't be read. What stands in
// it may be a secret in the wrong place, and isn't shown.
func badLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for i := range lines {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:i+1], "")); err != nil {
			return i + 1
		}
	}
	return len(lines)
}

// Get returns a variable, or its default. Set to nothing is not set.
func (s *Set) Get(name string) string {
	value, _ := s.Find(name)
	return cmp.Or(value, s.defaults[name])
}

// Find returns a variable and where it is set, if it is.
func (s *Set) Find(name string) (value, where string) {
	if value = strings.TrimSpace(s.getenv(name)); value != "" {
		return value, "the environment"
	}
	if value = strings.TrimSpace(s.set[name]); value != "" {
		return value, s.file
	}
	return "", ""
}

// Wrong says where a variable is wrong, and how.
func (s *Set) Wrong(name string, err error) error {
	_, where := s.Find(name)
	return fmt.Errorf("%s: %s: %w", where, name, err)
}

// Words splits a list with commas between. Blanks around a word don't count.
func Words(list string) []string {
	words := strings.Split(list, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}

// Subset reads a list with commas between, of allowed words.
func (s *Set) Subset(name string, allowed []string) ([]string, error) {
	var found []string
	for _, word := range Words(s.Get(name)) {
		if !slices.Contains(allowed, word) {
			return nil, s.Wrong(name, fmt.Errorf("%q is not one of %s: write some of them, with commas between", word, strings.Join(allowed, ", ")))
		}
		if !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	return found, nil
}

// CheckSecret refuses a file that other users can read and that sets a variable
// which is a secret.
func (s *Set) CheckSecret(name string) error {
	if strings.TrimSpace(s.set[name]) == "" {
		return nil
	}
	info, err := os.Lstat(s.file)
	if err == nil {
		err = localfile.CheckSecret(s.file, info)
	}
	if err != nil {
		return fmt.Errorf("%s has a secret, %s: %w, or set %s in the environment", s.file, name, err, name)
	}
	return nil
}
