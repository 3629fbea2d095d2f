// Package catalogue lists the ids that comments, tests and rows cite, each with
// what it means, where it comes from, and what shows that it holds.
package catalogue

import (
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/matrix"
)

//go:embed ids.txt
var text string

// Entry is one id.
type Entry struct {
	ID, Meaning, Source string
}

// Group are the ids of one prefix.
type Group struct {
	Prefix, Title string
	Entries       []Entry
}

// Read returns the catalogue.
func Read() ([]Group, error) {
	var groups []Group
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimPrefix(line, "= "), " | ")
		switch {
		case strings.HasPrefix(line, "= ") && len(fields) == 2:
			groups = append(groups, Group{Prefix: fields[0], Title: fields[1]})
		case len(fields) == 3 && len(groups) > 0 && prefix.FindString(fields[0]) == groups[len(groups)-1].Prefix:
			group := &groups[len(groups)-1]
			group.Entries = append(group.Entries, Entry{fields[0], fields[1], fields[2]})
		default:
			return nil, fmt.Errorf("ids.txt: want id | meaning | source, or = prefix | title: %s", line)
		}
	}
	return groups, nil
}

var prefix = regexp.MustCompile(`^[A-Z]+`)

// cited is an id in a text: two digits after the prefixes of the first
// documents, and no leading zero after W and a letter.
var cited = regexp.MustCompile(`(?:RS|AS|MC)[0-9]{2}|W[A-G][1-9][0-9]?|[A-JTU][0-9]{2}`)

// Cited are the ids that stand in a text as words of their own, or as words of a
// test's name.
func Cited(text string) []string {
	var ids []string
	for _, at := range cited.FindAllStringIndex(text, -1) {
		before, after := text[:at[0]], text[at[1]:]
		inName := strings.HasSuffix(before, "func Test") || strings.HasSuffix(before, "func Fuzz") || strings.HasSuffix(before, "_")
		if !inName && !begins(before) || after != "" && !ends(after[0], inName) {
			continue
		}
		ids = append(ids, text[at[0]:at[1]])
	}
	return ids
}

// begins tells whether an id can stand after a text.
func begins(before string) bool {
	return before == "" || strings.ContainsAny(before[len(before)-1:], " \t\n(,;/\"`'[|#")
}

// ends tells whether a character can follow an id: in the name of a test also the
// capital of the next word.
func ends(c byte, inName bool) bool {
	return strings.IndexByte("-0123456789abcdefghijklmnopqrstuvwxyz", c) < 0 && (inName || c < 'A' || c > 'Z')
}

// Shown is what shows that an id holds.
type Shown struct {
	Rows  []string // ids of rows of the table of behaviours
	Files []string // tests, by their path in the repository
}

// inTest finds the lines of a test file in which an id names a test: its
// function, a subtest, or a case.
var inTest = regexp.MustCompile(`^func (Test|Fuzz)|t\.Run\(|^\s*(\{|name: +|id: +)?"`)

// Find says for each id what shows that it holds, in the repository at root.
func Find(root string) (map[string]*Shown, error) {
	found := map[string]*Shown{}
	of := func(id string) *Shown {
		if found[id] == nil {
			found[id] = &Shown{}
		}
		return found[id]
	}
	for _, row := range matrix.Rows {
		for _, id := range row.Refs {
			of(id).Rows = append(of(id).Rows, row.ID)
		}
	}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := path.Base(name); entry.IsDir() && (base == "node_modules" || strings.HasPrefix(base, ".") && base != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/tutorial/catalogue/") {
			return nil
		}
		source, err := fs.ReadFile(os.DirFS(root), name)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(source)) {
			if !inTest.MatchString(line) {
				continue
			}
			for _, id := range Cited(line) {
				if !slices.Contains(of(id).Files, name) {
					of(id).Files = append(of(id).Files, name)
				}
			}
		}
		return nil
	})
	return found, err
}
