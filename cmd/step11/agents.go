package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

// browserAgent opens the user's browser. It always says where the user has to
// go: an opener may be there and open nothing, as over SSH or in a container.
type browserAgent struct {
	mcpauth.Browser
	out     io.Writer
	timeout time.Duration
}

func newBrowserAgent(out io.Writer, timeout time.Duration) browserAgent {
	a := browserAgent{out: out, timeout: timeout}
	a.Failed = func(err error) {
		fmt.Fprintf(out, "\nThe browser could not be opened (%v). Open the address above yourself.\n"+
			"If your browser is on another machine, press Ctrl-C and use --no-browser.\n", err)
	}
	return a
}

// Open prints the address and starts the browser.
func (a browserAgent) Open(ctx context.Context, authorizationURL, redirectURI string) error {
	fmt.Fprintf(a.out, "\nLog in in your browser. If it doesn't open, go to:\n\n%s\n\nWaiting for your answer, at most %s. Ctrl-C stops.\n",
		authorizationURL, a.timeout)
	err := a.Browser.Open(ctx, authorizationURL, redirectURI)
	if err != nil && !errors.Is(err, mcpauth.ErrURL) {
		a.Failed(err)
		return nil
	}
	return err
}

// pasteAgent prints the authorization URL and takes the redirect URL pasted in:
// for a shell on another machine than the browser, where the callback can't be
// reached.
type pasteAgent struct {
	out   io.Writer
	lines chan string
}

func newPasteAgent(in io.Reader, out io.Writer) *pasteAgent {
	a := &pasteAgent{out: out, lines: make(chan string)}
	// A read from a terminal can't be broken off, so it goes on beside the
	// flow and ends with the program.
	go func() {
		defer close(a.lines)
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, 64<<10)
		for scanner.Scan() {
			a.lines <- scanner.Text()
		}
	}()
	return a
}

// Open prints the URL.
func (a *pasteAgent) Open(_ context.Context, authorizationURL, redirectURI string) error {
	_, err := fmt.Fprintf(a.out, "\nOpen this in a browser:\n\n%s\n\n"+
		"If the browser then can't reach %s,\npaste the address that it shows here:\n", authorizationURL, redirectURI)
	return err
}

// Answer returns the next line that was pasted. When there are no more, the
// callback can still bring the answer.
func (a *pasteAgent) Answer(ctx context.Context) (string, error) {
	select {
	case line, ok := <-a.lines:
		if ok {
			return line, nil
		}
		<-ctx.Done()
	case <-ctx.Done():
	}
	return "", ctx.Err()
}

// formAgent is a demo user: it fills in the forms of a provider on loopback.
type formAgent struct {
	user  formlogin.User
	trace mcpauth.Trace // is told what the user does
}

// Open logs in and consents, and then goes to the callback as a browser would.
func (a formAgent) Open(ctx context.Context, authorizationURL, redirectURI string) error {
	browser := formlogin.Browser{Wrap: func(next http.RoundTripper) http.RoundTripper {
		return mcpauth.Traced(next, a.observe)
	}}
	back, err := browser.Run(ctx, authorizationURL, redirectURI, a.user)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, back.String(), nil)
	if err != nil {
		return errors.New("the provider sends the browser to something that is not a URL")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return errors.New("the callback can't be reached") // the cause holds the code
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return response.Body.Close()
}

// observe tells which forms the user sends. The page with the first one was
// told already, as the address to which the client sends the browser.
func (a formAgent) observe(e mcpauth.Event) {
	if e.Exchange.Method != http.MethodPost {
		return
	}
	act := "reads which client asks for what, and presses the button that allows it."
	if strings.Contains(e.Exchange.Body, "password=") {
		act = "reads the login page of the authorization server, and types the name " + a.user.Name + " and the password."
	}
	e.Stage, e.User, e.Exchange.From = mcpauth.StageAuthorize, act, "browser"
	a.trace(e)
}
