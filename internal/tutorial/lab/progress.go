package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"mcp-auth-step-by-step/internal/localfile"
)

// Progress is which exercises are solved, kept in a file.
type Progress struct {
	path   string
	Solved []string `json:"solved"` // ids
}

// DefaultProgress is the file in the user's configuration folder.
func DefaultProgress() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("this system has no configuration folder: %w; give a file with -progress", err)
	}
	return filepath.Join(dir, "mcp-auth-step-by-step", "exercises.json"), nil
}

// LoadProgress reads a file, which need not be there.
func LoadProgress(path string) (*Progress, error) {
	p := &Progress{path: path}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, p)
	}
	if err != nil {
		return nil, fmt.Errorf("the progress in %s can't be read: %w; remove the file to begin anew", path, err)
	}
	return p, nil
}

// Has tells whether an exercise is solved.
func (p *Progress) Has(id string) bool { return slices.Contains(p.Solved, id) }

// Solve remembers an exercise.
func (p *Progress) Solve(id string) error {
	if p.Has(id) {
		return nil
	}
	p.Solved = append(p.Solved, id)
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return err
	}
	return localfile.Write(p.path, append(text, '\n'), 0o600)
}
