package counterparts

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

// ClientTable is a table in Markdown of what clients did in the last run, followed
// by what doesn't work and by whose fault. A case that has not been run, or that
// has failed without an exception in the baseline, stands out.
func ClientTable(root string) (string, error) {
	rows, err := Rows(root)
	if err != nil {
		return "", err
	}
	exceptions, err := Exceptions(root)
	if err != nil {
		return "", err
	}
	t := &table{rows: rows, exceptions: exceptions}
	t.write(root)
	return t.text.String(), nil
}

type table struct {
	rows       []Row
	exceptions []Exception
	notes      []int // indexes of exceptions, in the order in which they stand in the table
	text       strings.Builder
}

func (t *table) write(root string) {
	fmt.Fprintf(&t.text, "| client | version | revision | registration | %s |\n|---|---|---|---|%s\n",
		strings.Join(Providers, " | "), strings.Repeat("---|", len(Providers)))
	cases := Cases()
	for i := range Clients {
		client := &Clients[i]
		version, err := client.Version(root)
		if err != nil {
			version = "**not pinned**"
		}
		for _, registration := range client.Registrations {
			for _, revision := range client.Revisions {
				t.line(cases, client, version, registration, revision)
			}
		}
	}
	t.text.WriteString("\n")
	for number, at := range t.notes {
		e := t.exceptions[at]
		fmt.Fprintf(&t.text, "%d. Not %s: %s Whose fault it is: %s.\n", number+1, enumerate(e.Steps), e.Reason, e.Fault)
	}
}

// line writes the line of one client, unless no case is for it.
func (t *table) line(cases []Case, client *Client, version, registration, revision string) {
	cells := make([]string, len(Providers))
	empty := true
	for i, provider := range Providers {
		at := slices.Index(cases, Case{client, provider, registration, revision})
		if at >= 0 {
			cells[i], empty = t.cell(cases[at], version), false
		}
	}
	if !empty {
		fmt.Fprintf(&t.text, "| %s | %s | %s | %s | %s |\n", client.Name, version, revision, registration, strings.Join(cells, " | "))
	}
}

// cell says what came of a case.
func (t *table) cell(c Case, version string) string {
	var failed []string
	logins := 0
	var notes []int
	for _, step := range c.Steps() {
		want := Row{
			Counterpart: c.Client.Name, Version: version, Provider: c.Provider,
			Registration: c.Registration, Revision: c.Revision, Step: step,
		}
		at := slices.IndexFunc(t.rows, func(r Row) bool { return r.key() == want.key() && r.Step == step && r.Version == version })
		if at < 0 {
			return "**not run**"
		}
		switch row := &t.rows[at]; row.Outcome {
		case OK:
			logins = max(logins, row.Logins)
		case Expected:
			failed = append(failed, step)
			notes = append(notes, t.note(row))
		default:
			return "**fails: " + step + "**"
		}
	}
	said := "✓"
	if len(failed) == len(c.Steps()) {
		said = "nothing"
	} else if len(failed) > 0 {
		said = "all but " + enumerate(failed)
	}
	if logins > 1 {
		said += ", asks twice"
	}
	slices.Sort(notes)
	for _, number := range slices.Compact(notes) {
		said += fmt.Sprintf(" (%d)", number)
	}
	return said
}

// note is the number of the exception of a row.
func (t *table) note(r *Row) int {
	at := slices.IndexFunc(t.exceptions, func(e Exception) bool { return e.matches(r) })
	if known := slices.Index(t.notes, at); known >= 0 {
		return known + 1
	}
	t.notes = append(t.notes, at)
	return len(t.notes)
}

// enumerate joins words as English does.
func enumerate(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// PointTable is a table in Markdown that says how to point each client at a
// server.
func PointTable() string {
	var b strings.Builder
	b.WriteString("| client | how to point it at this server |\n|---|---|\n")
	for _, c := range Clients {
		fmt.Fprintf(&b, "| %s | %s |\n", c.Name, c.Point)
	}
	return b.String()
}

// ServerRow is one step of our client at a server, as interop/servers/run writes
// it.
type ServerRow struct {
	Side        string `json:"side"`
	Counterpart string `json:"counterpart"`
	Version     string `json:"version"`
	Provider    string `json:"provider"`
	Revision    string `json:"revision"`
	Step        string `json:"step"`
	Outcome     string `json:"outcome"`
	Note        string `json:"note,omitempty"`
}

// ServerTable is a table in Markdown of what the client of step 11 did at the
// servers in the last run.
func ServerTable(root string) (string, error) {
	rows, err := recorded.Read[[]ServerRow](filepath.Join(root, "interop/servers/results.json"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| server | version | authorization server | revision | step 11 |\n|---|---|---|---|---|\n")
	for len(rows) > 0 {
		first, n := rows[0], 0
		var failed []string
		for ; n < len(rows) && rows[n].isLike(first); n++ {
			switch row := rows[n]; row.Outcome {
			case OK:
			case Expected:
				failed = append(failed, fmt.Sprintf("not %s: %s", row.Step, row.Note))
			default:
				failed = append(failed, "**fails: "+row.Step+"**")
			}
		}
		said := "✓"
		if len(failed) > 0 {
			said = strings.Join(failed, "; ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", first.Counterpart, first.Version, first.Provider, first.Revision, said)
		rows = rows[n:]
	}
	return b.String(), nil
}

func (r ServerRow) isLike(other ServerRow) bool {
	r.Step, r.Outcome, r.Note = other.Step, other.Outcome, other.Note
	return r == other
}
