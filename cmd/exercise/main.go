// Command exercise takes a check out of a step and shows what gets in.
//
//	go run ./cmd/exercise          # lists the exercises, and which are solved
//	go run ./cmd/exercise 6.1      # builds step 6 without a line, and attacks it
//	go run ./cmd/exercise 6.1 b    # answers the question at once
//	go run ./cmd/exercise 6.4      # says what is missing of a task that you do yourself
//
// The step is built in a temporary folder, with keys of its own, and listens on
// loopback at a free port until the attack is over. Nothing in the repository
// changes, and your keys, environment files and tokens are not read. What you have
// solved is kept in your configuration folder, or in the file of -progress.
package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/web/lesson"
)

//go:embed main.go
var source string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "exercise:", err)
		os.Exit(1)
	}
}

// session is one run of the program.
type session struct {
	in       *bufio.Reader
	out      io.Writer
	root     string
	progress *lab.Progress
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("exercise", flag.ContinueOnError)
	path := flags.String("progress", "", "`file` that keeps what is solved (default in your configuration folder)")
	err := lesson.Parse(flags, args, source, out)
	if err != nil {
		return err
	}
	if flags.NArg() > 2 {
		return fmt.Errorf("unexpected argument %q; want the number of an exercise, and perhaps an answer", flags.Arg(2))
	}
	s := &session{in: bufio.NewReader(in), out: out}
	if s.root, err = manifest.Root(); err != nil {
		return err
	}
	if *path == "" {
		if *path, err = lab.DefaultProgress(); err != nil {
			return err
		}
	}
	if s.progress, err = lab.LoadProgress(*path); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		s.list()
		return nil
	}
	exercise, ok := lab.FindExercise(flags.Arg(0))
	if !ok {
		return fmt.Errorf("there is no exercise %q; run it without arguments for the list", flags.Arg(0))
	}
	return s.do(ctx, exercise, flags.Arg(1))
}

func (s *session) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

func (s *session) list() {
	step := 0
	for _, e := range lab.Exercises {
		if e.Step != step {
			step = e.Step
			s.say("\nStep %d: %s", step, manifest.Steps[step-1].Name)
		}
		mark := " "
		if s.progress.Has(e.ID) {
			mark = "✓"
		}
		s.say("  %s %-5s %s", mark, e.ID, e.Title)
	}
	s.say("\n%d of %d are solved. Start one with: go run ./cmd/exercise %s", len(s.progress.Solved), len(lab.Exercises), lab.Exercises[0].ID)
}

// do builds the step of an exercise and runs it.
func (s *session) do(ctx context.Context, e lab.Exercise, answer string) error {
	s.say("Exercise %s: %s\n", e.ID, e.Title)
	if e.Free() {
		s.say("%s\n", strings.ReplaceAll(e.Task, "`", ""))
	}
	s.say("Step %d is built in a temporary folder …", e.Step)
	bench, err := lab.NewBench(ctx, "", s.root, e.Step, nil)
	if err != nil {
		return err
	}
	defer bench.Close()
	result, err := bench.Exercise(ctx, e)
	if err != nil {
		return err
	}
	if e.Free() {
		return s.task(result)
	}
	return s.recipe(result, answer)
}

// task says which parts of a task are done.
func (s *session) task(r lab.Run) error {
	for i, trial := range r.Exercise.Trials {
		mark := "✗"
		if r.With[i].Got {
			mark = "✓"
		}
		s.say("  %s %s\n      %s", mark, trial.What, r.With[i].Says)
	}
	if !r.Done() {
		s.say("\nNot yet. Change the source, and run this again.")
		return nil
	}
	return s.solved(r.Exercise)
}

// recipe shows what gets in, and asks which check it was.
func (s *session) recipe(r lab.Run, answer string) error {
	s.say("\nThis is taken out (%s, line %d):\n\n    %s\n", r.Line.File, r.Line.Number, r.Line.Text)
	for i, trial := range r.Exercise.Trials {
		s.say("%s\n    with the line:     %s\n    without the line:  %s", trial.What, r.With[i].Says, r.Without[i].Says)
	}
	s.say("\nNow the line is back: only the copy was changed. What did it check?")
	for i, choice := range r.Exercise.Choices {
		s.say("  %c) %s", 'a'+i, choice)
	}
	if answer == "" {
		fmt.Fprint(s.out, "> ")
		answer, _ = s.in.ReadString('\n') // at its end there is no answer
	}
	switch answer = strings.ToLower(strings.TrimSpace(answer)); answer {
	case "":
		s.say("\nAnswer with the letter behind it: go run ./cmd/exercise %s …", r.Exercise.ID)
		return nil
	case string(rune('a' + r.Exercise.Right)):
		return s.solved(r.Exercise)
	}
	s.say("\nThat is not it. Look at the line again.")
	return nil
}

func (s *session) solved(e lab.Exercise) error {
	s.say("\n✓ Solved. %s", strings.ReplaceAll(e.Explain, "`", ""))
	return s.progress.Solve(e.ID)
}
