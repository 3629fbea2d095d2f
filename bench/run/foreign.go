package main

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"mcp-auth-step-by-step/internal/tutorial/performance"
)

// foreign are the servers in other languages, which run where interop/install.sh
// can install them. The short form leaves them out, since that takes a while.
func foreign(s *stage, r *performance.Record) []spec {
	r.LeftOut = nil
	interop := filepath.Join(s.root, "interop")
	if *short {
		return nil
	}
	install := exec.Command("bash", filepath.Join(interop, "install.sh"))
	if _, err := s.output(install); err != nil {
		r.LeftOut = append(r.LeftOut, "FastMCP and the TypeScript SDK were left out, because they couldn't be installed")
		fmt.Println(r.LeftOut[0])
		return nil
	}
	var found []spec
	for _, p := range []spec{
		{
			name: performance.FastMCP, program: "python", signed: true, guard: "jwt", flag: "-",
			command: []string{filepath.Join(interop, "venv", "bin", "python"), filepath.Join(interop, "servers", "echo_fastmcp.py")},
		},
		{
			name: performance.TypeScript, program: "node", signed: true, guard: "jwt", flag: "--",
			command: []string{filepath.Join(interop, "node_modules", ".bin", "node"), filepath.Join(interop, "servers", "echo_typescript.mjs")},
		},
	} {
		known := 0
		for _, w := range wires {
			if err := s.answers(p, w); err != nil {
				r.LeftOut = append(r.LeftOut, fmt.Sprintf("%s was left out for %s, because it didn't answer the load as the others do",
					p.name, w.revision))
				fmt.Println(r.LeftOut[len(r.LeftOut)-1], err)
				break
			}
			known++
		}
		if p.one = known == 1; known > 0 {
			found = append(found, p)
		}
	}
	return found
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
