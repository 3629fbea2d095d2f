package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realmproxy"
	"mcp-auth-step-by-step/internal/web/logging"
	"mcp-auth-step-by-step/internal/web/serve"
)

// front is what clients see of the embedded server: itself, or the proxy.
type front struct {
	URL           string
	Exposed       bool
	clientAddress func(*http.Request) string
}

// inFront starts the proxy where one is asked for. It ends with the site.
func inFront(ctx context.Context, site serve.Site, realmName string) (front, error) {
	if *proxy == "" {
		return front{URL: site.URL, Exposed: site.Exposed}, nil
	}
	stated := ""
	if site.Stated {
		stated = site.URL
	}
	running, err := startProxy(ctx, fmt.Sprintf("http://localhost:%d", site.Port), realmName, stated, site.Origins)
	if err != nil {
		return front{}, err
	}
	go func() {
		if err := running.Wait(ctx); err != nil {
			site.Log.Error("the proxy ended, so clients can't reach the issuer any more: start this program again", logging.Error(err))
		}
	}()
	return front{URL: running.Site.URL, Exposed: running.Site.Exposed, clientAddress: forwardedFor}, nil
}

func startProxy(ctx context.Context, upstream, realmName, base string, origins []string) (*serve.Running, error) {
	to, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	running, err := serve.Start(serve.Options{Addr: *proxy, URL: base, Origins: origins, Limits: serve.DefaultLimits, Log: logging.FromContext(ctx)},
		func(_ context.Context, site serve.Site) (http.Handler, error) {
			return realmproxy.New(to, realmName, site.URL, site.Origins)
		})
	if err != nil {
		return nil, fmt.Errorf("--proxy %s: %w", *proxy, err)
	}
	fmt.Printf("proxy   %s, in front of %s\n", running.Site.URL, upstream)
	return running, nil
}

// forwardedFor is who the proxy says is calling. It is the proxy's own word:
// what clients said of themselves there, it has removed.
func forwardedFor(r *http.Request) string {
	hops := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return cmp.Or(strings.TrimSpace(hops[len(hops)-1]), host)
}

// serveProxy serves the proxy alone, until ctx ends or the proxy can't serve any
// more.
func serveProxy(ctx context.Context, running *serve.Running) error {
	fmt.Fprintf(os.Stderr, "listening on %s\n", running.Site.URL)
	if err := running.Wait(ctx); err != nil {
		return fmt.Errorf("--proxy %s: %w", *proxy, err)
	}
	return nil
}
