package serve

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mcp-auth-step-by-step/internal/web/version"
)

// childName, set in the environment, makes the test binary be a server, as
// which it is run again by these tests.
const childName = "SERVE_TEST_CHILD"

const childSource = `// Command child explains itself.
//
// In two paragraphs.
package main

// This is no part of it.
func main() {}
`

func TestMain(m *testing.M) {
	name, isChild := os.LookupEnv(childName)
	if !isChild {
		os.Exit(m.Run())
	}
	os.Args[0] = name
	flag.CommandLine = flag.NewFlagSet(name, flag.ExitOnError) // without the flags of package testing
	flag.CommandLine.Usage = func() { flag.Usage() }           // as package flag itself has it
	Main(childSource, func(_ context.Context, site Site) (http.Handler, error) {
		mux := http.NewServeMux()
		mux.HandleFunc("/site", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "%s %q", site.URL, site.Origins)
		})
		mux.HandleFunc("/fail", func(http.ResponseWriter, *http.Request) { site.Fail(errors.New("failed")) })
		mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Println("working")
			_, _ = io.Copy(io.Discard, os.Stdin) // until the parent lets it end
			_, _ = io.WriteString(w, "answered")
		})
		return mux, nil
	})
}

func child(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), childName+"=child", "GORACE=atexit_sleep_ms=0")
	return c
}

// runChild runs the program until it ends by itself.
func runChild(t *testing.T, args ...string) (status int, stderr string) {
	t.Helper()
	var out bytes.Buffer
	c := child(args...)
	c.Stderr = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	t.Cleanup(func() { _ = c.Process.Kill() })
	_ = within(t, "the end of the program", done)
	return c.ProcessState.ExitCode(), out.String()
}

var ready = regexp.MustCompile(`^listening on (http://localhost:[0-9]+)$`)

// startChild runs the program until it is ready and returns its address and
// what it writes from then on.
func startChild(t *testing.T, c *exec.Cmd) (url string, stderr *bufio.Scanner) {
	t.Helper()
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	stderr = bufio.NewScanner(pipe)
	if !stderr.Scan() {
		t.Fatal("it ended without a word")
	}
	match := ready.FindStringSubmatch(stderr.Text())
	if match == nil {
		t.Fatalf("the first line is %q", stderr.Text())
	}
	return match[1], stderr
}

func TestMainServesUntilASignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can be sent a signal here")
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			c := child("-addr", "localhost:0")
			release, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			url, stderr := startChild(t, c)
			answer := make(chan string, 1)
			go func() {
				_, body := get(t, url+"/slow")
				answer <- body
			}()
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "working\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			for stderr.Scan() && !strings.Contains(stderr.Text(), "msg=stopping") {
			}
			_ = release.Close()
			if body := within(t, "the answer", answer); body != "answered" {
				t.Errorf("the request in flight got %q", body)
			}
			rest := make(chan error, 1)
			go func() {
				for stderr.Scan() {
				}
				rest <- c.Wait()
			}()
			if err := within(t, "the end of the program", rest); err != nil {
				t.Errorf("%v: %v", signal, err)
			}
		})
	}
}

// The lines that wait are written before the program ends.
func TestMainLogsEachRequest(t *testing.T) {
	url, stderr := startChild(t, child("-addr", "localhost:0"))
	const requests = 50
	for range requests {
		get(t, url+"/site")
	}
	if r, err := http.Get(url + "/fail"); err == nil {
		_ = r.Body.Close()
	}
	logged := make(chan int, 1)
	go func() {
		n := 0
		for stderr.Scan() {
			n += strings.Count(stderr.Text(), "path=/site")
		}
		logged <- n
	}()
	if n := within(t, "the log", logged); n != requests {
		t.Errorf("%d requests of %d are in the log", n, requests)
	}
}

func TestMainPassesItsFlagsOn(t *testing.T) {
	c := child("-addr", "127.0.0.1:0", "-url", "https://mcp.example.com", "-origins", " https://a.example, ,https://b.example:8443")
	url, _ := startChild(t, c)
	if status, body := get(t, url+"/site"); status != 200 || body != `https://mcp.example.com ["https://a.example" "https://b.example:8443"]` {
		t.Errorf("got %d %s", status, body)
	}
}

func TestMainPrintsItsVersion(t *testing.T) {
	out, err := child("-version").Output()
	if want := "child " + version.Number + "\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func TestMainExplainsItsEnd(t *testing.T) {
	taken := strconv.Itoa(start(t, DefaultLimits, ok).Site.Port)
	for name, c := range map[string]struct {
		args   []string
		status int
		stderr string // regular expression for all of it
	}{
		"port taken":       {[]string{"-addr", "localhost:" + taken}, 1, `^child: port ` + taken + ` is taken: [^\n]*-addr[^\n]*\n$`},
		"unusable -url":    {[]string{"-addr", "localhost:0", "-url", "mcp.example.com"}, 1, `^child: -url "mcp.example.com" [^\n]*\n$`},
		"unknown flag":     {[]string{"-no-such"}, 2, `^child: flag provided but not defined: -no-such; see child -h\n$`},
		"flag without one": {[]string{"-addr"}, 2, `^child: flag needs an argument: -addr; see child -h\n$`},
		"an argument":      {[]string{"start"}, 2, `^child: unexpected argument "start"; see child -h\n$`},
		"help":             {[]string{"-h"}, 0, `(?s)^Command child explains itself\.\n\nIn two paragraphs\.\n\nFlags:\n.*-addr.*"localhost:9000".*-origins.*-url`},
	} {
		t.Run(name, func(t *testing.T) {
			status, stderr := runChild(t, c.args...)
			if status != c.status || !regexp.MustCompile(c.stderr).MatchString(stderr) {
				t.Errorf("status %d, want %d; stderr:\n%s", status, c.status, cmp.Or(stderr, "(nothing)"))
			}
			if strings.Contains(stderr, "no part of it") || strings.Contains(stderr, "test.run") {
				t.Errorf("it explains more than itself:\n%s", stderr)
			}
		})
	}
}

// GET / says what a program is, and what to try there. It opens nothing: what the
// program refuses or answers itself stays as it is.
func TestFrontPage(t *testing.T) {
	const source = "// Command x is for tests.\n//\n//\tcurl http://localhost:9000/health\npackage main\n"
	answer := func(url string, build http.HandlerFunc, method, path string) *httptest.ResponseRecorder {
		p := Program{Source: source, Addr: "localhost:9000", Build: func(context.Context, Site) (http.Handler, error) { return build, nil }}
		handler, err := p.withFrontPage()(t.Context(), Site{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	for path, url := range map[string]string{"/": "http://localhost:1234", "/api/": "https://example.com/api"} {
		w := answer(url, http.NotFound, "GET", path)
		if want := "Command x is for tests.\n\n\tcurl " + url + "/health\n"; w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
	for name, c := range map[string]struct {
		handler      http.HandlerFunc
		method, path string
		status       int
	}{
		"refused":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "GET", "/", 403},
		"answered":     {ok, "GET", "/", 200},
		"another path": {http.NotFound, "GET", "/x", 404},
		"a POST":       {http.NotFound, "POST", "/", 404},
	} {
		if w := answer("http://localhost:1", c.handler, c.method, c.path); w.Code != c.status || strings.Contains(w.Body.String(), "Command") {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}

// The log is of the format that -log names, and of no other.
func TestLogFormat(t *testing.T) {
	for format, want := range map[string]string{"text": "msg=hello", "json": `"msg":"hello"`, "xml": ""} {
		var out bytes.Buffer
		var opts Options
		err := opts.logTo(format, &out)
		if (err == nil) != (want != "") {
			t.Fatalf("%s: %v", format, err)
		}
		if err != nil {
			continue
		}
		opts.Log.Info("hello")
		opts.requests.Info("hello")
		if strings.Count(out.String(), want) != 2 {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}

// A line stands in the log at once, unless it is that of a request and another one
// was written in the same millisecond. Nothing is lost, and the order stays.
func TestLinesOfRequestsAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		file := &logFile{out: &out}
		request := requestLog{file}
		write := func(w io.Writer, line string) {
			if n, err := io.WriteString(w, line); err != nil || n != len(line) {
				t.Fatalf("%d bytes of %q, %v", n, line, err)
			}
		}
		stands := func(want string) {
			t.Helper()
			synctest.Wait()
			file.mu.Lock()
			defer file.mu.Unlock()
			if out.String() != want {
				t.Errorf("the log is %q, want %q", out.String(), want)
			}
		}
		write(request, "1")
		stands("1")
		write(request, "2")
		write(request, "3")
		stands("1")
		time.Sleep(together)
		stands("123")
		write(request, "4")
		write(file, "warning")
		stands("1234warning")
		write(request, "5")
		stands("1234warning")
		file.end()
		stands("1234warning5")
		time.Sleep(2 * together)
		write(request, "6")
		stands("1234warning56")
	})
}
