package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// contestant is a server that is timed.
type contestant struct {
	name  string
	addr  string
	token string // for the Authorization header; "" for none
	cmd   *exec.Cmd
}

// stage is where the servers run.
type stage struct {
	ctx     context.Context
	scratch string
	servers []*contestant
	others  []*exec.Cmd
}

func (s *stage) end() {
	for _, c := range s.servers {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

func (s *stage) path(name string) string { return filepath.Join(s.scratch, name) }

// begin builds and starts all servers.
func (s *stage) begin() error {
	for _, name := range []string{"step4", "step8", "step10", "gentoken"} {
		if err := s.build("..", "./cmd/"+name, name); err != nil {
			return err
		}
	}
	if err := s.build(".", "./peers", "peers"); err != nil {
		return err
	}
	// Step 8 signs, with a key of its own, for all that ask for tokens.
	issuer, err := freeAddr()
	if err != nil {
		return err
	}
	issuerURL, keys := "http://"+issuer, s.path("keys")
	if err := s.start("step 8", issuer, issuerURL+"/mcp", issuerURL, "step8", "-addr", issuer, "-keys", keys); err != nil {
		return err
	}
	free, err := freeAddr()
	if err != nil {
		return err
	}
	if err := s.start("step 4", free, "", "", "step4", "-addr", free); err != nil {
		return err
	}
	if err := s.startStep10(issuerURL); err != nil {
		return err
	}
	for _, p := range [][3]string{
		{"floor", "floor", "none"}, {"floor, golang-jwt", "floor", "jwt"},
		{"mcp-go", "mcpgo", "none"}, {"mcp-go, golang-jwt", "mcpgo", "jwt"},
		{"go-sdk", "gosdk", "none"}, {"go-sdk, golang-jwt", "gosdk", "jwt"}, {"go-sdk, cached", "gosdk", "cached"},
	} {
		free, err := freeAddr()
		if err != nil {
			return err
		}
		audience := "http://" + free + "/mcp"
		signer := issuerURL
		if p[2] == "none" {
			signer = ""
		}
		if err := s.start(p[0], free, audience, signer, "peers", "-addr", free, "-kind", p[1], "-guard", p[2],
			"-key", filepath.Join(keys, "mcp_public_key.pem"), "-issuer", issuerURL, "-audience", audience); err != nil {
			return err
		}
	}
	return nil
}

// startStep10 starts step 10, which trusts step 8 as its provider.
func (s *stage) startStep10(issuer string) error {
	free, err := freeAddr()
	if err != nil {
		return err
	}
	env := s.path("bench.env")
	text := "JWT_ISSUER=" + issuer + "\nMCP_SERVER_URL=http://" + free + "\n"
	if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
		return err
	}
	return s.start("step 10", free, "http://"+free+"/mcp", issuer, "step10", "-addr", free, "-env", env)
}

func (s *stage) build(folder, pkg, name string) error {
	command := exec.CommandContext(s.ctx, "go", "build", "-o", s.path(name), pkg)
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", name, err, output)
	}
	return nil
}

// start starts a server on one core and waits until it listens. Where issuer is
// not empty, the server gets requests with a token of the issuer.
func (s *stage) start(name, addr, audience, issuer, program string, args ...string) error {
	command := exec.CommandContext(s.ctx, s.path(program), args...)
	if path, err := exec.LookPath("taskset"); err == nil {
		command = exec.CommandContext(s.ctx, path, append([]string{"-c", "0", s.path(program)}, args...)...)
	}
	command.Dir = s.scratch
	command.Env = append(os.Environ(), "GOMAXPROCS=1")
	log, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	c := &contestant{name: name, addr: addr, cmd: command}
	s.servers = append(s.servers, c)
	said := make(chan string, 1)
	go func() {
		first := bufio.NewScanner(log)
		var lines []string
		for len(lines) < 20 && first.Scan() {
			lines = append(lines, first.Text())
		}
		said <- strings.Join(lines, "\n")
		_, _ = io.Copy(io.Discard, log)
	}()
	if err := s.wait(addr); err != nil {
		_ = command.Process.Kill()
		return fmt.Errorf("%s: %w: %s", name, err, <-said)
	}
	if issuer != "" {
		c.token, err = s.sign(issuer, audience)
	}
	return err
}

func (s *stage) wait(addr string) error {
	for range 600 {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("it doesn't listen")
}

func (s *stage) sign(issuer, audience string) (string, error) {
	command := exec.CommandContext(s.ctx, s.path("gentoken"), "--keys", s.path("keys"), "--username", "alice",
		"--scopes", "mcp:read,mcp:tools", "--issuer", issuer, "--audience", audience, "--expires", "2")
	output, err := command.Output()
	return strings.TrimSpace(string(output)), err
}

func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return "localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), nil
}
