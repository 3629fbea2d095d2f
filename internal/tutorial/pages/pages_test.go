package pages

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

var update = flag.Bool("update", false, "write the generated parts of the pages anew")

// What the pages show is what the code is and the servers do.
func TestPagesAreUpToDate(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	writer := New(root)
	defer writer.Close()
	pages, err := writer.Pages()
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < len(manifest.Steps)+2 {
		t.Fatalf("only %d pages have generated parts: %q", len(pages), pages)
	}
	for _, page := range pages {
		t.Run(page, func(t *testing.T) {
			want, err := writer.Fill(page)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(root, page)
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) == want {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("the page is not what the code makes; run make docs. First difference:\n%s", firstDifference(string(got), want))
		})
	}
}

func firstDifference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			return "page: " + gotLines[i] + "\ncode: " + wantLines[i]
		}
	}
	return "one is longer than the other"
}
