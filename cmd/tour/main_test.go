package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"regexp"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

func TestMain(m *testing.M) {
	program.Guard()
	os.Exit(m.Run())
}

// The tour with all of its parts starts, lets a browser in by the link that it prints,
// prints another one for each line of input, and ends.
func TestTheWholeTour(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-browser=false"}, strings.NewReader("\n"), in)
		_ = in.Close()
	}()
	startLink := regexp.MustCompile(`http://\S+/start\?key=\w+`)
	var links []string
	said := bufio.NewScanner(out)
	for len(links) < 2 && said.Scan() {
		links = append(links, startLink.FindAllString(said.Text(), 1)...)
	}
	if len(links) < 2 {
		t.Fatalf("it ended: %v", <-ended)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	for _, url := range []string{links[1], strings.Replace(links[0], "/start?key=", "/step/6?", 1)} {
		answer, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), "Auth Step By Step") {
			t.Errorf("%s: status %d", url, answer.StatusCode)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestMistakesOfTheCaller(t *testing.T) {
	for _, args := range [][]string{{"-x"}, {"extra"}, {"-addr", "0.0.0.0:0", "-browser=false"}} {
		if err := run(t.Context(), args, strings.NewReader(""), &program.Buffer{}); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
