// Command step11 finds its own way in. Given nothing but the URL of an MCP
// server, it discovers who gives out tokens for it, introduces itself there,
// gets the user's consent in a browser, and calls a tool; and it says at each
// turn what it does and why.
//
//	go run ./cmd/step11 --call echo --arg message=hi
//
// What does the work is internal/mcpclient/mcpauth, an http.RoundTripper under mcp-go's
// client. This program chooses how the client introduces itself, shows what
// happens, and keeps what it got for the next run.
//
// It ends with status 0 when it got what was asked for; 1 when something else
// failed; 2 when the flags are wrong; 3 when it was not let in; 4 when the
// server can't be reached; 5 when the tool reports an error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mcp-auth-step-by-step/internal/mcpclient/flowreport"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

// Exit statuses.
const (
	exitFailed = iota + 1
	exitUsage
	exitNotLetIn
	exitUnreachable
	exitTool
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errFlags):
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "step11: %v; see step11 -h\n", err)
		return exitUsage
	}
	if o.demo {
		return demo(ctx, o, stdout, stderr)
	}
	err = o.goThrough(ctx, stdin, stdout)
	if err != nil {
		fmt.Fprintf(plain{stderr}, "step11: %v\n", err)
	}
	return status(err)
}

// goThrough runs the flow, and writes the report however it ends.
func (o *options) goThrough(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	narrator := &narrator{out: plain{stdout}, verbose: o.verbose, quiet: o.quiet, json: o.json}
	config, err := o.config(ctx, stdin, stdout)
	if err != nil {
		return err
	}
	config.Trace = narrator
	authorization, err := mcpauth.New(config)
	if err != nil {
		return err
	}
	defer authorization.CloseIdleConnections()
	if o.forget {
		return forget(ctx, authorization, narrator)
	}
	outcome, err := o.call(ctx, authorization, narrator)
	if why := authorization.Err(); why != nil && err != nil {
		err = why // mcp-go tells how its last attempt ended, not what stopped it
	}
	if o.report == "" {
		return err
	}
	report := flowreport.Report{Server: o.server, Outcome: outcome, Events: narrator.events}
	if err != nil {
		report.Outcome, report.Failed = "It was not let in, or got no answer: "+err.Error(), true
	}
	return errors.Join(err, writeReport(o.report, report, narrator))
}

func writeReport(path string, report flowreport.Report, narrator *narrator) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(report.Write(file), file.Close()); err != nil {
		return err
	}
	narrator.say("The flow as a page: " + path)
	return nil
}

func forget(ctx context.Context, authorization *mcpauth.Transport, narrator *narrator) error {
	n, err := authorization.Forget(ctx)
	if err != nil {
		return fmt.Errorf("removed %d entries here, but %w", n, err)
	}
	if n == 0 {
		narrator.result("There was nothing to forget for this server.")
		return nil
	}
	narrator.result(fmt.Sprintf("Forgotten, and given back where the authorization server takes it: %d.", n))
	return nil
}

// status tells the exit status of an error.
func status(err error) int {
	var network *net.OpError
	var tool *toolError
	var server *mcpauth.ServerError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &tool):
		return exitTool
	case errors.As(err, &server):
		return exitNotLetIn
	}
	for _, known := range []error{
		mcpauth.ErrDiscovery, mcpauth.ErrResource, mcpauth.ErrIssuer, mcpauth.ErrPKCE, mcpauth.ErrRegistration, mcpauth.ErrState,
		mcpauth.ErrScope, mcpauth.ErrRefused, mcpauth.ErrDenied, mcpauth.ErrRedirect, mcpauth.ErrURL, context.DeadlineExceeded,
		formlogin.ErrRefused, formlogin.ErrNotLoopback,
	} {
		if errors.Is(err, known) {
			return exitNotLetIn
		}
	}
	if errors.As(err, &network) || strings.Contains(err.Error(), "connection refused") {
		return exitUnreachable
	}
	return exitFailed
}
