package pages

import (
	"fmt"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// packageMap lists the packages of internal/ by folder, each with the first
// sentence of its comment.
func (w *Writer) packageMap(page string) (string, error) {
	var b strings.Builder
	for _, folder := range manifest.Folders {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n| package | what it does |\n|---|---|\n", folder.Name, folder.Holds)
		err := fs.WalkDir(os.DirFS(w.root), "internal/"+folder.Name, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			if entry.Name() == "testdata" || entry.Name() == "templates" {
				return fs.SkipDir
			}
			sentence, err := firstSentence(filepath.Join(w.root, filepath.FromSlash(name)))
			if err == nil && sentence != "" {
				fmt.Fprintf(&b, "| [%s](%s) | %s |\n", path.Base(name), link(page, name), cell(sentence))
			}
			return err
		})
		if err != nil {
			return "", err
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// firstSentence is that of a package's comment, without "Package name". It is
// empty for a folder without Go files.
func firstSentence(folder string) (string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return "", err
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			return "", err
		}
		if parsed.Doc == nil || strings.HasSuffix(file, "_test.go") {
			continue
		}
		synopsis := (&doc.Package{}).Synopsis(parsed.Doc.Text())
		return strings.TrimPrefix(synopsis, "Package "+parsed.Name.Name+" "), nil
	}
	if len(files) > 0 {
		return "", fmt.Errorf("package %s has no comment", folder)
	}
	return "", nil
}
