package main

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/tutorial/mutation"
	"mcp-auth-step-by-step/internal/tutorial/performance"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// The cores of the servers and of the load.
const serverCore, loadCore = "0", "1"

// spec says how a server is started.
type spec struct {
	name    string   // of the record
	program string   // "step8", or a peer
	command []string // with its first arguments, where it isn't what the program is built to
	guard   string   // of a peer; empty: none
	signed  bool     // it gets requests with a token, which is made for it
	tokens  []string // for the Authorization header; empty for none
	wires   []wire   // that it is asked in; nil: all
	anyCore bool     // it is not kept on one core
}

// The servers that are measured side by side.
var specs = []spec{
	{name: performance.Step(4), program: "step4"},
	{name: performance.Step(8), program: "step8", signed: true},
	{name: performance.Step(10), program: "step10", signed: true},
	{name: performance.MCPGo, program: "mcpgo"},
	{name: performance.MCPGoJWT, program: "mcpgo", guard: "jwt", signed: true},
	{name: performance.GoSDK, program: "gosdk"},
	{name: performance.GoSDKJWT, program: "gosdk", guard: "jwt", signed: true},
	{name: performance.GoSDKHeld, program: "gosdk", guard: "cached", signed: true},
	{name: performance.Floor, program: "floor"},
	{name: performance.FloorRSA, program: "floor", guard: "jwt", signed: true},
}

// specOf is the one of a name.
func specOf(name string) spec {
	for _, p := range specs {
		if p.name == name {
			return p
		}
	}
	panic("there is no server " + name)
}

// asked is in which revisions a server is asked.
func (p spec) asked() []wire {
	if p.wires == nil {
		return wires
	}
	return p.wires
}

// contestant is a server that is measured.
type contestant struct {
	spec
	addr, audience string
	cmd            *exec.Cmd
	began          time.Time
}

func (c *contestant) stop() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func (s *stage) path(name string) string { return filepath.Join(s.scratch, name) }

// source is the module of a program and its package there.
func (s *stage) source(program string) (folder, pkg string) {
	if strings.HasPrefix(program, "step") {
		return s.root, "./cmd/" + program
	}
	return s.peers(), "./" + program
}

// peers is the module of the peers.
func (s *stage) peers() string { return filepath.Join(s.root, "bench", "peers") }

// build compiles a program once.
func (s *stage) build(program string) error {
	if program == "" || s.built[program] {
		return nil
	}
	folder, pkg := s.source(program)
	err := s.in(folder, "go", "build", "-o", s.path(program), pkg)
	s.built[program] = err == nil
	return err
}

// buildWith builds a program with one more file in its package, under another name.
func (s *stage) buildWith(p *spec, name, text string) error {
	folder, pkg := s.source(p.program)
	overlay, err := mutation.Overlay(folder, s.scratch, map[string]string{path.Join(pkg, name+".go"): text})
	if err != nil {
		return err
	}
	p.command = []string{s.path(p.program + "-" + name)}
	return s.in(folder, "go", "build", "-overlay", overlay, "-o", p.command[0], pkg)
}

// start starts a server on one core and waits until it listens. env is added to its
// environment.
func (s *stage) start(p spec, env ...string) (*contestant, error) {
	c, err := s.prepare(p)
	if err != nil {
		return nil, err
	}
	// A file asks nothing of the core of the load, however much a server logs.
	log, err := os.Create(s.path("log-" + strings.ReplaceAll(c.addr, ":", "-")))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	command := append(slices.Clone(c.command), s.arguments(c)...)
	c.cmd = onCore(serverCore, command...)
	if p.anyCore {
		c.cmd = exec.Command(command[0], command[1:]...)
	}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = s.scratch, log, log
	c.cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1", "JWT_ISSUER="+s.issuerURL(), "MCP_SERVER_URL=http://"+c.addr), env...)
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.wait(c.addr); err != nil {
		c.stop()
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s: %w: %.4000s", p.name, err, said)
	}
	return c, nil
}

// prepare makes what a server needs: its binary, a port, a token and an issuer.
func (s *stage) prepare(p spec) (c *contestant, err error) {
	if p.signed && p.program != "step8" && s.issuer == nil {
		if s.issuer, err = s.start(specOf(performance.Step(8))); err != nil {
			return nil, err
		}
	}
	if p.command == nil {
		if err := s.build(p.program); err != nil {
			return nil, err
		}
		p.command = []string{s.path(p.program)}
	}
	port, err := program.FreePort()
	if err != nil {
		return nil, err
	}
	c = &contestant{spec: p, addr: "localhost:" + port}
	c.audience = "http://" + c.addr + "/mcp"
	if p.signed {
		token, err := s.signer.token(s.issuerOf(c), c.audience, "alice", "bench")
		if err != nil {
			return nil, err
		}
		c.tokens = []string{token}
	}
	return c, nil
}

// arguments are those of a server's command line.
func (s *stage) arguments(c *contestant) []string {
	arguments := []string{"--addr", c.addr}
	switch {
	case c.program == "step8":
		arguments = append(arguments, "--keys", s.path("keys"))
	case c.guard != "":
		arguments = append(arguments, "--guard", c.guard, "--key", filepath.Join(s.path("keys"), keys.PublicFile),
			"--issuer", s.issuerURL(), "--audience", c.audience)
	}
	return arguments
}

func (s *stage) issuerURL() string {
	if s.issuer == nil {
		return "http://localhost:1"
	}
	return "http://" + s.issuer.addr
}

// issuerOf is whose tokens a server takes: step 8 takes its own.
func (s *stage) issuerOf(c *contestant) string {
	if c.program == "step8" {
		return "http://" + c.addr
	}
	return s.issuerURL()
}

// onCore runs a program on one core, where taskset is there for it.
func onCore(core string, command ...string) *exec.Cmd {
	if _, err := exec.LookPath("taskset"); err == nil {
		command = append([]string{"taskset", "-c", core}, command...)
	}
	return exec.Command(command[0], command[1:]...)
}

// wait waits until a server listens, and looks often, since that is measured.
func (s *stage) wait(addr string) error {
	for began := time.Now(); time.Since(began) < 30*time.Second && s.ctx.Err() == nil; time.Sleep(200 * time.Microsecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
	}
	return errors.New("it doesn't listen")
}

// signer signs tokens with the key of step 8.
type signer struct {
	key *rsa.PrivateKey
	id  string
}

func newSigner(dir string) (signer, error) {
	public, err := keys.Public(dir)
	if err != nil {
		return signer{}, err
	}
	private, err := keys.Private(dir, localfile.OwnerOnly)
	return signer{private, public.ID}, err
}

func (s signer) token(issuer, audience, username, client string) (string, error) {
	return s.draft(issuer, audience, username, client).Token()
}

func (s signer) draft(issuer, audience, username, client string) *mint.Draft {
	return mint.New(s.key, s.id, mint.Grant{
		Issuer: issuer, Audience: audience, Username: username, ClientID: client, Scopes: []string{"mcp:read", "mcp:tools"},
		Roles: mint.RolesOf(username), Lifetime: 2 * time.Hour, Now: time.Now(),
	})
}

// memory is what a server has resident now, in MB; 0 where the system doesn't say.
func (c *contestant) memory() float64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/statm")
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(words[1])
	return round(float64(pages*os.Getpagesize()) / (1 << 20))
}
