package program

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// behaviour, set in the environment, makes the test binary be the program.
const behaviour = "PROGRAM_TEST_BEHAVIOUR"

func TestMain(m *testing.M) {
	switch os.Getenv(behaviour) {
	case "":
		os.Exit(m.Run())
	case "listen":
		fmt.Fprintln(os.Stderr, "a warning")
		fmt.Fprintln(os.Stderr, "listening on http://localhost:1")
		fmt.Fprintln(os.Stderr, "a request")
		select {}
	default:
		fmt.Fprintln(os.Stderr, "the port is taken")
		os.Exit(1)
	}
}

func child(does string) *exec.Cmd {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), behaviour+"="+does)
	return command
}

func TestStartWaitsUntilItListens(t *testing.T) {
	var log bytes.Buffer
	p, err := Start(child("listen"), &log)
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if p.URL != "http://localhost:1" || !strings.HasPrefix(log.String(), "a warning\nlistening on http://localhost:1\n") {
		t.Errorf("URL %q, log %q", p.URL, log.String())
	}
}

func TestStartTellsWhyAProgramEnded(t *testing.T) {
	_, err := Start(child("end"), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("got %v", err)
	}
}

func TestBuildAndFreePort(t *testing.T) {
	if _, err := Build(t.Context(), "../../..", t.TempDir(), "no-such-step"); err == nil || !strings.Contains(err.Error(), "no-such-step") {
		t.Errorf("got %v", err)
	}
	if port, err := FreePort(); err != nil || port == "0" {
		t.Errorf("port %q, %v", port, err)
	}
}
