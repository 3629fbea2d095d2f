package manifest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/mutation"
)

// Taking a layer's line out of a main.go turns tests red, and their names say
// the layer: each line of step 8, which has all layers that only insert, and of
// the step after it the lines of its own. This takes minutes, so it runs where
// MUTATION is set to all or, as in CI, to sample, which is one line in six.
func TestEveryLineOfALayerIsMissed(t *testing.T) {
	if os.Getenv("MUTATION") == "" {
		t.Skip("set MUTATION to all or sample to take lines out and see tests fail")
	}
	dir := root(t)
	// Which step brought a line.
	layer := map[string]int{}
	for _, step := range Servers() {
		lines, err := Changes(dir, step.Number)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if line.Op == '+' {
				layer[strings.TrimSpace(line.Text)] = step.Number
			}
		}
	}
	for _, c := range []struct {
		step, least int
		of          func(layer int) bool
	}{
		{8, 25, func(int) bool { return true }},
		{10, 5, func(layer int) bool { return layer == 10 }},
	} {
		if taken := takeOut(t, dir, Steps[c.step-1], layer, c.of); taken < c.least {
			t.Errorf("only %d lines of step %d were taken out", taken, c.step)
		}
	}
}

// takeOut takes out each line of a step that belongs to some layers, and
// returns how many there were.
func takeOut(t *testing.T, dir string, step Step, layer map[string]int, of func(layer int) bool) (taken int) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(dir, step.Folder(), "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	inBody := false
	for i, line := range lines {
		inBody = inBody || strings.HasPrefix(line, "func newHandler")
		mutant := without(strings.TrimSpace(line))
		number := layer[strings.TrimSpace(line)]
		if !inBody || mutant == nil || !of(number) {
			continue
		}
		taken++
		if os.Getenv("MUTATION") == "sample" && taken%6 != 0 {
			continue
		}
		t.Run(fmt.Sprintf("%s_line%d_of_layer%d", filepath.Base(step.Folder()), i+1, number), func(t *testing.T) {
			changed := append(append(append([]string{}, lines[:i]...), *mutant), lines[i+1:]...)
			output := testWith(t, dir, step, strings.Join(changed, "\n"))
			if strings.Contains(output, "\npanic: ") {
				return // The server doesn't start without the line.
			}
			if !strings.Contains(output, "--- FAIL: TestStep/") {
				t.Fatalf("nothing failed without %q:\n%.2000s", strings.TrimSpace(line), output)
			}
			if !strings.Contains(output, fmt.Sprintf("--- FAIL: TestStep/layer%d_", number)) {
				t.Errorf("without %q, no failing test names layer %d:\n%.2000s", strings.TrimSpace(line), number, output)
			}
		})
	}
	return taken
}

var (
	wraps  = regexp.MustCompile(`^(?:mcp|handler) = (.*)$`)
	acts   = regexp.MustCompile(`^(features|server|report|auditlog|mux)\.[A-Z]\w*\(.*\)$`)
	states = regexp.MustCompile(`^[A-Z]\w*: +.*,$`)
	sets   = regexp.MustCompile(`^(site|policy|challenge)\.[A-Z]\w* = `)
)

// without is what stands in for a line that is taken out, so that the rest
// still compiles; nil for lines that nothing can do without.
func without(line string) *string {
	var mutant string
	switch {
	case wraps.MatchString(line):
		mutant = wraps.ReplaceAllString(line, "_ = $1")
	case acts.MatchString(line), sets.MatchString(line), states.MatchString(line) && !strings.Contains(line, "issuer,"):
	default:
		return nil
	}
	return &mutant
}

// unused is what the compiler says of an import that only the line needed.
var unused = regexp.MustCompile(`main\.go:\d+:\d+: ("[^"]+") imported and not used`)

// testWith runs the tests of a step with another main.go, without the imports
// that nothing needs any more, and returns what they print.
func testWith(t *testing.T, dir string, step Step, source string) string {
	t.Helper()
	overlay, err := mutation.Overlay(dir, t.TempDir(), map[string]string{step.Folder() + "/main.go": source})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("go", "test", "-vet=off", "-run", "^TestStep$", "-overlay", overlay, "./"+step.Folder())
	command.Dir = dir
	output, err := command.CombinedOutput()
	if found := unused.FindSubmatch(output); found != nil {
		return testWith(t, dir, step, strings.Replace(source, "\t"+string(found[1])+"\n", "", 1))
	}
	if err == nil || strings.Contains(string(output), "[build failed]") {
		t.Fatalf("want failing tests, got %v:\n%.2000s", err, output)
	}
	return string(output)
}
