// Command login stands in for a person at a browser: it is called with an
// authorization URL, logs in at the provider with the demo user of $LOGIN
// (user:password), consents, and opens the client's redirect URI. Clients that
// open a browser take it as $BROWSER.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

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
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	back, err := formlogin.Run(ctx, authorization.String(), authorization.Query().Get("redirect_uri"), formlogin.User{Name: name, Password: password})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, back.String(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the client answered its own redirect with status %d", response.StatusCode)
	}
	return nil
}
