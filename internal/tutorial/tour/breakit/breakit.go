// Package breakit is the exercises of package lab in the tour: take a line out of a
// step, see what gets in, name the check, and put the line back.
//
//	work := breakit.New(root, folder, progress, nil)
//	run, err := work.TakeOut(ctx, exercise)
//	solved, err := work.Answer(exercise, 1)
//
// It does what cmd/exercise does, and keeps what is solved in the same file. Nothing in
// the repository changes.
package breakit

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/tour"
)

// Work is what a visitor has under way.
type Work struct {
	root, folder, progress string
	command                func(ctx context.Context, path string, args ...string) (*exec.Cmd, error)

	mu      sync.Mutex // one exercise at a time
	benches []*kept    // the newest last
	states  map[string]*State
}

// kept is a step that was built.
type kept struct {
	step  int
	bench *lab.Bench
}

// most is how many built steps are kept: each takes some 20 MB.
const most = 3

// State is how far an exercise is.
type State struct {
	Run    *lab.Run // what the last try showed; nil: nothing was tried
	Out    bool     // the line is taken out
	Wrong  bool     // the last answer was not the right one
	Named  bool     // the check was named
	Solved bool     // now, or in an earlier visit
}

// New works with the sources at root. folder is for what is built, progress the file
// that keeps what is solved. command makes the commands of programs; nil:
// [exec.CommandContext].
func New(root, folder, progress string, command func(context.Context, string, ...string) (*exec.Cmd, error)) *Work {
	return &Work{root: root, folder: folder, progress: progress, command: command, states: map[string]*State{}}
}

// Close removes what was built.
func (w *Work) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.benches {
		k.bench.Close()
	}
	w.benches = nil
}

// TakeOut runs the step with the line of a recipe and without it. A task without a
// recipe is built and tried as the source stands, and is solved when nothing is missing.
func (w *Work) TakeOut(ctx context.Context, e lab.Exercise) (*State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	run, err := w.exercise(ctx, e)
	if err != nil {
		return nil, err
	}
	s := &State{Run: &run, Out: !e.Free()}
	w.states[e.ID] = s
	if e.Free() && run.Done() {
		s.Named = true
		return s, w.solve(e)
	}
	return s, nil
}

// Run runs a step with the line of a recipe and without it, and keeps nothing of it.
func (w *Work) Run(ctx context.Context, e lab.Exercise) (lab.Run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exercise(ctx, e)
}

// exercise is Run, for who holds w.mu.
func (w *Work) exercise(ctx context.Context, e lab.Exercise) (lab.Run, error) {
	bench, err := w.bench(ctx, e)
	if err != nil {
		return lab.Run{}, err
	}
	return bench.Exercise(ctx, e)
}

// errNotOut says that nothing was tried yet.
var errNotOut = tour.Problemf(http.StatusConflict, "Take the line out first, and see what gets in.")

// PutBack runs the step with its line once more.
func (w *Work) PutBack(ctx context.Context, e lab.Exercise) (*State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.states[e.ID]
	if s == nil || !s.Out {
		return nil, errNotOut
	}
	bench, err := w.bench(ctx, e)
	if err != nil {
		return nil, err
	}
	with, err := bench.TryAll(ctx, nil, e.Trials)
	if err != nil {
		return nil, err
	}
	s.Run.With, s.Out = with, false
	return s, nil
}

// Answer says which check the line was: the index of a choice.
func (w *Work) Answer(e lab.Exercise, choice int) (*State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.states[e.ID]
	if s == nil || s.Run == nil || e.Free() {
		return nil, errNotOut
	}
	s.Wrong = choice != e.Right
	if s.Wrong {
		return s, nil
	}
	s.Named = true
	return s, w.solve(e)
}

// States are how far the exercises are, by their ids.
func (w *Work) States() (map[string]State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	progress, err := lab.LoadProgress(w.progress)
	if err != nil {
		return nil, err
	}
	all := map[string]State{}
	for _, e := range lab.Exercises {
		s := State{}
		if has := w.states[e.ID]; has != nil {
			s = *has
		}
		s.Solved = progress.Has(e.ID)
		all[e.ID] = s
	}
	return all, nil
}

// solve keeps that an exercise is solved. The file is read anew: cmd/exercise may have
// written it meanwhile.
func (w *Work) solve(e lab.Exercise) error {
	progress, err := lab.LoadProgress(w.progress)
	if err != nil {
		return err
	}
	return progress.Solve(e.ID)
}

// Merge keeps exercises that were solved elsewhere, by their ids. Others are left out:
// a browser may remember those of another version.
func (w *Work) Merge(ids []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		e, ok := lab.FindExercise(id)
		if !ok {
			continue
		}
		if err := w.solve(e); err != nil {
			return err
		}
	}
	return nil
}

// Forget begins anew: nothing is solved, here and in the file.
func (w *Work) Forget() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.states)
	if err := os.Remove(w.progress); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the exercises can't be forgotten: %w", err)
	}
	return nil
}

// bench is the built step of an exercise. A task is built anew: the visitor changes the
// source.
func (w *Work) bench(ctx context.Context, e lab.Exercise) (*lab.Bench, error) {
	i := slices.IndexFunc(w.benches, func(k *kept) bool { return k.step == e.Step })
	if i >= 0 && !e.Free() {
		return w.benches[i].bench, nil
	}
	if i < 0 && len(w.benches) == most {
		i = 0
	}
	if i >= 0 {
		w.benches[i].bench.Close()
		w.benches = slices.Delete(w.benches, i, i+1)
	}
	bench, err := lab.NewBench(ctx, w.folder, w.root, e.Step, nil)
	if err != nil {
		return nil, err
	}
	if w.command != nil {
		bench.Command = w.command
	}
	w.benches = append(w.benches, &kept{e.Step, bench})
	return bench, nil
}

// Extent is the last line of the statement that begins on a line of a file.
func Extent(root, file string, line int) (int, error) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, filepath.Join(root, filepath.FromSlash(file)), nil, parser.SkipObjectResolution)
	if err != nil {
		return 0, fmt.Errorf("%s can't be read: %w", file, err)
	}
	last := line
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.BlockStmt, *ast.FuncDecl, nil:
			return true
		case ast.Stmt, *ast.CompositeLit:
			if files.Position(n.Pos()).Line == line {
				last = max(last, files.Position(n.End()).Line)
			}
		}
		return true
	})
	return last, nil
}
