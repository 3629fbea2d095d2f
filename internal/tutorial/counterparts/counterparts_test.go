package counterparts

import (
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// Every client has been run at its pinned version, at every place that it is for,
// and did all of it or what the baseline says.
func TestEveryCaseWasRun(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Rows(root)
	if err != nil {
		t.Fatal(err)
	}
	exceptions, err := Exceptions(root)
	if err != nil {
		t.Fatal(err)
	}
	used := map[int]bool{}
	for _, c := range Cases() {
		version, err := c.Client.Version(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range c.Steps() {
			want := Row{Counterpart: c.Client.Name, Version: version, Provider: c.Provider, Registration: c.Registration, Revision: c.Revision, Step: step}
			at := slices.IndexFunc(rows, func(r Row) bool { return r.key() == want.key() && r.Step == step && r.Version == version })
			if at < 0 {
				t.Errorf("%s: not run at version %s", &want, version)
				continue
			}
			row := rows[at]
			known := slices.IndexFunc(exceptions, func(e Exception) bool { return e.matches(&row) })
			if (row.Outcome == OK) != (known < 0) || row.Outcome == Failed {
				t.Errorf("%s: %s, and the exception is %d", &row, row.Outcome, known)
			}
			used[known] = true
		}
	}
	for i, e := range exceptions {
		if !used[i] || e.Reason == "" || e.Fault == "" || e.Shows == "" {
			t.Errorf("exception %d is not needed, or has no reason, fault or text: %+v", i, e)
		}
	}
}

// A new failure, one that is gone and one that has changed are found.
func TestJudge(t *testing.T) {
	known := []Exception{{Counterpart: "a", Steps: []string{"echo"}, Shows: "^no$"}}
	for _, c := range []struct {
		row     Row
		outcome string
		wrong   string
	}{
		{Row{Counterpart: "a", Step: "list", Outcome: OK}, OK, ""},
		{Row{Counterpart: "a", Step: "list", Outcome: Failed, Says: "down"}, Failed, "down"},
		{Row{Counterpart: "a", Step: "echo", Outcome: Failed, Says: "no"}, Expected, ""},
		{Row{Counterpart: "a", Step: "echo", Outcome: Failed, Says: "down"}, Failed, "in another way"},
		{Row{Counterpart: "a", Step: "echo", Outcome: OK}, OK, "works now"},
		{Row{Counterpart: "b", Step: "echo", Outcome: Failed, Says: "no"}, Failed, "no"},
	} {
		rows := []Row{c.row}
		wrong := strings.Join(Judge(rows, known), "\n")
		if rows[0].Outcome != c.outcome || (wrong == "") != (c.wrong == "") || !strings.Contains(wrong, c.wrong) {
			t.Errorf("%+v: outcome %q, wrong %q", c.row, rows[0].Outcome, wrong)
		}
	}
}
