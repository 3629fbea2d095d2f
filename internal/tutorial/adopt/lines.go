package adopt

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// linesFiles have the lines for one's own main. They are compiled and tested where
// they stand; those for go-sdk in its example.
var linesFiles = []struct{ library, name string }{
	{"", "internal/tutorial/adopt/protect/protect.go"},
	{"go-sdk", "internal/tutorial/adopt/protect/gosdk.go"},
}

// Lines are a file for one's own package main: the policy, and a function that
// puts the layers together. Of each paragraph that begins with the name of a
// layer, those are left out that are not among layers.
func Lines(root string, layers []Layer, library, prefix string) (string, error) {
	var imports []string
	var body strings.Builder
	for _, file := range linesFiles {
		if file.library != "" && file.library != library {
			continue
		}
		syntax, text, err := paragraphs(filepath.Join(root, filepath.FromSlash(file.name)), layers)
		if err != nil {
			return "", err
		}
		for _, spec := range syntax.Imports {
			imports = append(imports, importPath(spec))
		}
		body.WriteString(text + "\n")
	}
	formatted, err := format.Source([]byte("package main\n\n" + importsOf(imports, body.String(), prefix) + body.String()))
	return string(formatted), err
}

// layerOf matches the comment with which a paragraph of a layer begins.
var layerOf = regexp.MustCompile(`^\s*// ([a-z]+): `)

// paragraphs returns what follows the imports of a file, without the paragraphs
// of other layers.
func paragraphs(file string, layers []Layer) (*ast.File, string, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	files := token.NewFileSet()
	syntax, err := parser.ParseFile(files, file, source, parser.ImportsOnly)
	if err != nil {
		return nil, "", err
	}
	end := files.Position(syntax.Decls[len(syntax.Decls)-1].End()).Offset
	var kept []string
	for paragraph := range strings.SplitSeq(strings.TrimLeft(string(source[end:]), "\n"), "\n\n") {
		match := layerOf.FindStringSubmatch(paragraph)
		if match == nil || slices.ContainsFunc(layers, func(l Layer) bool { return l.Name == match[1] }) {
			kept = append(kept, paragraph)
		}
	}
	return syntax, strings.Join(kept, "\n\n"), nil
}

// importsOf is the import declaration for those imports that lines use.
func importsOf(imports []string, lines, prefix string) string {
	slices.Sort(imports)
	groups := make([]strings.Builder, 3) // the standard library, other modules, one's own
	for _, name := range slices.Compact(imports) {
		if !regexp.MustCompile(`\b` + path.Base(name) + `\.`).MatchString(lines) {
			continue
		}
		first, _, _ := strings.Cut(name, "/")
		group := 0
		if rest, ours := strings.CutPrefix(name, module); ours {
			name, group = prefix+rest, 2
		} else if strings.Contains(first, ".") {
			group = 1
		}
		groups[group].WriteString("\t\"" + name + "\"\n")
	}
	return "import (\n" + groups[0].String() + "\n" + groups[1].String() + "\n" + groups[2].String() + ")\n\n"
}
