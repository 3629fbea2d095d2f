package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/counterparts"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// place is where the cases run: the servers, and what the drivers need.
type place struct {
	root, folder string
	servers      map[string]string // URL of the MCP endpoint by provider
	versions     map[string]string // of the clients, by name
	login        string            // the program that plays the user at a browser
	token        string            // for step 8
	documents    *documents
	turns        net.Listener
	running      []*program.Program
}

// open builds all programs and starts the servers.
func open(ctx context.Context, root string) (_ *place, err error) {
	p := &place{root: root, servers: map[string]string{}, versions: map[string]string{}}
	if p.folder, err = os.MkdirTemp("", "clients"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, c := range counterparts.Clients {
		if p.versions[c.Name], err = c.Version(root); err != nil {
			return nil, err
		}
	}
	p.login = filepath.Join(p.folder, "login")
	if *upstream != "" { // whose pages are its own
		p.login = filepath.Join(p.folder, "browser")
	}
	if err := p.build(ctx, root, "./interop/login", "./interop/servers/browser", "./cmd/step8", "./cmd/step9",
		"./cmd/step10", "./cmd/gentoken"); err != nil {
		return nil, err
	}
	if err := p.build(ctx, filepath.Join(root, "interop/clients/go"), "./gosdk", "./mcpgo"); err != nil {
		return nil, err
	}
	if p.documents, err = serveDocuments(p.authority()); err != nil {
		return nil, err
	}
	if p.turns, err = net.Listen("tcp", "localhost:0"); err != nil {
		return nil, err
	}
	go giveTurns(p.turns)
	if *issuer != "" {
		return p, p.trustKeycloak(ctx)
	}
	servers := []func(context.Context) error{p.startLeast, p.startWide, p.startStep8}
	if *upstream != "" {
		servers = servers[1:2]
	}
	for _, start := range servers {
		if err := start(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *place) authority() string {
	if *authority != "" {
		return *authority
	}
	return filepath.Join(p.folder, "authority")
}

func (p *place) close() {
	for _, one := range p.running {
		one.Stop()
	}
	if p.turns != nil {
		_ = p.turns.Close()
	}
	if p.documents != nil {
		p.documents.close()
	}
	_ = os.RemoveAll(p.folder)
}

// giveTurns lets one login pass at a time: who has connected first gets a byte, and
// its turn ends with the connection.
func giveTurns(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		if _, err := connection.Write([]byte{1}); err == nil {
			_, _ = connection.Read(make([]byte, 1))
		}
		_ = connection.Close()
	}
}

func (p *place) build(ctx context.Context, module string, packages ...string) error {
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-o", p.folder + "/"}, packages...)...)
	build.Dir = module
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", packages, err, output)
	}
	return nil
}

// start starts a program of the steps in the place's folder, so that no file of
// the repository is read that isn't named.
func (p *place) start(ctx context.Context, environment []string, name string, flags ...string) (*program.Program, error) {
	command := exec.CommandContext(ctx, filepath.Join(p.folder, name), flags...)
	command.Dir = p.folder
	command.Env = append(os.Environ(), environment...)
	started, err := program.Start(command, io.Discard)
	if err == nil {
		p.running = append(p.running, started)
	}
	return started, err
}

// startLeast starts steps 9 and 10 as they are without an environment file.
func (p *place) startLeast(ctx context.Context) error {
	issuer, url, err := p.startStep9(ctx)
	if err != nil {
		return err
	}
	return p.startStep10(ctx, counterparts.StepNineLeast, url, []string{"JWT_ISSUER=" + issuer, "JWT_DIALECT=keycloak"})
}

// startWide starts them with the environment file of the repository, of which
// only the addresses are replaced.
func (p *place) startWide(ctx context.Context) error {
	issuer, url, err := p.startStep9(ctx)
	if err != nil {
		return err
	}
	base, _, _ := strings.Cut(issuer, "/realms/")
	return p.startStep10(ctx, counterparts.StepNineWide, url, []string{"KEYCLOAK_URL=" + base},
		"-env", filepath.Join(p.root, "keycloak_direct.env"))
}

// trustKeycloak starts step 10 for a Keycloak that runs. Its tokens are for
// port 9000.
func (p *place) trustKeycloak(ctx context.Context) error {
	base, realm, ok := strings.Cut(*issuer, "/realms/")
	if !ok {
		return fmt.Errorf("-issuer %q: want the URL of a realm, such as http://localhost:8080/realms/mcp-realm", *issuer)
	}
	environment := []string{"KEYCLOAK_URL=" + base, "KEYCLOAK_REALM=" + realm}
	return p.startStep10(ctx, counterparts.Keycloak, "http://localhost:9000", environment,
		"-env", filepath.Join(p.root, "keycloak_direct.env"))
}

// startStep9 starts an authorization server for an MCP server at a free port, and
// returns its issuer and that server's URL.
func (p *place) startStep9(ctx context.Context) (issuer, server string, err error) {
	port, err := program.FreePort()
	if err != nil {
		return "", "", err
	}
	server = "http://localhost:" + port
	trust := []string{"SSL_CERT_FILE=" + filepath.Join(p.authority(), authorityFile)}
	keys, err := os.MkdirTemp(p.folder, "keys")
	if err != nil {
		return "", "", err
	}
	flags := []string{"-addr", *at, "-keys", keys, "-resource", server + "/mcp", "-advertise-documents"}
	if *upstream != "" {
		flags = append(flags, "-upstream", *upstream)
	}
	started, err := p.start(ctx, trust, "step9", flags...)
	if err != nil {
		return "", "", err
	}
	return started.URL + "/realms/mcp-realm", server, nil
}

func (p *place) startStep10(ctx context.Context, provider, url string, environment []string, flags ...string) error {
	_, address, _ := strings.Cut(url, "://")
	environment = append(environment, "MCP_SERVER_URL="+url)
	started, err := p.start(ctx, environment, "step10", append([]string{"-addr", address}, flags...)...)
	if err != nil {
		return err
	}
	p.servers[provider] = started.URL + "/mcp"
	return program.AwaitReady(ctx, started.URL+"/health")
}

func (p *place) startStep8(ctx context.Context) error {
	keys := filepath.Join(p.folder, "keys-of-step8")
	started, err := p.start(ctx, nil, "step8", "-addr", "localhost:0", "-keys", keys)
	if err != nil {
		return err
	}
	p.servers[counterparts.StepEight] = started.URL + "/mcp"
	gentoken := exec.CommandContext(ctx, filepath.Join(p.folder, "gentoken"),
		"--issuer", started.URL, "--keys", keys, "--username", "alice", "--scopes", "mcp:read,mcp:tools,mcp:prompts")
	token, err := gentoken.Output()
	p.token = strings.TrimSpace(string(token))
	return err
}
