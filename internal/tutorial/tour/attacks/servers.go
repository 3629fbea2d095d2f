package attacks

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// Started are the programs of the tour as servers to attack, with naive servers that
// take the same tokens.
type Started struct {
	programs *programs.Programs

	mu      sync.Mutex
	labs    map[bool]*naive.Lab // by whether they are open
	keySets *http.Server
}

// NewStarted attacks the programs of the tour.
func NewStarted(p *programs.Programs) *Started {
	return &Started{programs: p, labs: map[bool]*naive.Lab{}}
}

// Close ends the naive servers.
func (s *Started) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, servers := range s.labs {
		servers.Close()
	}
	if s.keySets != nil {
		_ = s.keySets.Close()
	}
}

// Target is the MCP server of a step.
func (s *Started) Target(ctx context.Context, step int) (*matrix.Target, error) {
	running, err := s.programs.StartStep(ctx, step)
	if err != nil {
		return nil, err
	}
	return running.Target, nil
}

// Log is what the program of a step writes.
func (s *Started) Log(step int) *programs.Log {
	if running := s.programs.Get(programs.StepName(step)); running != nil {
		return running.Log
	}
	return &programs.Log{}
}

// Issuer is the issuer of step 9.
func (s *Started) Issuer(ctx context.Context) (string, error) {
	running, err := s.programs.StartStep(ctx, issuing)
	if err != nil {
		return "", err
	}
	return running.URL + "/realms/mcp-realm", nil
}

// Client runs the client of step 11. That it ends without access is what the attacks
// are about, and not an error.
func (s *Started) Client(ctx context.Context) (func(args ...string) (string, error), error) {
	binary, err := s.programs.Build(ctx, programs.StepName(client))
	if err != nil {
		return nil, err
	}
	return func(args ...string) (string, error) {
		command, err := s.programs.CommandContext(ctx, binary, args...)
		if err != nil {
			return "", err
		}
		output, err := command.CombinedOutput()
		if errors.As(err, new(*exec.ExitError)) && ctx.Err() == nil {
			err = nil
		}
		return string(output), err
	}, nil
}

// Naive are the naive servers, which live as long as the tour.
func (s *Started) Naive(_ context.Context, open bool) (*naive.Lab, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.labs[open] != nil {
		return s.labs[open], nil
	}
	o := naive.Options{Open: open}
	if !open {
		var err error
		if o.KeySets, err = s.trusted(); err != nil {
			return nil, err
		}
	}
	servers, err := naive.Start(o)
	if err == nil {
		s.labs[open] = servers
	}
	return servers, err
}

// trusted are the key sets of steps 5 to 8, which have one key pair here, and of the
// provider of step 10.
func (s *Started) trusted() (string, error) {
	key, err := keys.Public(s.programs.Keys())
	if err != nil {
		return "", err
	}
	provider, err := s.programs.Provider()
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", err
	}
	s.keySets = &http.Server{Handler: jwks.Handler(jwks.Set{key}), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.keySets.Serve(listener) }()
	return strings.Join([]string{"http://" + listener.Addr().String(), provider.Issuer() + "/certs"}, " "), nil
}
