package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// behaviour, set in the environment, makes the test binary be the program.
const behaviour = "PROGRAM_TEST_BEHAVIOUR"

func TestMain(m *testing.M) {
	Guard()
	switch os.Getenv(behaviour) {
	case "":
		os.Exit(m.Run())
	case "listen":
		fmt.Fprintln(os.Stderr, "a warning")
		fmt.Fprintln(os.Stderr, "listening on http://localhost:1")
		fmt.Fprintln(os.Stderr, "a request")
		select {}
	case "guarded": // start a program that ends with this one, and be killed
		command, err := Guarded(context.Background(), os.Args[0])
		if err != nil {
			panic(err)
		}
		command.Env = append(os.Environ(), behaviour+"=serve")
		command.Stdout = os.Stdout
		if err := command.Start(); err != nil {
			panic(err)
		}
		_ = command.Wait()
	case "serve":
		listener, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			panic(err)
		}
		signal.Ignore(os.Interrupt) // it must be killed
		fmt.Println(listener.Addr())
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

func TestBuildNamesTheProgram(t *testing.T) {
	if _, err := Build(t.Context(), "../../..", t.TempDir(), "no-such-step"); err == nil || !strings.Contains(err.Error(), "no-such-step") {
		t.Errorf("got %v", err)
	}
}

// A port that the system gives to connections can be taken before the program listens.
func TestNoConnectionTakesAFreePort(t *testing.T) {
	ports, err := FreePorts(200)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, port := range ports {
		if number, err := strconv.Atoi(port); err != nil || number < 1024 || number >= 32768 || seen[port] {
			t.Errorf("port %q, twice: %t", port, seen[port])
		}
		seen[port] = true
	}
	if port, err := FreePort(); err != nil || port == "" {
		t.Errorf("port %q, %v", port, err)
	}
}

// T08: a guarded program ends with the program that started it, also when that one is
// killed and it doesn't want to.
func TestT08_AGuardedProgramEndsWithAKilledOne(t *testing.T) {
	parent := child("guarded")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	address = strings.TrimSpace(address)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return // it is gone already
	}
	defer func() { _ = conn.Close() }()
	// The program never reads, so the connection ends when the program does.
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	begin := time.Now()
	if _, err := conn.Read(make([]byte, 1)); os.IsTimeout(err) {
		t.Fatal("the program still runs")
	}
	t.Logf("it ended after %s", time.Since(begin).Round(time.Millisecond))
}

// A server that isn't ready yet is asked again; one that never is ends the wait with its
// context.
func TestAwaitReady(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	if err := AwaitReady(t.Context(), server.URL); err != nil || asked.Load() != 3 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := AwaitReady(ctx, server.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
