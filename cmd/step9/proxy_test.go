package main

import (
	"context"
	"testing"
	"time"
)

func TestWE5_AProxyThatCantServeEndsTheProgram(t *testing.T) {
	*proxy = "localhost:0"
	t.Cleanup(func() { *proxy = "" })
	running, err := startProxy(t.Context(), "http://localhost:1", "mcp-realm", "", nil)
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
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for a signal")
	}
	// A signal ends it too, and then all is well.
	if running, err = startProxy(t.Context(), "http://localhost:1", "mcp-realm", "", nil); err != nil {
		t.Fatal(err)
	}
	ctx, signal := context.WithCancel(t.Context())
	signal()
	if err := serveProxy(ctx, running); err != nil {
		t.Error(err)
	}
}
