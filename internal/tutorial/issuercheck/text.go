package issuercheck

import (
	"fmt"
	"strings"

	"mcp-auth-step-by-step/internal/web/plaintext"
)

// marks stand before what is so, what isn't, and what isn't known.
var marks = map[string]string{yes: "✓", no: "✗", unknown: "?"}

// Text is the report for people to read. What the issuer wrote is shown without
// what could steer a terminal.
func (r *Report) Text() string {
	var b strings.Builder
	line := func(format string, values ...any) {
		b.WriteString(plaintext.Line(fmt.Sprintf(format, values...)) + "\n")
	}
	mark := func(ok bool) string { return marks[is(ok)] }

	line("%s", r.Issuer)
	line("")
	line("Where metadata can be:")
	for _, place := range r.Places {
		line("  %s %-16s  %s", mark(place.Found), place.Form, place.URL)
		if place.Problem != "" {
			line("      %s", place.Problem)
		}
	}
	line("")
	if r.Identity.OK {
		line("%s The metadata names the issuer that was asked, to the letter.", marks[yes])
	} else {
		r.Identity.show(line, "Issuer", "")
	}
	for _, f := range r.Row {
		line("%s %s: %s", marks[f.Value], f.Name, f.Said)
		line("    %s", f.Means)
	}
	if r.Keys != nil {
		line("%s Keys: %d usable (%s) at %s", mark(r.Keys.Usable > 0 && len(r.Keys.Problems) == 0), r.Keys.Usable,
			strings.Join(r.Keys.Algorithms, ", "), r.Keys.URL)
		for _, note := range append(r.Keys.Problems, r.Keys.Notes...) {
			line("    %s", note)
		}
	}
	line("")
	r.Server.show(line, "Step 10, the server", "finds the metadata and the keys")
	r.Client.show(line, "Step 11, the client", "can send users there")
	if len(r.Settings) > 0 {
		line("")
		line("Settings of step 10 to try (dialects that fit: %s):", strings.Join(r.Dialects, ", "))
		for _, setting := range r.Settings {
			line("  %s", setting)
		}
	}
	if len(r.Row) > 0 {
		line("")
		line("As a row of the table of providers:")
		for row := range strings.SplitSeq(r.row(), "\n") {
			line("%s", row)
		}
	}
	return b.String()
}

// show prints a verdict about something; does is what that can do if all is well.
func (v Verdict) show(line func(string, ...any), about, does string) {
	if v.OK {
		line("%s %s: %s.", marks[yes], about, does)
		return
	}
	line("%s %s: %s.", marks[no], about, strings.TrimSuffix(v.Problem, "."))
	if v.Do != "" {
		line("    What to do: %s.", v.Do)
	}
}

// row is the report as a row of a table, with its head above.
func (r *Report) row() string {
	head, rule, cells := "| issuer |", "|---|", "| "+r.Issuer+" |"
	for _, f := range r.Row {
		head, rule, cells = head+" "+f.Column+" |", rule+"---|", cells+" "+f.Value+" |"
	}
	return head + "\n" + rule + "\n" + cells
}
