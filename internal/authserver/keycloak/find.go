package keycloak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
)

const (
	composeFile = "keycloak/compose.yaml"
	script      = "scripts/keycloak.sh"

	probeTimeout = 5 * time.Second
	tellEvery    = 5 * time.Second // between two progress lines where the output is not a terminal
	startTimeout = 15 * time.Minute
)

// find makes sure that a Keycloak answers at the URL.
func (s *setup) find(ctx context.Context) error {
	running, err := s.probe(ctx)
	if err != nil {
		return err
	}
	if running {
		s.printf("keycloak   %-40s runs\n", s.url)
		return nil
	}
	switch {
	case s.CheckOnly:
		return fmt.Errorf("nothing answers at %s: run this without --check, which starts a Keycloak, or name another one in KEYCLOAK_URL", s.url)
	case s.at.Scheme != "http" || !loopback.URL(s.at) || s.at.Path != "":
		return fmt.Errorf("nothing answers at %s, and this program only starts a Keycloak at a URL such as http://localhost:8080", s.url)
	}
	way, err := s.chooseWay(ctx)
	if err != nil {
		return err
	}
	if err := s.start(ctx, way); err != nil {
		return err
	}
	if running, err := s.probe(ctx); err != nil || !running {
		return errors.Join(fmt.Errorf("%s succeeded, but no Keycloak answers at %s", way.name, s.url), err)
	}
	return nil
}

// probe asks whether a Keycloak answers, and fails if something else does.
func (s *setup) probe(ctx context.Context) (running bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/realms/master", nil)
	if err != nil {
		return false, err
	}
	status, body, err := s.do(request)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return false, nil
	case err != nil && loopback.URL(s.at):
		return false, fmt.Errorf("%s accepts connections but does not answer: %w", s.url, err)
	case err != nil:
		return false, fmt.Errorf("%s can't be reached: %w", s.url, err)
	case status != http.StatusOK || !strings.Contains(string(body), `"token-service"`):
		return false, fmt.Errorf("the server at %s is not a Keycloak (status %d); it may be the embedded server of step 9. "+
			"Stop it, or name another address in KEYCLOAK_URL", s.url, status)
	}
	return true, nil
}

// way is one of starting Keycloak.
type way struct {
	name    string
	command []string
	stop    string // how to stop it again
}

// chooseWay takes a distribution if one is named, else docker compose if an
// engine answers, else the distribution that the script downloads.
func (s *setup) chooseWay(ctx context.Context) (way, error) {
	root, err := s.root()
	if err != nil {
		return way{}, err
	}
	byScript := way{name: script, command: []string{"bash", filepath.Join(root, script), "start"}, stop: "bash " + script + " stop"}
	if home := s.Getenv("KEYCLOAK_HOME"); home != "" {
		byScript.name = "the Keycloak in KEYCLOAK_HOME"
		return byScript, nil
	}
	compose := filepath.Join(root, composeFile)
	if why := s.noCompose(ctx); why != "" {
		s.printf("docker     %-40s %s\n", "compose", why)
		return byScript, nil
	}
	return way{
		name:    "docker compose",
		command: []string{"docker", "compose", "-f", compose, "up", "--detach", "--wait", "--wait-timeout", "300"},
		stop:    "docker compose -f " + composeFile + " down",
	}, nil
}

// noCompose says why docker compose can't be used; empty if it can.
func (s *setup) noCompose(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	switch {
	case exec.CommandContext(ctx, "docker", "compose", "version").Run() != nil:
		return "is not installed; using a distribution"
	case exec.CommandContext(ctx, "docker", "info").Run() != nil:
		return "has no Docker engine to talk to; using a distribution"
	}
	return ""
}

// root is the folder of this repository.
func (s *setup) root() (string, error) {
	folder, err := filepath.Abs(s.Root)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, script)); err == nil {
			return folder, nil
		}
		if s.Root != "" || filepath.Dir(folder) == folder {
			return "", fmt.Errorf("nothing answers at %s, and %s, which starts a Keycloak, was not found: "+
				"run this in the folder of the repository, or start Keycloak yourself and name its address in KEYCLOAK_URL", s.url, script)
		}
		folder = filepath.Dir(folder)
	}
}

// start runs a command until Keycloak is ready, and prints how long it has taken
// so far.
func (s *setup) start(ctx context.Context, w way) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	log, err := os.CreateTemp("", "keycloak-start-*.log")
	if err != nil {
		return err
	}
	defer func() { _, _ = log.Close(), os.Remove(log.Name()) }()
	command := exec.CommandContext(ctx, w.command[0], w.command[1:]...)
	command.Env = append(os.Environ(), "KEYCLOAK_PORT="+baseurl.Port(s.at), "KEYCLOAK_HOSTNAME="+cmp.Or(s.Getenv("KEYCLOAK_HOSTNAME"), s.url),
		"KC_BOOTSTRAP_ADMIN_USERNAME="+s.AdminUser, "KC_BOOTSTRAP_ADMIN_PASSWORD="+s.AdminPassword)
	// A file instead of a pipe: Keycloak goes on running after the command, and
	// would keep a pipe open.
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	begun := time.Now()
	if err := command.Start(); err != nil {
		return fmt.Errorf("can't start %s: %w", w.command[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	if err := s.wait(w.name, begun, done); err != nil {
		return fmt.Errorf("%s did not start a Keycloak: %w\n%s", w.name, err, tail(log.Name()))
	}
	s.printf("keycloak   %-40s started by %s in %.0f s; stop it with: %s\n", s.url, w.name, time.Since(begun).Seconds(), w.stop)
	return nil
}

// wait prints the progress: in one line on a terminal, else every few seconds.
func (s *setup) wait(name string, begun time.Time, done <-chan error) error {
	every, format := tellEvery, "keycloak   %-40s is being started by %s: %.0f s\n"
	if terminal(s.out) {
		every, format = time.Second/5, "\r"+strings.TrimSuffix(format, "\n")+"\x1b[K"
		defer s.printf("\r\x1b[K")
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	s.printf(format, s.url, name, 0.0)
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			s.printf(format, s.url, name, time.Since(begun).Seconds())
		}
	}
}

func terminal(out any) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// tail is the end of what a command printed.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-8):], "\n  ")
}
