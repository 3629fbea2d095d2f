package manifest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Taking a layer's line out of the last step's main.go turns tests red, and
// their names say the layer. This takes minutes, so it runs where MUTATION is
// set, as in CI.
func TestEveryLineOfALayerIsMissed(t *testing.T) {
	if os.Getenv("MUTATION") == "" {
		t.Skip("set MUTATION=1 to take each line out and see the tests fail; it takes some minutes")
	}
	dir := root(t)
	last := Steps[len(Steps)-1]
	// Which step brought a line.
	layer := map[string]int{}
	for _, step := range Steps {
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
	path := filepath.Join(dir, last.Folder(), "main.go")
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	inBody, taken := false, 0
	for i, line := range lines {
		inBody = inBody || strings.HasPrefix(line, "func newHandler")
		mutant := without(strings.TrimSpace(line))
		if !inBody || mutant == nil {
			continue
		}
		taken++
		number := layer[strings.TrimSpace(line)]
		t.Run(fmt.Sprintf("line%d_of_step%d", i+1, number), func(t *testing.T) {
			changed := append(append(append([]string{}, lines[:i]...), *mutant), lines[i+1:]...)
			output := testWith(t, dir, last, path, strings.Join(changed, "\n"))
			if !strings.Contains(output, "--- FAIL: TestStep/") {
				t.Fatalf("nothing failed without %q:\n%.2000s", strings.TrimSpace(line), output)
			}
			if !strings.Contains(output, fmt.Sprintf("--- FAIL: TestStep/layer%d_", number)) {
				t.Errorf("without %q, no failing test names layer %d:\n%.2000s", strings.TrimSpace(line), number, output)
			}
		})
	}
	if taken < 25 {
		t.Errorf("only %d lines were taken out", taken)
	}
}

var (
	wraps  = regexp.MustCompile(`^mcp = (.*)$`)
	guards = regexp.MustCompile(`^return (originguard\.Protect\(.*\)), nil$`)
	acts   = regexp.MustCompile(`^(features|server|report|auditlog|mux)\.[A-Z]\w*\(.*\)$`)
	states = regexp.MustCompile(`^[A-Z]\w*: +.*,$`)
)

// without is what stands in for a line that is taken out, so that the rest
// still compiles; nil for lines that nothing can do without.
func without(line string) *string {
	var mutant string
	switch {
	case wraps.MatchString(line):
		mutant = wraps.ReplaceAllString(line, "_ = $1")
	case guards.MatchString(line):
		mutant = guards.ReplaceAllString(line, "_ = $1; return mux, nil")
	case acts.MatchString(line), states.MatchString(line) && !strings.Contains(line, "issuer,"):
	default:
		return nil
	}
	return &mutant
}

// testWith runs the tests of a step with another main.go and returns what they
// print.
func testWith(t *testing.T, dir string, step Step, path, source string) string {
	t.Helper()
	scratch := t.TempDir()
	changed := filepath.Join(scratch, "main.go")
	overlay := filepath.Join(scratch, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{changed: []byte(source), overlay: replace} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command("go", "test", "-vet=off", "-overlay", overlay, "./"+step.Folder())
	command.Dir = dir
	output, err := command.CombinedOutput()
	if err == nil || strings.Contains(string(output), "[build failed]") {
		t.Fatalf("want failing tests, got %v:\n%.2000s", err, output)
	}
	return string(output)
}
