package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/web/version"
)

func TestUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"an argument":              {"list"},
		"two things":               {"--list", "--call", "echo"},
		"an argument for nothing":  {"--arg", "a=b"},
		"an argument without name": {"--call", "echo", "--arg", "=b"},
		"a secret of nobody":       {"--client-secret", "x"},
		"two proofs":               {"--client-id", "x", "--client-secret", "y", "--client-key", "z"},
		"login without password":   {"--login", "ada"},
		"two ways to answer":       {"--login", "a:b", "--no-browser"},
		"a grant of nobody":        {"--grant", "client-credentials"},
		"quiet and verbose":        {"--quiet", "-v"},
		"an unknown flag":          {"--nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := run(t.Context(), args, strings.NewReader(""), &out, &errs); got != exitUsage || strings.Count(errs.String(), "\n") != 1 || out.Len() != 0 {
				t.Errorf("status %d, %q, %q", got, out.String(), errs.String())
			}
		})
	}
	var out, errs bytes.Buffer
	if got := run(t.Context(), []string{"-h"}, strings.NewReader(""), &out, &errs); got != 0 || !strings.Contains(errs.String(), "needs nothing but the URL") {
		t.Errorf("-h: status %d, %s", got, errs.String())
	}
}

func TestVersion(t *testing.T) {
	var out, errs bytes.Buffer
	got := run(t.Context(), []string{"-version"}, strings.NewReader(""), &out, &errs)
	if want := "step11 " + version.Number + "\n"; got != 0 || out.String() != want || errs.Len() != 0 {
		t.Errorf("status %d, %q, %q; want %q", got, out.String(), errs.String(), want)
	}
}

func TestGrants(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(" a.b.c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    options
		good bool
	}{
		"client credentials":     {options{grant: "client-credentials"}, true},
		"workload":               {options{grant: "jwt-bearer", assertion: file}, true},
		"workload without a JWT": {options{grant: "jwt-bearer"}, false},
		"enterprise":             {options{grant: "enterprise", idToken: file, idpEndpoint: "https://idp.example/token", idpClientID: "x"}, true},
		"enterprise, half":       {options{grant: "enterprise", idToken: file}, false},
		"enterprise, no file":    {options{grant: "enterprise", idToken: file + "x", idpEndpoint: "https://idp.example/token", idpClientID: "x"}, false},
		"another":                {options{grant: "password"}, false},
	} {
		if _, err := c.o.grantOf(); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := clientauth.ReadKey(file, localfile.OwnerOnly); err == nil || !strings.Contains(err.Error(), "openssl") {
		t.Errorf("a file without a key: %v", err)
	}
}

// WD18: a client's key that others can read is not used, unless a container
// platform mounted it for a group.
func TestWD18_OpenModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode][2]bool{0o600: {true, true}, 0o440: {false, true}, 0o604: {false, false}, 0o660: {false, false}} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		for i, mounted := range []bool{false, true} {
			_, err := (&options{clientID: "x", clientKey: file, mountedKeys: mounted}).preRegistered()
			if err == nil || strings.Contains(err.Error(), "chmod 600") == want[i] {
				t.Errorf("mode %04o, mounted: %t: %v", mode, mounted, err)
			}
		}
	}
}

func TestExitStatus(t *testing.T) {
	for want, err := range map[int]error{
		0: nil, exitFailed: errors.New("x"), exitNotLetIn: fmt.Errorf("x: %w", &mcpauth.ServerError{Code: "access_denied"}),
		exitUnreachable: fmt.Errorf("x: %w", &mcpauth.UnreachableError{Err: errors.New("x")}), exitTool: &toolError{"x"},
	} {
		if got := status(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
	for _, err := range []error{mcpauth.ErrScope, mcpauth.ErrIssuer, mcpauth.ErrResource, mcpauth.ErrPKCE, mcpauth.ErrRedirect, mcpauth.ErrNoAnswer} {
		if got := status(fmt.Errorf("x: %w", err)); got != exitNotLetIn {
			t.Errorf("%v: %d", err, got)
		}
	}
}

// What a server says can't steer the terminal.
func TestPlain(t *testing.T) {
	var b bytes.Buffer
	n := &narrator{out: &plain{Writer: &b}}
	n.result("a\x1b[2J\u009b\u202eb\nc")
	if got := b.String(); got != "\nResult\n    a[2Jb\n    c\n" {
		t.Errorf("got %q", got)
	}
}

// On a terminal that takes colours there are some, and still what a server says
// brings none.
func TestColour(t *testing.T) {
	refused := mcpauth.Event{Stage: mcpauth.StageRequest, Exchange: &mcpauth.Exchange{
		From: "client", Method: "GET", URL: "http://localhost:1/", Status: 401, Reply: `{"error":"\u001b[7m"}`,
	}}
	for _, colour := range []bool{true, false} {
		var b bytes.Buffer
		n := &narrator{out: &plain{Writer: &b, colour: colour}}
		n.chapter("A", "b")
		n.Observe(refused)
		for _, want := range []string{"\x1b[1;36m\n== 1. A\n\x1b[0m", "\x1b[31m    ← 401 Unauthorized\n\x1b[0m"} {
			if strings.Contains(b.String(), want) != colour {
				t.Errorf("colour %t: %q", colour, b.String())
			}
		}
		if strings.Contains(b.String(), "\x1b[7m") || !colour && strings.Contains(b.String(), "\x1b") {
			t.Errorf("colour %t: %q", colour, b.String())
		}
	}
}

func TestWhoTakesColour(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = device.Close() }()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for name, c := range map[string]struct {
		w    io.Writer
		env  map[string]string
		want bool
	}{
		"a terminal":                     {device, nil, true},
		"NO_COLOR":                       {device, map[string]string{"NO_COLOR": "1"}, false},
		"NO_COLOR, empty":                {device, map[string]string{"NO_COLOR": ""}, true},
		"a dumb terminal":                {device, map[string]string{"TERM": "dumb"}, false},
		"a file":                         {file, nil, false},
		"something that is in a program": {io.Discard, nil, false},
	} {
		if got := takesColour(c.w, func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// Turns that repeat become one line, except where something went wrong.
func TestRepeatedTurns(t *testing.T) {
	turn := func(stage mcpauth.Stage, status int) mcpauth.Event {
		return mcpauth.Event{Stage: stage, Exchange: &mcpauth.Exchange{From: "client", Method: "GET", URL: "http://localhost:1/" + stage.String(), Status: status}}
	}
	tell := func(fold bool, last int) string {
		var b bytes.Buffer
		n := &narrator{out: &b, fold: fold}
		for range 2 {
			n.Observe(turn(mcpauth.StageRequest, 401))
			n.Observe(turn(mcpauth.StageResource, 200))
			n.Observe(turn(mcpauth.StageServer, 200))
		}
		n.Observe(turn(mcpauth.StageServer, last))
		n.result("x")
		return b.String()
	}
	if said := tell(true, 200); !strings.Contains(said, "\n5–6. The same as turns 2–3: ") || strings.Contains(said, " 5. Read") {
		t.Errorf("not folded: %s", said)
	}
	if said := tell(true, 500); strings.Contains(said, "5–6") || !strings.Contains(said, " 5. Read") || strings.Count(said, " 6. Read") != 1 {
		t.Errorf("folded: %s", said)
	}
	if said := tell(false, 200); strings.Contains(said, "5–6") || !strings.Contains(said, " 6. Read") {
		t.Errorf("folded without being asked: %s", said)
	}
}

// servers starts steps 9 and 10, once for all tests.
var servers = sync.OnceValues(func() (*stage, error) {
	dir, err := os.MkdirTemp("", "step11-test-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, narrator: &narrator{out: io.Discard}}
	root, err := moduleRoot(context.Background())
	if err != nil {
		return s, err
	}
	return s, s.startServers(context.Background(), root)
})

func TestMain(m *testing.M) {
	program.ClearEnvironment()
	status := m.Run()
	if s, _ := servers(); s != nil {
		s.stop()
		_ = os.RemoveAll(s.dir)
	}
	os.Exit(status)
}

func theServers(t *testing.T) *stage {
	t.Helper()
	s, err := servers()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.logs())
	}
	return s
}

// try runs the program against the servers.
func try(t *testing.T, store string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	s := theServers(t)
	var out, errs bytes.Buffer
	args = append([]string{"--server", s.server, "--store", store}, args...)
	status = run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

const login = "mcp-user:user123" // the demo user of the realm file

func TestTheWholeWay(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	report := filepath.Join(t.TempDir(), "flow.html")

	status, out, errs := try(t, store, "--login", login, "--report", report)
	if status != 0 {
		t.Fatalf("status %d, %s", status, errs)
	}
	for _, said := range []string{
		" 1. Ask the MCP server", "401 Unauthorized", " 2. Read the MCP server's metadata", "authorization_servers:", " 3. Read the authorization server's metadata",
		"code_challenge_methods_supported:", " 4. Register the client", " 5. Ask the user", "?client_id=", "&resource=http://localhost:", " 6. Get a token",
		"access_token, decoded:", `aud: "http://localhost:`, " 7. Ask the MCP server", "\nResult\n    echo ",
	} {
		if !strings.Contains(out, said) {
			t.Errorf("it did not say %q", said)
		}
	}
	page, err := os.ReadFile(report)
	if err != nil || !bytes.Contains(page, []byte("Authorization server")) || !bytes.Contains(page, []byte("tools/list")) || bytes.Contains(page, []byte("user123")) {
		t.Errorf("the report: %d bytes, %v", len(page), err)
	}

	status, out, errs = try(t, store, "--login", login)
	if status != 0 || !strings.Contains(out, "from an earlier run") || strings.Contains(out, "401") || strings.Contains(out, "Ask the user") {
		t.Errorf("the second run: status %d, %s%s", status, out, errs)
	}

	status, out, errs = try(t, store, "--login", login, "--quiet", "--call", "echo", "--arg", "message=hi")
	if status != 0 || out != "hi\n" {
		t.Errorf("a call: status %d, %q, %s", status, out, errs)
	}

	status, out, _ = try(t, store, "--login", login, "--json", "--call", "whoami")
	lines := bufio.NewScanner(strings.NewReader(out))
	last := ""
	for lines.Scan() {
		if last = lines.Text(); !json.Valid([]byte(last)) {
			t.Errorf("no JSON: %s", last)
		}
	}
	if status != 0 || !strings.Contains(last, "result") || !strings.Contains(last, "mcp-user") {
		t.Errorf("as JSON: status %d, %s", status, last)
	}

	status, _, errs = try(t, store, "--login", login, "--quiet", "--call", "get_time", "--arg", "timezone=Nowhere/At_all")
	if status != exitTool || !strings.Contains(errs, "the tool reports an error") {
		t.Errorf("an error of the tool: status %d, %s", status, errs)
	}

	// Whatever is shown, even all of it, holds no secret.
	entries, err := os.ReadDir(store)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the store has %v, %v", entries, err)
	}
	kept, err := (&mcpauth.FileStore{Dir: store}).ForResourceURL(theServers(t).server)
	if err != nil || len(kept) != 1 {
		t.Fatalf("the store has %v, %v", kept, err)
	}
	_, whole, _ := try(t, store, "--login", login, "-v", "--call", "echo", "--arg", "message=hi", "--report", report)
	_, lined, _ := try(t, store, "--login", login, "--json", "--call", "echo", "--arg", "message=hi")
	page, err = os.ReadFile(report)
	if err != nil || !strings.Contains(whole, "Authorization: Bearer eyJh…") {
		t.Errorf("-v does not show the header: %v, %s", err, whole)
	}
	for _, secret := range []string{kept[0].Token.Access, kept[0].Token.Refresh, "user123"} {
		if secret == "" || strings.Contains(whole+lined+string(page), secret) {
			t.Errorf("%.6s… is shown", secret)
		}
	}

	status, out, errs = try(t, store, "--forget")
	if status != 0 || !strings.Contains(out, "Removed") {
		t.Errorf("--forget: status %d, %s%s", status, out, errs)
	}
	if left, _ := os.ReadDir(store); len(left) != 0 {
		t.Errorf("left in the store: %v", left)
	}
}

func TestNotLetIn(t *testing.T) {
	if status, _, errs := try(t, "none", "--login", login, "--call", "audit"); status != exitNotLetIn || !strings.Contains(errs, "role does not allow this") {
		t.Errorf("a tool for others: status %d, %s", status, errs)
	}
	status, out, errs := try(t, "none", "--login", "mcp-user:wrong-password")
	if status != exitNotLetIn || !strings.Contains(errs, "does not accept") || strings.Contains(out+errs, "wrong-password") {
		t.Errorf("a wrong password: status %d, %s", status, errs)
	}
	if status, _, errs = try(t, "none", "--login", login, "--dpop"); status != exitNotLetIn || !strings.Contains(errs, "DPoP") {
		t.Logf("--dpop: status %d, %s", status, errs) // or the server has learnt it
	}
	var b bytes.Buffer
	if got := run(t.Context(), []string{"--server", "http://127.0.0.1:1/mcp", "--store", "none", "--login", login}, strings.NewReader(""), &b, &b); got != exitUnreachable {
		t.Errorf("nobody there: status %d, %s", got, b.String())
	}
	if got := run(t.Context(), []string{"--server", "http://mcp.example/mcp", "--store", "none"}, strings.NewReader(""), &b, &b); got != exitNotLetIn {
		t.Errorf("http to elsewhere: status %d, %s", got, b.String())
	}
}

// A shell without a browser: the URL is printed, and the redirect is pasted.
func TestNoBrowser(t *testing.T) {
	s := theServers(t)
	in, paste := io.Pipe()
	said, out := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- run(t.Context(), []string{"--server", s.server, "--store", "none", "--no-browser", "--quiet"}, in, out, out)
		_ = out.Close()
	}()
	var redirect, listed string
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.Contains(line, "/protocol/openid-connect/auth?"):
			_, rest, _ := strings.Cut(line, "redirect_uri=")
			encoded, _, _ := strings.Cut(rest, "&")
			redirect = strings.NewReplacer("%3A", ":", "%2F", "/").Replace(encoded)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			back, err := formlogin.Run(ctx, line, redirect, demoUser)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			go fmt.Fprintf(paste, "nonsense\n%s?code=x&state=y\n%s\n", redirect, back)
		case strings.HasPrefix(line, "echo "):
			listed = line
		}
	}
	if status := <-done; status != 0 || listed == "" {
		t.Errorf("status %d, %q", status, listed)
	}
}

func TestDemo(t *testing.T) {
	report := filepath.Join(t.TempDir(), "flow.html")
	var out, errs bytes.Buffer
	if got := run(t.Context(), []string{"--demo", "--report", report}, strings.NewReader(""), &out, &errs); got != 0 {
		t.Fatalf("status %d\n%s", got, errs.String())
	}
	for _, said := range []string{
		"insufficient_scope", "steps up", "\nResult\n    hi\n", "invalid_token", "/revoke",
		headline, "the program of step 9; it knows the users and issues tokens", "\n== 1. The servers start\n", "\n== 5. The client gives everything back\n",
		"MCP server → authorization server: GET http://localhost:", "/protocol/openid-connect/certs\n    ← 200 OK", "The user reads the login page",
		"\n10–14. The same as turns 3–7:", `for "mcp:read mcp:tools".`, "attacker → MCP server: POST", "the same document as before", "\nWhat you saw\n",
	} {
		if !strings.Contains(out.String(), said) {
			t.Errorf("it did not say %q", said)
		}
	}
	for _, tooMuch := range []string{"\n12. ", "\x1b"} {
		if strings.Contains(out.String(), tooMuch) {
			t.Errorf("it said %q", tooMuch)
		}
	}
	page, err := os.ReadFile(report)
	for _, want := range []string{
		"403 Forbidden", "<h2>2. The client knows one URL, and finds its way in</h2>", "/docs/step7.md", "<b>10–14</b>", "<b>The user:</b> reads which client asks",
		"which it fetched at the start", "Attacker</b>",
	} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the report (%d bytes, %v) lacks %s", len(page), err, want)
		}
	}
	if strings.Contains(out.String(), demoUser.Password) {
		t.Error("it shows the password")
	}
}
