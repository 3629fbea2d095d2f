package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/realmproxy"
	"mcp-auth-step-by-step/internal/web/serve"
)

func TestWE5_AProxyThatCantServeEndsTheProgram(t *testing.T) {
	*proxy = "localhost:0"
	t.Cleanup(func() { *proxy = "" })
	running, err := startProxy(t.Context(), realmproxy.Config{Upstream: "http://localhost:1", Realm: "mcp-realm"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serveProxy(t.Context(), running) }()
	_ = running.Close() // as if the listener had failed
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it ended as if all were well")
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for a signal")
	}
	// It also ends the program of which it is the front.
	if running, err = startProxy(t.Context(), realmproxy.Config{Upstream: "http://localhost:1", Realm: "mcp-realm"}); err != nil {
		t.Fatal(err)
	}
	_ = running.Close()
	front, err := serve.Start(serve.Options{Addr: "localhost:0"}, func(context.Context, serve.Site) (http.Handler, error) {
		return http.NotFoundHandler(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	go endWith(t.Context(), running, front.Site)
	ctx, giveUp := context.WithTimeout(t.Context(), time.Minute)
	defer giveUp()
	if err := front.Wait(ctx); err == nil || !strings.Contains(err.Error(), "--proxy localhost:0: serving ended") {
		t.Errorf("the program ended with %v", err)
	}
	_ = front.Close()
	// A signal ends it too, and then all is well.
	if running, err = startProxy(t.Context(), realmproxy.Config{Upstream: "http://localhost:1", Realm: "mcp-realm"}); err != nil {
		t.Fatal(err)
	}
	signalled, signal := context.WithCancel(t.Context())
	signal()
	if err := serveProxy(signalled, running); err != nil {
		t.Error(err)
	}
}

// WD16: who calls the upstream's port directly can't choose an address.
func TestWD16_OnlyTheProxyNamesAddresses(t *testing.T) {
	for name, test := range map[string]struct{ secret, forwarded, want string }{
		"the proxy":          {"right", "203.0.113.7", "203.0.113.7"},
		"the proxy, IPv6":    {"right", "2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		"no secret":          {"", "203.0.113.7", "127.0.0.1"},
		"another secret":     {"wrong", "203.0.113.7", "127.0.0.1"},
		"the proxy, a list":  {"right", "203.0.113.7, 203.0.113.8", "127.0.0.1"},
		"the proxy, nothing": {"right", "", "127.0.0.1"},
	} {
		r := &http.Request{RemoteAddr: "127.0.0.1:5000", Header: http.Header{}}
		r.Header.Set("X-Forwarded-For", test.forwarded)
		r.Header.Set(realmproxy.SecretHeader, test.secret)
		if got := behindProxy(r, "right"); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
