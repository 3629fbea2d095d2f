package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"mcp-auth-step-by-step/internal/authserver"
	"mcp-auth-step-by-step/internal/authserver/upstream"
	"mcp-auth-step-by-step/internal/web/logging"
)

var upstreamFile = flag.String("upstream", "",
	"`file` that describes the OpenID provider at which users log in, such as a copy of providers/okta-upstream.env")

// letLogInElsewhere has users log in at the provider of -upstream.
func letLogInElsewhere(ctx context.Context, config *authserver.Config) error {
	if *upstreamFile == "" {
		return nil
	}
	log := logging.FromContext(ctx)
	settings, err := upstream.Read(*upstreamFile, os.Getenv, log)
	if err != nil {
		return fmt.Errorf("-upstream: %w", err)
	}
	redirect := authserver.UpstreamRedirect(config.Issuer)
	config.Upstream = upstream.Start(ctx, settings, redirect, time.Now)
	config.Realm = config.Realm.WithoutUsers()
	fmt.Printf("login   at %s (%s)\n        register this redirect URI there: %s\n", settings.Name, settings.Issuer, redirect)
	return nil
}
