package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/flowreport"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// The demo user of the realm file. Everybody knows the password.
var demoUser = formlogin.User{Name: "mcp-user", Password: "user123"}

// demo starts the authorization server of step 9 and the MCP server of step 10
// on free ports, shows the whole flow with the demo user, and stops both again.
// It ends with status 0 if all of it happened as it should.
func demo(ctx context.Context, o *options, stdout, stderr io.Writer) int {
	dir, err := os.MkdirTemp("", "step11-demo-")
	if err != nil {
		fmt.Fprintln(stderr, "step11:", err)
		return exitFailed
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // building included
	defer cancel()
	s := &stage{dir: dir, narrator: o.narrator(stdout, stderr)}
	defer s.stop()
	if err := s.play(ctx, o.report); err != nil {
		fmt.Fprintf(stderr, "step11: the demo failed: %s\n%s", explain(err), s.logs())
		return exitFailed
	}
	return 0
}

// stage is where the demo plays.
type stage struct {
	dir      string
	narrator *narrator
	programs []*program.Program
	output   []*os.File // that the servers write to
	server   string     // URL of the MCP server
}

func (s *stage) play(ctx context.Context, report string) error {
	s.title("An authorization server (step 9) and an MCP server (step 10) start on free ports.")
	if err := s.startServers(ctx); err != nil {
		return err
	}
	store := &tokens{FileStore: mcpauth.FileStore{Dir: filepath.Join(s.dir, "store")}}
	authorization, err := mcpauth.New(mcpauth.Config{
		ResourceURL: s.server, Name: "Step 11, the demo", Agent: formAgent{demoUser}, Store: store, Trace: s.narrator,
	})
	if err != nil {
		return err
	}
	defer authorization.CloseIdleConnections()
	s.title("The client knows only " + s.server + ". It lists the tools, as the demo user " + demoUser.Name + ".")
	listed, err := (&options{server: s.server}).call(ctx, authorization, s.narrator)
	if err != nil {
		return cause(authorization, err)
	}
	if token := store.last(); token == nil || strings.Contains(token.Scope, "mcp:tools") {
		return errors.New("the first token should allow listing and nothing else")
	}
	s.title("It calls a tool. The scope of its token is too small for that.")
	echo := &options{server: s.server, tool: "echo", arguments: arguments{"message": "hi"}}
	called, err := echo.call(ctx, authorization, s.narrator)
	if err != nil {
		return cause(authorization, err)
	}
	token := store.last()
	if token == nil || !strings.Contains(token.Scope, "mcp:tools") {
		return errors.New("the step-up should have brought mcp:tools")
	}
	s.title("An attacker changes one character of the token's claims, and sends the token.")
	if err := s.tampered(ctx, token.Access); err != nil {
		return err
	}
	s.title("The client revokes its tokens and deletes its registration.")
	if _, err := authorization.Forget(ctx); err != nil {
		return err
	}
	return writeReport(cmp.Or(report, "flow.html"), flowreport.Report{
		Server: s.server, Outcome: listed + " " + called + " A tampered token was refused.", Events: s.narrator.events,
	}, s.narrator)
}

// tokens remembers the last token that was stored, to show what an attacker
// could do with it.
type tokens struct {
	mcpauth.FileStore
	token *mcpauth.Token
}

func (t *tokens) Save(entry *mcpauth.Entry) error {
	t.token = entry.Token
	return t.FileStore.Save(entry)
}

func (t *tokens) last() *mcpauth.Token { return t.token }

// tampered sends a token whose claims were changed after it was signed, and
// wants it refused.
func (s *stage) tampered(ctx context.Context, token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the access token is not a JWT")
	}
	middle := []byte(parts[1])
	// Another letter of base64url: a token of another form would be refused
	// for its form.
	if at := len(middle) / 2; middle[at] == 'A' {
		middle[at] = 'B'
	} else {
		middle[at] = 'A'
	}
	forged := parts[0] + "." + string(middle) + "." + parts[2]
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	request.Header.Set("Authorization", "Bearer "+forged)
	client := &http.Client{Transport: mcpauth.Traced(http.DefaultTransport, s.narrator), Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusUnauthorized || !strings.Contains(response.Header.Get("WWW-Authenticate"), "invalid_token") {
		return fmt.Errorf("a tampered token got status %d, and should have got 401 invalid_token", response.StatusCode)
	}
	return nil
}

// title says what comes next, in the narration and in the report.
func (s *stage) title(text string) {
	s.narrator.events = append(s.narrator.events, mcpauth.Event{At: time.Now(), Stage: mcpauth.StageRequest, Note: text})
	if !s.narrator.quiet && !s.narrator.json {
		fmt.Fprintf(s.narrator.out, "\n== %s\n", text)
	}
}

// startServers starts both. Each has to know the other's address before it
// starts, so one port is chosen beforehand.
func (s *stage) startServers(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	port, err := program.FreePort()
	if err != nil {
		return err
	}
	base := "http://localhost:" + port
	s.server = base + "/mcp"
	issuer, err := s.start(ctx, root, "step9", "-addr", "localhost:0", "-keys", filepath.Join(s.dir, "keys"), "-resource", s.server)
	if err != nil {
		return err
	}
	settings := filepath.Join(s.dir, "step10.env")
	text := "KEYCLOAK_URL=" + issuer + "\nKEYCLOAK_REALM=mcp-realm\nMCP_SERVER_URL=" + base + "\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := s.start(ctx, root, "step10", "-addr", "localhost:"+port, "-env", settings); err != nil {
		return err
	}
	return s.awaitReady(ctx, base+"/health")
}

func moduleRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	root, found := strings.CutPrefix(strings.TrimSpace(string(output)), "mcp-auth-step-by-step ")
	if err != nil || !found {
		return "", errors.New("the demo builds its servers; run it inside the repository, with Go installed")
	}
	return root, nil
}

// start builds and starts a server and returns its URL once it listens.
func (s *stage) start(ctx context.Context, root, name string, args ...string) (string, error) {
	binary, err := program.Build(ctx, root, s.dir, name)
	if err != nil {
		return "", err
	}
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return "", err
	}
	s.output = append(s.output, log)
	command := exec.CommandContext(ctx, binary, args...)
	command.Env = environment()
	running, err := program.Start(command, log)
	if err != nil {
		return "", err
	}
	s.programs = append(s.programs, running)
	return running.URL, nil
}

// environment is the caller's, without what would change the servers.
func environment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !slices.ContainsFunc([]string{"JWT_", "KEYCLOAK_", "MCP_", "JWKS_"}, func(p string) bool { return strings.HasPrefix(variable, p) }) {
			kept = append(kept, variable)
		}
	}
	return kept
}

// awaitReady waits until the MCP server has the provider's keys.
func (s *stage) awaitReady(ctx context.Context, health string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		response, err := http.Get(health)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the MCP server was not ready within 20 seconds")
}

// stop ends the servers, the last first.
func (s *stage) stop() {
	for _, running := range slices.Backward(s.programs) {
		running.Stop()
	}
	for _, log := range s.output {
		_ = log.Close()
	}
}

// logs is what the servers wrote last, for when the demo fails.
func (s *stage) logs() string {
	var b strings.Builder
	for _, log := range s.output {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "%s:\n  %s\n", filepath.Base(log.Name()), strings.Join(lines[max(0, len(lines)-8):], "\n  "))
	}
	return b.String()
}
