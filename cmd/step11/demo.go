package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	s.narrator.fold = !o.verbose
	defer s.stop()
	if err := s.play(ctx, o.report); err != nil {
		s.narrator.tellHeld()
		fmt.Fprintf(stderr, "step11: the demo failed: %s\n%s", explain(err), s.logs())
		return exitFailed
	}
	return 0
}

// What a reader is told before the demo starts, and after it.
const (
	headline = "How a program gets into a protected MCP server"
	intro    = `You will see a client find out who can let it in, ask the user, and call a tool.
Four take part: the user, the client, the MCP server and the authorization server.

  user                   mcp-user, a demo user; this program plays the user's browser
  client                 this program; it knows one URL, the MCP server's
  MCP server             the program of step 10; it has the tools
  authorization server   the program of step 9; it knows the users and issues tokens

At the end somebody changes one character of a token, and is refused.`
	summary = `The MCP server refused a client without a token, and said who issues tokens. The client
registered there by itself. The user logged in and agreed in the browser: the client got a
code and never saw the password. It exchanged the code for a token, and showed the token
with each request.

The first token allowed reading and nothing else. For the tool the MCP server wanted more,
and the user was asked again.

The MCP server did not ask anybody about the tokens: it checked their signatures with a
public key. So one changed character was enough for a refusal.`
)

// stage is where the demo plays.
type stage struct {
	dir      string
	narrator *narrator
	programs []*program.Program
	output   []*output // of the programs
	issuer   *url.URL  // of the authorization server, with its realm
	server   string    // URL of the MCP server
}

// output is what a server has written.
type output struct {
	name string
	program.Buffer
}

func (s *stage) play(ctx context.Context, report string) error {
	s.narrator.say(heading, headline)
	s.narrator.say("", intro)
	s.narrator.chapter("The servers start", "The MCP server doesn't know any user. "+
		"It knows one authorization server, and fetches the public keys by which it can check that server's tokens.")
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if err := s.startServers(ctx, root); err != nil {
		return err
	}
	if err := s.showKeys(ctx); err != nil {
		return err
	}
	outcome, err := s.callAndForget(ctx)
	if err != nil {
		return err
	}
	s.narrator.say(heading, "What you saw")
	s.narrator.say("", summary)
	report = cmp.Or(report, "flow.html")
	return writeReport(report, flowreport.Report{
		Server: s.server, Outcome: outcome, Lessons: lessonsFrom(report, root), Chapters: s.narrator.chapters,
	}, s.narrator)
}

// callAndForget is the client's part, and the attacker's. It returns what came
// of it.
func (s *stage) callAndForget(ctx context.Context) (string, error) {
	store := &tokens{FileStore: mcpauth.FileStore{Dir: filepath.Join(s.dir, "store")}}
	authorization, err := mcpauth.New(mcpauth.Config{
		ResourceURL: s.server, Name: "Step 11, the demo", Agent: formAgent{demoUser, s.narrator.Observe}, Store: store, Trace: s.narrator.Observe,
	})
	if err != nil {
		return "", err
	}
	defer authorization.CloseIdleConnections()
	s.narrator.chapter("The client knows one URL, and finds its way in", "It wants the list of tools from "+s.server+
		". It has no token, no account and no address of an authorization server.")
	listed, err := (&options{server: s.server}).call(ctx, authorization, s.narrator)
	if err != nil {
		return "", cause(authorization, err)
	}
	if token := store.token; token == nil || strings.Contains(token.Scope, "mcp:tools") {
		return "", errors.New("the first token should allow listing and nothing else")
	}
	s.narrator.chapter("The client calls a tool, and needs a second permission", "Its token is good, but its scope is too small. "+
		"So the user is asked again, for what is missing (step-up).")
	echo := &options{server: s.server, tool: "echo", arguments: map[string]any{"message": "hi"}}
	called, err := echo.call(ctx, authorization, s.narrator)
	if err != nil {
		return "", cause(authorization, err)
	}
	token := store.token
	if token == nil || !strings.Contains(token.Scope, "mcp:tools") {
		return "", errors.New("the step-up should have brought mcp:tools")
	}
	s.narrator.chapter("An attacker changes the token", "One character of its claims is another now. The signature doesn't fit any more.")
	if err := s.tampered(ctx, token.Access); err != nil {
		return "", err
	}
	s.narrator.chapter("The client gives everything back", "It revokes its tokens and deletes its registration, "+
		"so nothing is left that somebody could steal.")
	if _, err := authorization.Forget(ctx); err != nil {
		return "", err
	}
	return listed + " " + called + " A changed token was refused.", nil
}

// lessonsFrom is the folder of the lessons, as a link from a report.
func lessonsFrom(report, root string) string {
	path, err := filepath.Abs(report)
	if err != nil {
		return ""
	}
	relative, err := filepath.Rel(filepath.Dir(path), filepath.Join(root, "docs"))
	if err != nil {
		return "" // on another drive
	}
	return filepath.ToSlash(relative)
}

// asked finds in the log of the authorization server for what it was asked.
var asked = regexp.MustCompile(`(?m)msg=request method=GET path=(\S+) status=200 `)

// showKeys shows what the MCP server has fetched from the authorization server:
// what the log of that server names, asked for once more, for the answers.
func (s *stage) showKeys(ctx context.Context) error {
	found := asked.FindAllStringSubmatch(s.output[0].String(), -1) // step 9 was started first
	if len(found) == 0 {
		return errors.New("the MCP server did not fetch the keys of the authorization server")
	}
	client := s.somebody("server", mcpauth.StageKeys)
	for _, path := range found {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.issuer.Host+path[1], nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
	}
	s.narrator.Observe(mcpauth.Event{At: time.Now(), Stage: mcpauth.StageKeys,
		Note: "The MCP server keeps the public key. With it, it can check a signature; it can't make one."})
	return nil
}

// somebody is not the client, but what they send is shown as well.
func (s *stage) somebody(name string, stage mcpauth.Stage) *http.Client {
	trace := func(e mcpauth.Event) {
		e.Stage, e.Exchange.From = stage, name
		s.narrator.Observe(e)
	}
	return &http.Client{Timeout: 10 * time.Second, Transport: mcpauth.Traced(http.DefaultTransport, trace)}
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
	client := s.somebody("attacker", mcpauth.StageRequest)
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

// startServers starts both. Each has to know the other's address before it
// starts, so one port is chosen beforehand.
func (s *stage) startServers(ctx context.Context, root string) error {
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
	if s.issuer, err = url.Parse(issuer); err != nil {
		return err
	}
	s.narrator.hosts = map[string]string{"localhost:" + port: "MCP server", s.issuer.Host: "authorization server", "client": "client"}
	settings := filepath.Join(s.dir, "step10.env")
	text := "KEYCLOAK_URL=" + issuer + "\nKEYCLOAK_REALM=mcp-realm\nMCP_SERVER_URL=" + base + "\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := s.start(ctx, root, "step10", "-addr", "localhost:"+port, "-env", settings); err != nil {
		return err
	}
	return program.AwaitReady(ctx, base+"/health")
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
	log := &output{name: name}
	s.output = append(s.output, log)
	command := exec.CommandContext(ctx, binary, args...)
	command.Env = program.Environment()
	running, err := program.Start(command, log)
	if err != nil {
		return "", err
	}
	s.programs = append(s.programs, running)
	return running.URL, nil
}

// stop ends the servers, the last first.
func (s *stage) stop() {
	for _, running := range slices.Backward(s.programs) {
		running.Stop()
	}
}

// logs is what the servers wrote last, for when the demo fails.
func (s *stage) logs() string {
	var b strings.Builder
	for _, log := range s.output {
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		fmt.Fprintf(&b, "%s.log:\n  %s\n", log.name, strings.Join(lines[max(0, len(lines)-8):], "\n  "))
	}
	return b.String()
}
