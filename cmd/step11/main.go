// Command step11 is an MCP client that needs nothing but the URL of a server. It
// discovers which authorization server issues tokens for it, registers there,
// gets the user's consent in a browser, and calls a tool. At each turn it says
// what it does and why.
//
//	go run ./cmd/step11 --call echo --arg message=hi
//
// The work is done by internal/mcpclient/mcpauth, an http.RoundTripper under
// mcp-go's client. This program chooses how the client introduces itself, shows
// what happens, and stores what it got for the next run.
//
// Its exit status is 0 when it got what was asked for; 1 when something else
// failed; 2 when the flags are wrong; 3 when the client did not get access; 4
// when the server can't be reached or isn't ready; 5 when the tool reports an
// error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/mcpclient/flowreport"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/web/plaintext"
	"mcp-auth-step-by-step/internal/web/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	stdout, stderr = &plain{Writer: stdout, colour: takesColour(stdout, os.Getenv)}, &plain{Writer: stderr}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "step11: %v; see step11 -h\n", err)
		return exitUsage
	case o.version:
		fmt.Fprintln(stdout, "step11", version.Number)
		return 0
	case o.demo:
		return demo(ctx, o, stdout, stderr)
	}
	if err := o.run(ctx, stdin, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "step11: %s\n", explain(err))
		return status(err)
	}
	return 0
}

// run runs the flow, and writes the report however it ends.
func (o *options) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	narrator := o.narrator(stdout, stderr)
	config, err := o.config(narrator.Observe, stdin, stderr)
	if err != nil {
		return err
	}
	authorization, err := mcpauth.New(config)
	if err != nil {
		return err
	}
	defer authorization.CloseIdleConnections()
	if o.forget {
		return forget(ctx, authorization, narrator)
	}
	outcome, err := o.call(ctx, authorization, narrator)
	err = cause(authorization, err)
	if o.report == "" {
		return err
	}
	report := flowreport.Report{Server: o.server, Outcome: outcome, Chapters: narrator.chapters}
	if err != nil {
		report.Outcome, report.Failed = "The client did not get a result: "+explain(err), true
	}
	return errors.Join(err, writeReport(o.report, report, narrator))
}

// cause is why a call failed: mcp-go reports how its last attempt ended, and not
// what stopped it.
func cause(authorization *mcpauth.Transport, err error) error {
	if why := authorization.Err(); err != nil && why != nil && !errors.As(err, new(*toolError)) {
		return why
	}
	return err
}

func writeReport(path string, report flowreport.Report, narrator *narrator) error {
	var page strings.Builder
	if err := report.Write(&page); err != nil {
		return err
	}
	if err := localfile.Write(filepath.Clean(path), []byte(page.String()), 0o600); err != nil {
		return fmt.Errorf("the report can't be written: %w", err)
	}
	narrator.say("", "The flow as a page: "+path)
	return nil
}

func forget(ctx context.Context, authorization *mcpauth.Transport, narrator *narrator) error {
	n, err := authorization.Forget(ctx)
	if err != nil {
		return fmt.Errorf("%d entries were removed here, but %w", n, err)
	}
	if n == 0 {
		narrator.result("Nothing is stored for this server.")
		return nil
	}
	narrator.result(fmt.Sprintf("Removed and, where the authorization server supports it, revoked: %d.", n))
	return nil
}

// plain writes text that other parties had a part in: without what could steer
// the terminal or turn the direction of writing. It is for several goroutines.
type plain struct {
	io.Writer
	colour bool
	mu     sync.Mutex
}

func (p *plain) Write(text []byte) (int, error) { return len(text), p.paint("", string(text)) }

// style is an escape sequence that changes how a terminal shows text.
type style string

const (
	bold    style = "\x1b[1m"
	dim     style = "\x1b[2m"
	heading style = "\x1b[1;36m"
	good    style = "\x1b[32m"
	bad     style = "\x1b[31m"
	acts    style = "\x1b[35m"
	reset   style = "\x1b[0m"
)

// paint writes text in a style, where the terminal takes colours.
func (p *plain) paint(s style, text string) error {
	text = plaintext.Lines(text)
	if p.colour && s != "" {
		text = string(s) + text + string(reset)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(p.Writer, text)
	return err
}

// takesColour reports whether w is a terminal, and nothing speaks against
// colours: NO_COLOR that is not empty (no-color.org), or a dumb terminal.
func takesColour(w io.Writer, getenv func(string) string) bool {
	file, ok := w.(*os.File)
	if !ok || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
