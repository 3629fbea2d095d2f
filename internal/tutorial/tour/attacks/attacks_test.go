package attacks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

func TestMain(m *testing.M) {
	program.Guard()
	os.Exit(m.Run())
}

// serve serves the attacks, with programs of the repository behind them.
func serve(t *testing.T) (*httptest.Server, *Servers) {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	all, err := programs.New(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(all.Close)
	servers := New(all)
	t.Cleanup(servers.Close)
	mux := http.NewServeMux()
	Part(servers, part.Site{Root: root, Render: func(w http.ResponseWriter, _ *http.Request, content tour.Content, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, string(content.Body))
	}}).Routes(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, servers
}

func post(t *testing.T, server *httptest.Server, step int, attack string) (status int, page string) {
	t.Helper()
	answer, err := http.PostForm(fmt.Sprintf("%s/step/%d/attack", server.URL, step), url.Values{"attack": {attack}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

var place = regexp.MustCompile(`<div class="place (\w+)">`)

// places are the outcomes on a page, of one attack.
func places(page string) (outcomes []string) {
	for _, match := range place.FindAllStringSubmatch(page, -1) {
		outcomes = append(outcomes, match[1])
	}
	return outcomes
}

// Each attack of each step, through the page: it gets in at the naive server, the step
// refuses it, and all three do what the table and the lab state.
func TestEachAttackEndsAsTheTableStates(t *testing.T) {
	if testing.Short() {
		t.Skip("builds all steps")
	}
	server, servers := serve(t)
	works := 0 // at the step before
	for _, attack := range lab.Attacks {
		name := fmt.Sprintf("step%d_%s", attack.Step, attack.Name)
		if row := attack.Row(); row != nil {
			name = strings.Join(append(row.Refs, name), "_")
		}
		t.Run(name, func(t *testing.T) {
			status, page := post(t, server, attack.Step, attack.Name)
			got := places(page)
			want := 2
			if Before(attack.Step) > 0 {
				want = 3
			}
			if status != http.StatusOK || len(got) != want || got[0] != "in" || got[want-1] != "out" {
				t.Fatalf("%d, %q\n%s", status, got, page)
			}
			if strings.Contains(page, "The table states another outcome") {
				t.Errorf("an outcome is not that of the table:\n%s", page)
			}
			if got[1] == "in" {
				works++
			}
			if said := map[string]string{"absent": "not there yet", "in": "gets in", "out": "refused"}[got[1]]; strings.Count(page, ">"+said) == 0 {
				t.Errorf("no place says %q:\n%s", said, page)
			}
			if row := attack.Row(); row != nil && row.Request.Token != nil && !strings.Contains(page, "<mark>") {
				t.Errorf("nothing of the token is marked:\n%s", page)
			}
			if row := attack.Row(); row != nil && row.Request.Token != nil && !strings.Contains(page, "Its log: ") {
				t.Errorf("no line of the log:\n%s", page)
			}
			began := time.Now()
			run := servers.Run(t.Context(), attack)
			t.Logf("with the programs at work, all three answer in %s; %s in %s", time.Since(began), attack.Name, run.Places[want-1].Took)
		})
	}
	if works < 5 {
		t.Errorf("only %d attacks work at the step before", works)
	}
	for _, unknown := range []string{"", "none", "<b>"} {
		if status, page := post(t, server, 6, unknown); status != http.StatusNotFound {
			t.Errorf("%q: %d %s", unknown, status, page)
		}
	}
	if status, page := post(t, server, 6, "all"); status != http.StatusOK || len(places(page)) != 3*len(lab.Of(6)) {
		t.Errorf("all: %d, %q", status, places(page))
	}
}

// A tab is where there are attacks, and nothing runs before the button is pressed.
func TestTabs(t *testing.T) {
	t.Parallel()
	p := Part(nil, part.Site{})
	for _, step := range manifest.Steps {
		if label := p.Tab(step.Number); (label == "") != (len(lab.Of(step.Number)) == 0) {
			t.Errorf("step %d has the tab %q", step.Number, label)
		}
		if p.Tab(step.Number) == "" {
			continue
		}
		content, err := p.Step(httptest.NewRequest(http.MethodGet, "/", nil), step.Number)
		if err != nil {
			t.Fatal(err)
		}
		body := string(content.Body)
		for _, attack := range lab.Of(step.Number) {
			row := attack.Row()
			flawed := row != nil && row.Request.Token != nil && row.Request.Token.Flaw != ""
			if flawed && !strings.Contains(body, `name="flaw" value="`+row.Request.Token.Flaw+`"`) {
				t.Errorf("%s doesn't lead to the token bench:\n%s", attack.Name, body)
			}
		}
		if len(places(body)) > 0 || slices.ContainsFunc(lab.Of(step.Number), func(a lab.Attack) bool { return !strings.Contains(body, `id="`+a.Name+`"`) }) {
			t.Errorf("step %d:\n%s", step.Number, body)
		}
	}
}
