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
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// Servers are the programs of the tour as servers to attack, with naive servers that
// take the same tokens.
type Servers struct {
	programs *programs.Programs

	mu      sync.Mutex
	labs    map[bool]*naive.Lab // by whether they are open
	keySets *http.Server
}

// New attacks the programs of the tour.
func New(p *programs.Programs) *Servers {
	return &Servers{programs: p, labs: map[bool]*naive.Lab{}}
}

// Close ends the naive servers.
func (s *Servers) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, servers := range s.labs {
		servers.Close()
	}
	if s.keySets != nil {
		_ = s.keySets.Close()
	}
}

// log is what the program of a step writes.
func (s *Servers) log(step int) *programs.Log {
	if running := s.programs.Get(programs.StepName(step)); running != nil {
		return running.Log
	}
	return &programs.Log{}
}

// run runs the client of step 11 to its end and returns what it printed. That it ends
// without access is what the attacks are about, and not an error.
func (s *Servers) run(ctx context.Context, binary string, args ...string) (string, error) {
	command, err := s.programs.CommandContext(ctx, binary, args...)
	if err != nil {
		return "", err
	}
	output, err := command.CombinedOutput()
	if errors.As(err, new(*exec.ExitError)) && ctx.Err() == nil {
		err = nil
	}
	return string(output), err
}

// naive are the naive servers, which live as long as the tour. open: they ask for no
// token.
func (s *Servers) naive(open bool) (*naive.Lab, error) {
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
func (s *Servers) trusted() (string, error) {
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
