package counterparts

import (
	"strings"
	"testing"
)

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
