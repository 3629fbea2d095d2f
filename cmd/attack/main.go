// Command attack carries out an attack on an authorization server on this machine:
// the one of cmd/naive, where it works, or that of step 9, where it fails.
//
//	go run ./cmd/attack stolen-code http://localhost:8081
//	go run ./cmd/attack stolen-code http://localhost:8080/realms/mcp-realm
//
// The attacks are stolen-code, code-twice and foreign-redirect. The demo user plays
// the victim. The last line says how it ends.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/web/lesson"
)

//go:embed main.go
var source string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 1 && strings.HasPrefix(args[0], "-") {
		fmt.Fprint(out, lesson.Of(source))
		return nil
	}
	if len(args) != 2 {
		return fmt.Errorf("want the name of an attack and an issuer, as in: attack %s %s", lab.Flows()[0], lab.Issuer)
	}
	return lab.Attacking(ctx, args[0], args[1], out)
}
