package abuse

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// FloodTable shows the recorded run of all floods.
func FloodTable(root string) (string, error) {
	record, err := ReadRecord(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	undisturbed := record.Runs[0].Honest
	fmt.Fprintf(&b, "Recorded on %s; %.0f seconds each. Undisturbed, the median of a login is %s, and of the others: ",
		record.Machine, record.Seconds, ms(undisturbed[login].Median))
	for i, operation := range Operations[1:] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", operation, ms(undisturbed[operation].Median))
	}
	b.WriteString(".\n\n| shows | what is sent | a second | answers | " + strings.Join(Operations, " | ") + " | honest requests | memory |\n")
	b.WriteString("|---|---|---|---|" + strings.Repeat("---|", len(Operations)) + "---|---|\n")
	for i := range record.Runs {
		b.WriteString(record.row(&record.Runs[i]))
	}
	return b.String(), nil
}

func ms(milliseconds float64) string { return fmt.Sprintf("%.3g ms", milliseconds) }

func (r *Record) row(run *Run) string {
	f := find(run.Flood)
	if f == nil {
		f = &Flood{Sends: "nothing: the undisturbed run"}
	}
	rows := make([]string, len(f.Rows))
	for i, id := range f.Rows {
		rows[i] = fmt.Sprintf("[%s](catalogue.md#%s)", id, id)
	}
	all := 0
	cells := []string{strings.Join(rows, " "), f.Sends, thousands(float64(run.Sent.Requests) / r.Seconds), run.Sent.summary()}
	for _, operation := range Operations {
		all += run.Honest[operation].Count
		if run.Honest[operation].Count == 0 {
			cells = append(cells, "none")
			continue
		}
		cells = append(cells, fmt.Sprintf("×%.1f", r.Ratio(run, operation)))
	}
	honest := fmt.Sprintf("%d, none failed", all)
	if run.Failed > 0 {
		honest = fmt.Sprintf("%d, and %d failed", all, run.Failed)
	}
	cells = append(cells, honest, fmt.Sprintf("%d + %d MB", run.Step9>>20, run.Step10>>20))
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// thousands writes a number with two digits that say something.
func thousands(n float64) string {
	if n == 0 {
		return ""
	}
	unit := math.Pow(10, max(0, math.Floor(math.Log10(n))-1))
	return fmt.Sprintf("%.0f", math.Round(n/unit)*unit)
}

// summary says what most answers were.
func (s *Sent) summary() string {
	total := 0
	for _, n := range s.Answers {
		total += n
	}
	if total == 0 {
		return ""
	}
	var parts []string
	for _, answer := range slices.SortedFunc(maps.Keys(s.Answers), func(a, b string) int { return s.Answers[b] - s.Answers[a] }) {
		if percent := 100 * s.Answers[answer] / total; percent > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d %%", answer, percent))
		}
	}
	return strings.Join(parts, ", ")
}
