package performance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// folder is a repository that holds nothing but records.
func folder(t *testing.T, benchmarks string, r *Record) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, filepath.FromSlash(Folder))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, BenchmarkFile), []byte(benchmarks), 0o600); err != nil {
		t.Fatal(err)
	}
	if r != nil {
		if err := r.Write(root); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSeries(t *testing.T) {
	text, err := Series{12345.6, 123.4, 12.345, 1.2345, 0.5, 100}.MarshalText()
	if want := "12346 123 12.3 1.23 0.5 100"; err != nil || string(text) != want {
		t.Errorf("%q, %v, want %q", text, err, want)
	}
	var back Series
	if err := back.UnmarshalText([]byte("3 1 2.5")); err != nil || len(back) != 3 || back.Median() != 2.5 {
		t.Errorf("%v, %v", back, err)
	}
	if err := back.UnmarshalText([]byte("1 two")); err == nil {
		t.Error("a word is taken for a figure")
	}
	for _, c := range []struct {
		of   Series
		want float64
	}{{nil, 0}, {Series{7}, 7}, {Series{4, 1}, 2.5}, {Series{9, 1, 5}, 5}} {
		if got := c.of.Median(); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.of, got, c.want)
		}
	}
}

// record has every server of the goals; the one named fast is twice as fast.
func record(fast string) *Record {
	r := &Record{Rounds: 3}
	for _, g := range Goals {
		for _, name := range []string{g.Server, g.Peer} {
			if r.server(name) != nil {
				continue
			}
			s := Server{Name: name, Wires: map[string]Rounds{}}
			for _, wire := range Wires {
				s.Wires[wire] = Rounds{PerSecond: Series{1000, 100, 10}, CPU: Series{50, 50, 50}}
				if name == fast {
					s.Wires[wire] = Rounds{PerSecond: Series{2000, 200, 20}, CPU: Series{25, 25, 25}}
				}
			}
			r.Servers = append(r.Servers, s)
		}
	}
	return r
}

// The rounds differ by a factor of a hundred, and the ratios are the same.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	table, err := Part(folder(t, "", record(Step(8))), "ratios")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| step 8 | go-sdk with its bearer middleware | **2.00** (2.00–2.00) | **2.00** (2.00–2.00) | 1.50 (1.80) | yes |",
		"| step 10 | go-sdk with its bearer middleware | **1.00** (1.00–1.00) | **1.00** (1.00–1.00) | 2.50 | no |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%s\nlacks %s", table, want)
		}
	}
}

// Each goal is met, or the table says what holds it and whose that is, with the profile.
func TestEachGoalIsMetOrSaysWhatHoldsIt(t *testing.T) {
	r := record(Step(8))
	r.Profiles = []Profile{{Server: Step(10), Wire: Wires[0], Shares: map[string]float64{
		"RSA verification": 20, "golang-jwt": 1, "mcp-go": 10, "mcp-go, decoding JSON": 15, "net/http": 30, "Go's scheduler and memory": 4, "web/quota": 12, "jsonschema": 8,
	}}}
	table, err := r.ratioTable()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range Goals {
		if len(strings.Fields(g.Holds)) < 5 || !strings.HasSuffix(g.Holds, ".") {
			t.Errorf("%s / %s: nothing says what holds it: %q", g.Server, g.Peer, g.Holds)
		}
		said := strings.Contains(table, "- **"+g.Server+" / "+g.Peer+"**: "+g.Holds)
		if met := g.Server == Step(8) && g.Peer != Original || g.Peer == Step(4); said == met || met != r.meets(g) {
			t.Errorf("%s / %s: met %t, and what holds it is said %t", g.Server, g.Peer, met, said)
		}
	}
	if want := "Of the CPU time of step 10, in 2025-11-25: net/http and Go 34 %, RSA 21 %, mcp-go 25 %, ours 20 %.\n"; !strings.Contains(table, want) {
		t.Errorf("%s\nlacks %s", table, want)
	}
	if r.Profiles = nil; strings.Contains(r.held(), "CPU time") {
		t.Error("shares without a profile")
	}
}

// The row of the Python original is there where it was measured, and has no figure for a
// revision that it doesn't know.
func TestTheOriginalIsShownWhereItWasMeasured(t *testing.T) {
	r := record(Step(8))
	const row = "| step 8 | step 8 of the Python original | **2.00** (2.00–2.00) | – | 5.00 | no |\n"
	if table, err := r.ratioTable(); err != nil || !strings.Contains(table, row) {
		t.Errorf("%v\n%s\nlacks %s", err, table, row)
	}
	r.Servers = slices.DeleteFunc(r.Servers, func(s Server) bool { return s.Name == Original })
	if table, err := r.ratioTable(); err != nil || strings.Contains(table, Original) {
		t.Errorf("%v\n%s", err, table)
	}
	r.Starts = []Start{{Server: Step(8), First: Series{20}, Idle: 15, Loaded: 16, Size: 12}}
	if table, err := r.startTable(); err != nil || strings.Contains(table, "Python") || !strings.Contains(table, "| 12 MB |  |\n") {
		t.Errorf("%v\n%s", err, table)
	}
	r.Starts = append(r.Starts, Start{Server: Original, First: Series{1000}, Idle: 50, Loaded: 60, Build: 9})
	if table, err := r.startTable(); err != nil || !strings.Contains(table, "| 60 MB |  | 9 s |\n\nThe Python original has neither") {
		t.Errorf("%v\n%s", err, table)
	}
}

func TestARecordWithoutAServerIsRefused(t *testing.T) {
	r := record("")
	r.Servers = r.Servers[1:]
	if _, err := Part(folder(t, "", r), "ratios"); err == nil {
		t.Error("a table without one of its servers")
	}
	root := folder(t, "", record(""))
	file := filepath.Join(root, filepath.FromSlash(Folder), recordFile)
	if err := os.WriteFile(file, []byte(`{"machin":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(root); err == nil {
		t.Error("a name that no record has is taken")
	}
}

const printed = `goos: linux
pkg: mcp-auth-step-by-step/cmd/step7
BenchmarkEcho/2025-11-25 	 100	 90000 ns/op	 2048 B/op	 20 allocs/op
BenchmarkEcho/2026-07-28 	 100	 50000 ns/op	 2048 B/op	 20 allocs/op
pkg: mcp-auth-step-by-step/cmd/step8
BenchmarkEcho/2025-11-25 	 100	 120000 ns/op	 4096 B/op	 50 allocs/op
BenchmarkEcho/2026-07-28 	 100	 40000 ns/op	 4096 B/op	 10 allocs/op
pkg: mcp-auth-step-by-step/cmd/step10
BenchmarkEcho/2025-11-25 	 100	 160000 ns/op	 4096 B/op	 45 allocs/op
BenchmarkEcho/2026-07-28 	 100	 80000 ns/op	 4096 B/op	 20 allocs/op
pkg: mcp-auth-step-by-step/internal/mcpclient/mcpauth
BenchmarkRequest/without 	 100	 1000 ns/op	 1 B/op	 10 allocs/op
BenchmarkRequest/without 	 100	 9000 ns/op	 1 B/op	 10 allocs/op
BenchmarkRequest/without 	 100	 2000 ns/op	 1 B/op	 10 allocs/op
BenchmarkRequest/with 	 100	 3500 ns/op	 1 B/op	 15 allocs/op
`

func TestCost(t *testing.T) {
	root := folder(t, printed, nil)
	for step, want := range map[int]string{
		8: "A call of `echo` takes 120 µs and 50 allocations (in revision 2026-07-28: 40 µs and 10 allocations). " +
			"That is 30 allocations more than at step 7.",
		10: "A call of `echo` takes 160 µs and 45 allocations (in revision 2026-07-28: 80 µs and 20 allocations). " +
			"That is 5 allocations less than at step 8.",
		11: "A request of a client that has a token takes 4 µs and 15 allocations. That is 5 allocations more than without this layer.",
	} {
		got, err := Cost(root, step, "More.")
		if want = "**What does this step cost?** " + want + " More.\n"; err != nil || got != want {
			t.Errorf("%v\n%s\nwant\n%s", err, got, want)
		}
	}
	// Of step 7 the one before is missing, of the others all is.
	for _, step := range []int{7, 5, 9, 12} {
		if got, err := Cost(root, step, ""); err == nil {
			t.Errorf("step %d: %s", step, got)
		}
	}
}

func TestOwner(t *testing.T) {
	const mcpgo = "github.com/mark3labs/mcp-go/server.(*MCPServer).HandleMessage"
	for want, frames := range map[string][]string{
		"RSA verification":                {"crypto/internal/fips140/bigmod.addMulVVW2048", "crypto/rsa.VerifyPKCS1v15", module + "oauth/jws.Token.Verify"},
		"mcp-go, decoding JSON":           {"runtime.mallocgc", "encoding/json.(*decodeState).object", "encoding/json.Unmarshal", mcpgo, module + "x.F"},
		"mcp-go, encoding JSON":           {"reflect.Value.Field", "encoding/json.Marshal", mcpgo},
		"mcp-go, goroutines and channels": {"runtime.mallocgc", "runtime.newproc", mcpgo},
		"mcp-go":                          {"runtime.mallocgc", mcpgo},
		"web/strictjson":                  {"runtime.mallocgc", module + "web/strictjson.(*reader).object", mcpgo},
		"net/http":                        {"internal/poll.(*FD).Write", "net.(*conn).Write", "net/http.checkConnErrorWriter.Write", mcpgo},
		"Go's scheduler and memory":       {"runtime.futex", "runtime.mcall"},
	} {
		if got := Owner(frames); got != want {
			t.Errorf("%q: %s, want %s", frames, got, want)
		}
	}
}

func TestPartsNeedTheirRecord(t *testing.T) {
	root := folder(t, "", record(""))
	for _, part := range []string{"connections", "tokens", "instances", "starts", "layers", "authorization-server", "no-such-part"} {
		if got, err := Part(root, part); err == nil {
			t.Errorf("%s: %s", part, got)
		}
	}
}

// The page is the same each time that it is made, whatever the order of a map.
func TestSharesAreWrittenTheSameEachTime(t *testing.T) {
	// Shares that are as large, and a sum whose last digit depends on the order.
	r := &Record{Profiles: []Profile{{Server: "s", Wire: "w", Shares: map[string]float64{
		"web/a": 0.1, "web/b": 0.2, "web/c": 0.3, "web/d": 1.9, "mcp-go": 50.001, "net/http": 50.002, "golang-jwt": 50.003,
	}}}}
	table, sentence := r.profileTable(), r.sharesOf("s")
	for range 200 {
		if r.profileTable() != table || r.sharesOf("s") != sentence {
			t.Fatal("the profile is written in two ways")
		}
	}
}
