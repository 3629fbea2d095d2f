package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/keycloak"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/authserver/realmproxy"
	"mcp-auth-step-by-step/internal/web/caller"
)

// useKeycloak runs with --provider keycloak, where this program serves nothing
// but perhaps the proxy.
func useKeycloak(ctx context.Context) (done bool, err error) {
	switch {
	case *provider == "embedded" && *check:
		return false, errors.New("--check is for a Keycloak: add --provider keycloak")
	case *provider == "embedded":
		return false, nil
	case *provider != "keycloak":
		return false, fmt.Errorf("--provider %q: want embedded or keycloak", *provider)
	}
	if err := refuseFlags(); err != nil {
		return true, err
	}
	r, err := realm.Load(*realmFile, os.LookupEnv)
	if err != nil {
		return true, err
	}
	options := keycloak.Options{
		RealmFile:     *realmFile,
		Resource:      *resource,
		AdminUser:     *adminUser,
		AdminPassword: *adminPassword,
		CheckOnly:     *check,
		Getenv:        os.Getenv,
	}
	if *proxy != "" {
		options.PublicURL = "http://" + *proxy
	}
	if err := keycloak.Run(ctx, options, os.Stdout); err != nil || *check || *proxy == "" {
		return true, err
	}
	var origins []string
	if list := flag.Lookup("origins").Value.String(); list != "" {
		origins = strings.Split(list, ",")
	}
	upstream := strings.TrimSuffix(cmp.Or(os.Getenv("KEYCLOAK_URL"), "http://localhost:8080"), "/")
	trusted, err := caller.ParseProxies(*trustedProxy)
	if err != nil {
		return true, fmt.Errorf("-trusted-proxy: %w", err)
	}
	running, err := startProxy(ctx, realmproxy.Config{
		Upstream: upstream, Realm: cmp.Or(os.Getenv("KEYCLOAK_REALM"), r.Name), Origins: origins, Caller: trusted.Address,
	})
	if err != nil {
		return true, err
	}
	fmt.Fprintf(os.Stderr, "listening on %s\n", running.Site.URL)
	return true, serveProxy(ctx, running)
}

// refuseFlags refuses flags that Keycloak would not hear of.
func refuseFlags() (err error) {
	if *documentHosts+*redirectHosts+*redirectSchemes != "" || *advertise {
		err = errors.New("-document-hosts, -redirect-hosts, -redirect-schemes and -advertise-documents are for the embedded server: " +
			"name the hosts in the realm file instead, see docs/clients.md")
	}
	if *upstreamFile != "" {
		err = errors.Join(err, errors.New("-upstream is for the embedded server: let Keycloak know the provider under Identity providers"))
	}
	return err
}
