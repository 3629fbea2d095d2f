// Command naive is a server that is wrong on purpose: the attacks of the pages work
// here. It is an MCP server at localhost:9001, an authorization server at
// localhost:8081, and the site of an attacker at localhost:9666. Each mistake was
// made by somebody before; internal/tutorial/naive says by whom.
//
//	go run ./cmd/naive -open                                  # asks for no token, as steps 1 to 5
//	go run ./cmd/naive                                        # takes the tokens of the step that runs beside it
//	go run ./cmd/naive client http://localhost:9666/mixup/mcp # a client that believes what it reads
//
// It listens on loopback, asks nobody but loopback, and ends by itself after an hour.
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

	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/web/lesson"
)

//go:embed main.go
var source string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "naive:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := naive.Options{Log: stderr}
	flags := flag.NewFlagSet("naive", flag.ContinueOnError)
	flags.StringVar(&o.Server, "addr", naive.ServerAddr, "`address` of the MCP server, on loopback; port 0 takes a free one")
	flags.StringVar(&o.AuthorizationServer, "auth-addr", naive.AuthorizationServerAddr, "`address` of the authorization server")
	flags.StringVar(&o.Attacker, "attacker-addr", naive.AttackerAddr, "`address` of the attacker's site")
	flags.StringVar(&o.KeySets, "key-sets", naive.KeySets, "`URLs` of key sets on loopback whose tokens are taken, with blanks between")
	flags.BoolVar(&o.Open, "open", false, "ask for no token: everybody is a guest")
	lifetime := flags.Duration("for", naive.Lifetime, "`time` after which it ends by itself, at most 1h")
	if err := lesson.Parse(flags, args, source, stderr); err != nil {
		return err
	}
	switch {
	case flags.NArg() == 2 && flags.Arg(0) == "client":
		return naive.Call(ctx, flags.Arg(1), stdout)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; want nothing, or client and the URL of an MCP server", flags.Arg(0))
	case *lifetime <= 0 || *lifetime > naive.Lifetime:
		return fmt.Errorf("-for %s is not possible; want more than 0 and at most %s", *lifetime, naive.Lifetime)
	}
	return naive.Run(ctx, o, *lifetime)
}
