package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"mcp-auth-step-by-step/internal/mcpserver/envfile"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/tutorial/tokencheck"
	"mcp-auth-step-by-step/internal/web/lesson"
	"mcp-auth-step-by-step/internal/web/serve"
)

const aboutToken = `check token reads an access token and says, without any request, whose it looks like,
what each check of step 10 makes of it, and under which settings step 10 would take it,
or why under none. The signature and the key are not checked: the issuer's keys are not
fetched.

	check token -env providers/okta.env <token.txt
	check token -file token.txt
	check token                              (then paste it; it is not shown)

A token in an argument would be seen by other users of this machine, and would stay in
the shell's history; so it is read from standard input or from a file.

Exit status: 0 if no check failed; 1 if one did; 2 if the arguments or the settings are
wrong, or there is no token.`

// maxInput is how much is read: a token and what may stand around it.
const maxInput = 2 * jws.MaxSize

func checkToken(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	flags := flag.NewFlagSet("check token", flag.ContinueOnError)
	env := flags.String("env", "", "`file` that says whom the server trusts (default "+envfile.Default+", if it is there)")
	base := flags.String("url", "", "`URL` of the server, without /mcp (default MCP_SERVER_URL, or http://localhost:9000)")
	file := flags.String("file", "", "`file` with the token (default standard input)")
	if err := lesson.Parse(flags, args, aboutToken, stderr); err != nil {
		return 0, err
	}
	if flags.NArg() > 0 { // it may be the token, so it isn't shown
		return 0, errors.New("unexpected argument. A token must not be an argument: give it on standard input, or in a file with -file")
	}
	settings, err := readSettings(*env, *base, stderr)
	if err != nil {
		return 0, err
	}
	token, err := readToken(*file, stdin, stderr)
	if err != nil {
		return 0, err
	}
	report := tokencheck.Run(ctx, settings, token, time.Now())
	fmt.Fprint(stdout, report.Text())
	if !report.Passes() {
		return exitBad, nil
	}
	return exitGood, nil
}

// readSettings reads what step 10 would read.
func readSettings(env, base string, stderr io.Writer) (*envfile.Settings, error) {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	site := serve.Site{URL: "http://localhost:9000", Port: 9000, Log: log}
	if base != "" {
		url, err := serve.ParseURL("-url", base)
		if err != nil {
			return nil, err
		}
		site.URL, site.Stated = url, true
	}
	return envfile.Read(env, &site)
}

var (
	errNoToken  = errors.New("there is no token: give it on standard input, or in a file with -file")
	errTooLong  = fmt.Errorf("the input is longer than %d bytes, which no token is", maxInput)
	errTwoWords = errors.New("the input is not one token: want a single word, or a line with Authorization: Bearer before it")
)

// readToken reads a token from a file, or from standard input, or from a terminal
// that doesn't show it. No error has a part of the input.
func readToken(file string, stdin io.Reader, stderr io.Writer) (string, error) {
	var text []byte
	var err error
	terminal, isFile := stdin.(*os.File)
	switch {
	case file != "":
		var opened *os.File
		if opened, err = os.Open(file); err != nil {
			return "", fmt.Errorf("-file can't be read: %w", errors.Unwrap(err))
		}
		defer func() { _ = opened.Close() }()
		text, err = io.ReadAll(io.LimitReader(opened, maxInput+1))
	case isFile && term.IsTerminal(int(terminal.Fd())):
		fmt.Fprint(stderr, "Paste the token and press Enter; it is not shown: ")
		text, err = readHidden(terminal)
		fmt.Fprintln(stderr)
	default:
		text, err = io.ReadAll(io.LimitReader(stdin, maxInput+1))
	}
	if err != nil {
		return "", err
	}
	return tokenIn(string(text))
}

// tokenIn is the token of an input: a single word, perhaps as a header has it.
func tokenIn(text string) (string, error) {
	if len(text) > maxInput {
		return "", errTooLong
	}
	words := strings.Fields(text)
	if len(words) > 1 && strings.EqualFold(words[0], "Authorization:") {
		words = words[1:]
	}
	if len(words) > 1 && strings.EqualFold(words[0], "Bearer") {
		words = words[1:]
	}
	switch len(words) {
	case 0:
		return "", errNoToken
	case 1:
		return strings.Trim(words[0], `"'`), nil
	}
	return "", errTwoWords
}

// readHidden reads a line from a terminal without showing it. In the terminal's line
// mode a line has at most 4095 bytes, and tokens may be longer; so it reads byte by byte.
func readHidden(terminal *os.File) ([]byte, error) {
	old, err := term.MakeRaw(int(terminal.Fd()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = term.Restore(int(terminal.Fd()), old) }()
	return readLine(terminal)
}

const (
	interrupt = 0x03 // Ctrl-C
	endOfFile = 0x04 // Ctrl-D
	backspace = 0x7f
)

// readLine reads up to the end of a line, as a terminal in raw mode sends it.
func readLine(from io.Reader) ([]byte, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) <= maxInput {
		n, err := from.Read(one)
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) {
				return line, nil
			}
			return nil, err
		}
		switch one[0] {
		case interrupt:
			return nil, errors.New("interrupted")
		case '\r', '\n', endOfFile:
			return bytes.TrimSpace(line), nil
		case backspace, '\b':
			line = line[:max(0, len(line)-1)]
		default:
			line = append(line, one[0])
		}
	}
	return nil, errTooLong
}
