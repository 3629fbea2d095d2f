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

// readBenchmarks reads the record: by package below the module, and by the name
// behind "Benchmark".
func readBenchmarks(root string) (map[string]map[string]figures, error) {
	text, err := os.ReadFile(filepath.Join(root, Folder, BenchmarkFile))
	if err != nil {
		return nil, err
	}
	found, pkg := map[string]map[string]figures{}, ""
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "pkg: "); ok {
			_, pkg, _ = strings.Cut(strings.TrimSpace(rest), "/")
			if found[pkg] == nil {
				found[pkg] = map[string]figures{}
			}
		}
		name, ok := strings.CutPrefix(line, "Benchmark")
		if !ok {
			continue
		}
		words := strings.Fields(name)
		if found[pkg][words[0]] == nil {
			found[pkg][words[0]] = figures{}
		}
		for i := 2; i+1 < len(words); i += 2 {
			x, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %q: %w", BenchmarkFile, line, err)
			}
			found[pkg][words[0]][words[i+1]] = append(found[pkg][words[0]][words[i+1]], x)
		}
	}
	return found, nil
}

// cost is what a request takes in a handler.
type cost struct{ micro, allocations, kilobytes float64 }

func (f figures) cost() cost {
	return cost{f["ns/op"].Median() / 1000, f["allocs/op"].Median(), f["B/op"].Median() / 1024}
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

// of are the costs of a step's request in both revisions.
func of(found map[string]map[string]figures, step int) (costs [2]cost, err error) {
	name := "Echo"
	if step < 4 {
		name = "Request"
	}
	for i, wire := range Wires {
		f := found[fmt.Sprintf("cmd/step%d", step)][name+"/"+wire]
		if len(f["ns/op"]) == 0 {
			return costs, fmt.Errorf("%s has no benchmark of step %d in %s: run make bench", BenchmarkFile, step, wire)
		}
		costs[i] = f.cost()
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
		says, err = authServerCost(found)
	case 11:
		says, err = clientCost(found)
	default:
		says, err = serverCost(found, step)
	}
	return fmt.Sprintf("**What does this step cost?** %s %s\n", says, more), err
}

func serverCost(found map[string]map[string]figures, step int) (string, error) {
	for _, l := range layers {
		if l.step != step {
			continue
		}
		now, err := of(found, step)
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
		before, err := of(found, l.before)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s. That is %s than at step %d.", whole, now[0].moreObjects(before[0]), l.before), nil
	}
	return "", fmt.Errorf("step %d has no benchmark", step)
}

// authServerCost is that of what users and clients ask step 9 for.
func authServerCost(found map[string]map[string]figures) (string, error) {
	flow, refresh := found[authServer]["Stored/flow/registrations=10"], found[authServer]["Stored/refresh/registrations=10"]
	if len(flow["ns/op"]) == 0 || len(refresh["ns/op"]) == 0 {
		return "", fmt.Errorf("%s has no benchmark of %s: run make bench", BenchmarkFile, authServer)
	}
	return fmt.Sprintf("A code flow of a user who is logged in takes %.1f ms and %s, and a refresh %.1f ms and %s. "+
		"Signing the access token is most of both. The hash of a password comes on top, and is slow on purpose.",
		flow.cost().micro/1000, flow.cost().objects(), refresh.cost().micro/1000, refresh.cost().objects()), nil
}

// clientCost is that of a request of a client that has a token.
func clientCost(found map[string]map[string]figures) (string, error) {
	with, without := found[client]["Request/with"], found[client]["Request/without"]
	if len(with["ns/op"]) == 0 || len(without["ns/op"]) == 0 {
		return "", fmt.Errorf("%s has no benchmark of %s: run make bench", BenchmarkFile, client)
	}
	now := with.cost()
	return fmt.Sprintf("A request of a client that has a token takes %s and %s. That is %s than without this layer.",
		now.time(), now.objects(), now.moreObjects(without.cost())), nil
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
		now, err := of(found, l.step)
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
		before, err := of(found, l.before)
		if err != nil {
			return "", err
		}
		added := [2]cost{}
		for i := range added {
			added[i].allocations = now[i].allocations - before[i].allocations
		}
		fmt.Fprintf(&b, " %s |\n", pair(added, func(c cost) string { return fmt.Sprintf("%+.0f", c.allocations) }))
	}
	return b.String(), nil
}
