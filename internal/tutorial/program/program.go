// Package program builds the programs of the steps, starts them, and waits
// until they listen.
//
//	path, err := program.Build(ctx, root, t.TempDir(), "step9")
//	…
//	running, err := program.Start(exec.CommandContext(ctx, path, "-addr", "localhost:0"), io.Discard)
//	…
//	defer running.Kill()
//	http.Get(running.URL + "/health")
package program

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Build compiles a command of cmd/ into a folder and returns the path of the
// binary. root is the folder of the repository; flags are for go build.
func Build(ctx context.Context, root, folder, name string, flags ...string) (string, error) {
	binary := filepath.Join(folder, name)
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	arguments := append([]string{"build", "-o", binary}, flags...)
	build := exec.CommandContext(ctx, "go", append(arguments, "./cmd/"+name)...)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, output)
	}
	return binary, nil
}

// FreePort is a port of loopback on which nothing listens just now. It is for
// programs whose address others must know before they start, and for those that
// start again at the same address; the rest take port 0.
func FreePort() (string, error) {
	ports, err := FreePorts(1)
	if err != nil {
		return "", err
	}
	return ports[0], nil
}

// FreePorts are as many different ones. They are from 20000 to 31999, below those that
// a system gives to connections and for port 0 (Linux from 32768, others from 49152,
// RFC 6335, section 6): one of these can be taken before the program has started.
func FreePorts(n int) ([]string, error) {
	var ports []string
	for range 100 * n {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		listener, err := net.Listen("tcp", net.JoinHostPort("localhost", port))
		if err != nil {
			continue
		}
		defer func() { _ = listener.Close() }() // not earlier, so that none comes twice
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free port of loopback from 20000 to 31999")
}

// readyPatience is how long [AwaitReady] waits.
const readyPatience = time.Minute

// AwaitReady waits until a GET of a server's health report is answered with 200: step 10
// then has the keys of its issuer. After a minute it gives up; the error wraps that of
// the context.
func AwaitReady(ctx context.Context, health string) error {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, health, nil)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the MCP server has no keys of the authorization server: %w", ctx.Err())
		}
	}
}

// Program is a program that listens.
type Program struct {
	*exec.Cmd
	// URL is where it listens, as it says itself.
	URL string

	// copied is closed when its standard error has ended.
	copied chan struct{}
}

// Start runs a command and waits until it says "listening on URL". What it
// writes to standard error goes to log, line by line. A program that ends before
// it listens is an error that holds what it wrote. To stop waiting, cancel the
// command's context.
func Start(command *exec.Cmd, log io.Writer) (*Program, error) {
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &Program{Cmd: command, copied: make(chan struct{})}
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() {
		_, _ = fmt.Fprintln(log, lines.Text())
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			p.URL = url
			go p.copy(lines, stderr, log)
			return p, nil
		}
		said = append(said, lines.Text())
	}
	return nil, fmt.Errorf("%s ended before it listened (%v): %s",
		filepath.Base(command.Path), command.Wait(), strings.Join(said, "\n"))
}

func (p *Program) copy(lines *bufio.Scanner, stderr io.Reader, log io.Writer) {
	defer close(p.copied)
	for lines.Scan() {
		_, _ = fmt.Fprintln(log, lines.Text())
	}
	// A line too long for the scanner must not block the program.
	_, _ = io.Copy(io.Discard, stderr)
}

// Stop asks the program to end, and waits for that. On Windows, which has no
// signal for it, it is killed.
func (p *Program) Stop() {
	if err := p.Process.Signal(os.Interrupt); err != nil {
		_ = p.Process.Kill()
	}
	p.wait()
}

// Kill ends the program at once, so that it can save nothing.
func (p *Program) Kill() {
	_ = p.Process.Kill()
	p.wait()
}

func (p *Program) wait() {
	<-p.copied
	_ = p.Wait()
}
