package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/performance"
)

// foreign are the servers in other languages, which run where interop/install.sh
// can install them. The short form leaves them out, since that takes a while.
func foreign(s *stage, r *performance.Record) ([]spec, error) {
	r.LeftOut = nil
	leaveOut := func(why string) {
		r.LeftOut = append(r.LeftOut, why)
		fmt.Println(why)
	}
	found, err := s.theOriginal()
	if err != nil || *short {
		return found, err
	}
	if len(found) == 0 {
		leaveOut("The Python original was left out: `git clone " + repository + "`, and run `make bench ORIGINAL=mcp-auth-step-by-step`")
	}
	interop := filepath.Join(s.root, "interop")
	if err := s.in(interop, "bash", "install.sh"); err != nil {
		leaveOut("FastMCP and the TypeScript SDK were left out, because they couldn't be installed")
		return found, nil
	}
	for _, p := range []spec{
		{
			name: performance.FastMCP, signed: true, guard: "jwt",
			command: []string{filepath.Join(interop, "venv", "bin", "python"), filepath.Join(interop, "servers", "echo_fastmcp.py")},
		},
		{
			name: performance.TypeScript, signed: true, guard: "jwt",
			command: []string{filepath.Join(interop, "node_modules", ".bin", "node"), filepath.Join(interop, "servers", "echo_typescript.mjs")},
		},
	} {
		for _, w := range wires {
			if err := s.answers(p, w); err != nil {
				leaveOut(fmt.Sprintf("%s was left out for %s, because it didn't answer the load as the others do", p.name, w.revision))
				fmt.Println(err)
				break
			}
			p.wires = append(p.wires, w)
		}
		if p.wires != nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// The Python original that is measured. It knows one revision, which its figures stand
// for among those of the older one.
const (
	repository = "https://github.com/christian-posta/mcp-auth-step-by-step"
	commit     = "7eb12c6fb17a342d92f4e3cefa1fd7c5b3afd6fe"
)

var originalWires = []wire{{performance.Wires[0], "MCP-Protocol-Version: 2025-06-18\r\n", ""}}

// theOriginal is step 8 of the Python original, as the clone that -original names has
// it; nothing without one. Its packages go into an environment of their own, once.
func (s *stage) theOriginal() ([]spec, error) {
	if *original == "" || s.original != nil {
		return s.original, nil
	}
	source, err := s.output(exec.Command("git", "-C", *original, "show", commit+":src/mcp_http/step8.py"))
	if err != nil {
		return nil, fmt.Errorf("-original: want a clone of %s: %w", repository, err)
	}
	if err := os.WriteFile(s.path("step8.py"), []byte(source), 0o600); err != nil {
		return nil, err
	}
	folder, bin, wheels := filepath.Join(s.root, "bench", "original"), s.path(filepath.Join("venv", "bin")), s.path("wheels")
	packages := []string{"-q", "--no-deps", "-r", "requirements.txt"}
	for _, command := range [][]string{
		{"python3", "-m", "venv", filepath.Dir(bin)},
		append([]string{filepath.Join(bin, "pip"), "download", "--only-binary", ":all:", "-d", wheels}, packages...),
		append([]string{filepath.Join(bin, "pip"), "install", "--no-index", "--find-links", wheels}, packages...),
	} {
		began := time.Now()
		if err := s.in(folder, command[0], command[1:]...); err != nil {
			return nil, err
		}
		s.installed = round(time.Since(began).Seconds())
	}
	draft := s.signer.draft("mcp-simple-auth", "mcp-server", "alice", "bench")
	draft.Claims["scopes"] = strings.Fields(draft.Claims["scope"].(string))
	token, err := draft.Token()
	s.original = []spec{{
		name: performance.Original, wires: originalWires, tokens: []string{token},
		command: []string{filepath.Join(bin, "python"), filepath.Join(folder, "serve.py"), "--step8", s.scratch, "--keys", s.path("keys")},
	}}
	return s.original, err
}

// answers tries whether a server answers the calls of the load.
func (s *stage) answers(p spec, w wire) error {
	c, err := s.start(p)
	if err != nil {
		return err
	}
	defer c.stop()
	_, err = load{contestant: c, wire: w, connections: 1, long: long(), only: 3}.run(s.ctx)
	return err
}
