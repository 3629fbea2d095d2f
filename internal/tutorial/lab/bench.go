package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/mutation"
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// Bench builds a step in a temporary folder, once, so that it runs with or without
// the lines of its exercises. Nothing in the repository changes. The step has keys of
// its own, and reads no environment file, key or state of the reader.
type Bench struct {
	// Command makes the commands of the step's program, by default as [exec.CommandContext].
	Command func(ctx context.Context, path string, args ...string) (*exec.Cmd, error)

	root, dir, binary string
	step              int
	lines             []mutation.Mutant
	provider          *stubprovider.Provider // for a step that trusts one
}

// NewBench builds a step in a temporary folder below parent; empty: below that of the
// system. changed are further files that take the place of those of the repository, by
// their path in it; nil: none.
func NewBench(ctx context.Context, parent, root string, step int, changed map[string]string) (*Bench, error) {
	dir, err := os.MkdirTemp(parent, "exercise-")
	if err != nil {
		return nil, err
	}
	b := &Bench{root: root, dir: dir, step: step, Command: func(ctx context.Context, path string, args ...string) (*exec.Cmd, error) {
		return exec.CommandContext(ctx, path, args...), nil
	}}
	if err := b.build(ctx, changed); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// parts are the packages that the exercises of the step take lines out of.
func (b *Bench) parts() []mutation.Part {
	var parts []mutation.Part
	for _, e := range ExercisesOf(b.step) {
		same := func(p mutation.Part) bool { return p.Folder == e.Folder }
		if !e.Free() && !slices.ContainsFunc(parts, same) {
			parts = append(parts, mutation.Part{Folder: e.Folder})
		}
	}
	return parts
}

func (b *Bench) build(ctx context.Context, changed map[string]string) error {
	parts := b.parts()
	if changed != nil {
		parts = nil // one thing at a time
	}
	all, err := mutation.Instrument(b.root, b.dir, parts...)
	if err != nil {
		return err
	}
	b.lines = all.Mutants
	overlay := all.Overlay
	if changed != nil {
		if overlay, err = mutation.Overlay(b.root, b.dir, changed); err != nil {
			return err
		}
	}
	b.binary = filepath.Join(b.dir, "program.exe") // Windows wants the ending, others don't mind
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-w", "-overlay", overlay, "-o", b.binary,
		"./"+manifest.Steps[b.step-1].Folder())
	build.Dir = b.root
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building step %d: %w\n%s", b.step, err, output)
	}
	return nil
}

// Close removes the folder.
func (b *Bench) Close() {
	if b.provider != nil {
		b.provider.Close()
	}
	_ = os.RemoveAll(b.dir)
}

// find is the line of an exercise in the source as it stands: the mutant with its key,
// or the only one whose key begins so.
func (b *Bench) find(e Exercise) (mutation.Mutant, error) {
	var found []mutation.Mutant
	for _, m := range b.lines {
		own := strings.HasPrefix(m.File, e.Folder+"/")
		if own && m.Key == e.Line {
			return m, nil
		}
		if own && strings.HasPrefix(m.Key, e.Line) {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return mutation.Mutant{}, fmt.Errorf("exercise %s: %s has %d lines %q; want one", e.ID, e.Folder, len(found), e.Line)
	}
	return found[0], nil
}

// Running is a step that listens, or the client of step 11.
type Running struct {
	bench   *Bench
	env     []string
	program *program.Program
	target  *matrix.Target
	naive   *naive.Lab
}

// Start runs the step without the line of an exercise; nil: with all of them.
func (b *Bench) Start(ctx context.Context, without *Exercise) (r *Running, err error) {
	number := "" // of the statement that is taken out
	if without != nil {
		line, err := b.find(*without)
		if err != nil {
			return nil, err
		}
		number = line.Number
	}
	r = &Running{bench: b, env: append(program.Environment(), mutation.Variable+"="+number)}
	if b.step == 11 {
		r.naive, err = naive.Start(naive.Options{})
		return r, err
	}
	args := []string{"-addr", "localhost:0"}
	keys := filepath.Join(b.dir, "keys")
	if b.step >= 5 && b.step <= 9 {
		args = append(args, "-keys", keys)
	}
	if b.step == provided {
		if b.provider == nil {
			if b.provider, err = stubprovider.Start(stubprovider.Published()...); err != nil {
				return nil, err
			}
		}
		r.env = append(r.env, b.provider.Env()...)
	}
	command, err := b.command(ctx, args...)
	if err != nil {
		return nil, err
	}
	command.Env = r.env
	if r.program, err = program.Start(command, &program.Buffer{}); err != nil {
		return nil, err
	}
	r.target = &matrix.Target{Addr: strings.TrimPrefix(r.program.URL, "http://"), URL: r.program.URL, Keys: keys, Provider: b.provider}
	return r, nil
}

// command is a command of the step's program, in the bench's folder.
func (b *Bench) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	command, err := b.Command(ctx, b.binary, args...)
	if err == nil {
		command.Dir = b.dir
	}
	return command, err
}

// Stop ends all that Start began.
func (r *Running) Stop() {
	if r.program != nil {
		r.program.Stop()
	}
	if r.naive != nil {
		r.naive.Close()
	}
}

// Outcome is how a trial ended.
type Outcome struct {
	Says string // in a few words
	Got  bool   // what the trial wants
	Text string // all that was printed or answered
	// Answer is what came back; nil for a trial that is not one request.
	Answer *matrix.Answer
}

// Try carries a trial out.
func (r *Running) Try(ctx context.Context, t Trial) (Outcome, error) {
	switch {
	case t.Flow != "":
		return r.flow(ctx, t)
	case t.Server != "":
		return r.client(ctx, t)
	}
	request, err := t.request()
	if err != nil {
		return Outcome{}, err
	}
	answer, err := r.target.Send(request, t.Era)
	if err != nil {
		return Outcome{}, err
	}
	says := fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status))
	if code := errorOf(answer.Body); code != "" {
		says += ", " + code
	}
	return Outcome{says, t.Want.Check(answer) == nil, textOf(answer), answer}, nil
}

// textOf is what an answer says: its status, its challenge and its body.
func textOf(answer *matrix.Answer) string {
	text := fmt.Sprintf("%d %s\n", answer.Status, http.StatusText(answer.Status))
	for _, challenge := range answer.Header.Values("WWW-Authenticate") {
		text += "WWW-Authenticate: " + challenge + "\n"
	}
	return text + "\n" + answer.Body
}

// request is what a trial sends: a row's request, or its own.
func (t Trial) request() (matrix.Request, error) {
	if t.Row == "" {
		return t.Request, nil
	}
	row, ok := matrix.Find(t.Row)
	if !ok {
		return matrix.Request{}, fmt.Errorf("the table has no row %s", t.Row)
	}
	return row.Request, nil
}

// errorOf is the error code of an answer, of OAuth or of JSON-RPC, or empty.
func errorOf(body string) string {
	for _, mark := range []string{`"error":"`, `"message":"`} {
		if _, rest, found := strings.Cut(body, mark); found {
			code, _, _ := strings.Cut(rest, `"`)
			return code
		}
	}
	return ""
}

// flow carries an attack on an authorization server out.
func (r *Running) flow(ctx context.Context, t Trial) (Outcome, error) {
	var out program.Buffer
	if err := Attacking(ctx, t.Flow, r.program.URL+"/realms/mcp-realm", &out); err != nil {
		return Outcome{}, err
	}
	text := strings.TrimSpace(out.String())
	last := text[strings.LastIndexByte(text, '\n')+1:]
	return Outcome{Says: last, Got: strings.HasPrefix(last, Worked), Text: text}, nil
}

// client lets step 11 call a server of the lab.
func (r *Running) client(ctx context.Context, t Trial) (Outcome, error) {
	server := r.naive.Server + "/mcp"
	if t.Server != honest {
		server = r.naive.Attacker + "/" + t.Server + "/mcp"
	}
	command, err := r.bench.command(ctx, "--quiet", "--store", "none", "--login", "mcp-user:user123",
		"--server", server, "--call", "echo", "--arg", "message=hi")
	if err != nil {
		return Outcome{}, err
	}
	command.Env = r.env
	output, err := command.CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return Outcome{}, err
	}
	says := strings.TrimSpace(string(output))
	return Outcome{Says: says, Got: strings.Contains(says, t.Says), Text: says}, nil
}

// Run is what an exercise shows: each of its trials with the line and without it.
// Without is nil where there is no recipe.
type Run struct {
	Exercise      Exercise
	Line          Line
	With, Without []Outcome
}

// Done tells whether a task without a recipe is done.
func (r Run) Done() bool {
	return !slices.ContainsFunc(r.With, func(o Outcome) bool { return !o.Got })
}

// Exercise runs an exercise. A recipe is run with its line and without it; a task is
// run as the repository stands.
func (b *Bench) Exercise(ctx context.Context, e Exercise) (run Run, err error) {
	run.Exercise = e
	if run.With, err = b.TryAll(ctx, nil, e.Trials); err != nil || e.Free() {
		return run, err
	}
	if run.Line, err = b.line(e); err != nil {
		return run, err
	}
	run.Without, err = b.TryAll(ctx, &e, e.Trials)
	return run, err
}

// TryAll starts the step without the line of an exercise (nil: with all of them), and
// carries trials out.
func (b *Bench) TryAll(ctx context.Context, without *Exercise, trials []Trial) ([]Outcome, error) {
	running, err := b.Start(ctx, without)
	if err != nil {
		return nil, err
	}
	defer running.Stop()
	outcomes := make([]Outcome, len(trials))
	for i, trial := range trials {
		if outcomes[i], err = running.Try(ctx, trial); err != nil {
			return nil, fmt.Errorf("%s: %w", trial.What, err)
		}
	}
	return outcomes, nil
}

// line is the line of the source that an exercise takes out.
func (b *Bench) line(e Exercise) (Line, error) {
	mutant, err := b.find(e)
	if err != nil {
		return Line{}, err
	}
	text, err := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(mutant.File)))
	if err != nil {
		return Line{}, err
	}
	lines := strings.Split(string(text), "\n")
	if mutant.Line < 1 || mutant.Line > len(lines) {
		return Line{}, fmt.Errorf("%s has no line %d", mutant.File, mutant.Line)
	}
	return Line{mutant.File, mutant.Line, strings.TrimSpace(lines[mutant.Line-1])}, nil
}

// FindExercise is the exercise with an id.
func FindExercise(id string) (Exercise, bool) {
	i := slices.IndexFunc(Exercises, func(e Exercise) bool { return e.ID == id })
	if i < 0 {
		return Exercise{}, false
	}
	return Exercises[i], true
}

// ExercisesOf are the exercises of a step.
func ExercisesOf(step int) []Exercise {
	return slices.DeleteFunc(slices.Clone(Exercises), func(e Exercise) bool { return e.Step != step })
}

// Line is a line of the source that an exercise takes out.
type Line struct {
	File   string // relative to the root
	Number int
	Text   string
}

// Lines are the lines of a step's exercises, by their ids, as the source has them now.
func Lines(root string, step int) (map[string]Line, error) {
	scratch, err := os.MkdirTemp("", "exercise-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	b := &Bench{root: root, dir: scratch, step: step}
	all, err := mutation.Instrument(root, scratch, b.parts()...)
	if err != nil {
		return nil, err
	}
	b.lines = all.Mutants
	lines := map[string]Line{}
	for _, e := range ExercisesOf(step) {
		if e.Free() {
			continue
		}
		if lines[e.ID], err = b.line(e); err != nil {
			return nil, err
		}
	}
	return lines, nil
}
