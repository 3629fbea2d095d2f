// Command run lets the client of step 11 at MCP servers and authorization
// servers that are not ours, each in a process of its own, and none told
// anything about the client. The client gets the server's URL and a tool to
// call, and opens its browser, which is ../browser.
//
// It ends with status 0 where each step went as expected.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/counterparts"
	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

var (
	bin    = flag.String("bin", "", "`folder` with the programs: step9, step11, browser, mcpgo and gosdk")
	only   = flag.String("only", "", "regular `expression` for the counterparts to run")
	record = flag.Bool("record", false, "keep the results in interop/servers/results.json")
	jobs   = flag.Int("jobs", 3, "how many counterparts run at the same time")
	debug  = flag.Bool("debug", false, "show what the client says where a step fails as expected, too")
)

// row is a step at a counterpart, and what came of it.
type row struct {
	counterparts.ServerRow
	details string
}

// exception is a step that fails for a reason that is known.
type exception struct {
	Counterpart, Provider, Revision, Step string // without a revision, both
	Fault                                 string // whose
	Reason                                string
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	good, err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func run(ctx context.Context) (good bool, err error) {
	known, err := recorded.Read[[]exception]("interop/servers/baseline.json")
	if err != nil {
		return false, err
	}
	filter, err := regexp.Compile(*only)
	if err != nil {
		return false, err
	}
	var chosen []counterpart
	for _, c := range all() {
		if filter.MatchString(c.name) {
			chosen = append(chosen, c)
		}
	}
	rows := make([][]row, len(chosen))
	slots := make(chan struct{}, *jobs)
	var group sync.WaitGroup
	for i, c := range chosen {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			rows[i] = meet(ctx, c)
		})
	}
	group.Wait()
	return conclude(slices.Concat(rows...), known, *only == "")
}

// conclude compares with the baseline, shows the table and says whether all is
// as expected. Where all counterparts ran, no exception may be left over.
func conclude(rows []row, known []exception, all bool) (good bool, err error) {
	used := map[int]bool{}
	passed, failed := 0, 0
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tcounterpart\tversion\tprovider\trevision\tstep\tnote")
	for i := range rows {
		r := &rows[i]
		at := slices.IndexFunc(known, func(e exception) bool {
			return e.Counterpart == r.Counterpart && e.Provider == r.Provider && cmp.Or(e.Revision, r.Revision) == r.Revision && e.Step == r.Step
		})
		used[at] = true
		r.judge(known, at)
		word := "ok"
		if r.Outcome == counterparts.Failed {
			failed++
			word = "FAIL"
		} else {
			passed++
		}
		if r.Outcome == counterparts.Expected {
			word = "known"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%.150s\n", word, r.Counterpart, r.Version, r.Provider, r.Revision, r.Step, r.Note)
	}
	for i, e := range known {
		if all && !used[i] {
			failed++
			fmt.Fprintf(table, "FAIL\t%s\t\t\t%s\t%s\tthe baseline has it, and there is no such step\n", e.Counterpart, e.Revision, e.Step)
		}
	}
	if err := table.Flush(); err != nil {
		return false, err
	}
	for _, r := range rows {
		if r.details != "" && (r.Outcome == counterparts.Failed || *debug) {
			fmt.Printf("\n--- %s, %s, %s: %s\n%s\n", r.Counterpart, r.Revision, r.Step, r.Note, r.details)
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if *record {
		err = keep(rows)
	}
	return failed == 0 && passed > 0, err
}

// judge takes account of the exception for a row, if there is one.
func (r *row) judge(known []exception, at int) {
	if at < 0 {
		return
	}
	e := known[at]
	switch r.Outcome {
	case counterparts.Failed:
		r.Outcome, r.Note = counterparts.Expected, e.Fault+": "+e.Reason
	case counterparts.OK:
		r.Outcome, r.Note = counterparts.Failed, "it works now: take it out of the baseline"
	}
}

// keep puts the rows of a run in the place of those of the same counterparts.
func keep(rows []row) error {
	var order []string
	for _, c := range all() {
		order = append(order, c.key())
	}
	return recorded.Replace("interop/servers/results.json", rows, row.key, order)
}

func (r row) key() string { return strings.Join([]string{r.Counterpart, r.Provider, r.Revision}, ", ") }

func (c counterpart) key() string {
	return strings.Join([]string{c.name, c.provider, c.revision()}, ", ")
}

func (c counterpart) revision() string {
	if c.legacy {
		return legacy
	}
	return newest
}

// meet starts a counterpart and goes through its steps.
func meet(ctx context.Context, c counterpart) (rows []row) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	defer cancel()
	revision := c.revision()
	blank := row{ServerRow: counterparts.ServerRow{
		Side: "server", Counterpart: c.name, Version: c.version, Provider: c.provider, Revision: revision, Outcome: counterparts.OK,
	}}
	home, err := os.MkdirTemp("", "step11-*")
	if err != nil {
		return []row{blank.failed("start", err.Error())}
	}
	defer func() { _ = os.RemoveAll(home) }()
	p := &place{ctx: ctx, home: home}
	defer p.stop()
	if err := p.open(c); err != nil {
		return []row{blank.failed("start", err.Error()+"\n"+p.logs())}
	}
	v := &visitor{ctx: ctx, home: home, server: p.url + "/mcp", user: c.user, legacy: c.legacy, client: p.client}
	for _, s := range c.steps {
		r := blank
		r.Step = s.name
		outcome, err := s.do(v)
		if err != nil {
			r = blank.failed(s.name, outcome.String()+p.logs())
			r.Note = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintf(os.Stderr, "%s  %-6s  %s, %s, %s: %s  %.200s\n",
			time.Now().Format(time.TimeOnly), r.Outcome, c.name, c.provider, revision, s.name, r.Note)
		rows = append(rows, r)
		if len(rows) == 1 && err != nil {
			return rows // nothing works without a login
		}
	}
	return rows
}

func (r row) failed(step, details string) row {
	r.Step, r.Outcome, r.Note, r.details = step, counterparts.Failed, "", details
	return r
}

// versions reads the version of a package from where it is pinned.
func versionIn(file, pattern string) string {
	text, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		return err.Error()
	}
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		return "not pinned"
	}
	return string(found[1])
}

func npm(name string) string {
	return versionIn("interop/package.json", `"`+regexp.QuoteMeta(name)+`": "([^"]+)"`)
}

func python(file, name string) string {
	return versionIn(file, `(?m)^`+regexp.QuoteMeta(name)+`==(\S+)`)
}

func module(file, name string) string {
	return versionIn(file, regexp.QuoteMeta(name)+` v(\S+)`)
}
