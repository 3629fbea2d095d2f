package explain

import (
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

func root(t *testing.T) string {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// Each line of each program is explained; an empty line needs nothing.
func TestEveryLineIsExplained(t *testing.T) {
	for _, step := range manifest.Steps {
		file, err := Read(root(t), step.Folder())
		if err != nil {
			t.Fatal(err)
		}
		source, err := step.Source(root(t))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(source, "\n") != strings.Join(file.Lines, "\n") {
			t.Errorf("step %d: other lines than the manifest's", step.Number)
		}
		for i, line := range file.Lines {
			if strings.TrimSpace(line) != "" && len(file.Notes[i]) == 0 {
				t.Errorf("%s/main.go: nothing explains %q", step.Folder(), line)
			}
		}
	}
}

// Lines are explained by the comment above them, and by those of what they use.
func TestNotes(t *testing.T) {
	file, err := Read(root(t), "cmd/step6")
	if err != nil {
		t.Fatal(err)
	}
	for part, wants := range map[string][]Note{
		"mcp = bearerauth.Require(":           {{Of: "step 6", Text: "Ask for a token before anything is read."}, {Of: "bearerauth.Require", Text: "Require lets requests through"}},
		`"mcp-auth-step-by-step/internal/oa`:  {{Of: "package accesstoken", Text: "Package accesstoken verifies access tokens"}},
		"Audience:   site.Resource(),":        {{Of: "accesstoken.Audience"}, {Of: "serve.Resource", Text: "Resource is the resource identifier"}},
		`report.Add("auth_required", true)`:   {{Of: "health.Add"}},
		"func main() { serve.Main(source, ne": {{Of: "serve.Main", Text: "Main is the main function of every server"}},
	} {
		found := false
		for i, line := range file.Lines {
			if found || !strings.Contains(line, part) {
				continue
			}
			found = true
			for _, want := range wants {
				has := false
				for _, note := range file.Notes[i] {
					has = has || note.Of == want.Of && strings.HasPrefix(note.Text, want.Text) && note.Text != ""
				}
				if !has {
					t.Errorf("%s\nlacks %+v\nhas %+v", line, want, file.Notes[i])
				}
			}
		}
		if !found {
			t.Errorf("no line has %q", part)
		}
	}
}
