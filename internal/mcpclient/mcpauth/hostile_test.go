package mcpauth

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/web/baseurl"
)

// The rows of WD that are about the client: what a hostile server may cost.

// A server can't fill the memory, before a login or after it, and can't make a
// request last.
func TestWD11_AnswersAreBounded(t *testing.T) {
	block := strings.Repeat("x", 1<<20)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		write := func(text string) bool {
			_, err := io.WriteString(w, text)
			return err == nil
		}
		drip := func() {
			for write("x") && http.NewResponseController(w).Flush() == nil {
				select {
				case <-r.Context().Done():
					return
				case <-time.After(time.Millisecond):
				}
			}
		}
		switch r.URL.Path {
		case "/line":
			w.Header().Set("Content-Type", "text/event-stream")
			for write(block) {
			}
		case "/stream":
			w.Header().Set("Content-Type", "text/event-stream")
			for write(block[:1000] + "\n") {
			}
		case "/json":
			w.Header().Set("Content-Type", "application/json")
			for write(block) {
			}
		case "/refusal":
			w.WriteHeader(http.StatusUnauthorized)
			drip()
		case "/drip":
			drip()
		case "/silent":
			<-r.Context().Done()
		case "/lines":
			w.Header().Set("Content-Type", "text/event-stream")
			for range 20 {
				write(block + "\n")
			}
		}
	}))
	t.Cleanup(server.Close)
	bounded := &limitedTransport{http.DefaultTransport, 300 * time.Millisecond, time.Minute}
	refusing := &limitedTransport{http.DefaultTransport, time.Minute, 50 * time.Millisecond}
	patient := &limitedTransport{http.DefaultTransport, time.Minute, time.Minute}
	for path, c := range map[string]struct {
		transport http.RoundTripper
		want      error
		says      string
	}{
		"/line": {patient, ErrTooLarge, "in one line"}, "/stream": {patient, ErrTooLarge, ""}, "/json": {patient, ErrTooLarge, ""},
		"/lines": {patient, nil, ""}, "/refusal": {refusing, ErrTooSlow, "for an error"}, "/drip": {bounded, ErrTooSlow, ""},
		"/silent": {bounded, ErrTooSlow, ""},
	} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, nil)
		response, err := c.transport.RoundTrip(request)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// A drip after a 401 doesn't stop the flow for longer than its limit.
func TestWD11_ADrippingRefusal(t *testing.T) {
	r := newRig(t)
	dripping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_ = http.NewResponseController(w).Flush()
		<-request.Context().Done()
	}))
	t.Cleanup(dripping.Close)
	c := r.client()
	c.base = &limitedTransport{&sendTo{dripping.URL}, time.Minute, 50 * time.Millisecond}
	if _, err := post(t, c, r.url(), "x"); err == nil {
		t.Error("it was let in")
	}
}

// Two servers at one host. What describes the whole host counts only at the
// root, and what one server got isn't used for the other.
func TestWD12_ANeighbour(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	r.challenge, r.resource = "Bearer", r.rs.URL
	r.documents = map[string]bool{resourcePath: true}
	honest := r.client(func(c *Config) { c.Store = store })
	r.mustPost(honest, "x")

	agent := &user{away: true}
	neighbour := r.client(func(c *Config) {
		c.Store, c.ResourceURL, c.Agent = store, r.rs.URL+"/b/mcp", agent
	})
	if neighbour.session.token() != nil {
		t.Error("it starts with the token of another server")
	}
	if _, err := post(t, neighbour, r.rs.URL+"/b/mcp", "x"); !errors.Is(err, errAway) || agent.opened.Load() != 1 {
		t.Errorf("got %v, and the user was asked %d times", err, agent.opened.Load())
	}
	if kept, err := store.ForResourceURL(r.url()); err != nil || len(kept) != 1 || kept[0].Token == nil {
		t.Errorf("the honest server's entry: %v, %v", kept, err)
	}

	r.challenge = "" // which names the document at the path
	r.documents = map[string]bool{resourcePath + "/mcp": true}
	r.as.issued = map[string]string{}
	if _, err := post(t, r.client(), r.url(), "x"); !errors.Is(err, ErrResource) {
		t.Errorf("the whole host, described at a path: %v", err)
	}
}

// Files with tokens that others can read or write, and links, are refused.
func TestWD18_OpenModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	store := tempStore(t)
	entry := &Entry{Issuer: "i", Resource: "r", ResourceURL: "r", Token: &Token{Access: "a"}}
	if err := store.Save(entry); err != nil {
		t.Fatal(err)
	}
	path := store.path(entry.key())
	for _, mode := range []os.FileMode{0o640, 0o620, 0o604, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Load(entry.key()); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%o: got %v", mode, err)
		}
	}
	if err := os.Rename(path, path+".other"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path+".other", path); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Load(entry.key()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a link: got %v", err)
	}
}

// A server that wants one more scope each time gets a budget of logins.
func TestWD23_ABudgetOfLogins(t *testing.T) {
	r := newRig(t)
	agent := &user{}
	clock := newClock()
	c := r.client(func(config *Config) { config.Agent, config.Now = agent, clock.now })
	var err error
	for i := range 10 {
		r.mu.Lock()
		r.toolScope = "scope-" + string(rune('a'+i))
		r.mu.Unlock()
		if _, err = post(t, c, r.url(), "tools/call"); err != nil {
			break
		}
		clock.advance(time.Second)
	}
	if !errors.Is(err, ErrWindows) || agent.opened.Load() != maxWindows {
		t.Errorf("got %v after %d logins", err, agent.opened.Load())
	}
	clock.advance(windowPeriod)
	r.mustPost(c, "tools/call")
}

// A malicious server that names the authorization endpoint of an honest one
// (mix-up, RFC 9700, section 4.4).
func TestWD24_AnEndpointElsewhere(t *testing.T) {
	honest := newProvider(t)
	for name, c := range map[string]struct {
		promises, permitted bool
		good                bool
	}{"no iss": {false, false, false}, "iss is promised": {true, false, true}, "permitted": {false, true, true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.metadata = map[string]any{
				"authorization_endpoint": honest.URL + "/authorize", "authorization_response_iss_parameter_supported": c.promises,
			}
			agent := &user{away: true}
			client := r.client(func(config *Config) {
				config.Agent = agent
				if c.permitted {
					u, _ := url.Parse(honest.URL)
					config.AuthorizationOrigin = baseurl.Origin(u)
				}
			})
			_, err := post(t, client, r.url(), "x")
			if want := map[bool]error{true: errAway, false: ErrEndpoint}[c.good]; !errors.Is(err, want) || (agent.opened.Load() == 1) != c.good {
				t.Errorf("got %v, and the user was asked %d times", err, agent.opened.Load())
			}
		})
	}
}

// For a client that registers itself, each issuer has a callback of its own.
func TestWD24_ACallbackForEachIssuer(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		r := newRig(t)
		r.mustPost(r.client(), "x")
		u, _ := url.Parse(r.as.requests[0].Get("redirect_uri"))
		seen[u.Path] = true
	}
	if len(seen) != 2 {
		t.Errorf("paths %v", seen)
	}
}
