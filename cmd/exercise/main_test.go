package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

// An exercise from its list to its solution: what it shows, what it asks, what it
// keeps, and that nothing in the repository changes.
func TestAnExerciseIsSolved(t *testing.T) {
	progress := filepath.Join(t.TempDir(), "progress", "exercises.json")
	source := "../../internal/mcpserver/originguard/originguard.go"
	before, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	exercise := func(input string, args ...string) string {
		t.Helper()
		var out program.Buffer
		if err := run(t.Context(), append([]string{"-progress", progress}, args...), strings.NewReader(input), &out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if list := exercise(""); !strings.Contains(list, "    1.1   The page next door") || !strings.Contains(list, "0 of ") {
		t.Errorf("the list is:\n%s", list)
	}
	asked := exercise("", "1.1")
	for _, part := range []string{
		"originguard.go, line ", "cors.Allowed(origins, given[0])", "with the line:     403 Forbidden, origin_not_allowed",
		"without the line:  200 OK", "b) from which page the request comes", "Answer with the letter behind it: go run ./cmd/exercise 1.1",
	} {
		if !strings.Contains(asked, part) {
			t.Errorf("it lacks %q:\n%s", part, asked)
		}
	}
	if wrong := exercise("a\n", "1.1"); !strings.Contains(wrong, "That is not it") {
		t.Errorf("a wrong answer:\n%s", wrong)
	}
	if right := exercise("", "1.1", "B"); !strings.Contains(right, "✓ Solved.") {
		t.Errorf("the right answer:\n%s", right)
	}
	if list := exercise(""); !strings.Contains(list, "✓ 1.1") || !strings.Contains(list, "1 of ") {
		t.Errorf("the list is:\n%s", list)
	}
	if task := exercise("", "1.3"); !strings.Contains(task, "✗ a page of https://app.example gets in") || !strings.Contains(task, "Not yet.") {
		t.Errorf("a task that isn't done:\n%s", task)
	}
	after, err := os.ReadFile(source)
	if err != nil || string(after) != string(before) {
		t.Errorf("the source was changed (%v)", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "exercise-*")); len(left) > 0 {
		t.Logf("folders of exercises, perhaps of another run: %q", left)
	}
}

func TestMistakesOfTheCaller(t *testing.T) {
	for _, args := range [][]string{{"99.9"}, {"-x"}, {"1.1", "a", "b"}} {
		var out program.Buffer
		args = append([]string{"-progress", filepath.Join(t.TempDir(), "p.json")}, args...)
		if err := run(t.Context(), args, strings.NewReader(""), &out); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	broken := filepath.Join(t.TempDir(), "p.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-progress", broken}, strings.NewReader(""), &program.Buffer{}); err == nil || !strings.Contains(err.Error(), "remove the file") {
		t.Errorf("a broken file: %v", err)
	}
}
