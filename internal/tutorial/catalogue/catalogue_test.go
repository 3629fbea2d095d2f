package catalogue

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

func TestCited(t *testing.T) {
	for text, want := range map[string][]string{
		"RS08, C14 and (WB10)":                          {"RS08", "C14", "WB10"},
		"func TestRS13_E07_WE4_ServersCallNobody(t":     {"RS13", "E07", "WE4"},
		"func FuzzF02_Redirect(":                        {"F02"},
		"func TestC16RealClock(t, B64Token":             {"C16"},
		"SHA256, A128GCM, UTF-16, ES256, \\u00A0, C021": nil,
		"hash-A01B": nil,
		`{ID: "x", Refs: []string{"RS06", "A15"}}`:          {"RS06", "A15"},
		"U+202E, 0xA12, RFC9728, draft-02, HS256-RS256, B6": nil,
	} {
		if got := Cited(text); !slices.Equal(got, want) {
			t.Errorf("%q cites %q, want %q", text, got, want)
		}
	}
}

// unknown are the ids that a text cites and that the catalogue doesn't have.
func unknown(text string, known map[string]bool) []string {
	return slices.DeleteFunc(Cited(text), func(id string) bool { return known[id] })
}

// Every id that code, scripts or pages cite is in the catalogue, with a meaning
// and a source, once.
func TestEveryCitedIDIsInTheCatalogue(t *testing.T) {
	groups, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, group := range groups {
		for _, entry := range group.Entries {
			if known[entry.ID] || len(Cited(entry.ID)) != 1 || entry.Meaning == "" || entry.Source == "" {
				t.Errorf("%s is there twice, is not an id, or lacks its meaning or source", entry.ID)
			}
			known[entry.ID] = true
		}
	}
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	skip := regexp.MustCompile(`/(\.git|node_modules|venv[^/]*|testdata|keycloak)$|/internal/tutorial/catalogue$`)
	read := regexp.MustCompile(`\.(go|sh|mjs|py|md|txt|yaml|env|jq)$|/Makefile$|/\.ci/run$`)
	files := 0
	err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		slashed := filepath.ToSlash(path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skip.MatchString(slashed):
			return filepath.SkipDir
		case entry.IsDir() || !read.MatchString(slashed):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, id := range unknown(string(text), known) {
			t.Errorf("%s cites %s, which is not in internal/tutorial/catalogue/ids.txt", slashed[len(root)+1:], id)
		}
		return nil
	})
	if err != nil || files < 200 {
		t.Errorf("%d files were read: %v", files, err)
	}
	if got := unknown("RS08 and RS99, WB30", known); !slices.Equal(got, []string{"RS99", "WB30"}) {
		t.Errorf("unknown ids are not found: %q", got)
	}
}
