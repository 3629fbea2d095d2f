// Command tour opens the tutorial in the browser: the lessons, what each step adds,
// and its program at work, to be called and attacked.
//
//	go run ./cmd/tour
//
// It builds and starts the programs of the steps when you ask for them, on free ports
// of this computer, and ends them when it ends. Stop it with Ctrl-C. The start link
// works once; press Enter for another one.
package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/attacks"
	"mcp-auth-step-by-step/internal/tutorial/tour/breakit"
	"mcp-auth-step-by-step/internal/tutorial/tour/flow"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
	"mcp-auth-step-by-step/internal/tutorial/tour/switcher"
	"mcp-auth-step-by-step/internal/tutorial/tour/tokenbench"
	"mcp-auth-step-by-step/internal/web/lesson"
)

//go:embed main.go
var source string

func main() {
	program.Guard()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "tour:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("tour", flag.ContinueOnError)
	addr := flags.String("addr", tour.DefaultAddr, "`address` to listen on, an IP address of loopback; port 0 takes a free one")
	browser := flags.Bool("browser", true, "open the browser; -browser=false only prints the start link")
	if err := lesson.Parse(flags, args, source, out); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; want flags alone, see tour -h", flags.Arg(0))
	}
	root, err := manifest.Root()
	if err != nil {
		return err
	}
	all, err := programs.New(root)
	if err != nil {
		return err
	}
	defer all.Close()
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	server := tour.New(tour.Options{Root: root, Programs: all, Log: log})
	following := flow.New(all)
	defer following.Close()
	live, err := parts(server, following)
	if err != nil {
		return err
	}
	server.Add(live...)
	if err := server.Start(*addr); err != nil {
		return err
	}
	defer server.Close()
	welcome(server, *browser, out)
	go anotherLink(server, in, out)
	<-ctx.Done()
	fmt.Fprintln(out, "stopping all programs …")
	return nil
}

// parts are what the tour has beside its own pages, in the order of their tabs.
func parts(server *tour.Server, following *flow.Work) ([]tour.Part, error) {
	site := part.Site{Root: server.Root, Render: server.Render}
	bench, err := tokenbench.New(server.Root, time.Now)
	if err != nil {
		return nil, err
	}
	progress, err := lab.DefaultProgress()
	if err != nil {
		return nil, err
	}
	work := breakit.New(server.Root, server.Programs.Dir(), progress, server.Programs.CommandContext)
	return []tour.Part{
		attacks.Part(attacks.New(server.Programs), site),
		breakit.Part(work, site),
		flow.Part(server, following, work),
		tokenbench.Part(bench, site),
		switcher.Part(bench),
		part.Shared(),
	}, nil
}

// welcome says where the tour is, and opens it.
func welcome(server *tour.Server, browser bool, out io.Writer) {
	link := server.StartURL()
	fmt.Fprintf(out, "The tour is at %s. This link opens it, once:\n\n  %s\n\nStop it with Ctrl-C. Press Enter for another link.\n",
		server.URL(), link)
	if !browser {
		return
	}
	failed := func(error) { fmt.Fprintln(out, "No browser could be opened here. Open the link above in one.") }
	if err := (mcpauth.Browser{Failed: failed}).Open(context.Background(), link, ""); err != nil {
		failed(err)
	}
}

// anotherLink prints a start link for each line of input.
func anotherLink(server *tour.Server, in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		fmt.Fprintf(out, "  %s\n", server.StartURL())
	}
}
