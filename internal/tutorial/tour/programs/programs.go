// Package programs builds and runs the programs of the repository for the tour: each
// is built once, listens at localhost on a free port, and ends with the tour, also
// when the tour is killed.
//
//	all, err := programs.New(root)
//	…
//	defer all.Close()
//	running, err := all.StartStep(ctx, 6)
//	answer, err := running.Target.Run(row, matrix.Legacy)
package programs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// Programs are the programs that the tour has built and started.
type Programs struct {
	root   string
	folder *folder
	ctx    context.Context
	end    context.CancelFunc

	started  sync.WaitGroup // one for each program that hasn't ended
	mu       sync.Mutex
	named    map[string]*named
	running  map[string]*Running // the last of each name, also when it has ended
	provider *stubprovider.Provider
}

// named is what happens once at a time for programs of a name.
type named struct {
	build, start sync.Mutex
	binary       string
}

// New makes a temporary folder for the programs of the repository at root, and removes
// those that killed tours left. main must call [program.Guard] first.
func New(root string) (*Programs, error) {
	folder, err := newFolder(os.TempDir())
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	return &Programs{root: root, folder: folder, ctx: ctx, end: end, named: map[string]*named{}, running: map[string]*Running{}}, nil
}

// Close ends all programs and removes what they wrote.
func (p *Programs) Close() {
	p.end()
	p.started.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.provider != nil {
		p.provider.Close()
	}
	p.folder.remove()
}

// Dir is a folder of the tour's own, which is removed at its end.
func (p *Programs) Dir() string { return p.folder.path }

// Keys is the folder of the key pair of steps 5 to 8, which gentoken's tokens are
// signed with.
func (p *Programs) Keys() string { return filepath.Join(p.folder.path, "keys") }

// Build compiles a command of cmd/, at its first call, and returns the path of the
// binary.
func (p *Programs) Build(ctx context.Context, name string) (string, error) {
	n := p.by(name)
	n.build.Lock()
	defer n.build.Unlock()
	if n.binary != "" {
		return n.binary, nil
	}
	binary, err := program.Build(ctx, p.root, p.folder.path, name, "-ldflags=-w")
	if err == nil {
		n.binary = binary
	}
	return binary, err
}

func (p *Programs) by(name string) *named {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.named[name] == nil {
		p.named[name] = &named{}
	}
	return p.named[name]
}

// Provider is an identity provider for step 10, whose keys the tour has; it is that
// of the tests.
func (p *Programs) Provider() (*stubprovider.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.provider == nil {
		provider, err := stubprovider.Start(stubprovider.Published()...)
		if err != nil {
			return nil, err
		}
		p.provider = provider
	}
	return p.provider, nil
}

// CommandContext is a command whose program ends with the tour, and with ctx.
func (p *Programs) CommandContext(ctx context.Context, path string, args ...string) (*exec.Cmd, error) {
	command, err := program.Guarded(ctx, path, args...)
	if err != nil {
		return nil, err
	}
	command.Dir, command.Env = p.folder.path, program.Environment()
	return command, nil
}

// Running is a program that was started.
type Running struct {
	Name string // of the command of cmd/, or another one that the caller chose
	URL  string // where it listens, as it says; empty for one that doesn't listen
	Log  *Log
	// Target is where requests are sent; nil for a program that doesn't listen.
	Target *matrix.Target

	end    context.CancelFunc
	done   chan struct{}
	failed bool // before done is closed
}

// Done is closed when the program has ended.
func (r *Running) Done() <-chan struct{} { return r.done }

// Ended tells whether it has ended.
func (r *Running) Ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// Failed tells whether it has ended by itself with an error, which its log says.
func (r *Running) Failed() bool { return r.Ended() && r.failed }

// Stop ends the program, and waits for that.
func (r *Running) Stop() {
	r.end()
	<-r.done
}

// Spec says what to start.
type Spec struct {
	Name string   // by which it is found again; a running program of this name is stopped first
	Path string   // of the binary; empty: cmd/NAME, built
	Args []string // its flags
	Env  []string // further variables, as NAME=value
	Dir  string   // in which it runs; empty: the tour's own
	Runs bool     // it doesn't listen: don't wait for "listening on"
	// Target is how rows of the table reach it: Start adds where it listens. nil for a
	// program that is not an MCP server of the table.
	Target *matrix.Target
}

// Start builds and starts a program, and waits until it listens.
func (p *Programs) Start(ctx context.Context, spec Spec) (*Running, error) {
	n := p.by(spec.Name)
	n.start.Lock()
	defer n.start.Unlock()
	return p.start(ctx, spec)
}

// start is Start, for who holds the name's lock.
func (p *Programs) start(ctx context.Context, spec Spec) (*Running, error) {
	path := spec.Path
	if path == "" {
		var err error
		if path, err = p.Build(ctx, spec.Name); err != nil {
			return nil, err
		}
	}
	if old := p.Get(spec.Name); old != nil {
		old.Stop()
	}
	r, err := p.run(path, spec)
	if err != nil {
		return nil, err
	}
	if !spec.Runs {
		if r.URL, err = r.await(ctx); err != nil {
			r.Stop()
			return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
		}
	}
	if r.Target = spec.Target; r.Target != nil {
		r.Target.URL, r.Target.Addr = r.URL, strings.TrimPrefix(r.URL, "http://")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[spec.Name] = r
	return r, nil
}

// run starts a program and keeps what it writes.
func (p *Programs) run(path string, spec Spec) (*Running, error) {
	ctx, end := context.WithCancel(p.ctx)
	command, err := p.CommandContext(ctx, path, spec.Args...)
	if err != nil {
		end()
		return nil, err
	}
	command.Env, command.Dir = append(command.Env, spec.Env...), cmp.Or(spec.Dir, command.Dir)
	r := &Running{Name: spec.Name, Log: &Log{}, end: end, done: make(chan struct{})}
	command.Stdout, command.Stderr = r.Log, r.Log
	if err := command.Start(); err != nil {
		end()
		return nil, err
	}
	p.started.Go(func() {
		r.failed = command.Wait() != nil && ctx.Err() == nil
		end()
		r.Log.close()
		close(r.done)
	})
	return r, nil
}

// await waits until the program says where it listens.
func (r *Running) await(ctx context.Context) (string, error) {
	next := 0
	for {
		lines, upTo, ended, changed := r.Log.From(next)
		next = upTo
		for _, line := range lines {
			if address, ok := strings.CutPrefix(line, "listening on "); ok {
				return address, nil
			}
		}
		if ended {
			all, _, _, _ := r.Log.From(0)
			return "", fmt.Errorf("it ended before it listened: %s", strings.Join(all, "\n"))
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-changed:
		}
	}
}

// All are the programs that run, by name.
func (p *Programs) All() []*Running {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.SortedFunc(maps.Values(p.running), func(a, b *Running) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), strings.Compare(a.Name, b.Name)) // step2 before step10
	})
	return slices.DeleteFunc(all, (*Running).Ended)
}

// Get is the program of a name that runs, or nil.
func (p *Programs) Get(name string) *Running {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.running[name]; r != nil && !r.Ended() {
		return r
	}
	return nil
}

// Last is the program of a name that was started last, also when it has ended; or nil.
func (p *Programs) Last(name string) *Running {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[name]
}

// StepName is the name of a step's program.
func StepName(step int) string { return fmt.Sprintf("step%d", step) }

const (
	firstWithKeys = 5  // the first step that has a key pair
	issuing       = 9  // the authorization server
	provided      = 10 // the step that trusts a provider
)

// Server tells whether a step is a program that listens: all but the client are.
func Server(step int) bool { return step >= 1 && step <= provided }

// StartStep starts the program of a step from 1 to 10, as the tests do: step 10 with
// [Programs.Provider]. One that runs already is returned as it is.
func (p *Programs) StartStep(ctx context.Context, step int) (*Running, error) {
	if !Server(step) {
		return nil, fmt.Errorf("step %d is not a server", step)
	}
	n := p.by(StepName(step))
	n.start.Lock()
	defer n.start.Unlock()
	if r := p.Get(StepName(step)); r != nil {
		return r, nil
	}
	spec, err := p.stepSpec(step)
	if err != nil {
		return nil, err
	}
	return p.start(ctx, spec)
}

// stepSpec says how the tests start a step.
func (p *Programs) stepSpec(step int) (Spec, error) {
	spec := Spec{Name: StepName(step), Args: []string{"-addr", "localhost:0"}}
	switch {
	case step == provided:
		provider, err := p.Provider()
		if err != nil {
			return Spec{}, err
		}
		spec.Env, spec.Target = provider.Env(), &matrix.Target{Provider: provider}
	case step == issuing:
		spec.Target = &matrix.Target{Keys: filepath.Join(p.folder.path, "keys-"+spec.Name)} // for requests without tokens
		spec.Args = append(spec.Args, "-keys", spec.Target.Keys)
	default:
		spec.Target = &matrix.Target{Keys: p.Keys()}
		if step >= firstWithKeys {
			spec.Args = append(spec.Args, "-keys", p.Keys())
		}
	}
	return spec, nil
}
