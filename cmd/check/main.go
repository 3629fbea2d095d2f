// Command check says what steps 10 and 11 make of an identity provider.
//
//	check issuer URL   reads an issuer's metadata and keys, as both steps read them
//	check token        reads an access token, and makes every check of step 10 offline
//
// It never prints a token or a secret. With -h behind the name, each explains itself.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"mcp-auth-step-by-step/internal/web/lesson"
	"mcp-auth-step-by-step/internal/web/version"
)

//go:embed main.go
var source string

// Exit statuses. A command that has others says so in its -h.
const (
	exitGood  = 0
	exitBad   = 1 // what was checked has an obstacle
	exitUsage = 2
)

// command is a part of this program. It returns the exit status, or an error where
// what it was given is wrong.
type command func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int, err error)

var commands = map[string]command{"issuer": checkIssuer, "token": checkToken}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if chosen, ok := commands[args[0]]; ok {
			status, err := chosen(ctx, args[1:], stdin, stdout, stderr)
			switch {
			case errors.Is(err, flag.ErrHelp):
				return exitGood
			case err != nil:
				fmt.Fprintf(stderr, "check %s: %v\n", args[0], err)
				return exitUsage
			}
			return status
		}
	}
	switch {
	case len(args) == 1 && (args[0] == "-version" || args[0] == "--version"):
		fmt.Fprintln(stdout, "check", version.Number)
		return exitGood
	case len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help"):
		fmt.Fprint(stderr, lesson.Of(source))
		return exitGood
	case len(args) == 0:
		fmt.Fprint(stderr, "check: want a command\n\n"+lesson.Of(source))
	default:
		fmt.Fprintf(stderr, "check: unknown command %.40q\n\n%s", args[0], lesson.Of(source))
	}
	return exitUsage
}
