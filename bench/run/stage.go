package main

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/tutorial/performance"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// The cores of the servers and of the load.
const serverCore, loadCore = "0", "1"

// spec says how a server is started.
type spec struct {
	name    string   // of the record
	program string   // "step8", or a peer
	guard   string   // of a peer
	signed  bool     // it gets requests with a token
	one     bool     // it knows the first of the two revisions alone
	anyCore bool     // it is not kept on one core
	binary  string   // where it is another one than that of the program
	command []string // instead of a binary: a program with its first arguments
	flag    string   // begins its flags; empty: one hyphen
}

// The servers that are measured side by side.
var specs = []spec{
	{name: performance.Step(4), program: "step4"},
	{name: performance.Step(8), program: "step8", signed: true},
	{name: performance.Step(10), program: "step10", signed: true},
	{name: performance.MCPGo, program: "mcpgo", guard: "none"},
	{name: performance.MCPGoJWT, program: "mcpgo", guard: "jwt", signed: true},
	{name: performance.GoSDK, program: "gosdk", guard: "none"},
	{name: performance.GoSDKJWT, program: "gosdk", guard: "jwt", signed: true},
	{name: performance.GoSDKHeld, program: "gosdk", guard: "cached", signed: true},
	{name: performance.Floor, program: "floor", guard: "none"},
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

// contestant is a server that is measured.
type contestant struct {
	spec
	addr, audience string
	tokens         []string // for the Authorization header; empty for none
	cmd            *exec.Cmd
	output         *tail
	began          time.Time
	once           sync.Once
}

func (c *contestant) stop() {
	c.once.Do(func() {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
}

func (s *stage) path(name string) string { return filepath.Join(s.scratch, name) }

// peers is the module of the peers.
func (s *stage) peers() string { return filepath.Join(s.root, "bench", "peers") }

// build compiles a program once.
func (s *stage) build(name string) error {
	if s.built[name] {
		return nil
	}
	var err error
	if strings.HasPrefix(name, "step") {
		_, err = program.Build(s.ctx, s.root, s.scratch, name)
	} else {
		err = goBuild(s, s.peers(), "./"+name, s.path(name))
	}
	s.built[name] = err == nil
	return err
}

func goBuild(s *stage, folder, pkg, binary string, env ...string) error {
	command := exec.CommandContext(s.ctx, "go", "build", "-o", binary, pkg)
	command.Dir, command.Env = folder, append(os.Environ(), env...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, output)
	}
	return nil
}

// start starts a server on one core and waits until it listens. env is added to its
// environment.
func (s *stage) start(p spec, env ...string) (*contestant, error) {
	c, err := s.launch(p, env...)
	if err != nil {
		return nil, err
	}
	if err := s.wait(c.addr); err != nil {
		c.stop()
		return nil, fmt.Errorf("%s: %w: %s", p.name, err, c.output)
	}
	return c, nil
}

// launch is start without the wait.
func (s *stage) launch(p spec, env ...string) (*contestant, error) {
	if p.signed && p.program != "step8" && s.issuer == nil {
		issuer, err := s.start(specOf(performance.Step(8)))
		if err != nil {
			return nil, err
		}
		s.issuer = issuer
	}
	if p.binary == "" && p.command == nil {
		if err := s.build(p.program); err != nil {
			return nil, err
		}
		p.binary = p.program
	}
	port, err := program.FreePort()
	if err != nil {
		return nil, err
	}
	c := &contestant{spec: p, addr: "localhost:" + port, output: &tail{}}
	c.audience = "http://" + c.addr + "/mcp"
	if p.signed {
		token, err := s.signer.token(s.issuerOf(c), c.audience, "alice")
		if err != nil {
			return nil, err
		}
		c.tokens = []string{token}
	}
	command := append([]string{s.path(p.binary)}, s.arguments(c)...)
	if p.command != nil {
		command = append(append([]string{}, p.command...), s.arguments(c)...)
	}
	c.cmd = onCore(serverCore, command[0], command[1:]...)
	if p.anyCore {
		c.cmd = exec.Command(command[0], command[1:]...)
	}
	c.cmd.Dir, c.cmd.Stderr = s.scratch, c.output
	c.cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1", "JWT_ISSUER="+s.issuerURL(), "MCP_SERVER_URL=http://"+c.addr), env...)
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	s.running = append(s.running, c)
	return c, nil
}

// arguments are those of a server's command line.
func (s *stage) arguments(c *contestant) []string {
	hyphen := cmp.Or(c.flag, "-")
	arguments := []string{hyphen + "addr", c.addr}
	switch {
	case c.program == "step8":
		arguments = append(arguments, "-keys", s.path("keys"))
	case c.guard != "":
		arguments = append(arguments, hyphen+"guard", c.guard, hyphen+"key", filepath.Join(s.path("keys"), keys.PublicFile),
			hyphen+"issuer", s.issuerURL(), hyphen+"audience", c.audience)
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
func onCore(core, path string, arguments ...string) *exec.Cmd {
	if taskset, err := exec.LookPath("taskset"); err == nil {
		return exec.Command(taskset, append([]string{"-c", core, path}, arguments...)...)
	}
	return exec.Command(path, arguments...)
}

// wait waits until a server listens.
func (s *stage) wait(addr string) error {
	for range 1200 {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-time.After(25 * time.Millisecond):
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

func (s signer) token(issuer, audience, username string) (string, error) {
	return s.tokenOf(issuer, audience, username, "bench")
}

func (s signer) tokenOf(issuer, audience, username, client string) (string, error) {
	return mint.New(s.key, s.id, mint.Grant{
		Issuer: issuer, Audience: audience, Username: username, ClientID: client, Scopes: []string{"mcp:read", "mcp:tools"},
		Roles: mint.RolesOf(username), Lifetime: 2 * time.Hour, Now: time.Now(),
	}).Token()
}

// tail keeps the first of what a program writes, and forgets the rest.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() < 4<<10 {
		t.b.Write(text)
	}
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

var _ io.Writer = (*tail)(nil)

// status reads a line of what the system says about a process, in bytes; 0 where
// there is none. VmRSS is the memory that it uses now.
func (c *contestant) status(name string) int {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kilobytes, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kilobytes << 10
		}
	}
	return 0
}
