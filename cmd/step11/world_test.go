package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits until something was written.
func (b *buffer) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(b.String(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("%q was not written, but %q", text, b.String())
		}
		time.Sleep(time.Millisecond)
	}
}

// The address and that it waits are always printed: there may be no browser, or
// an opener that fails.
func TestWB15_WhereTheUserHasToGo(t *testing.T) {
	const target = "https://as.example/authorize?x=1"
	for _, quiet := range []bool{false, true} {
		for _, command := range [][]string{{"false"}, {"/nonexistent/xdg-open"}} {
			var out buffer
			o := &options{quiet: quiet, timeout: time.Minute}
			agent := o.agent(nil, strings.NewReader(""), &out).(browserAgent)
			agent.Command = command
			if err := agent.Open(t.Context(), target, "http://127.0.0.1:1/callback"); err != nil {
				t.Fatal(err)
			}
			out.await(t, "\n"+target+"\n")
			out.await(t, "Waiting for your answer")
			out.await(t, "could not be opened")
			out.await(t, "--no-browser")
		}
	}
}

func TestWB15_Interrupted(t *testing.T) {
	s := theServers(t)
	ctx, stop := context.WithCancel(t.Context())
	var out, errs buffer
	done := make(chan int, 1)
	go func() {
		args := []string{"--server", s.server, "--store", "none", "--no-browser", "--quiet"}
		done <- run(ctx, args, strings.NewReader(""), &out, &errs)
	}()
	errs.await(t, "Open this in a browser")
	stop()
	if got := <-done; got != exitFailed || !strings.Contains(errs.String(), "stopped before there was a result") || strings.Contains(errs.String(), "context") {
		t.Errorf("status %d, %s", got, errs.String())
	}
}

// What a user reads where there is no MCP server, or none that is ready.
func TestWB16_ServersThatDontAnswer(t *testing.T) {
	answering := func(status int, header, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(server.Close)
		return server.URL + "/mcp"
	}
	for name, c := range map[string]struct {
		server string
		says   []string
	}{
		"nobody there": {"http://127.0.0.1:1/mcp", []string{"nobody answers at http://127.0.0.1:1/mcp", "Is the server running?"}},
		"not ready":    {answering(503, "Retry-After: 7", ""), []string{"not ready (503 Service Unavailable)", "Try again in 7s"}},
		"not ready, in words": {
			answering(503, "", `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"The keys are missing.","data":{"error":"temporarily_unavailable"}}}`),
			[]string{"503 Service Unavailable: The keys are missing.", "Try again in 5s"},
		},
		"wrong path": {answering(404, "", "404 page not found"), []string{"no MCP server at", "Is the path right?"}},
		"a page":     {answering(405, "Allow: GET", ""), []string{"no MCP server at", "405 Method Not Allowed"}},
		"broken":     {answering(500, "", "<html>"), []string{"failed (500 Internal Server Error)", "log"}},
		"too many":   {answering(429, "Retry-After: 30", ""), []string{"429 Too Many Requests", "Try again in 30s"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs buffer
			got := run(t.Context(), []string{"--server", c.server, "--store", "none", "--quiet"}, strings.NewReader(""), &out, &errs)
			if got != exitUnreachable || strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("status %d, %q", got, errs.String())
			}
			for _, text := range append(c.says, "step11: ") {
				if !strings.Contains(errs.String(), text) {
					t.Errorf("it does not say %q, but %q", text, errs.String())
				}
			}
			for _, text := range []string{"internal error", "transport error", "legacy SSE", "failed to send"} {
				if strings.Contains(errs.String(), text) {
					t.Errorf("it says %q", errs.String())
				}
			}
		})
	}
}

// Every error of authorization says what to do, in the error or in a hint.
func TestWB16_Hints(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for says, err := range map[string]error{
		"--private-origin":                     fmt.Errorf("%w: %w", mcpauth.ErrDiscovery, safefetch.ErrAddress),
		"--assume-pkce":                        mcpauth.ErrPKCE,
		"--authorization-origin":               mcpauth.ErrEndpoint,
		"--timeout":                            mcpauth.ErrNoAnswer,
		"--client-id":                          mcpauth.ErrRegistration,
		"--forget":                             mcpauth.ErrRefused,
		"Try again later. --forget":            &mcpauth.ServerError{Status: 503},
		"Check the spelling of --server":       &mcpauth.UnreachableError{URL: "https://x/mcp", Err: &net.DNSError{}},
		"does not answer in time":              &mcpauth.UnreachableError{URL: "https://x/mcp", Err: context.DeadlineExceeded},
		"nobody answers at https://x/mcp":      &mcpauth.UnreachableError{URL: "https://x/mcp", Err: refused},
		"takes too long":                       &mcpauth.UnreachableError{URL: "https://x/mcp", Err: mcpauth.ErrTooSlow},
		"Is an MCP server running there?":      &mcpauth.UnreachableError{URL: "https://x/mcp", Err: errors.New("EOF")},
		"stopped before there was a result":    fmt.Errorf("x: %w", context.Canceled),
		"the authorization server answers 502": &mcpauth.ServerError{Status: 502},
	} {
		if got := explain(err); !strings.Contains(got, says) {
			t.Errorf("%v: %q", err, got)
		}
	}
}

func TestWB7_TheErrorNamesTheProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy.example:3128")
	err := fmt.Errorf("%w: %w", mcpauth.ErrDiscovery, &net.OpError{Op: "dial", Err: errors.New("x")})
	if got := explain(err); !strings.Contains(got, "--through-proxy") {
		t.Errorf("got %q", got)
	}
}

// What stands in the environment is not printed.
func TestWD10_TheEnvironmentIsNotADefault(t *testing.T) {
	t.Setenv("STEP11_CLIENT_SECRET", "a-secret-in-the-environment")
	t.Setenv("STEP11_IDP_CLIENT_SECRET", "another-secret-in-the-environment")
	for _, args := range [][]string{{"-h"}, {"--nonsense"}, {"--call"}} {
		var out, errs buffer
		run(t.Context(), args, strings.NewReader(""), &out, &errs)
		if strings.Contains(out.String()+errs.String(), "in-the-environment") {
			t.Errorf("%q prints it", args)
		}
	}
	var errs buffer
	o, err := parse([]string{"--client-id", "x"}, &errs)
	if err != nil || o.clientSecret != "a-secret-in-the-environment" || o.idpClientSecret != "another-secret-in-the-environment" {
		t.Errorf("got %v", err)
	}
}

// What others send stays on the lines that are theirs.
func TestWD22_NothingForgesALine(t *testing.T) {
	var out bytes.Buffer
	n := &narrator{out: &plain{Writer: &out}}
	const forged = "x\n 9. Forged\r\n 9. Forged"
	n.Observe(mcpauth.Event{Stage: mcpauth.StageRegistration, Note: "Registered as " + forged})
	n.Observe(mcpauth.Event{Stage: mcpauth.StageToken, Exchange: &mcpauth.Exchange{
		From: "client", Method: "POST", URL: "https://a.example/?client_id=x%0A%209.%20Forged", Status: 200,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: "client_id=x%0A%209.%20Forged",
		Answer: http.Header{"Location": {forged}}, Reply: `{"client_id":"x\n 9. Forged"}`, Error: forged,
		Decoded: []mcpauth.DecodedJWT{{Name: "access_token", Header: []byte(`{}`), Payload: []byte(`{"a\n 9. Forged":"b"}`)}},
	}})
	n.result("hi\n 9. Forged\n9. Forged")
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, " 9.") || strings.HasPrefix(line, "9.") {
			t.Errorf("a forged line: %q in %s", line, out.String())
		}
	}
	if !strings.Contains(out.String(), "Forged") {
		t.Error("nothing was shown")
	}
}
