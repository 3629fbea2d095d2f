package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// guardArgument, as the first argument, makes a program the guard of another one.
const guardArgument = "--guard-program"

// GuardPatience is how long a guarded program has to end after it was asked to.
const GuardPatience = 2 * time.Second

// Guarded is a command whose program ends with this one, also when this one is
// killed: between the two stands a guard, this program once more, which reads a pipe
// that the system closes when this program is gone. A cancelled context ends the
// program in the same way. main must call [Guard] first.
func Guarded(ctx context.Context, path string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, append([]string{guardArgument, path}, args...)...)
	OwnGroup(command) // so that Ctrl-C reaches this program alone, which then ends the others
	pipe, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	command.Cancel = pipe.Close
	command.WaitDelay = 2 * GuardPatience
	return command, nil
}

// Guard makes this process the guard of another program, if [Guarded] started it as
// one, and then doesn't return. Call it first in main, and in TestMain.
func Guard() {
	if len(os.Args) < 3 || os.Args[1] != guardArgument {
		return
	}
	status, err := guard(os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

// guard runs a program until it ends, or until standard input does.
func guard(path string, args []string) (status int, err error) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	command := exec.Command(path, args...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return 1, err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(closed)
	}()
	select {
	case err = <-ended:
	case <-closed:
		err = end(command.Process, ended)
	case <-asked:
		err = end(command.Process, ended)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil // the program has said why
	}
	return 0, err
}

// end asks a program to end, and kills it if it doesn't.
func end(process *os.Process, ended <-chan error) error {
	if err := process.Signal(os.Interrupt); err != nil {
		_ = process.Kill()
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(GuardPatience):
		_ = process.Kill()
		return <-ended
	}
}
