package flow

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/flowreport"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/breakit"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// root is the repository, and all are the programs of all tests, so that they are built
// once.
var (
	root string
	all  *programs.Programs
)

func TestMain(m *testing.M) {
	program.Guard()
	os.Exit(func() int {
		var err error
		if root, err = manifest.Root(); err == nil {
			all, err = programs.New(root)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer all.Close()
		return m.Run()
	}())
}

// visitor has a tour with the flow open in a browser.
type visitor struct {
	t      *testing.T
	work   *Work
	server *tour.Server
	log    *program.Buffer // of the tour
	client *http.Client
	// secrets are what must not be seen anywhere: codes, and the values of the store.
	secrets []string
	saved   *saved
}

// saved is a store that shows what is in it.
type saved struct {
	mcpauth.FileStore
	tokens []*mcpauth.Token
}

func (s *saved) Save(e *mcpauth.Entry) error {
	if e.Token != nil {
		s.tokens = append(s.tokens, e.Token)
	}
	return s.FileStore.Save(e)
}

func visit(t *testing.T) *visitor {
	t.Helper()
	if testing.Short() {
		t.Skip("builds steps 9 and 10")
	}
	v := &visitor{t: t, work: New(all), log: &program.Buffer{}, saved: &saved{FileStore: mcpauth.FileStore{Dir: t.TempDir()}}}
	v.work.store = func() mcpauth.Store { return v.saved }
	t.Cleanup(v.work.Close)
	v.server = tour.New(tour.Options{Root: root, Programs: all, Log: slog.New(slog.NewTextHandler(v.log, nil))})
	bench := breakit.New(root, all.Dir(), filepath.Join(t.TempDir(), "exercises.json"), all.CommandContext)
	t.Cleanup(bench.Close)
	v.server.Add(Part(v.server, v.work, bench))
	if err := v.server.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.server.Close)
	jar, _ := cookiejar.New(nil)
	v.client = &http.Client{Jar: jar}
	v.get(strings.TrimPrefix(v.server.StartURL(), v.server.URL()))
	return v
}

func (v *visitor) get(path string) string {
	v.t.Helper()
	answer, err := v.client.Get(v.server.URL() + path)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		v.t.Fatalf("%s: %d, %v\n%s", path, answer.StatusCode, err, body)
	}
	return string(body)
}

// press presses a button of the page, and returns the answer.
func (v *visitor) press(form url.Values) (status int, page string) { return v.post("/flow/do", form) }

func (v *visitor) post(path string, form url.Values) (status int, page string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.server.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", v.server.URL())
	answer, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// await waits until the flow is so.
func (v *visitor) await(what string, so func(Now) bool) Now {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		now, changed := v.work.Now()
		if so(now) {
			return now
		}
		select {
		case <-changed:
		case <-ctx.Done():
			v.t.Fatalf("it never came to this: %s; it is %q, and says %q", what, now.State, now.Says)
		}
	}
}

func (v *visitor) awaitState(state State) Now {
	v.t.Helper()
	return v.await(string(state), func(now Now) bool { return now.State == state || state != Failed && now.State == Failed && v.fail(now) })
}

func (v *visitor) fail(now Now) bool {
	v.t.Fatalf("the flow failed: %s", now.Says)
	return true
}

// logIn logs in in the visitor's browser, and goes back to the client.
func (v *visitor) logIn(at string) {
	v.t.Helper()
	u, err := url.Parse(at)
	if err != nil {
		v.t.Fatal(err)
	}
	back, err := formlogin.Run(v.t.Context(), at, u.Query().Get("redirect_uri"), formlogin.User{Name: "mcp-user", Password: "user123"})
	if err != nil {
		v.t.Fatal(err)
	}
	v.secrets = append(v.secrets, back.Query().Get("code"))
	answer, err := v.client.Get(back.String())
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if page, _ := io.ReadAll(answer.Body); !strings.Contains(string(page), "go back to the tour") {
		v.t.Errorf("the page at the callback:\n%s", page)
	}
}

// The whole flow: connect, log in, call a tool with a step-up, give everything back. The
// diagram has each exchange, and nothing of it is secret.
func TestT16_TheWholeFlowWithoutSecrets(t *testing.T) {
	for _, era := range []matrix.Era{matrix.Legacy, matrix.Modern} {
		t.Run(string(era), func(t *testing.T) { wholeFlow(t, era) })
	}
}

func wholeFlow(t *testing.T, era matrix.Era) {
	v := visit(t)
	v.get("/flow/?rev=" + string(era))
	events := v.listen()
	if status, page := v.press(url.Values{"do": {"connect"}}); status != http.StatusOK || !strings.Contains(page, "The servers start") {
		t.Fatalf("connect: %d\n%s", status, page)
	}
	login := v.awaitState(Login)
	t.Run("T18 the login is at localhost, and the tour at 127.0.0.1", func(t *testing.T) {
		u, err := url.Parse(login.LoginURL)
		if err != nil || u.Hostname() != "localhost" || !strings.HasPrefix(v.server.URL(), "http://127.0.0.1:") {
			t.Errorf("the login is at %s", login.LoginURL)
		}
	})
	if page := v.get("/step/9/flow"); !strings.Contains(page, `href="http://localhost:`) || !strings.Contains(page, "401 Unauthorized") {
		t.Errorf("the page has no link to log in, or no arrow:\n%s", page)
	}
	v.logIn(login.LoginURL)
	now := v.awaitState(Idle)
	if !strings.Contains(now.Says, "3 tools") {
		t.Errorf("it says %q", now.Says)
	}
	before := now.Drawing.Exchanges
	v.press(url.Values{"do": {"call"}})
	v.logIn(v.awaitState(Login).LoginURL)
	if now = v.awaitState(Idle); !strings.Contains(now.Says, "hi from the tour") || now.Drawing.Exchanges < before+4 {
		t.Errorf("it says %q, and has %d exchanges after %d", now.Says, now.Drawing.Exchanges, before)
	}
	page := v.get("/flow/")
	for _, part := range []string{
		"401 Unauthorized", "403 Forbidden", "200 OK", "/.well-known/oauth-protected-resource", "code_challenge", "code_verifier", "resource",
		"MCP client → Authorization server", "Browser → MCP client", "access_token, decoded", `href="/step/9"`, "You log in at the authorization server",
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	if strings.Contains(page, "style=") || strings.Contains(page, "<style") {
		t.Error("the page has styles that its policy forbids")
	}
	v.press(url.Values{"do": {"end"}})
	v.awaitState(Ended)
	v.noSecrets(v.get("/flow/"), strings.Join(events(), ""))
}

// listen follows the stream, and returns what came when it is asked for that.
func (v *visitor) listen() func() []string {
	answer, err := v.client.Get(v.server.URL() + "/flow/stream")
	if err != nil {
		v.t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(answer.Body)
		scanner.Buffer(nil, 4<<20)
		for scanner.Scan() {
			if data, ok := strings.CutPrefix(scanner.Text(), "data: "); ok {
				var html string
				_ = json.Unmarshal([]byte(data), &html)
				lines <- html
			}
		}
	}()
	return func() (all []string) {
		for line := range lines { // it goes on until the last state is there
			if all = append(all, line); strings.Contains(line, "Nothing is left to steal") {
				break
			}
		}
		_ = answer.Body.Close()
		return all
	}
}

// jwt finds what is longer than the beginning of a token.
var jwt = regexp.MustCompile(`eyJ[\w-]{5,}`)

// noSecrets is T16.
func (v *visitor) noSecrets(page, stream string) {
	v.t.Helper()
	var logs bytes.Buffer
	for _, at := range []*programs.Running{v.work.places.issuing, v.work.places.serving} {
		lines, _, _, _ := at.Log.From(0)
		logs.WriteString(strings.Join(lines, "\n"))
	}
	for _, token := range v.saved.tokens {
		v.secrets = append(v.secrets, token.Access, token.Refresh)
	}
	if !strings.Contains(stream, "403 Forbidden") || len(v.saved.tokens) < 2 {
		v.t.Fatalf("the stream or the store has nothing: %d bytes, %d tokens", len(stream), len(v.saved.tokens))
	}
	for where, text := range map[string]string{"page": page, "stream": stream, "log of the tour": v.log.String(), "logs of the servers": logs.String()} {
		for _, secret := range v.secrets {
			if secret != "" && strings.Contains(text, secret) {
				v.t.Errorf("T16 the %s has the secret %.12s…", where, secret)
			}
		}
		if token := jwt.FindString(text); token != "" {
			v.t.Errorf("T16 the %s has the token %.12s…", where, token)
		}
	}
}

// Step by step, the client sends its next request when the visitor presses.
func TestStepByStep(t *testing.T) {
	v := visit(t)
	v.press(url.Values{"do": {"connect"}, "stepwise": {"yes"}})
	held := v.await("held", func(now Now) bool { return now.Held })
	if held.Drawing.Exchanges != 1 {
		t.Errorf("it is held after %d exchanges", held.Drawing.Exchanges)
	}
	if page := v.get("/flow/"); !strings.Contains(page, "Next step") {
		t.Errorf("the page has no button:\n%s", page)
	}
	lines, _, _, _ := v.work.places.issuing.Log.From(0)
	if asked := slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, "path=/register") }); asked {
		t.Error("the client went on without a press")
	}
	v.press(url.Values{"do": {"next"}})
	if now := v.await("held again", func(now Now) bool { return now.Held && now.Drawing.Exchanges == 2 }); now.State != Working {
		t.Errorf("it is %q", now.State)
	}
	v.press(url.Values{"do": {"on"}})
	v.logIn(v.awaitState(Login).LoginURL)
	if now := v.awaitState(Idle); now.Held {
		t.Error("it is held again")
	}
}

// Each check is there and refuses, and without it the attacker gets in. One of them
// always, all where LAB is set.
func TestChecksAreTakenAway(t *testing.T) {
	v := visit(t)
	card := func(page, id string) string {
		_, card, _ := strings.Cut(page, `id="check-`+id+`"`)
		card, _, _ = strings.Cut(card, "</section>")
		return card
	}
	page := v.get("/flow/")
	gets := map[string]string{"pkce": "The attack works: ", "iss": "Now the attacker has a token of alice", "audience": "200 OK"}
	for _, c := range checks {
		if before := card(page, c.ID); !strings.Contains(before, `class="line mark"`) || strings.Contains(before, "gets in") {
			t.Errorf("%s before it is taken away:\n%s", c.ID, before)
		}
		if c.ID != "pkce" && os.Getenv("LAB") == "" {
			continue
		}
		status, after := v.post("/flow/check", url.Values{"check": {c.ID}})
		after = card(after, c.ID)
		e, err := c.exercise()
		if err != nil {
			t.Fatal(err)
		}
		n := len(e.Trials)
		if strings.Count(after, ">gets in<") != n || strings.Count(after, ">refused<") != n || !strings.Contains(after, gets[c.ID]) {
			t.Errorf("%s: %d\n%s", c.ID, status, after)
		}
		if !strings.Contains(after, `class="line out"`) || !strings.Contains(card(v.get("/step/10/flow"), c.ID), "gets in") {
			t.Errorf("%s: the line isn't out, or what was seen is gone after a reload", c.ID)
		}
	}
	if status, _ := v.post("/flow/check", url.Values{"check": {"none"}}); status != http.StatusNotFound {
		t.Errorf("a check that isn't there: %d", status)
	}
}

// T15: the flow does what its own pages ask for, at the right moment, one at a time, and
// what is kept of it is bounded.
func TestT15_OneFlowWithBounds(t *testing.T) {
	v := visit(t)
	v.work.store = func() mcpauth.Store { return nil }
	for do, want := range map[string]int{"next": 409, "on": 409, "call": 409, "end": 409, "": 400, "none": 400} {
		if status, page := v.press(url.Values{"do": {do}}); status != want || !strings.Contains(page, "That did not work") {
			t.Errorf("%q before the first flow: %d, want %d", do, status, want)
		}
	}
	v.press(url.Values{"do": {"connect"}})
	first := v.awaitState(Login)
	if status, _ := v.press(url.Values{"do": {"call"}}); status != http.StatusConflict {
		t.Errorf("a call while the client waits: %d", status)
	}
	v.press(url.Values{"do": {"connect"}})
	second := v.await("a second login", func(now Now) bool { return now.Number == 2 && now.State == Login })
	v.awaitClosed(first.LoginURL)
	if second.Drawing.Exchanges != first.Drawing.Exchanges {
		t.Errorf("the second diagram has %d exchanges, the first had %d", second.Drawing.Exchanges, first.Drawing.Exchanges)
	}
	w := v.work
	r := &run{ctx: t.Context(), state: Idle, chapters: make([]flowreport.Chapter, mostChapters)}
	for range 2 * mostEvents {
		w.keep(r, mcpauth.Event{Note: "x"})
	}
	if n := count(r.chapters); n != mostEvents {
		t.Errorf("%d events are kept", n)
	}
	w.mu.Lock()
	kept := w.run
	w.run = r
	w.mu.Unlock()
	if err := w.Call(); !errors.Is(err, ErrTooLong) {
		t.Errorf("one chapter more: %v", err)
	}
	w.mu.Lock()
	w.run = kept
	w.mu.Unlock()
}

// awaitClosed waits until a client doesn't wait for its answer any more.
func (v *visitor) awaitClosed(login string) {
	v.t.Helper()
	u, err := url.Parse(login)
	if err != nil {
		v.t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; {
		answer, err := http.Get(u.Query().Get("redirect_uri"))
		if err != nil {
			return
		}
		_ = answer.Body.Close()
		if time.Now().After(until) {
			v.t.Fatal("the first client still waits for its answer")
		}
	}
}

// T17: the page links to the authorization server that the tour started, and to no other.
func TestT17_TheLoginIsAtTheOwnServer(t *testing.T) {
	w := New(nil)
	r := &run{ctx: t.Context(), state: Working, chapters: make([]flowreport.Chapter, 1)}
	own := agent{w, r, "http://localhost:1/realms/mcp-realm"}
	for _, link := range []string{
		"http://localhost:2/realms/mcp-realm/auth", "http://localhost:1/realms/mcp-realm.evil.com/auth", "javascript:alert(1)", "http://evil.com/", "",
	} {
		if err := own.Open(t.Context(), link, ""); !errors.Is(err, errElsewhere) || r.login != "" {
			t.Errorf("%q: %v", link, err)
		}
	}
	if err := own.Open(t.Context(), "http://localhost:1/realms/mcp-realm/auth?x=y", ""); err != nil || r.state != Login {
		t.Errorf("its own: %v", err)
	}
}
