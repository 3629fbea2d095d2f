// Package explain says of each line of a program what the comments of the source say
// about it: the comment above the line, and those of what the line uses, wherever in
// the repository that is declared.
//
//	file, err := explain.Read(root, "cmd/step6")
//	…
//	for i, line := range file.Lines {
//		fmt.Println(line, file.Notes[i])
//	}
package explain

import (
	"errors"
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Note is what a comment says.
type Note struct {
	Of   string // the declaration that has the comment, such as bearerauth.Require; or "step 6"; may be empty
	Text string // its first paragraph
	Path string // file below the root, for a declaration of the repository
	Line int
}

// File is the main.go of a program.
type File struct {
	Lines []string // from the package clause on
	Notes [][]Note // what the comments say about each line, the nearest first
}

// Pieces are the text, in turn outside and inside of the links of its comment: every
// second one is the name of a declaration.
func (n Note) Pieces() []string {
	var pieces []string
	rest := n.Text
	for at := docLink.FindStringSubmatchIndex(rest); at != nil; at = docLink.FindStringSubmatchIndex(rest) {
		pieces = append(pieces, rest[:at[0]], rest[at[2]:at[3]])
		rest = rest[at[1]:]
	}
	return append(pieces, rest)
}

// docLink is a link to a declaration (Go, "Go Doc Comments").
var docLink = regexp.MustCompile(`\[\*?([A-Za-z_]\w*(?:[./]\w+)*)\]`)

// module is the path of this module.
const module = "mcp-auth-step-by-step"

// reader reads one program.
type reader struct {
	root   string
	files  *token.FileSet
	file   *ast.File
	info   types.Info
	parsed map[string]*ast.File // files of the repository, for the comments in them
	first  int                  // line of the package clause
	notes  map[int][]Note       // by line of the file
}

// Read reads the main.go of a program. It asks go for the types of what that uses.
func Read(root, folder string) (*File, error) {
	r := &reader{
		root: root, files: token.NewFileSet(), parsed: map[string]*ast.File{}, notes: map[int][]Note{},
		info: types.Info{Uses: map[*ast.Ident]types.Object{}},
	}
	path := filepath.Join(root, folder, "main.go")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := r.check(folder, path); err != nil {
		return nil, err
	}
	at := r.files.Position(r.file.Package)
	r.first = at.Line
	f := &File{Lines: strings.Split(strings.TrimSuffix(string(text[at.Offset:]), "\n"), "\n")}
	r.fromComments()
	r.fromUses()
	for i := range f.Lines {
		f.Notes = append(f.Notes, r.notes[i+r.first])
	}
	return f, nil
}

// check parses the program and finds out what its names stand for.
func (r *reader) check(folder, path string) error {
	exports, err := r.exports(folder)
	if err != nil {
		return err
	}
	matches, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.go"))
	if err != nil {
		return err
	}
	var all []*ast.File
	for _, match := range matches {
		if strings.HasSuffix(match, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(r.files, match, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		r.parsed[match] = file
		all = append(all, file)
		if match == path {
			r.file = file
		}
	}
	lookup := func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) }
	config := types.Config{Importer: importer.ForCompiler(r.files, "gc", lookup)}
	_, err = config.Check(module+"/"+folder, r.files, all, &r.info)
	return err
}

// exports are the files in which go keeps the types of packages, by their paths.
func (r *reader) exports(folder string) (map[string]string, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}} {{.Export}}{{end}}", "./"+folder)
	list.Dir = r.root
	output, err := list.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("go list: %w\n%s", err, exit.Stderr)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(output)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[name] = file
	}
	return exports, err
}

func (r *reader) line(p token.Pos) int { return r.files.Position(p).Line }

// fromComments notes the comments of the program itself: of each declaration for all
// of its lines, and in a function for what follows, until the next comment.
func (r *reader) fromComments() {
	for _, declaration := range r.file.Decls {
		first, last := r.line(declaration.Pos()), r.line(declaration.End())
		whole := r.noteOf(docOf(declaration))
		current := Note{}
		for line := first; line <= last; line++ {
			if group := r.commentAt(line); group != nil && group != docOf(declaration) {
				if note := r.noteOf(group); note.Text != "" || note.Of != "" {
					current = note
				}
			}
			note := current
			if note.Text == "" {
				note = whole
			}
			r.add(line, note)
		}
		if doc := docOf(declaration); doc != nil {
			for line := r.line(doc.Pos()); line < first; line++ {
				r.notes[line] = append(r.notes[line], whole)
			}
		}
	}
	about := Note{Text: paragraph(r.file.Doc)}
	for line := range r.line(r.file.End()) + 1 {
		if line >= r.first && len(r.notes[line]) == 0 {
			r.notes[line] = []Note{about}
		}
	}
}

// commentAt is the comment that begins at a line, or behind the code in it.
func (r *reader) commentAt(line int) *ast.CommentGroup {
	for _, group := range r.file.Comments {
		if r.line(group.Pos()) == line {
			return group
		}
	}
	return nil
}

// noteOf reads a comment. "step 6: ask for a token" is a note of step 6.
func (r *reader) noteOf(group *ast.CommentGroup) Note {
	text := paragraph(group)
	if rest, ok := strings.CutPrefix(text, "step "); ok {
		number, what, _ := strings.Cut(rest, ":")
		if !strings.Contains(number, " ") {
			return Note{Of: "step " + number, Text: sentence(strings.TrimSpace(what))}
		}
	}
	return Note{Text: text}
}

// fromUses notes what is said of the functions, methods, fields and types that a line
// uses.
func (r *reader) fromUses() {
	ast.Inspect(r.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			r.add(r.line(n.Pos()), r.packageNote(strings.Trim(n.Path.Value, `"`)))
			return false
		case *ast.Ident:
			if object := r.info.Uses[n]; object != nil && object.Pkg() != nil {
				r.add(r.line(n.Pos()), r.objectNote(object))
			}
		}
		return true
	})
}

func (r *reader) add(line int, note Note) {
	if note.Text != "" && !slices.ContainsFunc(r.notes[line], func(n Note) bool { return n.Text == note.Text }) {
		r.notes[line] = append(r.notes[line], note)
	}
}

// packageNote is what a package of the repository says of itself.
func (r *reader) packageNote(path string) Note {
	folder, ours := strings.CutPrefix(path, module+"/")
	if !ours {
		return Note{}
	}
	matches, _ := filepath.Glob(filepath.Join(r.root, folder, "*.go")) // the pattern is correct
	for _, match := range matches {
		if file := r.parse(match); file != nil && file.Doc != nil {
			return Note{Of: "package " + file.Name.Name, Text: paragraph(file.Doc), Path: r.relative(match), Line: 1}
		}
	}
	return Note{}
}

// objectNote is what the comment of an object's declaration says.
func (r *reader) objectNote(object types.Object) Note {
	path := object.Pkg().Path()
	if path != module && !strings.HasPrefix(path, module+"/") {
		return Note{}
	}
	if variable, ok := object.(*types.Var); ok && !variable.IsField() && object.Parent() != object.Pkg().Scope() {
		return Note{} // a local variable
	}
	at := r.files.Position(object.Pos())
	file := r.parse(at.Filename)
	if file == nil {
		return Note{}
	}
	name := object.Name()
	if object.Pkg().Name() != "main" {
		name = object.Pkg().Name() + "." + name
	}
	return Note{Of: name, Text: r.commentOf(file, at.Line), Path: r.relative(at.Filename), Line: at.Line}
}

// commentOf is the comment of what is declared at a line of a file: above it, behind
// it, or above the list that it is in.
func (r *reader) commentOf(file *ast.File, line int) (text string) {
	starts := func(n ast.Node) bool { return r.line(n.Pos()) == line }
	ast.Inspect(file, func(n ast.Node) bool {
		var groups []*ast.CommentGroup
		switch n := n.(type) {
		case *ast.FuncDecl:
			if r.line(n.Name.Pos()) == line {
				groups = []*ast.CommentGroup{n.Doc}
			}
		case *ast.GenDecl:
			if len(n.Specs) == 1 && starts(n.Specs[0]) {
				groups = []*ast.CommentGroup{n.Doc}
			}
		case *ast.Field:
			if starts(n) {
				groups = []*ast.CommentGroup{n.Doc, n.Comment}
			}
		case *ast.TypeSpec:
			if starts(n) {
				groups = []*ast.CommentGroup{n.Doc, n.Comment}
			}
		case *ast.ValueSpec:
			if starts(n) {
				groups = []*ast.CommentGroup{n.Doc, n.Comment}
			}
		}
		for _, group := range groups {
			if found := paragraph(group); found != "" && text == "" {
				text = found
			}
		}
		return true
	})
	return text
}

// parse reads a file of the repository, or returns nil.
func (r *reader) parse(path string) *ast.File {
	if file, ok := r.parsed[path]; ok {
		return file
	}
	file, err := parser.ParseFile(r.files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		file = nil
	}
	r.parsed[path] = file
	return file
}

func (r *reader) relative(path string) string {
	relative, err := filepath.Rel(r.root, path)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(relative)
}

func docOf(declaration ast.Decl) *ast.CommentGroup {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		return d.Doc
	case *ast.GenDecl:
		return d.Doc
	}
	return nil
}

// paragraph is the first paragraph of a comment, on one line.
func paragraph(group *ast.CommentGroup) string {
	if group == nil {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimSpace(group.Text()), "\n\n")
	text := strings.Join(strings.Fields(first), " ")
	if text == "" || strings.HasPrefix(text, "step ") {
		return text
	}
	if len(text) > longNote {
		return new(doc.Package).Synopsis(text)
	}
	return text
}

// longNote is from how many bytes on a note is cut to its first sentence.
const longNote = 420

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
