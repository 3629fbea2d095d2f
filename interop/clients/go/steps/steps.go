// Package steps is what the drivers of Go clients share: the steps, and the
// browser. It prints the same lines as ../../python/steps.py.
package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// What the runner says.
var (
	URL          = os.Getenv("MCP_URL")
	Revision     = os.Getenv("REVISION")
	Registration = os.Getenv("REGISTRATION") // dynamic, client_secret_post, document or bearer
	Document     = os.Getenv("DOCUMENT")     // the client's metadata document, for the registration of that name
	Redirect     = "http://localhost:" + os.Getenv("CALLBACK_PORT") + "/callback"
)

const patience = 2 * time.Minute // for a step

// Client is a client of some library.
type Client interface {
	// Tools lists the names of the tools.
	Tools(context.Context) (string, error)
	// Call calls a tool and returns its text, after "error: " where the result is one.
	Call(ctx context.Context, name string, arguments map[string]any) (string, error)
	// Prompt returns the text of a prompt.
	Prompt(ctx context.Context, name string, arguments map[string]string) (string, error)
	// Expire lets the client's access token expire.
	Expire(context.Context) error
}

// Run connects and goes through the steps.
func Run(connect func(context.Context) (Client, error)) {
	ctx := context.Background()
	client, err := connect(ctx)
	if err != nil {
		report("list", false, err.Error())
		return
	}
	echo := func(ctx context.Context) (string, error) {
		return client.Call(ctx, "echo", map[string]any{"message": "hi", "repeat_count": 2})
	}
	step(ctx, "list", client.Tools, "echo")
	step(ctx, "echo", echo, "hihi")
	step(ctx, "prompt", func(ctx context.Context) (string, error) {
		return client.Prompt(ctx, "greeting", map[string]string{"name": "Ada"})
	}, "Ada")
	step(ctx, "echo again", echo, "hihi")
	if Registration != "bearer" {
		step(ctx, "refresh", func(ctx context.Context) (string, error) {
			if err := client.Expire(ctx); err != nil {
				return "", err
			}
			return echo(ctx)
		}, "hihi")
	}
	refused(ctx, client)
}

func step(ctx context.Context, name string, work func(context.Context) (string, error), expected string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	says, err := work(ctx)
	if err != nil {
		report(name, false, err.Error())
		return
	}
	report(name, strings.Contains(says, expected), says)
}

// refused: a refusal is right where the client fails, or shows a result that is
// an error.
func refused(ctx context.Context, client Client) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	says, err := client.Call(ctx, "audit", map[string]any{})
	if err != nil {
		report("refusal", true, err.Error())
		return
	}
	report("refusal", strings.HasPrefix(says, "error: "), says)
}

func report(step string, ok bool, says string) {
	written, err := os.ReadFile(os.Getenv("LOGINS"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		ok, says = false, err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"step": step, "ok": ok, "says": says, "logins": bytes.Count(written, []byte("\n"))})
}

// Login opens the browser, and returns the parameters of the callback.
func Login(ctx context.Context, authorizationURL string) (url.Values, error) {
	listener, err := net.Listen("tcp", "localhost:"+os.Getenv("CALLBACK_PORT"))
	if err != nil {
		return nil, err
	}
	called := make(chan url.Values, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case called <- r.URL.Query():
		default:
		}
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	browser := exec.CommandContext(ctx, os.Getenv("BROWSER"), authorizationURL)
	if output, err := browser.CombinedOutput(); err != nil && len(called) == 0 {
		return nil, fmt.Errorf("the login failed: %w: %s", err, output)
	}
	answer := <-called
	if answer.Has("error") {
		return nil, fmt.Errorf("the authorization server says %s", answer.Encode())
	}
	return answer, nil
}

// Bearer adds a token to each request.
type Bearer struct{}

// RoundTrip sends a request with the token of the runner.
func (Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	return http.DefaultTransport.RoundTrip(r)
}
