package manifest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// tracked are the files of the repository, relative to its root. Where there is
// no git, as in an archive of the sources, they are looked for on disk.
func tracked(t *testing.T) []string {
	t.Helper()
	list := exec.Command("git", "ls-files")
	list.Dir = root(t)
	if output, err := list.Output(); err == nil {
		return strings.Fields(string(output))
	}
	var files []string
	err := filepath.WalkDir(list.Dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(list.Dir, path)
		files = append(files, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// outside finds paths to what lies beside the repository.
var outside = regexp.MustCompile(`\.\./shared\b|(^|[\s"'(=])/(work|home|root)/\w`)

// A clone needs nothing that lies beside it.
func TestWE6_NothingLiesBesideTheRepository(t *testing.T) {
	dir := root(t)
	for _, name := range tracked(t) {
		if strings.HasPrefix(filepath.Base(name), "repository_test") || strings.Contains(name, "testdata/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // deleted, and not yet committed
		}
		if found := outside.Find(text); found != nil {
			t.Errorf("%s names %q, which is not in the repository", name, found)
		}
	}
	for _, bad := range []string{"../shared/vectors", `open("/home/x")`, "see /work/shared"} {
		if !outside.MatchString(bad) {
			t.Errorf("%q is not found", bad)
		}
	}
}

// mostColumns is the length of a line of code, in characters; a tab counts as one.
const mostColumns = 140

// longLines are the numbers of the lines that have more than mostColumns.
func longLines(source string) []int {
	var found []int
	for i, line := range strings.Split(source, "\n") {
		if utf8.RuneCountInString(line) > mostColumns {
			found = append(found, i+1)
		}
	}
	return found
}

// Code reads without scrolling sideways. Tests may have longer lines: those of
// their tables.
func TestNoLineOfCodeIsTooLong(t *testing.T) {
	dir, count := root(t), 0
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue // deleted, and not yet committed
		}
		count++
		for _, line := range longLines(string(source)) {
			t.Errorf("%s:%d has more than %d columns: break it", name, line, mostColumns)
		}
	}
	if count < 200 {
		t.Errorf("only %d files were read", count)
	}
	full := strings.Repeat("é", mostColumns)
	if got := longLines("x\n" + full + "\n" + full + "x\n"); !slices.Equal(got, []int{3}) {
		t.Errorf("long lines %v, want that of %d characters alone", got, mostColumns+1)
	}
}
