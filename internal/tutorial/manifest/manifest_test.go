package manifest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The rule of the steps.
func TestStepsOnlyInsert(t *testing.T) {
	for _, step := range Servers() {
		t.Run(fmt.Sprintf("step%d", step.Number), func(t *testing.T) {
			lines, err := Changes(root(t), step.Number)
			if err != nil {
				t.Fatal(err)
			}
			added := 0
			var imports, gone []string
			inBody := false
			before := byte(' ')
			for _, line := range lines {
				text := strings.Join(strings.Fields(line.Text), " ")
				inBody = inBody || strings.HasPrefix(text, "func newHandler")
				switch line.Op {
				case '-':
					gone = append(gone, text)
					if text != "" && !slices.Contains(step.Drops, text) && !slices.Contains(step.Replaces, text) {
						t.Errorf("takes away a line that the manifest does not allow: %s", text)
					}
				case '+':
					if text != "" {
						added++
					}
					if path, ok := strings.CutPrefix(text, `"mcp-auth-step-by-step/internal/`); ok {
						imports = append(imports, strings.TrimSuffix(path, `"`))
					}
					if inBody && step.Number > 1 && before != '+' && !strings.HasPrefix(text, fmt.Sprintf("// step %d", step.Number)) {
						t.Errorf("inserts a block that doesn't begin with its step comment: %s", text)
					}
				}
				before = line.Op
			}
			for _, text := range slices.Concat(step.Replaces, step.Drops) {
				if !slices.Contains(gone, text) {
					t.Errorf("keeps a line that the manifest says is gone: %s", text)
				}
			}
			if added > MaxAdded {
				t.Errorf("adds %d lines, at most %d are allowed", added, MaxAdded)
			}
			if !slices.Equal(imports, step.Brings) {
				t.Errorf("imports %q first, the manifest says %q", imports, step.Brings)
			}
		})
	}
}

// What belongs to a step is there, and there is nothing of steps that don't
// exist.
func TestFoldersScriptsAndPages(t *testing.T) {
	dir := root(t)
	for pattern, of := range map[string]func(Step) string{
		"cmd/step*":              Step.Folder,
		"scripts/test_step*.sh":  Step.Script,
		"docs/step*.md":          Step.Page,
		"cmd/step*/main_test.go": func(s Step) string { return s.Folder() + "/main_test.go" },
	} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, step := range Steps {
			want = append(want, filepath.Join(dir, of(step)))
		}
		slices.Sort(want)
		slices.Sort(found)
		if !slices.Equal(found, want) {
			t.Errorf("%s: found %q, want %q", pattern, found, want)
		}
	}
}

func TestDiff(t *testing.T) {
	split := func(s string) []string { return strings.Split(s, "|") }
	for name, c := range map[string]struct{ older, newer, want string }{
		"insertion":     {"a|c", "a|b|c", " a+b c"},
		"removal":       {"a|b|c", "a|c", " a-b c"},
		"replacement":   {"a|b|c", "a|x|c", " a-b+x c"},
		"moved blanks":  {"a:  1", "a: 1", " a: 1"},
		"from nothing":  {"", "a", "-+a"},
		"swapped lines": {"a|b", "b|a", "-a b+a"},
	} {
		var got strings.Builder
		for _, line := range Diff(split(c.older), split(c.newer)) {
			got.WriteString(string(line.Op) + line.Text)
		}
		if got.String() != c.want {
			t.Errorf("%s: %q, want %q", name, got.String(), c.want)
		}
	}
}
