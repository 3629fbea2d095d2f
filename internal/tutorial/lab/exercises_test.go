package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// root is the folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Each exercise can be solved, and takes out the one check that it says: without the
// line its trials get in, and with it they don't; those of the step's other
// exercises don't get in without it either, unless they try the same.
func TestExercisesCanBeSolved(t *testing.T) {
	if testing.Short() {
		t.Skip("builds all steps")
	}
	for _, step := range manifest.Steps {
		t.Run(fmt.Sprintf("step%d", step.Number), func(t *testing.T) {
			bench, err := NewBench(t.Context(), "", root(t), step.Number, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer bench.Close()
			var recipes []Exercise
			for _, e := range Exercises {
				if e.Step == step.Number && !e.Free() {
					recipes = append(recipes, e)
				}
				if e.Step != step.Number || !e.Free() {
					continue
				}
				if run, err := bench.Exercise(t.Context(), e); err != nil || run.Done() {
					t.Errorf("%s is done already, or can't be: %v", e.ID, err)
				}
			}
			for _, without := range append([]Exercise{{}}, recipes...) {
				t.Run("without "+without.ID, func(t *testing.T) { solve(t, bench, without, recipes) })
			}
		})
	}
}

// solve starts a step without the line of an exercise, and tries what all of the
// step's exercises try.
func solve(t *testing.T, bench *Bench, without Exercise, all []Exercise) {
	t.Helper()
	var line *Exercise
	if without.ID != "" {
		line = &without
	}
	running, err := bench.Start(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	for _, e := range all {
		for _, trial := range e.Trials {
			got, err := running.Try(t.Context(), trial)
			if err != nil {
				t.Errorf("%s, %s: %v", e.ID, trial.What, err)
				continue
			}
			same := slices.ContainsFunc(without.Trials, func(other Trial) bool { return other.Row == trial.Row && other.Row != "" })
			if wants := e.ID == without.ID || same; got.Got != wants {
				t.Errorf("%s, %s: got in %t, want %t: %s", e.ID, trial.What, got.Got, wants, got.Says)
			}
		}
	}
}

// edit is a change to a file that solves an exercise without a recipe.
type edit struct{ file, old, new string }

// solutions are one way to do each task. Readers will find others.
var solutions = map[string][]edit{
	"1.3": {{"cmd/step1/main.go", "var handler http.Handler = mux", "var handler http.Handler = mux\n\tsite.Origins = append(site.Origins, \"https://app.example\")"}},
	"2.3": {{"cmd/step2/main.go", `mux.Handle("POST /mcp", mcp)`, "mux.Handle(\"POST /mcp\", mcp)\n\tmux.Handle(\"POST /v2/mcp\", mcp)"}},
	"3.2": {{
		"internal/mcpserver/features/tools.go", "{\n\t\tmcp.NewTool(\"echo\",",
		"{mcp.NewTool(\"reverse\", mcp.WithString(\"message\", mcp.Required())), echo},\n\t{\n\t\tmcp.NewTool(\"echo\",",
	}},
	"4.3": {{"internal/mcpserver/features/tools.go", "mcp.Max(10)", "mcp.Max(20)"}},
	"5.2": {{"internal/oauth/jwks/jwks.go", "public, max-age=300", "public, max-age=3600"}},
	"6.4": {{"cmd/step6/main.go", "Audience:   site.Resource(),", "Audience: site.Resource(), Audiences: []string{\"https://mcp.example/mcp\"},"}},
	"7.3": {
		{"internal/oauth/oauthmetadata/oauthmetadata.go", "type Resource struct {", "type Resource struct {\n\tManual string `json:\"resource_documentation\"`"},
		{"internal/oauth/oauthmetadata/oauthmetadata.go", "return Resource{", "return Resource{\n\t\tManual: \"https://docs.example/mcp\","},
	},
	"8.3": {{"cmd/step8/main.go", `"prompts/get *":                   {AnyOf: "mcp:read mcp:prompts"},`, `"prompts/get *": {AllOf: "mcp:prompts"},`}},
	"9.3": {
		{"internal/authserver/token.go", "\t\tclientmetadata.GrantClientCredentials: s.clientCredentials,\n", ""},
		{"internal/authserver/metadata.go", "clientmetadata.GrantRefresh, clientmetadata.GrantClientCredentials}", "clientmetadata.GrantRefresh}"},
	},
	"10.3": {{"cmd/step10/main.go", `policy.DefaultRole = "user"`, `policy.DefaultRole = "guest"`}},
	"11.3": {{
		"internal/mcpclient/mcpauth/authorizationserver.go", "if s.IssParameter || baseurl.SameOrigin(issuer, endpoint) ||",
		"if s.IssParameter || false && baseurl.SameOrigin(issuer, endpoint) ||",
	}},
}

// Each task without a recipe can be done. This builds each step once more, so it
// runs where LAB is set, as in CI.
func TestTasksCanBeDone(t *testing.T) {
	if os.Getenv("LAB") == "" {
		t.Skip("set LAB to all to build each step with a solution of its task")
	}
	for _, e := range Exercises {
		if !e.Free() {
			continue
		}
		t.Run(e.ID, func(t *testing.T) {
			changed := map[string]string{}
			for _, change := range solutions[e.ID] {
				if changed[change.file] == "" {
					text, err := os.ReadFile(filepath.Join(root(t), change.file))
					if err != nil {
						t.Fatal(err)
					}
					changed[change.file] = string(text)
				}
				if strings.Count(changed[change.file], change.old) != 1 {
					t.Fatalf("%s has %q %d times; want once", change.file, change.old, strings.Count(changed[change.file], change.old))
				}
				changed[change.file] = strings.Replace(changed[change.file], change.old, change.new, 1)
			}
			if missing := missing(t, e, changed); len(missing) > 0 {
				t.Errorf("with the solution, still: %q", missing)
			}
		})
	}
}

// missing are the trials of an exercise that don't hold with changed files.
func missing(t *testing.T, e Exercise, changed map[string]string) (names []string) {
	t.Helper()
	bench, err := NewBench(t.Context(), "", root(t), e.Step, changed)
	if err != nil {
		t.Fatal(err)
	}
	defer bench.Close()
	running, err := bench.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Stop()
	for _, trial := range e.Trials {
		if got, err := running.Try(t.Context(), trial); err != nil || !got.Got {
			names = append(names, fmt.Sprintf("%s: %s (%v)", trial.What, got.Says, err))
		}
	}
	return names
}
