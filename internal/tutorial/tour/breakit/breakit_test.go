package breakit

import (
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

// serve serves the exercises. progress is the file that keeps what is solved.
func serve(t *testing.T) (server *httptest.Server, p tour.Part, progress string) {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	progress = filepath.Join(t.TempDir(), "exercises.json")
	work := New(root, t.TempDir(), progress, nil)
	t.Cleanup(work.Close)
	p = Part(work, part.Site{Root: root, Render: func(w http.ResponseWriter, _ *http.Request, content tour.Content, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, string(content.Body))
	}})
	mux := http.NewServeMux()
	p.Routes(mux)
	server = httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, p, progress
}

// act presses a button of an exercise, and returns its card.
func act(t *testing.T, server *httptest.Server, e lab.Exercise, do, choice string) (status int, card string) {
	t.Helper()
	form := url.Values{"exercise": {e.ID}, "do": {do}, "choice": {choice}}
	answer, err := http.PostForm(fmt.Sprintf("%s/step/%d/break", server.URL, e.Step), form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, card, _ = strings.Cut(string(page), `id="`+anchor(e)+`"`)
	card, _, _ = strings.Cut(card, "</section>")
	return answer.StatusCode, card
}

// Badges of trials: without the line, and with it.
var in, out = regexp.MustCompile(`<strong class="badge (bad">gets in|warn">changed)</strong>`),
	regexp.MustCompile(`<strong class="badge good">(refused|refused in the answer&#39;s body|gets nothing|as it should be)</strong>`)

// count is how many badges of a kind a card has.
func count(card string, badges *regexp.Regexp) int { return len(badges.FindAllString(card, -1)) }

// What is not an attack is neither refused nor gets in, and what differs is shown.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) *matrix.Answer { return &matrix.Answer{Status: status, Body: body} }
	for id, c := range map[string]struct {
		with, without    *matrix.Answer
		wantWith, wantWO string
		shows            string
	}{
		"5.1": {answer(200, `{"keys":[]}`), answer(404, "404 page not found"), "as it should be", "changed", "404 page not found"},
		"6.1": {answer(401, `{"error":"invalid_token","error_description":"aud"}`), answer(200, `{"result":{}}`), "refused", "gets in", `"result": {}`},
		"4.1": {answer(200, `{"result":{"isError":true,"content":[{"text":"too often"}]}}`), answer(200, `{"result":{"content":[{"text":"hihi"}]}}`),
			"refused in the answer's body", "gets in", "hihi"},
	} {
		e, _ := lab.FindExercise(id)
		run := &lab.Run{With: []lab.Outcome{{Answer: c.with}}, Without: []lab.Outcome{{Answer: c.without, Got: true}}}
		got := trialOf(e, run, 0)
		if got.With.Verdict.Words != c.wantWith || got.Without.Verdict.Words != c.wantWO || !strings.Contains(got.Without.Differs, c.shows) {
			t.Errorf("%s: with %+v, without %+v", id, got.With, got.Without)
		}
	}
	e, _ := lab.FindExercise("6.1")
	run := &lab.Run{With: []lab.Outcome{{Answer: answer(401, `{"error":"invalid_token","error_description":"aud is wrong"}`)}}}
	if got := hint(e, run); !strings.Contains(got, "aud is wrong") {
		t.Errorf("hint %q", got)
	}
	if same := answer(200, "{}"); differing(same, same) != "" {
		t.Error("equal answers differ")
	}
}

// Each recipe is solved through the page: the line out, the attack gets in, a wrong and
// the right answer, the line back. Some of them always, all where LAB is set.
func TestExercisesAreSolvedInThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds steps")
	}
	server, p, progress := serve(t)
	for _, e := range lab.Exercises {
		if e.Free() || os.Getenv("LAB") == "" && e.ID != "6.1" {
			continue
		}
		t.Run(e.ID, func(t *testing.T) {
			status, card := act(t, server, e, "out", "")
			if status != http.StatusOK || count(card, in) != len(e.Trials) || count(card, out) != len(e.Trials) || !strings.Contains(card, "<del>") {
				t.Fatalf("%d: with the line it is refused, without it gets in: want that of %d trials\n%s", status, len(e.Trials), card)
			}
			if _, card = act(t, server, e, "answer", fmt.Sprint((e.Right+1)%len(e.Choices))); !strings.Contains(card, "That is not it") {
				t.Errorf("a wrong answer:\n%s", card)
			}
			if _, card = act(t, server, e, "answer", ""); !strings.Contains(card, "That is not it") {
				t.Errorf("no answer:\n%s", card)
			}
			if _, card = act(t, server, e, "answer", fmt.Sprint(e.Right)); !strings.Contains(card, "Right: ") || !strings.Contains(card, ">solved<") {
				t.Errorf("the right answer:\n%s", card)
			}
			if _, card = act(t, server, e, "back", ""); strings.Contains(card, "<del>") || count(card, out) != len(e.Trials) {
				t.Errorf("the line is back:\n%s", card)
			}
			kept, err := lab.LoadProgress(progress)
			if err != nil || !kept.Has(e.ID) {
				t.Errorf("cmd/exercise doesn't know that it is solved: %v", err)
			}
		})
	}
	content, err := p.Main(nil)
	if err != nil || !strings.Contains(string(content.Body), `>solved<`) {
		t.Errorf("the list of all exercises: %v\n%s", err, content.Body)
	}
}

// A task of one's own is checked as the source stands, and isn't solved by itself.
func TestTasksAreChecked(t *testing.T) {
	if testing.Short() {
		t.Skip("builds steps")
	}
	server, _, progress := serve(t)
	for _, e := range lab.Exercises {
		if !e.Free() || os.Getenv("LAB") == "" && e.ID != "1.3" {
			continue
		}
		if status, card := act(t, server, e, "check", ""); status != http.StatusOK || !strings.Contains(card, "Not yet.") || !strings.Contains(card, ">missing<") {
			t.Errorf("%s: %d\n%s", e.ID, status, card)
		}
	}
	if kept, err := lab.LoadProgress(progress); err != nil || len(kept.Solved) > 0 {
		t.Errorf("%+v, %v", kept, err)
	}
}

// No answer counts before the line was out, and forms that no page has are refused.
func TestForms(t *testing.T) {
	t.Parallel()
	server, p, progress := serve(t)
	e, _ := lab.FindExercise("6.1")
	other, _ := lab.FindExercise("7.1")
	other.Step = 6
	for name, c := range map[string]struct {
		e  lab.Exercise
		do string
	}{"answer": {e, "answer"}, "back": {e, "back"}, "nothing": {e, ""}, "another step's": {other, "out"}, "unknown": {lab.Exercise{ID: "<b>", Step: 6}, "out"}} {
		if status, _ := act(t, server, c.e, c.do, fmt.Sprint(c.e.Right)); status == http.StatusOK {
			t.Errorf("%s: %d", name, status)
		}
	}
	if _, err := os.Stat(progress); err == nil {
		t.Error("something is solved")
	}
	for _, step := range manifest.Steps {
		content, err := p.Step(nil, step.Number)
		if err != nil {
			t.Fatal(err)
		}
		missing := func(e lab.Exercise) bool { return !strings.Contains(string(content.Body), `id="`+anchor(e)+`"`) }
		if slices.ContainsFunc(lab.ExercisesOf(step.Number), missing) || p.Tab(step.Number) == "" {
			t.Errorf("step %d:\n%s", step.Number, content.Body)
		}
	}
}

// What the browser knows to be solved and what the file knows come together. An id that
// is no exercise's is left out, and both forget.
func TestSolvedElsewhere(t *testing.T) {
	t.Parallel()
	server, p, progress := serve(t)
	post := func(path string, ids ...string) *http.Response {
		t.Helper()
		answer, err := http.PostForm(server.URL+path, url.Values{"exercise": ids})
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer
	}
	kept, err := lab.LoadProgress(progress)
	if err != nil || kept.Solve("7.1") != nil {
		t.Fatal(err)
	}
	if answer := post("/break/solved", "6.1", "6.1", "none", "<b>"); answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
	kept, err = lab.LoadProgress(progress)
	if err != nil || !slices.Equal(kept.Solved, []string{"7.1", "6.1"}) {
		t.Errorf("%+v, %v", kept, err)
	}
	content, err := p.Main(nil)
	if err != nil || strings.Count(string(content.Body), " data-solved>") != 2 || !slices.Contains(content.Scripts, remembers) {
		t.Errorf("the page: %v\n%s", err, content.Body)
	}
	if _, err := fs.Stat(p.Assets, remembers); err != nil {
		t.Error(err)
	}
	post("/break/forget")
	post("/break/forget")
	if kept, err := lab.LoadProgress(progress); err != nil || len(kept.Solved) > 0 {
		t.Errorf("after it was forgotten: %+v, %v", kept, err)
	}
}

// A condition is taken out with all that it guards.
func TestExtent(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("package a\n\nfunc f(x int) {\n\tif x > 1 {\n\t\treturn\n\t}\n\tf(2)\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[int]int{4: 6, 7: 7} {
		if got, err := Extent(root, "a.go", line); err != nil || got != want {
			t.Errorf("line %d: to %d, want %d (%v)", line, got, want, err)
		}
	}
	if _, err := Extent(root, "b.go", 1); err == nil {
		t.Error("no error")
	}
}
