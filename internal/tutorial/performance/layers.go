package performance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// BenchmarkFile holds what the benchmarks printed, in the format that benchstat
// reads.
const BenchmarkFile = "benchmarks.txt"

// Benchmark is a Go benchmark that is recorded.
type Benchmark struct{ Package, Name string }

// Benchmarks are those of all layers: of the servers by their handlers, of the
// authorization server and of the client.
var Benchmarks = []Benchmark{
	{"cmd/step1", "Request"}, {"cmd/step2", "Request"}, {"cmd/step3", "Request"}, {"cmd/step4", "Echo"}, {"cmd/step5", "Echo"},
	{"cmd/step6", "Echo"}, {"cmd/step7", "Echo"}, {"cmd/step8", "Echo"}, {"cmd/step10", "Echo"},
	{authServer, "Stored"}, {authServer, "Kept"}, {client, "Request"},
}

const (
	authServer = "internal/authserver"
	client     = "internal/mcpclient/mcpauth"
)

// figures are what a benchmark printed, by unit: ns/op, B/op, allocs/op and others.
type figures map[string]Series

// benchmarks are those of the record, each by its package below the module, a
// blank, and its name behind "Benchmark".
type benchmarks map[string]figures

func readBenchmarks(root string) (benchmarks, error) {
	text, err := os.ReadFile(filepath.Join(root, Folder, BenchmarkFile))
	if err != nil {
		return nil, err
	}
	found, pkg := benchmarks{}, ""
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "pkg: "); ok {
			_, pkg, _ = strings.Cut(strings.TrimSpace(rest), "/")
		}
		name, ok := strings.CutPrefix(line, "Benchmark")
		if !ok {
			continue
		}
		words := strings.Fields(name)
		f := found[pkg+" "+words[0]]
		if f == nil {
			f = figures{}
			found[pkg+" "+words[0]] = f
		}
		for i := 2; i+1 < len(words); i += 2 {
			x, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %q: %w", BenchmarkFile, line, err)
			}
			f[words[i+1]] = append(f[words[i+1]], x)
		}
	}
	return found, nil
}

// cost is what a request takes in a handler.
type cost struct{ micro, allocations, kilobytes float64 }

// cost is that of the requests of a benchmark.
func (b benchmarks) cost(pkg, name string) (cost, error) {
	f := b[pkg+" "+name]
	if len(f["ns/op"]) == 0 {
		return cost{}, fmt.Errorf("%s has no benchmark %s of %s: run make bench", BenchmarkFile, name, pkg)
	}
	return cost{f["ns/op"].Median() / 1000, f["allocs/op"].Median(), f["B/op"].Median() / 1024}, nil
}

// layer is a step, with the request that its benchmark sends.
type layer struct {
	step, before int    // before is the step that it is compared with; 0 for none
	request      string // for a page
}

// layers are the servers of the steps. The first ones are asked for what they can
// do; from step 4 on it is the same call.
var layers = []layer{
	{1, 0, "a request for `/health`"},
	{2, 0, "a `ping` (2025-11-25) or `server/discover` (2026-07-28)"},
	{3, 0, "a `tools/list`"},
	{4, 0, call}, {5, 4, call}, {6, 5, call}, {7, 6, call}, {8, 7, call}, {10, 8, call},
}

const call = "a call of `echo`"

// step has the costs of a step's request in both revisions.
func (b benchmarks) step(step int) (costs [2]cost, err error) {
	name := "Echo"
	if step < 4 {
		name = "Request"
	}
	for i, wire := range Wires {
		if costs[i], err = b.cost(fmt.Sprintf("cmd/step%d", step), name+"/"+wire); err != nil {
			return costs, err
		}
	}
	if step == 1 { // it knows no revisions
		costs[1] = costs[0]
	}
	return costs, nil
}

// Cost says in a line or two what a step costs, for its page. more stands behind it.
func Cost(root string, step int, more string) (string, error) {
	found, err := readBenchmarks(root)
	if err != nil {
		return "", err
	}
	says := ""
	switch step {
	case 9:
		says, err = found.authServer()
	case 11:
		says, err = found.client()
	default:
		says, err = found.server(step)
	}
	return fmt.Sprintf("**What does this step cost?** %s %s\n", says, more), err
}

func (b benchmarks) server(step int) (string, error) {
	for _, l := range layers {
		if l.step != step {
			continue
		}
		now, err := b.step(step)
		if err != nil {
			return "", err
		}
		whole := fmt.Sprintf("%s takes %s and %s", strings.ToUpper(l.request[:1])+l.request[1:], now[0].time(), now[0].objects())
		if now[0] != now[1] {
			whole += fmt.Sprintf(" (in revision 2026-07-28: %s and %s)", now[1].time(), now[1].objects())
		}
		if l.before == 0 {
			return whole + ".", nil
		}
		before, err := b.step(l.before)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s. That is %s than at step %d.", whole, now[0].moreObjects(before[0]), l.before), nil
	}
	return "", fmt.Errorf("step %d has no benchmark", step)
}

// authServer says what users and clients ask step 9 for.
func (b benchmarks) authServer() (string, error) {
	flow, err := b.cost(authServer, "Stored/flow/registrations=10")
	if err != nil {
		return "", err
	}
	refresh, err := b.cost(authServer, "Stored/refresh/registrations=10")
	return fmt.Sprintf("A code flow of a user who is logged in takes %.1f ms and %s, and a refresh %.1f ms and %s. "+
		"Signing the access token is most of both. The hash of a password comes on top, and is slow on purpose.",
		flow.micro/1000, flow.objects(), refresh.micro/1000, refresh.objects()), err
}

// client says what a request takes of a client that has a token.
func (b benchmarks) client() (string, error) {
	with, err := b.cost(client, "Request/with")
	if err != nil {
		return "", err
	}
	without, err := b.cost(client, "Request/without")
	return fmt.Sprintf("A request of a client that has a token takes %s and %s. That is %s than without this layer.",
		with.time(), with.objects(), with.moreObjects(without)), err
}

func (c cost) time() string    { return fmt.Sprintf("%.0f µs", c.micro) }
func (c cost) objects() string { return fmt.Sprintf("%.0f allocations", c.allocations) }

// moreObjects compares allocations, which are the same in each run. Times aren't:
// what else the machine does is more than most layers cost.
func (c cost) moreObjects(before cost) string {
	if more := c.allocations - before.allocations; more >= 0 {
		return fmt.Sprintf("%.0f allocations more", more)
	}
	return fmt.Sprintf("%.0f allocations less", before.allocations-c.allocations)
}

// pair shows a figure of both revisions, that of the newer one in brackets where it
// is another one.
func pair(costs [2]cost, show func(cost) string) string {
	if show(costs[0]) == show(costs[1]) {
		return show(costs[0])
	}
	return show(costs[0]) + " (" + show(costs[1]) + ")"
}

// layerTable shows every step's cost in a row.
func layerTable(root string) (string, error) {
	found, err := readBenchmarks(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| step | request | time | allocations | memory | this layer's allocations |\n|---|---|---|---|---|---|\n")
	for _, l := range layers {
		now, err := found.step(l.step)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| [%d](step%d.md) | %s | %s | %s | %s |", l.step, l.step, l.request, pair(now, cost.time),
			pair(now, func(c cost) string { return fmt.Sprintf("%.0f", c.allocations) }),
			pair(now, func(c cost) string { return fmt.Sprintf("%.0f kB", c.kilobytes) }))
		if l.before == 0 {
			b.WriteString(" |\n")
			continue
		}
		before, err := found.step(l.before)
		if err != nil {
			return "", err
		}
		for i := range now {
			now[i].allocations -= before[i].allocations
		}
		fmt.Fprintf(&b, " %s |\n", pair(now, func(c cost) string { return fmt.Sprintf("%+.0f", c.allocations) }))
	}
	return b.String(), nil
}
