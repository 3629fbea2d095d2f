package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	newest = "2026-07-28"
	legacy = "2025-11-25"
)

// visitor is a user of step 11, with a folder of configuration of their own.
type visitor struct {
	ctx    context.Context
	home   string
	server string
	user   string
	legacy bool
	client []string // flags of the client, where it is registered already
}

// outcome is what a run of step 11 came to.
type outcome struct {
	exit     int
	result   string
	did      []string // what was exchanged: "request 401", "token 200"; stages of the flow, in order
	logins   int      // how often the browser was opened
	revision string
	stdout   string
	stderr   string
	browser  string // its error
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d, result %q, %d logins, revision %s\ndid: %s\nstderr: %s\nbrowser: %s\n",
		o.exit, o.result, o.logins, o.revision,
		strings.Join(o.did, ", "), strings.TrimSpace(o.stderr), o.browser)
}

// stages as step 11 numbers them.
var stages = [...]string{"", "request", "resource", "server", "register", "browser", "token", "revoke"}

// step11 runs the client with its defaults, and arguments.
func (v *visitor) step11(arguments ...string) (outcome, error) {
	ctx, cancel := context.WithTimeout(v.ctx, 2*time.Minute)
	defer cancel()
	all := slices.Concat([]string{"--server", v.server, "--json"}, v.client, arguments)
	command := exec.CommandContext(ctx, filepath.Join(*bin, "step11"), all...)
	logins := filepath.Join(v.home, "logins")
	before := lines(logins)
	_ = os.Remove(logins + ".error")
	// Its browser is found as any user's is.
	command.Env = []string{
		"HOME=" + v.home, "PATH=" + filepath.Join(*bin, "opener"), "LOGIN=" + v.user, "LOGINS=" + logins,
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return outcome{}, err
	}
	o := outcome{exit: command.ProcessState.ExitCode(), logins: lines(logins) - before, stdout: stdout.String(), stderr: stderr.String()}
	problem, _ := os.ReadFile(logins + ".error")
	o.browser = string(problem)
	return o, o.read()
}

func lines(path string) int {
	text, _ := os.ReadFile(path)
	return bytes.Count(text, []byte("\n"))
}

// read reads the lines that step 11 prints.
func (o *outcome) read() error {
	decoder := json.NewDecoder(strings.NewReader(o.stdout))
	for decoder.More() {
		var line struct {
			Result   *string
			Stage    int
			Exchange *struct {
				From, URL string
				Status    int
				Header    map[string][]string
			}
		}
		if err := decoder.Decode(&line); err != nil {
			return err
		}
		if line.Result != nil {
			o.result = *line.Result
		}
		e := line.Exchange
		if e == nil || e.From == "browser" && e.Status == 0 {
			continue
		}
		o.did = append(o.did, fmt.Sprintf("%s %d", stages[line.Stage], e.Status))
		if version := e.Header["Mcp-Protocol-Version"]; e.Status == 200 && len(version) == 1 && line.Stage == 1 {
			o.revision = version[0]
		}
	}
	return nil
}

func (o outcome) count(what string) int {
	n := 0
	for _, did := range o.did {
		if did == what {
			n++
		}
	}
	return n
}

// kept is the file in which the client keeps its entry for the server.
func (v *visitor) kept() (path string, entry map[string]any, err error) {
	found, err := filepath.Glob(filepath.Join(v.home, ".config", "mcp-auth-step-by-step", "*.json"))
	if err != nil || len(found) != 1 {
		return "", nil, fmt.Errorf("%d entries are kept, and not one", len(found))
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return "", nil, err
	}
	return found[0], entry, json.Unmarshal(text, &entry)
}

// expire lets the kept access token be at its end. Where there is no refresh
// token the client tries it once more, so then it is one that no server knows.
func (v *visitor) expire() error {
	path, entry, err := v.kept()
	if err != nil {
		return err
	}
	token, ok := entry["token"].(map[string]any)
	if !ok {
		return errors.New("no token is kept")
	}
	token["expires"] = time.Now().Add(-time.Hour)
	if token["refresh_token"] == nil {
		token["access_token"] = "expired"
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
