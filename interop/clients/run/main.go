// Command run lets MCP clients that nobody here wrote at our servers. Each is
// driven by a small program in its own language (../python, ../typescript, ../go)
// that goes through the same steps: find the way, register, log in, list tools,
// call echo, get a prompt, refresh, and be refused.
//
// It ends with status 0 where each step did what the baseline says.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/counterparts"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

var (
	issuer    = flag.String("issuer", "", "`URL` of the realm of a running Keycloak: run the cases there, instead of those at our own servers")
	authority = flag.String("authority", "", "`folder` with the certificates for clients' documents (default made anew); see -certify")
	certify   = flag.Bool("certify", false, "only make the certificates in the folder of -authority, for Keycloak to trust")
	only      = flag.String("only", "", "regular `expression` for the cases to run")
	upstream  = flag.String("upstream", "", "`file` of step 9's --upstream: run the cases of step 9, wide, with users who log in there")
	at        = flag.String("at", "localhost:0", "with -upstream: `address` of step 9, whose redirect URI the provider knows")
	login     = flag.String("login", "mcp-user:user123", "`user:password` of who logs in")
	jobs      = flag.Int("jobs", 3, "how many cases run at the same time")
	record    = flag.Bool("record", false, "keep the results in interop/clients/results.json")
	verbose   = flag.Bool("v", false, "print what the clients say")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	good, err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func run(ctx context.Context) (good bool, err error) {
	if *certify {
		return true, makeAuthority(*authority)
	}
	root, err := manifest.Root()
	if err != nil {
		return false, err
	}
	exceptions, err := counterparts.Exceptions(root)
	if err != nil {
		return false, err
	}
	cases, err := chosen()
	if err != nil {
		return false, err
	}
	place, err := open(ctx, root)
	if err != nil {
		return false, err
	}
	defer place.close()
	begun := time.Now()
	rows := place.runAll(ctx, cases)
	if err := ctx.Err(); err != nil {
		return false, err
	}
	wrong := counterparts.Judge(rows, exceptions)
	show(rows)
	for _, sentence := range wrong {
		fmt.Println("FAIL", sentence)
	}
	fmt.Printf("%d cases in %s\n", len(cases), time.Since(begun).Round(time.Second))
	fmt.Printf("%d passed, %d failed\n", len(rows)-len(wrong), len(wrong))
	if *record {
		err = counterparts.Record(root, rows)
	}
	return len(wrong) == 0 && len(rows) > 0, err
}

// chosen are the cases for the servers that there are.
func chosen() ([]counterparts.Case, error) {
	filter, err := regexp.Compile(*only)
	if err != nil {
		return nil, err
	}
	var cases []counterparts.Case
	for _, c := range counterparts.Cases() {
		atKeycloak := c.Provider == counterparts.Keycloak
		left := *upstream != "" && c.Provider != counterparts.StepNineWide
		if !left && atKeycloak == (*issuer != "") && filter.MatchString(title(c)) {
			cases = append(cases, c)
		}
	}
	return cases, nil
}

func title(c counterparts.Case) string {
	return fmt.Sprintf("%s, %s, %s, %s", c.Client.Name, c.Provider, c.Registration, c.Revision)
}

// runAll runs cases, some at the same time, and returns their rows in order.
func (p *place) runAll(ctx context.Context, cases []counterparts.Case) (rows []counterparts.Row) {
	all := make([][]counterparts.Row, len(cases))
	slots := make(chan struct{}, *jobs)
	var running sync.WaitGroup
	for i, c := range cases {
		slots <- struct{}{}
		running.Go(func() {
			all[i] = p.run(ctx, c)
			<-slots
		})
	}
	running.Wait()
	for _, some := range all {
		rows = append(rows, some...)
	}
	return rows
}

// show prints a line for each case.
func show(rows []counterparts.Row) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "client\tversion\tat\tregistration\trevision\tsteps")
	last := ""
	for _, r := range rows {
		if this := fmt.Sprintf("%s\t%s\t%s\t%s\t%s", r.Counterpart, r.Version, r.Provider, r.Registration, r.Revision); this != last {
			if last != "" {
				fmt.Fprintln(table)
			}
			fmt.Fprintf(table, "%s\t", this)
			last = this
		}
		mark := map[string]string{counterparts.OK: "", counterparts.Failed: "FAIL:", counterparts.Expected: "not:"}
		fmt.Fprintf(table, "%s%s ", mark[r.Outcome], r.Step)
	}
	fmt.Fprintln(table)
	_ = table.Flush()
}
