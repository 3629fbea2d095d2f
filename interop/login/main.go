// Command login stands in for a person at a browser: it is called with an
// authorization URL, logs in at the provider with the demo user of $LOGIN
// (user:password), consents, and opens the client's redirect URI. Clients that
// open a browser take it as $BROWSER. It appends each URL to the file $LOGINS, if
// there is one, so that a test can count how often a user was asked. $LOGIN_TURN
// is the address of somebody who lets one login pass at a time, because Keycloak
// refuses a user who logs in twice at the same moment.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

// patience is how long a client may take until it listens.
const patience = 20 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "login:", err)
		os.Exit(1)
	}
}

func run() error {
	name, password, ok := strings.Cut(os.Getenv("LOGIN"), ":")
	if !ok || len(os.Args) != 2 {
		return fmt.Errorf("usage: LOGIN=user:password %s AUTHORIZATION_URL", os.Args[0])
	}
	authorization, err := url.Parse(os.Args[1])
	if err != nil {
		return err
	}
	if err := record(os.Getenv("LOGINS"), authorization); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	done, err := turn(ctx, os.Getenv("LOGIN_TURN"))
	if err != nil {
		return err
	}
	defer done()
	back, err := formlogin.Run(ctx, authorization.String(), authorization.Query().Get("redirect_uri"),
		formlogin.User{Name: name, Password: password})
	if err != nil {
		return err
	}
	done()
	return open(ctx, back.String())
}

// turn waits until it is this login's turn. Call done when it is over.
func turn(ctx context.Context, address string) (done func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := connection.Read(make([]byte, 1)); err != nil {
		return nil, errors.Join(err, connection.Close())
	}
	return func() { _ = connection.Close() }, nil
}

// record appends a URL to a file, a line each.
func record(name string, authorization *url.URL) error {
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, authorization)
	return errors.Join(err, file.Close())
}

// open opens the client's redirect URI. Some clients open the browser first and
// listen afterwards, so a refused connection is tried again for a while.
func open(ctx context.Context, redirect string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, redirect, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	begun := time.Now()
	for ; errors.Is(err, syscall.ECONNREFUSED) && time.Since(begun) < patience; response, err = http.DefaultClient.Do(request) {
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the client answered its own redirect with status %d", response.StatusCode)
	}
	return nil
}
