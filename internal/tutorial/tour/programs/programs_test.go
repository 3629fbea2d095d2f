package programs

import (
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

func TestMain(m *testing.M) {
	program.Guard()
	if parent := os.Getenv(owner); parent != "" {
		own(parent)
	}
	os.Exit(m.Run())
}

func newPrograms(t *testing.T) *Programs {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// A step is started once, however many ask for it, answers rows of the table, and is
// gone after it was stopped.
func TestAStepIsStartedOnceAndStopped(t *testing.T) {
	p := newPrograms(t)
	var all [4]*Running
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			r, err := p.StartStep(t.Context(), 6)
			if err != nil {
				t.Error(err)
			}
			all[i] = r
		})
	}
	group.Wait()
	first := all[0]
	for _, r := range all {
		if r != first || r == nil {
			t.Fatal("it was started more than once")
		}
	}
	for _, row := range matrix.Rows {
		if row.ID != "token-good" {
			continue
		}
		answer, err := first.Target.Run(row, matrix.Legacy)
		if err == nil {
			err = row.At(6, matrix.Legacy).Check(answer)
		}
		if err != nil {
			t.Errorf("%s: %v", row.ID, err)
		}
	}
	first.Stop()
	if _, err := net.Dial("tcp", first.Target.Addr); err == nil {
		t.Error("it still listens")
	}
	if p.Get(StepName(6)) != nil || len(p.All()) > 0 || !first.Ended() {
		t.Error("it still counts as running")
	}
	if lines, _, ended, _ := first.Log.From(0); !ended || len(lines) == 0 {
		t.Errorf("log %q, ended %v", lines, ended)
	}
}

// What is wrong with a program is in the error.
func TestAProgramThatDoesNotStart(t *testing.T) {
	p := newPrograms(t)
	_, err := p.Start(t.Context(), Spec{Name: "step1", Args: []string{"-addr", "nonsense"}})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
	if _, err := p.Build(t.Context(), "no-such-step"); err == nil {
		t.Error("no error")
	}
	if _, err := p.StartStep(t.Context(), 11); err == nil {
		t.Error("the client was started as a server")
	}
}

func TestTheLogKeepsTheNewestLines(t *testing.T) {
	l := &Log{}
	_, _ = l.Write([]byte("a\nb"))
	_, _ = l.Write([]byte("c\n"))
	lines, next, ended, changed := l.From(1)
	if len(lines) != 1 || lines[0] != "bc" || next != 2 || ended {
		t.Errorf("%q, next %d", lines, next)
	}
	_, _ = l.Write([]byte(strings.Repeat("x\n", maxLines) + "rest"))
	<-changed
	l.close()
	lines, next, ended, _ = l.From(0)
	if len(lines) != maxLines || lines[len(lines)-1] != "rest" || next != maxLines+3 || !ended {
		t.Errorf("%d lines, next %d, ended %v", len(lines), next, ended)
	}
}
