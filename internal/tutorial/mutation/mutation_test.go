package mutation

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// target is a package, or a part of one, whose statements must be missed.
type target struct {
	Part
	// tests are the packages, beside its own, whose tests may miss a statement.
	tests []string
}

// targets are the packages that decide who gets in.
var targets = []target{
	{Part: Part{Folder: "internal/oauth/bearerauth"}},
	{Part: Part{Folder: "internal/oauth/jws"}},
	{Part: Part{Folder: "internal/oauth/accesstoken"}, tests: []string{"internal/oauth/tokencache"}},
	{Part: Part{Folder: "internal/oauth/tokencache"}},
	{Part: Part{Folder: "internal/mcpserver/scopepolicy"}},
	{Part: Part{Folder: "internal/oauth/issuerkeys"}},
	{Part: Part{Folder: "internal/authserver/clientmetadata", Files: []string{"redirect.go"}}},
	{Part: Part{Folder: "internal/authserver/upstream"}},
	{Part: Part{Folder: "internal/authserver", Files: []string{"codes.go", "grants.go", "refresh.go"}}},
}

// samples says that one mutant of so many is in the sample.
const samples = 20

// suite is a test binary that has the mutants.
type suite struct {
	binary, dir string
	takes       time.Duration // without a mutant
}

func build(ctx context.Context, root, overlay, folder, binary string) (suite, error) {
	command := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", binary, "./"+folder)
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		return suite{}, fmt.Errorf("%w:\n%s", err, output)
	}
	s := suite{binary: binary, dir: filepath.Join(root, filepath.FromSlash(folder))}
	start := time.Now()
	if output, fails := s.fails(ctx, "0", 10*time.Minute); fails {
		return suite{}, fmt.Errorf("the tests of %s fail without a mutant:\n%.4000s", folder, output)
	}
	s.takes = time.Since(start)
	return s, nil
}

// fails runs the tests with a statement taken out. Tests that hang without it
// fail too.
func (s suite) fails(ctx context.Context, number string, limit time.Duration) (output []byte, fails bool) {
	command := exec.CommandContext(ctx, s.binary, "-test.failfast", "-test.timeout", limit.String())
	command.Dir = s.dir
	command.Env = append(os.Environ(), Variable+"="+number, "CI=")
	output, err := command.CombinedOutput()
	return output, err != nil
}

// inSample picks the same mutants each time.
func inSample(key string) bool {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(key))
	return hash.Sum32()%samples == 0
}

// Without any statement of the packages that decide who gets in, a test fails.
// Running all of it takes long, so it runs where MUTATION says all or sample.
func TestEveryStatementIsMissed(t *testing.T) {
	mode := os.Getenv("MUTATION")
	if mode == "" {
		t.Skip("set MUTATION to all or sample to take statements out and see tests fail")
	}
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	// A folder, while one works on it, and perhaps a part of a key: folder:text.
	only, part, _ := strings.Cut(os.Getenv("MUTATION_OF"), ":")
	for _, c := range targets {
		if only != "" && c.Folder != only {
			continue
		}
		t.Run(c.Folder, func(t *testing.T) { takeOut(t, root, c, mode == "sample", part) })
	}
}

func takeOut(t *testing.T, root string, c target, sample bool, part string) {
	scratch := t.TempDir()
	all, err := Instrument(root, scratch, c.Part)
	if err != nil {
		t.Fatal(err)
	}
	chosen := all.Mutants
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(m Mutant) bool {
		return sample && !inSample(m.Key) || !strings.Contains(m.Key, part)
	})
	var suites []suite
	for i, folder := range append([]string{c.Folder}, c.tests...) {
		s, err := build(t.Context(), root, all.Overlay, folder, filepath.Join(scratch, fmt.Sprintf("tests%d", i)))
		if err != nil {
			t.Fatal(err)
		}
		suites = append(suites, s)
	}
	var mu sync.Mutex
	survived := map[string]bool{}
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for _, m := range chosen {
		group.Go(func() error {
			for _, s := range suites {
				if _, fails := s.fails(t.Context(), m.Number, 30*time.Second+10*s.takes); fails {
					return nil
				}
			}
			mu.Lock()
			defer mu.Unlock()
			survived[m.Key] = true
			return nil
		})
	}
	_ = group.Wait()
	t.Logf("%d statements, %d taken out, %d not missed", len(all.Mutants), len(chosen), len(survived))
	for _, m := range chosen {
		reason := survivors[c.Folder][m.Key]
		switch {
		case survived[m.Key] && reason == "":
			t.Errorf("no test misses %q", m.Key)
		case !survived[m.Key] && reason != "":
			t.Errorf("a test misses %q: take it out of the list of survivors", m.Key)
		}
	}
}

// Whoever stands in the list of survivors is in the code, and has a reason.
func TestSurvivorsAreInTheCode(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range targets {
		known[c.Folder] = true
		all, err := Instrument(root, t.TempDir(), c.Part)
		if err != nil {
			t.Fatal(err)
		}
		if len(all.Mutants) < 10 {
			t.Errorf("%s has only %d statements: has it moved?", c.Folder, len(all.Mutants))
		}
		for _, file := range c.Files {
			if _, err := os.Stat(filepath.Join(root, c.Folder, file)); err != nil {
				t.Error(err)
			}
		}
		for key, reason := range survivors[c.Folder] {
			if !slices.ContainsFunc(all.Mutants, func(m Mutant) bool { return m.Key == key }) || reason == "" {
				t.Errorf("%s has no statement %q any more, or it has no reason", c.Folder, key)
			}
		}
	}
	for folder := range survivors {
		if !known[folder] {
			t.Errorf("%s is in the list of survivors and is no target", folder)
		}
	}
}

func TestInstrument(t *testing.T) {
	const source = `package p

func f(a, b bool) (x int) {
	defer done() // last
	if a && b {
		x = 1
	} else if b {
		x++
	}
	switch {
	case a, b:
		g(func() { h() })
	}
	_ = x
	y := 2
	return y
}

func (t *T) both(a, b, c bool) bool { return a && (b || c) || c }
`
	const want = `package p

func f(a, b bool) (x int) {
	if keepsStatement("1") { defer done() } // last
	if ((a && b) && keepsStatement("2")) {
		if keepsStatement("4") { x = 1 }
	} else if ((b) && keepsStatement("3")) {
		if keepsStatement("5") { x++ }
	}
	switch {
	case ((a) && keepsStatement("6")), ((b) && keepsStatement("7")):
		if keepsStatement("8") { g(func() { if keepsStatement("9") { h() } }) }
	}
	_ = x
	y := 2
	return y
}

func (t *T) both(a, b, c bool) bool { return ((a) || !keepsStatement("10")) && (((b || c)) || !keepsStatement("11")) || ((c) && keepsStatement("12")) }
`
	count := 0
	got, mutants, err := instrument([]byte(source), func() string {
		count++
		return strconv.Itoa(count)
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if keys := []string{mutants[0].Key, mutants[1].Key, mutants[len(mutants)-1].Key}; !slices.Equal(keys, []string{
		"f: defer done()", "f: if a && b", "T.both: || c"}) {
		t.Errorf("got %q", keys)
	}
}

// An element of a table of structs can be taken out; other lists are left alone.
func TestInstrumentTables(t *testing.T) {
	const source = `package p

var checks = []check{{"a", first}, {"b", second}}

var words = []string{"a", "b"}
`
	count := 0
	next := func() string { count++; return strconv.Itoa(count) }
	changed, mutants, err := instrument([]byte(source), next)
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) != 2 || mutants[1].Key != `checks: {"b", second}` || mutants[1].Line != 3 {
		t.Errorf("the mutants are %+v", mutants)
	}
	if want := `var checks = keepsElements([]check{{"a", first}, {"b", second}}, "1", "2")`; !strings.Contains(string(changed), want) ||
		!strings.Contains(string(changed), `var words = []string{"a", "b"}`) {
		t.Errorf("the source becomes:\n%s", changed)
	}
}
