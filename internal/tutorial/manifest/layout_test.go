package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "mcp-auth-step-by-step/"

// repoPackage is what `go list` says of a package of this repository.
type repoPackage struct {
	ImportPath, Dir string
	Imports         []string
	Deps            []string // all that it depends on, without its tests' needs
}

// packages lists the packages of the repository by their path in it.
func packages(t *testing.T) map[string]repoPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,Deps", "./...")
	list.Dir = root(t)
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]repoPackage{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p repoPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimPrefix(p.ImportPath, module)] = p
	}
	return found
}

// ours are the dependencies of a package that are in this repository.
func (p repoPackage) ours() []string {
	var names []string
	for _, dep := range p.Deps {
		if name, ok := strings.CutPrefix(dep, module); ok {
			names = append(names, name)
		}
	}
	return names
}

// breaches are the dependencies that the layout forbids.
func breaches(all map[string]repoPackage) []string {
	var found []string
	step := regexp.MustCompile(`^cmd/(step([1-9]|10))$`)
	for name, p := range all {
		folder := folderOf(name)
		index := slices.IndexFunc(Folders, func(f Folder) bool { return f.Name == folder })
		known := index >= 0
		if strings.HasPrefix(name, "internal/") && !known {
			found = append(found, name+" is in no folder of the layout")
		}
		for _, dep := range p.ours() {
			to := folderOf(dep)
			forbidden := known && to != "" && to != folder && !slices.Contains(Folders[index].MayUse, to) ||
				step.MatchString(name) && to == "tutorial" ||
				(known && folder != "tutorial" || step.MatchString(name)) && slices.Contains(ForTests, dep)
			if forbidden {
				found = append(found, name+" depends on "+dep)
			}
		}
	}
	slices.Sort(found)
	return found
}

// folderOf is the folder of internal/ that a package is in.
func folderOf(name string) string {
	path, ok := strings.CutPrefix(name, "internal/")
	if !ok {
		return ""
	}
	folder, _, _ := strings.Cut(path, "/")
	return folder
}

// The folders of internal/ are the architecture: who may know whom.
func TestLayout(t *testing.T) {
	all := packages(t)
	if len(all) < 40 {
		t.Fatalf("only %d packages were listed", len(all))
	}
	for _, breach := range breaches(all) {
		t.Error(breach)
	}
}

// The layout test can fail, in each of its rules.
func TestLayoutFails(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"cmd/step3", "internal/oauth/mint"},
		{"cmd/step10", "internal/tutorial/matrix"},
		{"internal/web/serve", "internal/oauth/jws"},
		{"internal/web/serve", "internal/mcpserver/health"},
		{"internal/web/serve", "internal/localfile"},
		{"internal/oauth/jws", "internal/authserver/store"},
		{"internal/oauth/jws", "internal/mcpclient/mcpauth"},
		{"internal/mcpclient/mcpauth", "internal/mcpserver/cors"},
		{"internal/mcpclient/mcpauth", "internal/authserver"},
		{"internal/mcpserver/cors", "internal/authserver/realm"},
		{"internal/authserver", "internal/mcpserver/cors"},
		{"internal/authserver", "internal/oauth/mint"},
		{"internal/localfile", "internal/web/plaintext"},
	} {
		all := map[string]repoPackage{c.from: {Deps: []string{"fmt", module + c.to}}}
		if got := breaches(all); !slices.Equal(got, []string{c.from + " depends on " + c.to}) {
			t.Errorf("%s depends on %s: %q", c.from, c.to, got)
		}
	}
	for name, dep := range map[string]string{
		"cmd/step11": "internal/tutorial/formlogin", "cmd/step10": "internal/oauth/jws", "internal/authserver/realm": "internal/authserver",
	} {
		if got := breaches(map[string]repoPackage{name: {Deps: []string{module + dep}}}); got != nil {
			t.Errorf("%s depends on %s, which is allowed: %q", name, dep, got)
		}
	}
	if got := breaches(map[string]repoPackage{"internal/util": {}}); len(got) != 1 {
		t.Errorf("a new folder: %q", got)
	}
}

// callers are the packages of MCP servers that make requests, each with the
// test that no token of a caller is in them. A package without a test is a
// tool of those that have one, and nobody else may use it.
var callers = map[string]string{
	"internal/mcpserver/introspection": "TestE07_",
	"internal/oauth/issuerkeys":        "TestE07_",
	"internal/web/safefetch":           "",
}

var makesRequests = regexp.MustCompile(`\b(http\.(Get|Post|PostForm|Head|Client|DefaultClient|DefaultTransport|Transport|NewRequest\w*)|` +
	`(net|tls)\.Dial\w*|exec\.Command\w*)\b`)

// RS13, E07: a server that makes no requests passes no token on. All packages
// are looked at that a server depends on.
func TestRS13_E07_WE4_ServersCallNobody(t *testing.T) {
	all := packages(t)
	seen := map[string]bool{}
	for _, step := range Servers() {
		for _, name := range append(all[step.Folder()].ours(), step.Folder()) {
			if seen[name] {
				continue
			}
			seen[name] = true
			test, allowed := callers[name]
			for _, problem := range requestsOf(t, all[name].Dir, name, test, allowed) {
				t.Error(problem)
			}
			for _, dep := range all[name].Imports {
				tool := strings.TrimPrefix(dep, module)
				if only, listed := callers[tool]; listed && only == "" && test == "" && !allowed {
					t.Errorf("%s imports %s, which makes requests", name, tool)
				}
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("only %d packages were looked at", len(seen))
	}
}

// requestsOf reads a package and returns what is wrong with its requests.
func requestsOf(t *testing.T, dir, name, test string, allowed bool) (problems []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("package %s: %v, %d files", name, err, len(files))
	}
	shown := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			shown = shown || test != "" && strings.Contains(string(text), "func "+test)
		} else if found := makesRequests.Find(withoutComments(text)); found != nil && !allowed {
			problems = append(problems, fmt.Sprintf("%s uses %s", file, found))
		}
	}
	if test != "" && !shown {
		problems = append(problems, fmt.Sprintf("package %s makes requests, and no test %s… shows what is in them", name, test))
	}
	return problems
}

// withoutComments blanks the line comments of a source.
func withoutComments(source []byte) []byte {
	return regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAll(source, nil)
}

// The test of RS13 fails where a package makes a request, and where the test of
// one that may is missing.
func TestRS13_ServersCallNobodyFails(t *testing.T) {
	dir := t.TempDir()
	source := "package p\n\n// http.Get in a comment is nothing.\nvar x = http.DefaultClient\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := requestsOf(t, dir, "p", "", false); len(got) != 1 || !strings.HasSuffix(got[0], "uses http.DefaultClient") {
		t.Errorf("got %q", got)
	}
	if got := requestsOf(t, dir, "p", "TestE07_", true); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}
