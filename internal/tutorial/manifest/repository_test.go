package manifest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
