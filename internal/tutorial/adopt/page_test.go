package adopt

import (
	"regexp"
	"strings"
	"testing"
)

// The page names the modules, the layers and the options as they are. That its
// commands work is for interop/own_server.sh.
func TestPage(t *testing.T) {
	t.Parallel()
	page := get(t, root(t), "docs/your-own-server.md")
	for _, library := range []string{"mcp-go", "go-sdk"} {
		out := mustRun(t, newModule(t), library, Default()...)
		if line := regexp.MustCompile(`go get .*`).FindString(out); !strings.Contains(page, "cd ../orders && "+line+"\n") {
			t.Errorf("for %s, the page lacks: %s", library, line)
		}
	}
	for _, layer := range Layers {
		if row := "| `" + layer.Name + "` | "; strings.Contains(page, row) == layer.Optional {
			t.Errorf("layer %s: a row of the page: %t", layer.Name, !layer.Optional)
		}
		for _, name := range layer.Packages {
			if !layer.Optional && !strings.Contains(page, "`"+name+"`") {
				t.Errorf("layer %s: the page lacks the package %s", layer.Name, name)
			}
		}
	}
}

// The examples require what the copies need, in the versions of this repository.
func TestExamplesRequireTheSame(t *testing.T) {
	t.Parallel()
	ours := get(t, root(t), "go.mod")
	for _, example := range []string{"gosdk", "mcpgo", "resources"} {
		theirs := get(t, root(t), "examples/"+example+"/go.mod")
		direct, _, _ := strings.Cut(theirs, ")")
		for _, match := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`).FindAllStringSubmatch(direct, -1) {
			if strings.Contains(match[1], "go-sdk") {
				continue
			}
			if !strings.Contains(ours, match[1]+" "+match[2]+"\n") {
				t.Errorf("examples/%s requires %s %s, and this repository another version", example, match[1], match[2])
			}
		}
	}
}
