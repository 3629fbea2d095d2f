package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/web/logbuffer"
)

// patience bounds every wait. It is long because machines can be slow; a
// passing test waits for events and never for this.
const patience = 30 * time.Second

// start serves a handler on a free port until the test ends.
func start(t *testing.T, limits Limits, handler http.HandlerFunc) *Running {
	t.Helper()
	r, err := Start(Options{Addr: "localhost:0", Limits: limits}, func(context.Context, Site) (http.Handler, error) { return handler, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(text)
}

// within fails the test when a channel stays silent.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %s", what, patience)
		panic("unreachable")
	}
}

func TestStart(t *testing.T) {
	r := start(t, DefaultLimits, ok)
	port := strconv.Itoa(r.Addr.(*net.TCPAddr).Port)
	if r.Site.URL != "http://localhost:"+port || r.Site.Resource() != "http://localhost:"+port+"/mcp" {
		t.Errorf("A24: the site is %q with the resource %q, want localhost and port %s", r.Site.URL, r.Site.Resource(), port)
	}
	if status, body := get(t, r.Site.URL); status != 200 || body != "ok" {
		t.Errorf("answer %d %q", status, body)
	}
}

func TestA24SiteByURL(t *testing.T) {
	r, err := Start(Options{Addr: "127.0.0.1:0", URL: "https://mcp.example.com", Origins: []string{"https://app.example"}, Limits: DefaultLimits},
		func(_ context.Context, site Site) (http.Handler, error) {
			if site.URL != "https://mcp.example.com" || site.Resource() != "https://mcp.example.com/mcp" || !slices.Equal(site.Origins, []string{"https://app.example"}) {
				t.Errorf("built for %+v", site)
			}
			return http.HandlerFunc(ok), nil
		})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	port := strconv.Itoa(r.Site.Port)
	want := []string{"localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port, "mcp.example.com", "mcp.example.com:443"}
	if !slices.Equal(r.Site.Hosts(), want) {
		t.Errorf("RS02: Hosts = %q, want %q", r.Site.Hosts(), want)
	}
}

// WC13: a default port that is written out is the same origin, and the URL that
// clients make of it has none.
func TestWC13_DefaultPort(t *testing.T) {
	r, err := Start(Options{Addr: "127.0.0.1:0", URL: "https://mcp.example.com:443", Limits: DefaultLimits},
		func(context.Context, Site) (http.Handler, error) { return http.HandlerFunc(ok), nil })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.Site.Resource(); got != "https://mcp.example.com/mcp" {
		t.Errorf("Resource = %q", got)
	}
	for _, host := range []string{"mcp.example.com", "mcp.example.com:443"} {
		if !slices.Contains(r.Site.Hosts(), host) {
			t.Errorf("Hosts = %q, without %s", r.Site.Hosts(), host)
		}
	}
}

// WC11: a server below a path, whether or not the proxy in front of it takes
// the path away.
func TestWC11_Mount(t *testing.T) {
	seen := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })
	for path, want := range map[string]string{
		"/mcp":                          "/mcp",
		"/api/v1/mcp":                   "/mcp",
		"/api/v1/health":                "/health",
		"/api/v1":                       "/api/v1",
		"/api/v1x/mcp":                  "/api/v1x/mcp",
		"/x/api/v1/mcp":                 "/x/api/v1/mcp",
		"/api/v1/api/v1/mcp":            "/api/v1/mcp",
		"/.well-known/a":                "/.well-known/a",
		"/.well-known/a/mcp":            "/.well-known/a/mcp",
		"/.well-known/api/v1":           "/.well-known/api/v1",
		"/.well-known/a/api/v1/mcp":     "/.well-known/a/mcp",
		"/.well-known/a/api/v1":         "/.well-known/a",
		"/.well-known/a/api/v1x":        "/.well-known/a/api/v1x",
		"/.well-known/a/b/api/v1":       "/.well-known/a/b/api/v1",
		"/api/v1/.well-known/jwks.json": "/.well-known/jwks.json",
	} {
		w := httptest.NewRecorder()
		Site{URL: "https://h/api/v1"}.Mount(seen).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Body.String() != want {
			t.Errorf("%s reaches %s, want %s", path, w.Body, want)
		}
	}
	r, err := Start(Options{Addr: "127.0.0.1:0", URL: "https://h/api/v1", Limits: DefaultLimits},
		func(context.Context, Site) (http.Handler, error) { return seen, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := r.Site.Resource(); got != "https://h/api/v1/mcp" {
		t.Errorf("Resource = %q", got)
	}
}

func TestStartRefuses(t *testing.T) {
	taken := start(t, DefaultLimits, ok)
	port := strconv.Itoa(taken.Site.Port)
	for name, c := range map[string]struct {
		opts Options
		says []string
	}{
		"port taken":        {Options{Addr: "localhost:" + port}, []string{"port " + port + " is taken", "stop the program", "-addr"}},
		"no port":           {Options{Addr: "localhost"}, []string{`-addr "localhost"`}},
		"no such port":      {Options{Addr: "localhost:99999"}, []string{`-addr "localhost:99999"`}},
		"unusable -url":     {Options{Addr: "localhost:0", URL: "localhost:9000"}, []string{"-url", "https://mcp.example.com"}},
		"-url with slash":   {Options{Addr: "localhost:0", URL: "http://localhost:9000/"}, []string{"-url", "slash"}},
		"port out of range": {Options{Addr: "localhost:0", Origins: []string{"http://app.example:99999"}}, []string{"-origins", "base URL"}},
		"any Origin":        {Options{Addr: "localhost:0", Origins: []string{"https://app.example", "*"}}, []string{`-origins "*"`}},
		"Origin null":       {Options{Addr: "localhost:0", Origins: []string{"null"}}, []string{`-origins "null"`}},
		"Origin + slash":    {Options{Addr: "localhost:0", Origins: []string{"https://app.example/"}}, []string{"-origins", "slash"}},
	} {
		_, err := Start(c.opts, func(context.Context, Site) (http.Handler, error) {
			t.Errorf("%s: the handler was built", name)
			return http.HandlerFunc(ok), nil
		})
		if err == nil {
			t.Errorf("%s: started", name)
			continue
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %q", name, err)
		}
		for _, words := range c.says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q doesn't say %q", name, err, words)
			}
		}
	}
}

func TestStartLetsGoOfThePort(t *testing.T) {
	var err error
	for range 5 { // a port that was let go can be taken by somebody else, but not each time
		var port int
		broken := errors.New("broken")
		_, started := Start(Options{Addr: "localhost:0"}, func(_ context.Context, site Site) (http.Handler, error) {
			port = site.Port
			return nil, broken
		})
		if !errors.Is(started, broken) {
			t.Fatalf("Start = %v", started)
		}
		var again net.Listener
		if again, err = net.Listen("tcp", "localhost:"+strconv.Itoa(port)); err == nil {
			_ = again.Close()
			return
		}
	}
	t.Fatalf("the port is still bound: %v", err)
}

func TestA08LoopbackOnly(t *testing.T) {
	r := start(t, DefaultLimits, ok)
	if !r.Addr.(*net.TCPAddr).IP.IsLoopback() {
		t.Fatalf("RS02: listens on %s", r.Addr)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		n, isNet := a.(*net.IPNet)
		if !isNet || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() {
			continue
		}
		c, err := net.DialTimeout("tcp", net.JoinHostPort(n.IP.String(), strconv.Itoa(r.Site.Port)), patience)
		if err == nil {
			_ = c.Close()
			t.Errorf("answers at %s", n.IP)
		}
	}
}

// What is being answered is answered; whoever comes later is not let in.
func TestShutdownIsGraceful(t *testing.T) {
	working, release := make(chan struct{}), make(chan struct{})
	r := start(t, DefaultLimits, func(w http.ResponseWriter, _ *http.Request) {
		close(working)
		<-release
		_, _ = io.WriteString(w, "answered")
	})
	closed := make(chan struct{})
	r.server.RegisterOnShutdown(func() { close(closed) }) // called once nothing listens any more

	answer := make(chan string, 1)
	go func() {
		_, body := get(t, r.Site.URL)
		answer <- body
	}()
	within(t, "the request", working)
	done := make(chan error, 1)
	go func() { done <- r.Shutdown(context.Background()) }()
	within(t, "closing the listener", closed)

	if c, err := net.DialTimeout("tcp", r.Addr.String(), patience); err == nil {
		_ = c.Close()
		t.Error("a new connection was accepted")
	}
	select {
	case err := <-done:
		t.Errorf("Shutdown = %v before the request was answered", err)
	default:
	}
	close(release)
	if body := within(t, "the answer", answer); body != "answered" {
		t.Errorf("the request in flight got %q", body)
	}
	if err := within(t, "Shutdown", done); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	working, aborted := make(chan struct{}), make(chan struct{})
	r := start(t, DefaultLimits, func(_ http.ResponseWriter, req *http.Request) {
		close(working)
		<-req.Context().Done()
		close(aborted)
	})
	c, err := net.Dial("tcp", r.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	within(t, "the request", working)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v", err)
	}
	within(t, "the end of the request", aborted)
}

func teapot(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }

// RS14, J01: the query is where people put tokens, so it isn't logged.
func TestLogLine(t *testing.T) {
	log := &logbuffer.Buffer{}
	r, err := Start(Options{Addr: "localhost:0", Limits: DefaultLimits, Log: slog.New(slog.NewTextHandler(log, nil))},
		func(context.Context, Site) (http.Handler, error) { return http.HandlerFunc(teapot), nil })
	if err != nil {
		t.Fatal(err)
	}
	get(t, r.Site.URL+"/some/path?access_token=CANARY#CANARY")
	if err := r.Shutdown(t.Context()); err != nil { // the line is written after the answer
		t.Fatal(err)
	}
	line := log.String()
	for _, want := range []string{"method=GET", "path=/some/path", "status=418", "duration=", "remote=127.0.0.1:"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %q", want, line)
		}
	}
	if strings.Contains(line, "CANARY") {
		t.Errorf("the query is in the log: %s", line)
	}
}

func TestStatusWriter(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(http.ResponseWriter)
		want   int
	}{
		"nothing written":       {func(http.ResponseWriter) {}, 200},
		"body alone":            {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") }, 200},
		"status":                {func(w http.ResponseWriter) { w.WriteHeader(404) }, 404},
		"first of two":          {func(w http.ResponseWriter) { w.WriteHeader(404); w.WriteHeader(500) }, 404},
		"status after the body": {func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x"); w.WriteHeader(500) }, 200},
		"status, then a body":   {func(w http.ResponseWriter) { w.WriteHeader(401); _, _ = io.WriteString(w, "x") }, 401},
		"by http.Error":         {func(w http.ResponseWriter) { http.Error(w, "x", http.StatusRequestEntityTooLarge) }, 413},
	} {
		recorder := httptest.NewRecorder()
		w := &statusWriter{ResponseWriter: recorder, status: 200}
		c.handle(w)
		if w.status != c.want || recorder.Code != c.want {
			t.Errorf("%s: remembered %d, sent %d, want %d", name, w.status, recorder.Code, c.want)
		}
	}
}

// A stream reaches the client part by part. It lasts longer than a request and an
// answer may otherwise, as long as each of its parts is in time.
func TestStreams(t *testing.T) {
	const part = 100 * time.Millisecond
	limits := tight
	limits.Read, limits.Write = 2*part, 3*part
	for name, flush := range map[string]func(http.ResponseWriter) error{
		"Flusher":            func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
		"ResponseController": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next, ended := make(chan bool, 3), make(chan error, 1)
			last := sync.OnceFunc(func() { close(next) })
			defer last()
			r := start(t, limits, func(w http.ResponseWriter, req *http.Request) {
				_ = flush(w)
				for range next {
					if _, err := io.WriteString(w, "part\n"); err != nil || flush(w) != nil {
						ended <- fmt.Errorf("a part can't be written: %w", err)
						return
					}
				}
				ended <- req.Context().Err()
			})
			answer, err := (&http.Client{Timeout: patience}).Get(r.Site.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = answer.Body.Close() }()
			parts, ticks := bufio.NewReader(answer.Body), time.NewTicker(4*part)
			defer ticks.Stop()
			for range 3 { // each of them after both limits
				<-ticks.C
				next <- true
				if line, err := parts.ReadString('\n'); line != "part\n" {
					t.Fatalf("%q, %v", line, err)
				}
			}
			last()
			if err := within(t, "the end of the stream", ended); err != nil {
				t.Error(err)
			}
		})
	}
}

// A client that reads nothing can't hold a stream open by its parts.
func TestA14SlowReaderOfAStream(t *testing.T) {
	ended := make(chan error, 1)
	r := start(t, tight, func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		var err error
		for i := 0; i < 1024 && err == nil; i++ {
			if _, err = w.Write(block); err == nil {
				err = http.NewResponseController(w).Flush()
			}
		}
		ended <- err
	})
	c := dial(t, r)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "the end of the stream", ended); err == nil {
		t.Error("a gigabyte was streamed to a client that read none of it")
	}
}

// Orchestrators ask by any name whether a server is alive, and whether it is ready.
func TestProbes(t *testing.T) {
	health := http.StatusOK
	var asked *http.Request
	r, err := Start(Options{Addr: "localhost:0", Limits: DefaultLimits}, func(_ context.Context, site Site) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if asked = r; r.Host != site.Hosts()[0] {
				t.Errorf("asked by the Host %s", r.Host)
			}
			w.WriteHeader(health)
		}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, c := range []struct {
		method, path string
		health, want int
		asked        string
	}{
		{"GET", "/livez", 503, 200, ""},
		{"GET", "/readyz", 200, 200, "GET /health"},
		{"GET", "/readyz", 503, 503, "GET /health"},
		{"GET", "/readyz?token=x", 404, 200, "GET /health"},
		{"HEAD", "/readyz", 503, 503, "GET /health"},
	} {
		health, asked = c.health, nil
		request := httptest.NewRequest(c.method, c.path, nil)
		request.Host = "10.0.0.7:9000"
		request.Header.Set("Origin", "https://evil.com")
		w := httptest.NewRecorder()
		r.server.Handler.ServeHTTP(w, request)
		got := ""
		if asked != nil {
			got = asked.Method + " " + asked.URL.String()
			if len(asked.Header) > 0 {
				t.Errorf("headers go along: %v", asked.Header)
			}
		}
		if w.Code != c.want || got != c.asked || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%+v: %d, asked %q", c, w.Code, got)
		}
	}
	health = http.StatusTeapot
	w := httptest.NewRecorder()
	request := httptest.NewRequest("POST", "/readyz", nil)
	request.Host = r.Site.Hosts()[0]
	if r.server.Handler.ServeHTTP(w, request); w.Code != http.StatusTeapot {
		t.Errorf("POST /readyz: %d", w.Code)
	}
}

func TestAnswersAreNotSniffed(t *testing.T) {
	w := httptest.NewRecorder()
	logRequests(slog.New(slog.DiscardHandler), 0, http.HandlerFunc(ok)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Get("X-Content-Type-Options"); got != "nosniff" {
		t.Errorf("X-Content-Type-Options: %q", got)
	}
}

// What a handler keeps running ends with the server, however that ends.
func TestBuilderContext(t *testing.T) {
	for name, end := range map[string]func(*Running) error{
		"shutdown": func(r *Running) error { return r.Shutdown(t.Context()) },
		"close":    (*Running).Close,
	} {
		var seen context.Context
		running, err := Start(Options{Addr: "localhost:0", Limits: DefaultLimits}, func(ctx context.Context, _ Site) (http.Handler, error) {
			seen = ctx
			return http.NotFoundHandler(), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if seen.Err() != nil {
			t.Errorf("%s: ended before the server", name)
		}
		if err := end(running); err != nil || seen.Err() == nil {
			t.Errorf("%s: %v, context: %v", name, err, seen.Err())
		}
	}
	var seen context.Context
	if _, err := Start(Options{Addr: "localhost:0"}, func(ctx context.Context, _ Site) (http.Handler, error) {
		seen = ctx
		return nil, errors.New("no")
	}); err == nil || seen.Err() == nil {
		t.Errorf("a server that doesn't start: %v, context: %v", err, seen.Err())
	}
}
