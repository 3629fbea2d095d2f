package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
)

// output runs a program to its end and returns what it printed. It ends with the
// run.
func (s *stage) output(command *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		return "", err
	}
	defer context.AfterFunc(s.ctx, func() { _ = command.Process.Kill() })()
	if err := command.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", command, err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// in runs a program in a folder.
func (s *stage) in(folder, name string, arguments ...string) error {
	command := exec.Command(name, arguments...)
	command.Dir = folder
	_, err := s.output(command)
	return err
}
