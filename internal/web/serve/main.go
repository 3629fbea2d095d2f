package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/web/lesson"
	"mcp-auth-step-by-step/internal/web/logging"
	"mcp-auth-step-by-step/internal/web/version"
)

// grace is how long requests in flight may take once a signal asked to end.
const grace = 10 * time.Second

// softMemory is from how many bytes on memory is collected more eagerly. What one
// server keeps at all limits is less. GOMEMLIMIT sets another value.
const softMemory = 184 << 20

// Main is the main function of every server: it reads the flags, serves what
// build makes until SIGINT or SIGTERM, and ends with status 0; or with status
// 1 and one line that says what to do. source is the program's main.go: its
// package comment is what -h and GET / say.
func Main(source string, build Builder) {
	Program{Source: source, Addr: "localhost:9000", Build: build}.Main()
}

// Program is a server with more to say than [Main] takes.
type Program struct {
	Source string // the program's main.go: its package comment is what -h and GET / say
	Addr   string // where it listens by default
	Build  Builder
	// Instead, where it is set, runs once the flags are read. If it reports
	// true it has done all there is to do, and nothing is served. Its context
	// ends with SIGINT or SIGTERM.
	Instead func(context.Context) (done bool, err error)
}

// Main runs the program; see the function [Main].
func (p Program) Main() {
	name := filepath.Base(os.Args[0])
	opts, err := p.options(name, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v; see %s -h\n", name, err, name)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(logging.NewContext(context.Background(), opts.Log), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(softMemory)
	}
	if err := p.run(ctx, opts); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// options reads the flags. What asks for information gets it and ends with
// [flag.ErrHelp].
func (p Program) options(name string, args []string) (Options, error) {
	addr := flag.String("addr", p.Addr, "`address` to listen on; port 0 takes a free one")
	base := flag.String("url", "", "base `URL` of all that the server states about itself (default http://localhost with the bound port)")
	origins := flag.String("origins", "", "further `Origins` to allow besides loopback, with commas between")
	format := flag.String("log", "text", "`format` of the log: text or json")
	showVersion := flag.Bool("version", false, "print the version and exit")
	// Package flag prints all flags after any mistake, which hides the mistake.
	flag.CommandLine.Init(name, flag.ContinueOnError)
	flag.CommandLine.SetOutput(io.Discard)
	flag.CommandLine.Usage = func() {}
	err := flag.CommandLine.Parse(args)
	flag.CommandLine.SetOutput(os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(os.Stderr, "%s\nFlags:\n", lesson.Of(p.Source))
		flag.PrintDefaults()
		return Options{}, err
	case err != nil:
		return Options{}, err
	case flag.NArg() > 0:
		return Options{}, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	case *showVersion:
		fmt.Println(name, version.Number)
		return Options{}, flag.ErrHelp
	}
	opts := Options{Addr: *addr, URL: *base, Limits: DefaultLimits, JSON: *format == "json"}
	if err := opts.logTo(*format, os.Stderr); err != nil {
		return Options{}, err
	}
	for o := range strings.SplitSeq(*origins, ",") {
		if o = strings.TrimSpace(o); o != "" {
			opts.Origins = append(opts.Origins, o)
		}
	}
	return opts, nil
}

// logTo makes the logs in the format that -log names.
func (o *Options) logTo(format string, out io.Writer) error {
	var write func(io.Writer) slog.Handler
	switch format {
	case "text":
		write = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }
	case "json":
		write = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }
	default:
		return fmt.Errorf("-log %q: want text or json", format)
	}
	file := &logFile{out: out}
	o.Log, o.requests, o.flush = slog.New(write(file)), slog.New(write(requestLog{file})), file.end
	return nil
}

func (p Program) run(ctx context.Context, opts Options) error {
	defer opts.flush()
	if p.Instead != nil {
		if done, err := p.Instead(ctx); done || err != nil {
			return err
		}
	}
	running, err := Start(opts, p.withFrontPage())
	if err != nil {
		return err
	}
	// Scripts wait for this line, so it is written once connections are accepted.
	if opts.JSON {
		opts.Log.Info("listening", "url", listenURL(running))
	} else {
		fmt.Fprintf(os.Stderr, "listening on %s\n", listenURL(running))
	}
	if !running.Addr.(*net.TCPAddr).IP.IsLoopback() {
		opts.Log.Warn("other machines can reach this server: put a TLS proxy in front of it and state its public address with -url")
	}
	return running.Wait(ctx)
}

// Wait serves until ctx ends, and then lets the requests in flight finish. It
// fails at once if serving fails, or after [Site.Fail].
func (r *Running) Wait(ctx context.Context) error {
	select {
	case err := <-r.failed:
		return err
	case <-ctx.Done():
	}
	r.Site.Log.Info("stopping", "grace", grace)
	ending, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := r.Shutdown(ending); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("requests were still running after %s: %w", grace, err)
	}
	return nil
}

// listenURL names the port really bound. Loopback is called localhost, since
// that is how every URL that the server states is written.
func listenURL(r *Running) string {
	host := r.Addr.(*net.TCPAddr).IP
	if host.IsLoopback() {
		return fmt.Sprintf("http://localhost:%d", r.Site.Port)
	}
	return "http://" + r.Addr.String()
}
