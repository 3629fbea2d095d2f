package pages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// documents are all pages of the repository, relative to its root.
func documents(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "node_modules" || name == ".git" || strings.HasPrefix(name, "venv")) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			path, err = filepath.Rel(root, path)
			found = append(found, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	linked   = regexp.MustCompile(`(?:\]\(|(?:href|src|srcset)=")([^)"\s]+)[)"]`)
	anchored = regexp.MustCompile(`<a id="([^"]+)">`)
	heading  = regexp.MustCompile(`(?m)^#{1,6} +(.*)$`)
	fenced   = regexp.MustCompile("(?ms)^```.*?^```")
)

// anchors are the places of a page that a link can name.
func anchors(page string) []string {
	page = fenced.ReplaceAllString(page, "")
	var found []string
	for _, match := range anchored.FindAllStringSubmatch(page, -1) {
		found = append(found, match[1])
	}
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		slug := slugOf(match[1])
		for n := 1; slices.Contains(found, slug); n++ {
			slug = fmt.Sprintf("%s-%d", slugOf(match[1]), n)
		}
		found = append(found, slug)
	}
	return found
}

// slugOf is the anchor that GitHub gives to a heading.
func slugOf(title string) string {
	title = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(title))
}

// broken returns the links of a page that lead nowhere, or out of the
// repository.
func broken(root, name, text string) (problems []string) {
	for _, match := range linked.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		target, anchor, _ := strings.Cut(match[1], "#")
		if strings.Contains(target, ":") {
			continue // on the web
		}
		path := filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
		if target == "" {
			path = name
		}
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil || strings.HasPrefix(path, "../") {
			problems = append(problems, name+" links to "+match[1]+", which is not there")
			continue
		}
		if anchor == "" || info.IsDir() {
			continue
		}
		page, err := os.ReadFile(filepath.Join(root, path))
		if err != nil || !slices.Contains(anchors(string(page)), anchor) {
			problems = append(problems, name+" links to "+match[1]+", which has no such place")
		}
	}
	return problems
}

// Every link between files of the repository leads somewhere, also to a place
// in a page. What git ignores is not there for a reader.
func TestLinksLeadSomewhere(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	pages := documents(t, root)
	if len(pages) < 15 {
		t.Errorf("only %d pages were found", len(pages))
	}
	for _, name := range pages {
		if exec.Command("git", "-C", root, "check-ignore", "-q", name).Run() == nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range broken(root, name, string(text)) {
			t.Error(problem)
		}
	}
}

func TestBrokenLinksAreFound(t *testing.T) {
	root := t.TempDir()
	page := "# A title: of `code`, twice\n# A title: of `code`, twice\n<a id=\"RS01\"></a>\n```\n# not a heading\n```\n"
	if err := os.WriteFile(filepath.Join(root, "b.md"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, ok := range map[string]bool{
		"b.md": true, "b.md#RS01": true, "b.md#a-title-of-code-twice": true, "b.md#a-title-of-code-twice-1": true,
		"https://example.com/x": true, "c.md": false, "b.md#not-a-heading": false, "b.md#RS02": false, "#RS01": false, "../b.md": false,
	} {
		if got := broken(root, "a.md", "see [it]("+link+")"); (len(got) == 0) != ok {
			t.Errorf("%s: %q", link, got)
		}
	}
	if got := broken(root, "a.md", `<img src="c.svg" alt="x"> <a href="b.md">`); len(got) != 1 {
		t.Errorf("an image that is not there: %q", got)
	}
	if got := broken(root, "a.md", "```\n[it](c.md)\n```\n"); got != nil {
		t.Errorf("got %q", got)
	}
}
