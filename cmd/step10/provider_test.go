package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/web/serve"
)

// patience is how long anything may take on a busy machine.
const patience = 30 * time.Second

// authorizationServer is step 9 as a process, which can be killed.
type authorizationServer struct {
	binary, addr, issuer string
	running              *program.Program
}

// build builds step 9 and finds it a port.
func build(t *testing.T) *authorizationServer {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := program.Build(t.Context(), root, t.TempDir(), "step9")
	if err != nil {
		t.Fatal(err)
	}
	port, err := program.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := "localhost:" + port
	as := &authorizationServer{binary: binary, addr: addr, issuer: "http://" + addr + "/realms/mcp-realm"}
	t.Cleanup(as.kill)
	return as
}

// start runs it, with the key of a folder, and waits until it is ready.
func (as *authorizationServer) start(t *testing.T, keys string) {
	t.Helper()
	command := exec.Command(as.binary, "-addr", as.addr, "-keys", keys)
	command.Dir = filepath.Dir(as.binary)
	var err error
	if as.running, err = program.Start(command, io.Discard); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9.
func (as *authorizationServer) kill() {
	if as.running != nil {
		as.running.Kill()
		as.running = nil
	}
}

// logIn gets an access token for a demo user.
func (as *authorizationServer) logIn(t *testing.T) string {
	t.Helper()
	response, err := http.PostForm(as.issuer+"/protocol/openid-connect/token", url.Values{
		"grant_type": {"password"}, "client_id": {"mcp-test-client"},
		"username": {"mcp-user"}, "password": {"user123"}, "scope": {"mcp:read mcp:tools"},
	})
	if err != nil {
		t.Fatal(err)
	}
	token, ok := decode(t, response)["access_token"].(string)
	if !ok {
		t.Fatalf("no token: status %d", response.StatusCode)
	}
	return token
}

// decode reads the object in a response.
func decode(t *testing.T, response *http.Response) map[string]any {
	t.Helper()
	defer func() { _ = response.Body.Close() }()
	answer := map[string]any{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("status %d: %v", response.StatusCode, err)
	}
	return answer
}

// call calls echo and returns the status.
func call(ctx context.Context, base, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/mcp", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}`))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode == http.StatusOK) != strings.Contains(string(body), `"text":"hi"`) {
		err = fmt.Errorf("status %d with the body %s", response.StatusCode, body)
	}
	return response.StatusCode, err
}

// The real authorization server is killed under load, and started again.
// Whoever has a good token doesn't notice; whoever has a bad one is never let
// in; and a new key is fetched once the provider is back.
func TestD02_D08_ProviderKilledUnderLoad(t *testing.T) {
	as := build(t)
	dir := t.TempDir()
	for name, value := range map[string]string{
		"JWT_ISSUER": as.issuer, "JWT_AUDIENCE": "http://localhost:9000/mcp", "JWKS_MIN_INTERVAL": "100ms",
		"MCP_SERVER_URL": "", "JWT_ALGORITHMS": "", "JWT_TYPES": "", "JWT_ROLES_CLIENT": "", "JWT_DIALECT": "", "JWT_ISSUERS": "",
	} {
		t.Setenv(name, value)
	}
	as.start(t, filepath.Join(dir, "first"))
	running, err := serve.Start(serve.Options{Addr: "localhost:0", Limits: serve.DefaultLimits}, newHandler)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = running.Close() }()
	base := running.Site.URL

	good := as.logIn(t)
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	const unknown = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InVua25vd24ifQ." // kid: unknown
	unknownKey := unknown + payload + "." + signature
	bad := []string{
		good[:len(good)-8] + "AAAAAAAA", // another signature
		header + "." + payload + ".",
		unknownKey,
		"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + payload + ".", // alg: none
	}
	// load sends tokens from some callers at once until it is ended, each of
	// which must get its status. answered counts.
	load := func(tokens []string, want int) (end func(), answered *atomic.Int64) {
		ctx, cancel := context.WithCancel(t.Context())
		answered = &atomic.Int64{}
		callers, ctx := errgroup.WithContext(ctx)
		for i := range 8 {
			callers.Go(func() error {
				for n := i; ctx.Err() == nil; n++ {
					status, err := call(ctx, base, tokens[n%len(tokens)])
					switch {
					case ctx.Err() != nil:
					case err != nil:
						return err
					// Whether a key that is unknown is a new one, nobody can say while
					// the provider is away (WC7).
					case status == http.StatusServiceUnavailable && tokens[n%len(tokens)] == unknownKey:
					case status != want:
						return fmt.Errorf("token %d: status %d, want %d", n%len(tokens), status, want)
					}
					answered.Add(1)
				}
				return nil
			})
		}
		return func() {
			t.Helper()
			cancel()
			if err := callers.Wait(); err != nil {
				t.Error(err)
			}
		}, answered
	}
	endGood, goodAnswers := load([]string{good}, http.StatusOK)
	endBad, badAnswers := load(bad, http.StatusUnauthorized)
	// more waits for more answers to both.
	more := func() {
		t.Helper()
		goodBefore, badBefore := goodAnswers.Load(), badAnswers.Load()
		soon(t, func() error {
			if goodAnswers.Load() < goodBefore+300 || badAnswers.Load() < badBefore+300 {
				return errors.New("the load stands still")
			}
			return nil
		})
	}
	more()
	as.kill()
	more()
	as.start(t, filepath.Join(dir, "first"))
	more()
	endGood()
	endBad()

	// It comes back with another key: only then is the old token no good. It may have
	// been issued after the keys were asked for: then nobody can say so before they
	// are asked for once more (WC7).
	as.kill()
	as.start(t, filepath.Join(dir, "second"))
	fresh := as.logIn(t)
	soon(t, func() error {
		status, err := call(t.Context(), base, fresh)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("a token of the new key: status %d", status)
		}
		return err
	})
	soon(t, func() error {
		status, err := call(t.Context(), base, good)
		switch {
		case err == nil && status == http.StatusOK:
			t.Error("a token of the key that is gone is accepted")
		case err == nil && status != http.StatusUnauthorized:
			err = fmt.Errorf("a token of the key that is gone: status %d", status)
		}
		return err
	})
	t.Logf("%d good tokens and %d bad ones were answered as they should be", goodAnswers.Load(), badAnswers.Load())
}

// WA1: the environment says what clients are told to ask for first.
func TestWA1_FirstChallengeFromTheEnvironment(t *testing.T) {
	provider, err := stubprovider.Start(stubprovider.Published()...)
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Close()
	for _, variable := range append(provider.Env(), "MCP_CHALLENGE_SCOPES=mcp:read mcp:tools") {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	running, err := serve.Start(serve.Options{Addr: "localhost:0", Limits: serve.DefaultLimits}, newHandler)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	response, err := http.Post(running.Site.URL+"/mcp", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if challenge := response.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `scope="mcp:read mcp:tools"`) {
		t.Errorf("%d %s", response.StatusCode, challenge)
	}
}

// soon waits until something succeeds.
func soon(t *testing.T, try func() error) {
	t.Helper()
	end := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
