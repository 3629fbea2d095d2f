package adopt

import (
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// module is the path of this repository's module, with a slash.
const module = "mcp-auth-step-by-step/"

// bundle is what is to stand in the folder of an adopter.
type bundle struct {
	files    map[string][]byte // by path, with slashes
	requires []string          // module@version of what the files import from elsewhere
	leftOut  []string          // test files that stay here
}

// gatherer reads packages of the repository. It needs no network: what they
// import from other modules isn't looked at.
type gatherer struct {
	root     string
	prefix   string // of import paths at the adopter's, with a slash
	packages map[string]bool
	bundle   bundle
	external map[string]bool // import paths of other modules
}

// source is a file of a package.
type source struct {
	name   string // path in the repository
	text   []byte
	syntax *ast.File
	files  *token.FileSet
	ours   []string // packages of the repository that it imports
}

// gather reads the packages of layers and all that they import from this
// repository. Test files come along if they import nothing else of it but what
// stands beside the layers for tests ([manifest.ForTests]).
func gather(root, prefix string, layers []Layer) (*bundle, error) {
	g := &gatherer{root: root, prefix: prefix, packages: map[string]bool{}, external: map[string]bool{},
		bundle: bundle{files: map[string][]byte{}}}
	var names []string
	for _, layer := range layers {
		for _, name := range layer.Packages {
			names = append(names, "internal/"+name)
		}
	}
	tests, err := g.addCode(names)
	if err != nil {
		return nil, err
	}
	// Tests of test helpers come along, too, so this goes on until none is new.
	for len(tests) > 0 {
		var helpers []string
		for _, test := range tests {
			if !g.fits(test) {
				g.bundle.leftOut = append(g.bundle.leftOut, test.name)
				continue
			}
			g.add(test)
			helpers = append(helpers, test.ours...)
		}
		if tests, err = g.addCode(helpers); err != nil {
			return nil, err
		}
	}
	slices.Sort(g.bundle.leftOut)
	g.bundle.requires, err = requirements(root, g.external)
	return &g.bundle, err
}

// addCode adds packages and what they import, and returns their test files.
func (g *gatherer) addCode(names []string) (tests []source, err error) {
	for ; len(names) > 0; names = names[1:] {
		if g.packages[names[0]] {
			continue
		}
		g.packages[names[0]] = true
		sources, err := read(g.root, names[0])
		if err != nil {
			return nil, err
		}
		for _, s := range sources {
			if strings.HasSuffix(s.name, "_test.go") {
				tests = append(tests, s)
				continue
			}
			g.add(s)
			names = append(names, s.ours...)
		}
	}
	return tests, nil
}

// fits reports whether a test needs no more than what is there.
func (g *gatherer) fits(test source) bool {
	return !slices.ContainsFunc(test.ours, func(name string) bool { return !g.packages[name] && !slices.Contains(manifest.ForTests, name) })
}

// read parses the files of a package.
func read(root, name string) ([]source, error) {
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(name), "*.go"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("package %s has no files in %s", name, root)
	}
	var sources []source
	for _, file := range paths {
		s := source{name: path.Join(name, filepath.Base(file)), files: token.NewFileSet()}
		if s.text, err = os.ReadFile(file); err != nil {
			return nil, err
		}
		if s.syntax, err = parser.ParseFile(s.files, s.name, s.text, parser.ImportsOnly|parser.ParseComments); err != nil {
			return nil, err
		}
		for _, spec := range s.syntax.Imports {
			if name, ok := strings.CutPrefix(importPath(spec), module); ok {
				s.ours = append(s.ours, name)
			}
		}
		sources = append(sources, s)
	}
	return sources, nil
}

func importPath(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser took it for a string
	}
	return name
}

// add puts a file into the bundle, with the import paths of the adopter.
func (g *gatherer) add(s source) {
	var text []byte
	last := 0
	for _, spec := range s.syntax.Imports {
		name, ours := strings.CutPrefix(importPath(spec), module)
		if !ours {
			if first, _, _ := strings.Cut(importPath(spec), "/"); strings.Contains(first, ".") {
				g.external[importPath(spec)] = true
			}
			continue
		}
		begin, end := s.files.Position(spec.Path.Pos()).Offset, s.files.Position(spec.Path.End()).Offset
		text = append(append(text, s.text[last:begin]...), strconv.Quote(g.prefix+name)...)
		last = end
	}
	text = append(text, s.text[last:]...)
	if formatted, err := format.Source(text); err == nil { // sorts the imports anew
		text = formatted
	}
	g.bundle.files[s.name] = text
}

var requirement = regexp.MustCompile(`(?m)^(?:require)?[\t ]+([^\s/]+\.[^\s]+) (v\S+)`)

// requirements are the modules of import paths, in the versions that this
// repository is tested with.
func requirements(root string, imports map[string]bool) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	needed := map[string]bool{}
	for name := range imports {
		best, version := "", ""
		for _, match := range requirement.FindAllSubmatch(text, -1) {
			if candidate := string(match[1]); strings.HasPrefix(name+"/", candidate+"/") && len(candidate) > len(best) {
				best, version = candidate, string(match[2])
			}
		}
		if best == "" {
			return nil, fmt.Errorf("go.mod has no requirement for %s", name)
		}
		needed[best+"@"+version] = true
	}
	return slices.Sorted(maps.Keys(needed)), nil
}
