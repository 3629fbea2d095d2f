package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"mcp-auth-step-by-step/internal/authserver/realmproxy"
	"mcp-auth-step-by-step/internal/web/caller"
	"mcp-auth-step-by-step/internal/web/logging"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/serve"
)

var trustedProxy = flag.String("trusted-proxy", "",
	"`addresses` (CIDR blocks, with commas between) of proxies in front of this program, whose X-Forwarded-For is believed")

// front is what clients see of the embedded server: itself, or the proxy.
type front struct {
	URL           string
	Exposed       bool
	clientAddress func(*http.Request) string
}

// inFront starts the proxy where one is asked for. It ends with the site.
func inFront(ctx context.Context, site serve.Site, realmName string) (front, error) {
	trusted, err := caller.ParseProxies(*trustedProxy)
	if err != nil {
		return front{}, fmt.Errorf("-trusted-proxy: %w", err)
	}
	if base, err := url.Parse(site.URL); err == nil && !loopback.URL(base) && !trusted.Any() {
		site.Log.Warn("without -trusted-proxy, all users behind a TLS proxy count as one address: wrong passwords of one lock out the others")
	}
	if *proxy == "" {
		return front{site.URL, site.Exposed, func(r *http.Request) string { return caller.Group(trusted.Address(r)) }}, nil
	}
	stated := ""
	if site.Stated {
		stated = site.URL
	}
	secret := rand.Text()
	running, err := startProxy(ctx, realmproxy.Config{
		Upstream: fmt.Sprintf("http://localhost:%d", site.Port), Realm: realmName, Base: stated,
		Origins: site.Origins, Caller: trusted.Address, Secret: secret,
	})
	if err != nil {
		return front{}, err
	}
	go endWith(ctx, running, site)
	return front{running.Site.URL, running.Site.Exposed, func(r *http.Request) string { return behindProxy(r, secret) }}, nil
}

// endWith ends the program when its proxy ends: clients know the issuer by the
// proxy's address alone, and whatever restarts programs sees only those that ended.
func endWith(ctx context.Context, running *serve.Running, site serve.Site) {
	if err := serveProxy(ctx, running); err != nil {
		site.Fail(err)
	}
}

// startProxy serves a proxy at its flag's address. The base in its configuration
// may be empty.
func startProxy(ctx context.Context, config realmproxy.Config) (*serve.Running, error) {
	running, err := serve.Start(serve.Options{
		Addr: *proxy, URL: config.Base, Origins: config.Origins, Limits: serve.DefaultLimits, Log: logging.FromContext(ctx),
	}, func(_ context.Context, site serve.Site) (http.Handler, error) {
		config.Base = site.URL
		return realmproxy.New(config)
	})
	if err != nil {
		return nil, fmt.Errorf("--proxy %s: %w", *proxy, err)
	}
	fmt.Printf("proxy   %s, in front of %s\n", running.Site.URL, config.Upstream)
	return running, nil
}

// behindProxy is from where a request comes: what the proxy says, if the proxy
// sent it. Who calls this port directly doesn't know the secret, and is the other
// end of the connection.
func behindProxy(r *http.Request, secret string) string {
	address := caller.Proxies{}.Address(r)
	if subtle.ConstantTimeCompare([]byte(r.Header.Get(realmproxy.SecretHeader)), []byte(secret)) == 1 {
		if told, err := netip.ParseAddr(r.Header.Get(caller.Header)); err == nil {
			address = told
		}
	}
	return caller.Group(address)
}

// serveProxy serves the proxy until ctx ends or the proxy can't serve any more.
func serveProxy(ctx context.Context, running *serve.Running) error {
	if err := running.Wait(ctx); err != nil {
		return fmt.Errorf("--proxy %s: %w", *proxy, err)
	}
	return nil
}
