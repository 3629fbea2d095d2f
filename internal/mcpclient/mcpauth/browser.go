package mcpauth

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"
)

// Browser opens authorization URLs in the user's browser.
type Browser struct {
	// Command replaces the system's opener; the URL becomes its last argument.
	Command []string
	// Failed is told that the opener has ended with an error, such as where
	// there is no browser. May be nil.
	Failed func(error)
}

// Open starts the opener without a shell, with the URL as one argument: what an
// authorization server names must not become a command (MC13).
func (b Browser) Open(_ context.Context, authorizationURL, _ string) error {
	if err := checkOpenable(authorizationURL); err != nil {
		return err
	}
	command := b.Command
	if len(command) == 0 {
		command = opener()
	}
	// The browser outlives the flow, and often its opener too.
	process := exec.Command(command[0], append(command[1:len(command):len(command)], authorizationURL)...)
	if err := process.Start(); err != nil {
		return err
	}
	go func() {
		if err := process.Wait(); err != nil && b.Failed != nil {
			b.Failed(fmt.Errorf("%s: %w", command[0], err))
		}
	}()
	return nil
}

// checkOpenable accepts nothing but http and https URLs: others start programs.
// A URL is never taken for an option, since it begins with its scheme.
func checkOpenable(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("%w: only http and https are opened", ErrURL)
	}
	return nil
}

func opener() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{"open"}
	case "windows":
		// Not "cmd /c start", which is a shell.
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	return []string{"xdg-open"}
}
