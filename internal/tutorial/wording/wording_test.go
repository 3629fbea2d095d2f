package wording

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

func TestCheck(t *testing.T) {
	long := strings.Repeat("word ", MostWords)
	for text, wrong := range map[string]bool{
		"-url %q is no address":                      true,
		"the host is no IP address":                  true,
		"it is no URL":                               true,
		"which is no key":                            true,
		"mend the file":                              true,
		"a stranger wrote this":                      true,
		"What they deserve can't be told":            true,
		"Who is refused is sent to the provider":     true,
		long + "more":                                true,
		"there is no token in the request":           false,
		"the token is no longer valid":               false,
		"-url %q is not a base URL":                  false,
		"the amended file, and recommended settings": false,
		long:               false,
		long + ". " + long: false,
		"unknown variable ignored; check its spelling":      false,
		"what is wrong, what is wanted":                     false,
		"This form was not issued to this browser":          false,
		"there are no keys, and there was no answer either": false,
	} {
		if got := Check(text); (len(got) > 0) != wrong {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestTextsOfAFile(t *testing.T) {
	const source = `package p
func f() {
	fmt.Errorf("%w: " + name + " is no URL", err)
	log.Info("it is no key")
	flag.String("url", "", "that is no flag")
	return problem{"it is no scope", "oneword"}
}`
	file, err := parser.ParseFile(token.NewFileSet(), "", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	Texts(file, func(_ token.Pos, text string) { got = append(got, text) })
	if want := "%w: %s is no URL|it is no key|that is no flag|it is no scope"; strings.Join(got, "|") != want {
		t.Errorf("got %q", got)
	}
}

// What programs say is plain English.
func TestWhatProgramsSay(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, count := token.NewFileSet(), 0
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (base == "node_modules" || base == "wording" || strings.HasPrefix(base, ".") && base != "."):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		var file *ast.File
		if file, err = parser.ParseFile(files, filepath.Join(root, name), nil, parser.SkipObjectResolution); err != nil {
			return err
		}
		Texts(file, func(at token.Pos, text string) {
			count++
			for _, problem := range Check(text) {
				t.Errorf("%s:%d: %q: %s", name, files.Position(at).Line, text, problem)
			}
		})
		return nil
	})
	if err != nil || count < 500 {
		t.Errorf("%d texts were read: %v", count, err)
	}
}
