// Command run times the steps beside servers of other libraries.
//
//	cd bench && go run ./run                 # the table, and docs/performance.json anew
//	cd bench && go run ./run -short          # a second each: sees that all of it runs
//
// Each server gets one core, and the load another one. In every round each server
// is loaded for a moment, in random order, so that what else the machine does meets
// all of them alike. Each answer is checked. What is compared are the ratios within
// a round, of which the median is told.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

var (
	rounds = flag.Int("rounds", 15, "how often each server is loaded")
	slot   = flag.Duration("slot", 500*time.Millisecond, "`time` for which it is loaded")
	short  = flag.Bool("short", false, "two rounds of 100 ms, and nothing is recorded: sees that all of it runs")
)

// connections is how many requests are on their way at a time.
const connections = 8

// figure is what one server did in one round.
type figure struct {
	PerSecond float64 // requests
	CPU       float64 // of the server, in µs a request
}

// record is what is kept of a run.
type record struct {
	Date, Machine, Go string
	Rounds            int
	Slot              string
	Versions          map[string]string
	// Figures are those of each server and revision, round by round.
	Figures map[string]map[string][]figure
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if *short {
		*rounds, *slot = 2, 100*time.Millisecond
	}
	scratch, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	stage := &stage{ctx: ctx, scratch: scratch}
	defer stage.end()
	if err := stage.begin(); err != nil {
		return err
	}
	// The load keeps away from the servers' core.
	if err := exec.Command("taskset", "-acp", "1", strconv.Itoa(os.Getpid())).Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: servers and load share their cores, since taskset does not work here")
	}
	r := record{
		Date: time.Now().UTC().Format(time.DateOnly), Machine: machine(), Go: runtime.Version(), Rounds: *rounds, Slot: slot.String(),
		Versions: versions(), Figures: map[string]map[string][]figure{},
	}
	if err := measure(ctx, stage.servers, r.Figures); err != nil {
		return err
	}
	r.print()
	if *short {
		return nil
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile("../docs/performance.json", append(text, '\n'), 0o644)
}

// measure loads every server at both revisions, in each round in another order.
func measure(ctx context.Context, servers []*contestant, figures map[string]map[string][]figure) error {
	type turn struct {
		server *contestant
		wire   wire
	}
	var turns []turn
	for _, s := range servers {
		figures[s.name] = map[string][]figure{}
		for _, w := range wires {
			turns = append(turns, turn{s, w})
		}
	}
	for round := range *rounds + 1 {
		rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
		for _, t := range turns {
			f, err := load(ctx, t.server, t.wire, *slot)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", t.server.name, t.wire.revision, err)
			}
			if round > 0 { // the first is to warm up
				figures[t.server.name][t.wire.revision] = append(figures[t.server.name][t.wire.revision], f)
			}
		}
	}
	return nil
}

// ratios are the comparisons of the table.
var ratios = [][2]string{
	{"step 4", "mcp-go"},
	{"step 8", "mcp-go, golang-jwt"},
	{"step 8", "go-sdk, golang-jwt"},
	{"step 10", "go-sdk, cached"},
	{"step 10", "go-sdk, golang-jwt"},
	{"step 10", "step 4"},
	{"step 8", "floor, golang-jwt"},
}

func (r record) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "server\trevision\trequests/s\tCPU µs/request")
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range r.Figures {
			if !yield(name) {
				return
			}
		}
	}) {
		for _, wire := range wires {
			of := r.Figures[name][wire.revision]
			fmt.Fprintf(w, "%s\t%s\t%.0f\t%.0f\n", name, wire.revision,
				median(of, func(f figure) float64 { return f.PerSecond }), median(of, func(f figure) float64 { return f.CPU }))
		}
	}
	fmt.Fprintln(w, "\nratio of requests/s\trevision\tmedian\tleast\tmost")
	for _, pair := range ratios {
		for _, wire := range wires {
			a, b := r.Figures[pair[0]][wire.revision], r.Figures[pair[1]][wire.revision]
			var list []float64
			for i := range min(len(a), len(b)) {
				list = append(list, a[i].PerSecond/b[i].PerSecond)
			}
			slices.Sort(list)
			fmt.Fprintf(w, "%s / %s\t%s\t%.2f\t%.2f\t%.2f\n", pair[0], pair[1], wire.revision, list[len(list)/2], list[0], list[len(list)-1])
		}
	}
	_ = w.Flush()
}

func median(of []figure, value func(figure) float64) float64 {
	sorted := slices.SortedFunc(slices.Values(of), func(a, b figure) int { return cmp.Compare(value(a), value(b)) })
	return value(sorted[len(sorted)/2])
}

func machine() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return fmt.Sprintf("%s, %d cores, %s", strings.TrimSpace(value), runtime.NumCPU(), runtime.GOOS)
		}
	}
	return fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

// versions are those of the libraries in this program's own module, which the
// peers are built from.
func versions() map[string]string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "github.com/mark3labs/mcp-go",
		"github.com/modelcontextprotocol/go-sdk", "github.com/golang-jwt/jwt/v5").Output()
	found := map[string]string{}
	if err != nil {
		return found
	}
	for line := range strings.Lines(string(out)) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[filepath.Base(strings.TrimSuffix(path, "/v5"))] = version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		found["bench"] = info.Main.Version
	}
	return found
}
