package mcpendpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
)

// slowServer has a tool that says when it runs, and goes on when told so. Its
// result is whether it was cancelled meanwhile.
func slowServer() (s *mcpendpoint.Server, running, goOn chan struct{}) {
	s, running, goOn = newServer(), make(chan struct{}), make(chan struct{})
	s.AddTool(mcp.NewTool("slow"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		close(running)
		<-goOn
		return mcp.NewToolResultText(fmt.Sprintf("cancelled: %t", ctx.Err() != nil)), nil
	})
	return s, running, goOn
}

// attack lets A call the slow tool, B cancel the id of A's call, and returns
// what A gets.
func attack(t *testing.T, e era, h http.Handler, running, goOn chan struct{}) string {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		body, headers := e.request("tools/call", `"name":"slow"`)
		a, _ := send(t, t.Context(), h, body, headers...)
		got <- a.body
	}()
	wait(t, running)
	body, headers := e.request("notifications/cancelled", `"requestId":7`)
	if a, _ := send(t, t.Context(), h, strings.Replace(body, `"id":7,`, "", 1), headers...); a.status != http.StatusAccepted {
		t.Errorf("B's notification: %d %s", a.status, a.body)
	}
	close(goOn) // mcp-go cancels before it answers, so there is nothing to wait for
	return wait(t, got)
}

func wait[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing happens")
		panic("unreachable")
	}
}

// RS05: nobody can stop what somebody else has running.
func TestRS05_A23_CancelledByAnotherCaller(t *testing.T) {
	for _, e := range eras {
		s, running, goOn := slowServer()
		if got := attack(t, e, endpoint(s), running, goOn); !strings.Contains(got, "cancelled: false") {
			t.Errorf("%s: A's call ended with %s", e.name, got)
		}
		// The attack is real: without Decode it works.
		s, running, goOn = slowServer()
		if got := attack(t, e, mcpGoAlone(s), running, goOn); !strings.Contains(got, "cancelled: true") {
			t.Errorf("%s: mcp-go alone keeps A's call running (%s): this test shows nothing", e.name, got)
		}
	}
}

// RS05: two callers with the same id at the same time don't get in each other's
// way, also when the first of them has its answer.
func TestRS05_SameIDTwice(t *testing.T) {
	s, running, goOn := slowServer()
	h := endpoint(s)
	got := make(chan string, 1)
	go func() {
		body, headers := eras[0].request("tools/call", `"name":"slow"`)
		a, _ := send(t, t.Context(), h, body, headers...)
		got <- a.body
	}()
	wait(t, running)
	body, headers := eras[0].request("tools/call", `"name":"echo","arguments":{"message":"B"}`)
	if a, _ := send(t, t.Context(), h, body, headers...); !strings.Contains(a.body, `"text":"B"`) {
		t.Errorf("B got %s", a.body)
	}
	close(goOn)
	if a := wait(t, got); !strings.Contains(a, "cancelled: false") {
		t.Errorf("A got %s", a)
	}
}

// RS05: no session is given out, and one that is sent means nothing.
func TestRS05_A21_NoSessions(t *testing.T) {
	h := endpoint(newServer())
	for _, method := range []string{"initialize", "tools/list"} {
		body, headers := eras[0].request(method, "")
		plain, _ := send(t, t.Context(), h, body, headers...)
		for _, id := range []string{"", "mcp-session-00000000-0000-0000-0000-000000000000", "../x", strings.Repeat("a", 10_000)} {
			a, _ := send(t, t.Context(), h, body, append(headers, "Mcp-Session-Id: "+id)...)
			if a.status != 200 || a.body != plain.body || a.header.Values("Mcp-Session-Id") != nil {
				t.Errorf("%s with the session %.20q: %d %v", method, id, a.status, a.header)
			}
		}
	}
}

// A22: clients that introduce themselves leave nothing behind.
func TestA22_MemoryStaysFlat(t *testing.T) {
	h := endpoint(newServer())
	body, headers := eras[0].request("initialize", `"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}`)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // the second one frees what the first found in pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	introduce := func(from, to int) {
		for i := from; i < to; i++ {
			unique := strings.Replace(body, `"id":7`, fmt.Sprintf(`"id":"%d"`, i), 1)
			if a, _ := send(t, t.Context(), h, unique, append(headers, fmt.Sprintf("Mcp-Session-Id: %0100d", i))...); a.code() != 0 {
				t.Fatal(a.body)
			}
		}
	}
	introduce(0, 500) // what is made on first use
	before := heap()
	const clients, each = 3_000, 64 // bytes: less than the session id that each of them sends
	introduce(500, 500+clients)
	if after := heap(); after > before+clients*each {
		t.Errorf("%d clients left %d bytes behind", clients, after-before)
	} else {
		t.Logf("%d clients changed the heap by %d bytes", clients, int64(after)-int64(before))
	}
	runtime.KeepAlive(h)
}

func TestRS03_InitializeVersions(t *testing.T) {
	h := endpoint(newServer())
	for asked, want := range map[string]string{
		`"protocolVersion":"2025-11-25"`: "2025-11-25",
		`"protocolVersion":"2025-06-18"`: "2025-06-18",
		`"protocolVersion":"2026-07-28"`: "2025-11-25", // has no initialize
		`"protocolVersion":"2025-03-26"`: "2025-11-25",
		`"protocolVersion":"2024-11-05"`: "2025-11-25",
		`"protocolVersion":"1999-01-01"`: "2025-11-25",
		`"protocolVersion":"2099-01-01"`: "2025-11-25",
		`"protocolVersion":""`:           "2025-11-25",
		`"protocolVersion":"latest"`:     "2025-11-25",
		`"capabilities":{}`:              "2025-11-25",
		``:                               "2025-11-25",
	} {
		// An older client may name its own version in the header already.
		for _, header := range []string{"X-None: 1", "MCP-Protocol-Version: 2025-06-18", "MCP-Protocol-Version: 2024-11-05"} {
			a, _ := send(t, t.Context(), h, `{"jsonrpc":"2.0","id":7,"method":"initialize","params":{`+asked+`}}`, header)
			var result struct{ ProtocolVersion string }
			if err := json.Unmarshal(a.rpc.Result, &result); err != nil || result.ProtocolVersion != want {
				t.Errorf("%s (%s): %d %s, want %s", asked, header, a.status, a.body, want)
			}
		}
	}
}

func TestRS04_Discover(t *testing.T) {
	body, headers := eras[1].request("server/discover", "")
	a, _ := send(t, t.Context(), endpoint(newServer()), body, headers...)
	var result struct {
		ResultType        string
		SupportedVersions []string
		TTLMs             *int   `json:"ttlMs"`
		CacheScope        string `json:"cacheScope"`
	}
	if err := json.Unmarshal(a.rpc.Result, &result); err != nil || result.ResultType != "complete" || result.TTLMs == nil || result.CacheScope == "" ||
		!slices.Equal(result.SupportedVersions, mcpendpoint.Versions) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

type userKey struct{}

// What Tell adds is asked for each request: callers don't see each other's.
func TestTell(t *testing.T) {
	s := newServer()
	s.AddMeta("user", func(ctx context.Context) any { return ctx.Value(userKey{}) })
	s.AddMeta("always", func(context.Context) any { return true })
	h := endpoint(s)
	var group sync.WaitGroup
	for i := range 20 {
		for _, e := range eras {
			method := "initialize"
			if e.modern {
				method = "server/discover"
			}
			group.Go(func() {
				body, headers := e.request(method, "")
				a, _ := send(t, context.WithValue(t.Context(), userKey{}, i), h, body, headers...)
				var result struct {
					Meta struct {
						User   int
						Always bool
					} `json:"_meta"`
				}
				if err := json.Unmarshal(a.rpc.Result, &result); err != nil || result.Meta.User != i || !result.Meta.Always {
					t.Errorf("%s for %d: %s", method, i, a.body)
				}
			})
		}
	}
	group.Wait()
}
