// Command run times the servers of the steps, beside servers of other libraries,
// and records what docs/performance.md shows.
//
//	go run ./bench/run                  # everything, at most a quarter of an hour
//	go run ./bench/run -only sidebyside # a part of it; the rest of the record stays
//	go run ./bench/run -short           # a second each: sees that all of it runs
//
// Each server gets one core, and the load another one. In every round each server
// is loaded for a moment, in random order, so that what else the machine does meets
// all of them alike. Each answer is checked. What is compared are the ratios within
// a round, of which the median is told. It fails on a broken run, never on a time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/abuse"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/performance"
)

var (
	short = flag.Bool("short", false, "measure for a moment each, and record nothing: sees that all of it runs")
	only  = flag.String("only", "", "`parts` to measure, with commas between (default all of them)")

	original = flag.String("original", "", "`folder` of a clone of the Python original, whose step 8 is then measured too")
)

// part is a part of the record that can be measured by itself.
type part struct {
	name    string
	measure func(*stage, *performance.Record) error
}

var parts = []part{
	{"sidebyside", sideBySide},
	{"benchmarks", benchmarks},
	{"connections", byConnections},
	{"tokens", byTokens},
	{"instances", byInstances},
	{"starts", starts},
	{"profiles", profiles},
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	wanted, err := chosen()
	if err != nil {
		return err
	}
	stage, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer stage.end()
	record, err := performance.Read(stage.root)
	if err != nil {
		return err
	}
	record.Machine, record.Libraries = abuse.ThisMachine(), stage.libraries()
	for _, p := range wanted {
		begun := time.Now()
		if err := p.measure(stage, record); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Printf("%-12s %4.0f s\n", p.name, time.Since(begun).Seconds())
		if *short {
			continue
		}
		if err := record.Write(stage.root); err != nil {
			return err
		}
	}
	return nil
}

// chosen are the parts that -only names.
func chosen() ([]part, error) {
	if *only == "" {
		return parts, nil
	}
	var wanted []part
	for name := range strings.SplitSeq(*only, ",") {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only %q: want names of %s", name, partNames())
		}
		wanted = append(wanted, parts[i])
	}
	return wanted, nil
}

func partNames() string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return strings.Join(names, ", ")
}

// stage is where the servers run.
type stage struct {
	ctx           context.Context
	root, scratch string
	signer        signer
	issuer        *contestant // step 8, which all others trust; nil until it is needed
	built         map[string]bool
	original      []spec  // step 8 of the Python original, once its packages are installed
	installed     float64 // seconds that this took
}

func newStage(ctx context.Context) (*stage, error) {
	root, err := manifest.Root()
	if err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	s := &stage{ctx: ctx, root: root, scratch: scratch, built: map[string]bool{}}
	if s.signer, err = newSigner(s.path("keys")); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// keepAway moves this program to the core of the load, until back is called. Only
// what it does meanwhile is measured: compilers get all cores.
func keepAway() (back func()) {
	move := func(cores string) error {
		return exec.Command("taskset", "-acp", cores, strconv.Itoa(os.Getpid())).Run()
	}
	if err := move(loadCore); err != nil {
		fmt.Fprintln(os.Stderr, "bench: servers and load share their cores, since taskset does not work here")
	}
	return func() { _ = move(fmt.Sprintf("0-%d", runtime.NumCPU()-1)) }
}

func (s *stage) end() {
	if s.issuer != nil {
		s.issuer.stop()
	}
	_ = os.RemoveAll(s.scratch)
}

// libraries are the versions that the peers are built with; the steps' versions of
// mcp-go and golang-jwt are the same.
func (s *stage) libraries() map[string]string {
	found := map[string]string{}
	list := exec.CommandContext(s.ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "github.com/mark3labs/mcp-go",
		"github.com/modelcontextprotocol/go-sdk", "github.com/golang-jwt/jwt/v5")
	list.Dir = s.peers()
	out, err := list.Output()
	if err != nil {
		return found
	}
	for line := range strings.Lines(string(out)) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		words := strings.Split(strings.TrimSuffix(path, "/v5"), "/")
		found[words[len(words)-1]] = version
	}
	return found
}
