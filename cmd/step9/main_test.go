package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	programs "mcp-auth-step-by-step/internal/tutorial/program"
)

// childName, set in the environment, makes the test binary be the program, as
// which it is run again by these tests.
const childName = "STEP9_TEST_CHILD"

func TestMain(m *testing.M) {
	if _, isChild := os.LookupEnv(childName); !isChild {
		programs.ClearEnvironment()
		os.Exit(m.Run())
	}
	main()
}

// program is step9, running.
type program struct {
	*exec.Cmd
	listening, issuer string
	stdout            *bytes.Buffer
}

func run(t *testing.T, args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), childName+"=1", "GORACE=atexit_sleep_ms=0")
	return c
}

var (
	ready  = regexp.MustCompile(`^listening on (http://localhost:[0-9]+)$`)
	stated = regexp.MustCompile(`(?m)^issuer  (\S+)$`)
)

// start runs step9 until it is ready.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{Cmd: run(t, args...), stdout: &bytes.Buffer{}}
	p.Stdout = p.stdout
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		if match := ready.FindStringSubmatch(lines.Text()); match != nil {
			p.listening = match[1]
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			break
		}
	}
	if p.listening == "" {
		t.Fatalf("it ended: %q", said)
	}
	// What it prints comes before it listens, and arrives by another pipe.
	metadata := fetch(t, p.listening+"/.well-known/oauth-authorization-server/realms/mcp-realm")
	p.issuer, _ = metadata["issuer"].(string)
	return p
}

// kill ends it as kill -9 does.
func (p *program) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

func fetch(t *testing.T, where string) map[string]any {
	t.Helper()
	response, err := http.Get(where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var document map[string]any
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", where, response.StatusCode, err)
	}
	return document
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	redirect  = "http://127.0.0.1:7777/callback"
)

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

func exchange(t *testing.T, issuer string, form url.Values) tokens {
	t.Helper()
	form.Set("client_id", "mcp-test-client")
	response, err := http.PostForm(issuer+"/protocol/openid-connect/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var got tokens
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// logIn goes through the pages and returns the tokens.
func logIn(t *testing.T, issuer string) tokens {
	t.Helper()
	query := url.Values{
		"response_type": {"code"}, "client_id": {"mcp-test-client"}, "redirect_uri": {redirect}, "scope": {"mcp:read mcp:tools"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "state": {"s"},
	}
	back, err := formlogin.Run(t.Context(), issuer+"/protocol/openid-connect/auth?"+query.Encode(), redirect, formlogin.User{Name: "mcp-user", Password: "user123"})
	if err != nil {
		t.Fatal(err)
	}
	if back.Query().Get("iss") != issuer {
		t.Errorf("iss is %q", back.Query().Get("iss"))
	}
	return exchange(t, issuer, url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier}})
}

// verify checks an access token as the MCP server of step 10 would: by what it
// finds at the issuer.
func verify(t *testing.T, issuer, resource, token string) {
	t.Helper()
	where, _ := fetch(t, issuer+"/.well-known/openid-configuration")["jwks_uri"].(string)
	response, err := http.Get(where)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwks.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	v := &accesstoken.Verifier{Issuer: issuer, Audience: resource, Keys: set, Algorithms: []string{"RS256"}}
	if who, err := v.Verify(t.Context(), token); err != nil || who.Username != "mcp-user" || len(who.Scopes) != 2 {
		t.Errorf("%v %v", who, err)
	}
}

func TestFromLoginToToken(t *testing.T) {
	p := start(t, "-addr", "localhost:0", "-keys", filepath.Join(t.TempDir(), "keys"), "-resource", "https://mcp.example.com/mcp")
	if p.issuer != p.listening+"/realms/mcp-realm" {
		t.Errorf("issuer %s, listening on %s", p.issuer, p.listening)
	}
	verify(t, p.issuer, "https://mcp.example.com/mcp", logIn(t, p.issuer).Access)
	p.kill()
	out := p.stdout.String()
	if match := stated.FindStringSubmatch(out); match == nil || match[1] != p.issuer {
		t.Errorf("it printed %q", out)
	}
	// WA16: clients wait for ever where the server has forgotten them.
	for _, want := range []string{"Registered clients are forgotten", "-state FILE", "mcp-readonly, demo password readonly123", "-d client_id=mcp-test-client -d username=mcp-user -d password=user123"} {
		if !strings.Contains(out, want) {
			t.Errorf("it printed %q, without %q", out, want)
		}
	}
}

func TestBehindItsProxy(t *testing.T) {
	p := start(t, "-addr", "localhost:0", "-proxy", "localhost:0", "-keys", filepath.Join(t.TempDir(), "keys"))
	if strings.HasPrefix(p.issuer, p.listening) || !strings.HasSuffix(p.issuer, "/realms/mcp-realm") {
		t.Fatalf("issuer %s, listening on %s", p.issuer, p.listening)
	}
	verify(t, p.issuer, "http://localhost:9000/mcp", logIn(t, p.issuer).Access)
}

// TestKilledAndStartedAgain is kill -9 between two halves of a flow.
func TestKilledAndStartedAgain(t *testing.T) {
	dir := t.TempDir()
	port, err := programs.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-addr", "localhost:" + port, "-keys", filepath.Join(dir, "keys"), "-state", filepath.Join(dir, "state.db")}
	first := start(t, args...)
	got := logIn(t, first.issuer)
	first.kill()
	second := start(t, args...)
	if second.issuer != first.issuer {
		t.Fatalf("issuer %s, then %s", first.issuer, second.issuer)
	}
	verify(t, second.issuer, "http://localhost:9000/mcp", got.Access) // the key is kept
	next := exchange(t, second.issuer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}})
	if next.Access == "" {
		t.Errorf("refreshing after the restart: %s", next.Error)
	}
	if again := exchange(t, second.issuer, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}}); again.Error != "invalid_grant" {
		t.Errorf("the old refresh token again: %q", again.Error)
	}
	second.kill()
	if strings.Contains(second.stdout.String(), "forgotten") {
		t.Errorf("it warns of what it keeps: %s", second.stdout)
	}
}

func TestJ05_WhatDoesNotStart(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	for _, test := range []struct {
		says string
		args []string
	}{
		{"demo password", []string{"-addr", "0.0.0.0:0"}},
		{"demo password", []string{"-addr", "localhost:0", "-url", "https://auth.example.com"}},
		{"demo password", []string{"-addr", "localhost:0", "-proxy", "0.0.0.0:0"}},
		{"must be https", []string{"-addr", "localhost:0", "-url", "http://auth.example.com"}},
		{"no-such.json", []string{"-addr", "localhost:0", "-realm-file", "no-such.json"}},
		{"want embedded or keycloak", []string{"-provider", "okta"}},
		{"-document-hosts: \"*.claude.ai\" is not the name of one host", []string{"-addr", "localhost:0", "-document-hosts", "claude.ai,*.claude.ai"}},
		{"-redirect-hosts: \"https://claude.ai\"", []string{"-addr", "localhost:0", "-redirect-hosts", "https://claude.ai"}},
		{"-redirect-schemes: \"javascript\"", []string{"-addr", "localhost:0", "-redirect-schemes", "cursor, javascript"}},
		{"-trusted-proxy: trusted proxy 0.0.0.0/0", []string{"-addr", "localhost:0", "-trusted-proxy", "0.0.0.0/0"}},
		{"docs/clients.md", []string{"-provider", "keycloak", "-redirect-hosts", "claude.ai"}},
		{"--provider keycloak", []string{"-check"}},
		{"-upstream: no-such.env: file not found", []string{"-addr", "localhost:0", "-upstream", "no-such.env"}},
		{"Identity providers", []string{"-provider", "keycloak", "-upstream", "no-such.env"}},
		{"--proxy", []string{"-addr", "localhost:0", "-proxy", "no such address"}},
		{"state file", []string{"-addr", "localhost:0", "-state", t.TempDir()}},
	} {
		t.Run(fmt.Sprint(test.args), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := run(t, append(test.args, "-keys", keys)...)
			done := make(chan struct{})
			var out []byte
			var err error
			go func() { out, err = c.CombinedOutput(); close(done) }()
			select {
			case <-done:
			case <-ctx.Done():
				_ = c.Process.Kill()
				t.Fatal("it runs")
			}
			if err == nil || !strings.Contains(string(out), test.says) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
