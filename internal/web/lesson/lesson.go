// Package lesson reads what a program says of itself with -h: the comment over its
// package clause, so that the source and the program say the same.
//
//	//go:embed main.go
//	var source string
//	…
//	fmt.Print(lesson.Of(source))
package lesson

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Of is the package comment of a source that begins with it, without the slashes,
// and a line break after it.
func Of(source string) string {
	comment, _, _ := strings.Cut(source, "\npackage ")
	var b strings.Builder
	for line := range strings.Lines(comment) {
		b.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "//"), " "))
	}
	return b.String() + "\n"
}

// Parse reads the flags of a program. For -h it writes to out what the source says
// of the program, and its flags, and returns [flag.ErrHelp]. The error for a wrong
// flag says to ask for -h, without all flags, among which it would be lost.
func Parse(flags *flag.FlagSet, args []string, source string, out io.Writer) error {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, Of(source), "\nFlags:\n")
		flags.SetOutput(out)
		flags.PrintDefaults()
		return err
	case err != nil:
		return fmt.Errorf("%w; see %s -h", err, flags.Name())
	}
	return nil
}
