//go:build !unix

package program

import (
	"os"
	"os/exec"
)

// OwnGroup does nothing: this system has no process groups.
func OwnGroup(*exec.Cmd) {}

// EndGroup ends the process alone.
func EndGroup(first *os.Process) error { return first.Kill() }

// KillGroup ends the process alone.
func KillGroup(first *os.Process) error { return first.Kill() }
