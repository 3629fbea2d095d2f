package naive

import (
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

// The first line says that it is wrong, and it ends by itself.
func TestRunWarnsAndEnds(t *testing.T) {
	var log program.Buffer
	done := make(chan error, 1)
	go func() { done <- Run(t.Context(), Options{Log: &log}, 50*time.Millisecond) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it doesn't end")
	}
	if first, _, _ := strings.Cut(log.String(), "\n"); !strings.HasPrefix(first, "This server is wrong on purpose") {
		t.Errorf("the first line is %q", first)
	}
	if Lifetime != time.Hour {
		t.Errorf("the program lives for %s", Lifetime)
	}
}

// A comment of a fault is read with its other lines, and two may share a line.
func TestFaultsAreReadFromTheSource(t *testing.T) {
	faults, err := Faults()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		switch fault.Name {
		case "origin-prefix":
			if !strings.HasSuffix(fault.Says, "met it in applications).") || !strings.Contains(fault.Code, `HasPrefix(origin, "http://localhost")`) {
				t.Errorf("%+v", fault)
			}
		case "no-audience":
			if !strings.HasSuffix(fault.Says, `own audience check").`) || !strings.Contains(fault.Code, "principalOf") {
				t.Errorf("%+v", fault)
			}
		}
	}
	if len(faults) < 20 {
		t.Errorf("only %d faults were found", len(faults))
	}
}
