// Command adopt copies layers of the steps into a Go module of your own.
//
//	go run ./cmd/adopt -for go-sdk ../myserver
//
//	go run ./cmd/adopt -for go-sdk -lines ../myserver >../myserver/protect.go
//
// It copies the packages of the layers that you choose, what they import of this
// repository, and their tests, and rewrites the import paths. It prints what to
// require in go.mod, and the lines for your own main.
//
// The file .adopt.json keeps what was written. When you run adopt again, files
// that you edited stay as they are, and it shows how they differ. It never writes
// over a file that it didn't write, nor through a symbolic link.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/adopt"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.As(err, &usageError{}):
		fmt.Fprintf(os.Stderr, "adopt: %v; see adopt -h\n", err)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "adopt: %v\n", err)
		os.Exit(1)
	}
}

// usageError is a mistake in the flags: exit status 2, as flag itself uses.
type usageError struct{ error }

func run(args []string, out, help io.Writer) error {
	flags := flag.NewFlagSet("adopt", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	layers := flags.String("layers", strings.Join(adopt.Default(), ","), "`layers` to copy, with commas between")
	library := flags.String("for", "http", "MCP `library` of your server: "+strings.Join(adopt.Libraries, ", "))
	lines := flags.Bool("lines", false, "print only the lines for your own main, as a Go file, and write nothing")
	dry := flags.Bool("n", false, "show what would be done, and write nothing")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		explain(help, flags)
		return err
	case err != nil:
		return usageError{err}
	case flags.NArg() != 1:
		return usageError{fmt.Errorf("%d arguments: want one, the folder of your module", flags.NArg())}
	}
	root, err := manifest.Root()
	if err != nil {
		return err
	}
	return adopt.Run(adopt.Options{
		Root: root, Dir: flags.Arg(0), For: *library, DryRun: *dry, Lines: *lines, Out: out,
		Layers: strings.FieldsFunc(*layers, func(r rune) bool { return r == ',' || r == ' ' }),
	})
}

func explain(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprint(w, "adopt [flags] DIR copies layers of the steps into the Go module at DIR.\n\nLayers:\n")
	for _, layer := range adopt.Layers {
		note := ""
		if layer.Optional {
			note = " (only if named)"
		}
		fmt.Fprintf(w, "  %-9s %s%s\n", layer.Name, layer.About, note)
	}
	fmt.Fprintln(w, "\nFlags:")
	flags.SetOutput(w)
	flags.PrintDefaults()
}
