package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/counterparts"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// patience is how long a driver may take for all of its steps.
const patience = 10 * time.Minute

// refusal is what a user has to read where the server refuses audit.
var refusal = regexp.MustCompile(`(?i)\brole\b`)

// line is what a driver prints after a step.
type line struct {
	Step   string
	OK     bool
	Says   string
	Logins int
}

// run runs a case, and returns a row for each of its steps.
func (p *place) run(ctx context.Context, c counterparts.Case) []counterparts.Row {
	lines, logins, err := p.drive(ctx, c)
	var rows []counterparts.Row
	before := 0
	for _, step := range c.Steps() {
		row := counterparts.Row{
			Counterpart: c.Client.Name, Version: p.versions[c.Client.Name], Provider: c.Provider,
			Registration: c.Registration, Revision: c.Revision, Step: step, Outcome: counterparts.Failed,
		}
		// A step that ended twice was stopped after it had succeeded.
		at := lastIndex(lines, step)
		if at < 0 {
			row.Says = "not reached"
			if err != nil {
				row.Says += ": " + err.Error()
			}
			rows = append(rows, row)
			continue
		}
		said := lines[at]
		row.Says, row.Logins = said.Says, said.Logins
		if wrong := fault(c, said, before, logins); wrong != "" {
			row.Says = wrong + ": " + row.Says
		} else if said.OK {
			row.Outcome = counterparts.OK
		}
		before = said.Logins
		rows = append(rows, row)
	}
	if *verbose {
		for _, r := range rows {
			fmt.Printf("%-19s %s, logins %d: %s\n", r.Outcome, &r, r.Logins, r.Says)
		}
	}
	return rows
}

func lastIndex(lines []line, step string) int {
	for i, l := range slices.Backward(lines) {
		if l.Step == step {
			return i
		}
	}
	return -1
}

// fault says what is wrong with a step although the client is content: it asked
// the user once too often, or didn't show why it was refused.
func fault(c counterparts.Case, said line, before int, logins []*url.URL) string {
	atMost := before
	switch said.Step {
	case "list":
		atMost = 1
	case "echo":
		atMost = 2 // it may step up
	}
	switch {
	case c.Registration == counterparts.Bearer && said.Logins > 0:
		return "it sent the user to log in, although it has a token"
	case said.Logins > atMost:
		return fmt.Sprintf("it sent the user to log in for the %d. time", said.Logins)
	case said.Step == "list" && c.Registration != counterparts.Bearer && said.OK && said.Logins != 1:
		return "it listed without a login"
	case said.Step == "list" && c.Registration == counterparts.Document && said.OK &&
		!strings.HasPrefix(logins[0].Query().Get("client_id"), "https://"):
		return "its client id is not the URL of its document"
	case said.Step == "refusal" && said.OK && !refusal.MatchString(said.Says):
		return "the reason of the refusal isn't shown"
	}
	return ""
}

// drive runs a driver, and returns the lines that it printed and the URLs by which
// it sent the user to log in.
func (p *place) drive(ctx context.Context, c counterparts.Case) ([]line, []*url.URL, error) {
	home, err := os.MkdirTemp(p.folder, "home")
	if err != nil {
		return nil, nil, err
	}
	port, err := program.FreePort()
	if err != nil {
		return nil, nil, err
	}
	logins := filepath.Join(home, "logins")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	command := p.command(ctx, c.Client)
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "NO_COLOR=1", "PYTHONDONTWRITEBYTECODE=1",
		"MCP_URL=" + p.servers[c.Provider], "REVISION=" + c.Revision, "REGISTRATION=" + c.Registration,
		"CALLBACK_PORT=" + port, "BROWSER=" + p.login, "LOGIN=" + *login, "LOGINS=" + logins,
		"LOGIN_TURN=" + p.turns.Addr().String(),
	}
	switch c.Registration {
	case counterparts.Bearer:
		command.Env = append(command.Env, "TOKEN="+p.token)
	case counterparts.Document:
		command.Env = append(command.Env, "DOCUMENT="+p.documents.of(port))
	}
	lines, err := readLines(command, filepath.Join(home, "stderr"))
	return lines, readLogins(logins), err
}

// command starts no driver yet. What a driver starts ends with it.
func (p *place) command(ctx context.Context, client *counterparts.Client) *exec.Cmd {
	var command *exec.Cmd
	if client.Interpreter == "" {
		command = exec.CommandContext(ctx, filepath.Join(p.folder, filepath.Base(client.Program)))
	} else {
		interop := filepath.Join(p.root, "interop")
		command = exec.CommandContext(ctx, filepath.Join(interop, client.Interpreter), filepath.Join(interop, "clients", client.Program))
	}
	program.OwnGroup(command)
	command.Cancel = func() error { return program.KillGroup(command.Process) }
	command.WaitDelay = 10 * time.Second
	return command
}

func readLines(command *exec.Cmd, errors string) ([]line, error) {
	stderr, err := os.Create(errors)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	command.Stderr = stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	lines := parse(stdout)
	err = command.Wait()
	if text, _ := os.ReadFile(errors); err != nil || len(lines) == 0 {
		err = fmt.Errorf("the driver ended: %w: %s", err, tail(text))
	}
	return lines, err
}

// parse reads what a driver prints; what isn't an outcome is the client's own.
func parse(stdout io.Reader) (lines []line) {
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var one line
		if json.Unmarshal(scanner.Bytes(), &one) == nil && one.Step != "" {
			lines = append(lines, one)
		}
	}
	return lines
}

func tail(text []byte) string {
	const most = 600
	return strings.TrimSpace(string(text[max(0, len(text)-most):]))
}

// readLogins reads what interop/login wrote down.
func readLogins(name string) (all []*url.URL) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	for one := range strings.Lines(string(text)) {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil {
			all = append(all, u)
		}
	}
	return all
}
