package switcher

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/tokenbench"
)

func newBench(t *testing.T) *tokenbench.Bench {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	bench, err := tokenbench.New(root, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return bench
}

// Every preset has its page; each token that it doesn't accept names the check and the
// line; and each token that its provider's documentation expects to be accepted is, by one.
func TestEachPreset(t *testing.T) {
	t.Parallel()
	bench := newBench(t)
	p := Part(bench)
	for _, d := range dialect.All() {
		content, err := p.Main(httptest.NewRequest(http.MethodGet, Path+"?dialect="+d.Name, nil))
		if err != nil || !strings.Contains(string(content.Body), "<option selected>"+d.Name+"</option>") {
			t.Errorf("%s: %v", d.Name, err)
		}
		rows, err := Table(t.Context(), bench, d.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if !row.Chosen.Accepted && (row.Chosen.Check == "" || row.Chosen.Link == "" || row.Chosen.Says == "") {
				t.Errorf("%s, %s: %+v", d.Name, row.Name, row.Chosen)
			}
			if row.Chosen.Accepted != slices.Contains(row.By, d.Name) {
				t.Errorf("%s, %s: accepted %t, and by %q", d.Name, row.Name, row.Chosen.Accepted, row.By)
			}
			expected := bench.Expected(row.Name)
			if wants := expected.Accept && !strings.Contains(expected.Note, "by a setting"); wants != (len(row.By) > 0) {
				t.Errorf("%s is accepted by %q, want one: %t", row.Name, row.By, wants)
			}
		}
		if changes := Changes(d); (len(changes) == 0) != (d.Name == strict || d.Name == "auth0") {
			t.Errorf("%s changes %+v", d.Name, changes)
		}
	}
	_, err := p.Main(httptest.NewRequest(http.MethodGet, Path+"?dialect=none", nil))
	if problem := (*tour.Problem)(nil); !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
		t.Errorf("an unknown dialect: %v", err)
	}
}

// The strict server refuses what differs, by the check that differs.
func TestStrict(t *testing.T) {
	t.Parallel()
	rows, err := Table(t.Context(), newBench(t), "okta")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == "okta-custom-as" })
	if i < 0 || rows[i].Strict.Check != "type" || !rows[i].Chosen.Accepted {
		t.Errorf("%+v", rows)
	}
}
