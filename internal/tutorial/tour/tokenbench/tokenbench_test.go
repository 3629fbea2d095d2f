package tokenbench

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// shared is one bench for all tests: its keys take a while.
var shared = sync.OnceValues(func() (*Bench, error) {
	dir, err := manifest.Root()
	if err != nil {
		return nil, err
	}
	return New(dir, time.Now)
})

func newBench(t *testing.T) *Bench {
	t.Helper()
	b, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lineOf is the text of the line that refuses.
func lineOf(t *testing.T, place Place) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), place.File))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.Split(string(text), "\n")[place.Line-1])
}

// Each flaw is refused, by a check whose line is found in the source: a condition, or
// the call of the one that refuses.
func TestEachFlawHasItsLine(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, flaw := range mint.Flaws {
		token, err := b.Flawed(flaw.Name)
		if err != nil {
			t.Fatal(err)
		}
		verdict, err := b.Judge(t.Context(), token, Strict())
		if err != nil || verdict.Stop == nil {
			t.Errorf("%s is not refused: %v", flaw.Name, err)
			continue
		}
		line := lineOf(t, verdict.Stop.Line)
		t.Logf("%-22s %-10s %s:%d  %s", flaw.Name, verdict.Stop.Name, verdict.Stop.Line.File, verdict.Stop.Line.Line, line)
		if !strings.HasPrefix(line, "if ") && !strings.HasPrefix(line, "case ") {
			t.Errorf("%s: %s is refused at %+v, which is not a condition: %s", flaw.Name, verdict.Stop.Name, verdict.Stop.Line, line)
		}
	}
}
