//go:build unix

package program

import (
	"os"
	"os/exec"
	"syscall"
)

// OwnGroup makes a command the first of a process group of its own, so that
// the programs that it starts end with it; see [EndGroup].
func OwnGroup(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// EndGroup sends SIGTERM to all processes of a group.
func EndGroup(first *os.Process) error { return syscall.Kill(-first.Pid, syscall.SIGTERM) }

// KillGroup ends all processes of a group at once.
func KillGroup(first *os.Process) error { return syscall.Kill(-first.Pid, syscall.SIGKILL) }
