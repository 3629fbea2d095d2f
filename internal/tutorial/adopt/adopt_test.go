package adopt

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// root is the folder of this repository.
func root(t *testing.T) string {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// newModule makes a module of an adopter's own.
func newModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "go.mod", "module example.com/mine\n\ngo 1.26.0\n")
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	where := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(where, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// all are the files of a folder, with their contents.
func all(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(where string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(where)
		name, _ := filepath.Rel(dir, where)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// run adopts layers into a folder and returns what it prints.
func run(t *testing.T, dir, library string, layers ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Run(Options{Root: root(t), Dir: dir, For: library, Layers: layers, Out: &out})
	return out.String(), err
}

func mustRun(t *testing.T, dir, library string, layers ...string) string {
	t.Helper()
	out, err := run(t, dir, library, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names() []string {
	var names []string
	for _, layer := range Layers {
		names = append(names, layer.Name)
	}
	return names
}

func TestFreshFolder(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	out := mustRun(t, dir, "http", Default()...)
	var r record
	if err := json.Unmarshal([]byte(get(t, dir, Record)), &r); err != nil {
		t.Fatal(err)
	}
	files := all(t, dir)
	if len(r.Files) != len(files)-2 || len(r.Files) < 40 { // go.mod and the record itself
		t.Errorf("%d files are recorded, of %d", len(r.Files), len(files))
	}
	for name, text := range files {
		if name != "go.mod" && name != Record && sum([]byte(text)) != r.Files[name] {
			t.Errorf("%s is recorded with another hash", name)
		}
		if strings.HasPrefix(name, "internal/tutorial") || regexp.MustCompile(`(?m)^\s*(\w+ )?"`+module).MatchString(text) {
			t.Errorf("%s needs this repository", name)
		}
		for _, other := range []string{"mark3labs", "authserver", "mcpclient"} {
			if strings.HasSuffix(name, ".go") && strings.Contains(text, `/`+other) {
				t.Errorf("%s needs %s", name, other)
			}
		}
	}
	if !strings.Contains(files[licence], "MIT License") || !strings.Contains(files[licence], r.Source) || !strings.HasPrefix(r.Source, "mcp-auth-step-by-step@") {
		t.Errorf("licence and source: %s: %.300s", r.Source, files[licence])
	}
	for _, want := range []string{"go get ", "github.com/golang-jwt/jwt/v5@v", "go test ./internal/...", "not copied", "internal/oauth/jws/vectors_test.go"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if strings.Contains(out, "mcp-go@") {
		t.Error("mcp-go is required although no layer needs it")
	}
	again := mustRun(t, dir, "http", Default()...)
	if !strings.Contains(again, "files, "+strings.Fields(again)[0]+" of them unchanged") {
		t.Errorf("the second run: %.400s", again)
	}
}

// All layers, and the lines for some of them, compile in a module of one's own,
// with the requirements that are printed.
func TestCopiesCompile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("compiles some twenty packages")
	}
	dir := newModule(t)
	out := mustRun(t, dir, "mcp-go", names()...)
	get := regexp.MustCompile(`go get (.*)`).FindStringSubmatch(out)[1]
	put(t, dir, "go.mod", "module example.com/mine\n\ngo 1.26.0\n\nrequire (\n"+strings.NewReplacer(" ", "\n", "@", " ").Replace(get)+"\n)\n")
	sums, err := os.ReadFile(filepath.Join(root(t), "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "go.sum", string(sums))
	for _, some := range []string{"origin", "provider", "token", "token metadata", "cache", "scopes", strings.Join(Default(), " ")} {
		layers, err := choose(strings.Fields(some), "mcp-go")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := Lines(root(t), layers, "mcp-go", "example.com/mine/")
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, "cmd/"+strings.ReplaceAll(some, " ", "_")+"/main.go", lines+"\nfunc main() { _ = protect }\n")
	}
	// vet, unlike build, compiles tests too.
	vet := exec.Command("go", "vet", "./...")
	vet.Dir, vet.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if output, err := vet.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, output)
	}
}

// The cache is taken along only by its name, with its tests, and the lines then use it.
func TestCache(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{false, true} {
		layers := Default()
		if named {
			layers = append(layers, "cache")
		}
		dir := newModule(t)
		out := mustRun(t, dir, "http", layers...)
		files := all(t, dir)
		for _, name := range []string{"internal/oauth/tokencache/tokencache.go", "internal/oauth/tokencache/tokencache_test.go"} {
			if (files[name] != "") != named {
				t.Errorf("%s is copied: %t, named: %t", name, !named, named)
			}
		}
		if strings.Contains(out, "verifier = tokencache.New(") != named || !strings.Contains(out, "bearerauth.Require(verifier, ") {
			t.Errorf("the lines, with the cache named %t:\n%s", named, out)
		}
	}
}

// What was edited, deleted or added is the adopter's, and stays.
func TestSecondRunKeepsEdits(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	mustRun(t, dir, "http", "origin")
	const editedFile, deletedFile, old = "internal/web/cors/cors.go", "internal/web/cors/origin_test.go", "internal/web/jsonreply/jsonreply.go"
	mine := strings.Replace(get(t, dir, editedFile), `"600"`, `"60"`, 1)
	put(t, dir, editedFile, mine)
	put(t, dir, "internal/web/cors/mine.go", "package cors\n")
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(deletedFile))); err != nil {
		t.Fatal(err)
	}
	// As if an earlier version had been copied.
	current := get(t, dir, old)
	put(t, dir, old, "package jsonreply // as it was\n")
	put(t, dir, Record, strings.Replace(get(t, dir, Record), sum([]byte(current)), sum([]byte("package jsonreply // as it was\n")), 1))

	for range 2 { // also the run after it
		out := mustRun(t, dir, "http", "origin")
		if get(t, dir, editedFile) != mine || get(t, dir, "internal/web/cors/mine.go") != "package cors\n" || get(t, dir, old) != current {
			t.Error("an edit is lost, or an update is missing")
		}
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(deletedFile))); err == nil {
			t.Error("a deleted file is back")
		}
		for _, want := range []string{editedFile + " (edited", `    - 		w.Header().Set("Access-Control-Max-Age", "60")`, `    + 		w.Header().Set("Access-Control-Max-Age", "600")`, deletedFile + " (deleted"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in:\n%s", want, out)
			}
		}
		if strings.Contains(out, "mine.go") {
			t.Errorf("a file that adopt never wrote is named:\n%s", out)
		}
	}
	if out := mustRun(t, dir, "http", "provider"); !strings.Contains(out, "internal/mcpserver/originguard/originguard.go (no longer needed") {
		t.Errorf("other layers: %s", out)
	}
}

// A file without a record is never written over, and then nothing else is.
func TestFileInTheWay(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	put(t, dir, "internal/web/cors/cors.go", "package cors // mine\n")
	before := all(t, dir)
	out, err := run(t, dir, "http", "origin")
	if err == nil || !strings.Contains(err.Error(), "internal/web/cors/cors.go") || !strings.Contains(out, "- package cors // mine") {
		t.Errorf("%v\n%s", err, out)
	}
	if after := all(t, dir); len(after) != len(before) {
		t.Errorf("%d files were written", len(after)-len(before))
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	var out bytes.Buffer
	if err := Run(Options{Root: root(t), Dir: dir, For: "go-sdk", Layers: Default(), DryRun: true, Out: &out}); err != nil {
		t.Fatal(err)
	}
	if len(all(t, dir)) != 1 || !strings.Contains(out.String(), "internal/web/cors/cors.go (new)") || !strings.Contains(out.String(), "Nothing was written") {
		t.Errorf("%d files: %s", len(all(t, dir)), out.String())
	}
}

// Nothing is written through a link, outside the folder, or into this repository.
func TestPlacesThatAreRefused(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	put(t, elsewhere, "file", "untouched")
	link := func(to, name string) func(*testing.T, string) string {
		return func(t *testing.T, dir string) string {
			t.Helper()
			where := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, where); err != nil {
				t.Skip(err)
			}
			return dir
		}
	}
	for what, c := range map[string]struct {
		make func(t *testing.T, dir string) string
		says string
	}{
		"a folder that is a link":     {link(elsewhere, "internal"), "symbolic link"},
		"a folder further down":       {link(elsewhere, "internal/web/cors"), "symbolic link"},
		"a file that is a link":       {link(filepath.Join(elsewhere, "file"), "internal/web/cors/cors.go"), "symbolic link"},
		"a link to nothing":           {link(filepath.Join(elsewhere, "new"), "internal/web/cors/cors.go"), "symbolic link"},
		"a record that is a link":     {link(filepath.Join(elsewhere, "file"), Record), "symbolic link"},
		"a file in place of a folder": {func(t *testing.T, dir string) string { put(t, dir, "internal/web", ""); return dir }, "in the way"},
		"a damaged record":            {func(t *testing.T, dir string) string { put(t, dir, Record, "{"); return dir }, "can't be read"},
		"a record that leads out":     {func(t *testing.T, dir string) string { put(t, dir, Record, `{"files":{"../x":""}}`); return dir }, "leads out"},
		"this repository":             {func(t *testing.T, _ string) string { return root(t) }, "inside this repository"},
		"a folder of it":              {func(t *testing.T, _ string) string { return filepath.Join(root(t), "docs") }, "inside this repository"},
		"a link to it":                {func(t *testing.T, dir string) string { return filepath.Join(link(root(t), "here")(t, dir), "here") }, "inside this repository"},
		"a copy of it": {func(t *testing.T, dir string) string {
			put(t, dir, "go.mod", "module mcp-auth-step-by-step\n")
			return dir
		}, "copy of this repository"},
		"a folder that isn't there":     {func(_ *testing.T, dir string) string { return filepath.Join(dir, "none") }, "go mod init"},
		"a folder without a module":     {func(t *testing.T, _ string) string { return t.TempDir() }, "go mod init"},
		"a go.mod that names no module": {func(t *testing.T, dir string) string { put(t, dir, "go.mod", "go 1.26\n"); return dir }, "no module line"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := c.make(t, newModule(t))
			if _, err := run(t, dir, "http", "origin"); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
	t.Cleanup(func() {
		if left := all(t, elsewhere); len(left) != 1 || left["file"] != "untouched" {
			t.Errorf("written elsewhere: %v", left)
		}
	})
}

// A run that breaks off leaves whole files, and a record of them.
func TestBrokenRun(t *testing.T) {
	t.Parallel()
	dir := newModule(t)
	layers, err := choose([]string{"origin"}, "http")
	if err != nil {
		t.Fatal(err)
	}
	at, err := openTarget(root(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := gather(root(t), at.prefix, layers)
	if err != nil {
		t.Fatal(err)
	}
	r := &record{Files: map[string]string{}}
	changes, err := at.plan(b.files, r)
	if err != nil {
		t.Fatal(err)
	}
	const last = "internal/web/loopback"
	put(t, dir, last, "in the way since") // after the plan
	if err := at.write(changes, b.files, r); err == nil || !strings.Contains(err.Error(), last) {
		t.Fatal(err)
	}
	files := all(t, dir)
	delete(files, "go.mod")
	delete(files, last)
	delete(files, Record)
	if len(files) == 0 || len(files) == len(b.files) || len(files) != len(r.Files) {
		t.Errorf("%d files of %d, %d of them recorded", len(files), len(b.files), len(r.Files))
	}
	for name, text := range files {
		if text != string(b.files[name]) {
			t.Errorf("%s is not whole", name)
		}
	}
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(last))); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, "http", "origin")
}

func TestChoice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ layers, library, want, says string }{
		{"origin", "http", "origin", ""},
		{"scopes,origin", "go-sdk", "provider token scopes origin", ""},
		{"cache", "http", "provider token cache", ""},
		{"audit", "mcp-go", "provider token scopes endpoint audit", ""},
		{"audit", "go-sdk", "", "needs -for mcp-go"},
		{"orign", "http", "", `"orign" is not a layer`},
		{"", "http", "", "no layer"},
		{"origin", "python", "", `-for "python"`},
	} {
		layers, err := choose(strings.FieldsFunc(c.layers, func(r rune) bool { return r == ',' }), c.library)
		var got []string
		for _, l := range layers {
			got = append(got, l.Name)
		}
		if strings.Join(got, " ") != c.want || (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

// Each layer is one that a step runs, or part of one.
func TestLayersAreThoseOfTheSteps(t *testing.T) {
	t.Parallel()
	deps, err := exec.Command("go", "list", "-deps", module+"cmd/step10", module+"internal/mcpserver/mcpmessage").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range Layers {
		for _, name := range layer.Packages {
			if !slices.Contains(strings.Fields(string(deps)), module+"internal/"+name) {
				t.Errorf("%s: step 10 doesn't run %s", layer.Name, name)
			}
		}
	}
}
