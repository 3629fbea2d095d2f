package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// toolModule is the module of the only tool; go.mod marks it as indirect.
const toolModule = "honnef.co/go/tools"

// docs/dependencies.md has a line for each module that go.mod requires
// directly, and for no other.
func TestDependenciesAreExplained(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	required := append(directRequirements(t, filepath.Join(root, "go.mod")), toolModule)
	explained := firstColumn(t, filepath.Join(root, "docs", "dependencies.md"))
	for _, module := range required {
		if !slices.Contains(explained, module) {
			t.Errorf("go.mod requires %s, and docs/dependencies.md doesn't explain it: add a line", module)
		}
	}
	for _, module := range explained {
		if !slices.Contains(required, module) {
			t.Errorf("docs/dependencies.md explains %s, which go.mod doesn't require directly: remove the line", module)
		}
	}
}

func directRequirements(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	inBlock := false
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == ")":
			inBlock = false
		case words[0] == "require" && words[1] == "(":
			inBlock = true
		case strings.HasSuffix(strings.TrimSpace(line), "// indirect"):
		case words[0] == "require":
			modules = append(modules, words[1])
		case inBlock:
			modules = append(modules, words[0])
		}
	}
	if len(modules) < 5 {
		t.Fatalf("found only %q in %s", modules, file)
	}
	return modules
}

var firstCode = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

func firstColumn(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cells []string
	for _, match := range firstCode.FindAllStringSubmatch(string(text), -1) {
		cells = append(cells, match[1])
	}
	return cells
}
