package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/syntax"
)

func TestMC12_TheTokenIsSentEachTime(t *testing.T) {
	r := newRig(t)
	c := r.client()
	for range 3 {
		r.mustPost(c, "x")
	}
	if len(r.authorization) != 4 || r.authorization[0] != "" {
		t.Fatalf("got %q", r.authorization)
	}
	for _, header := range r.authorization[1:] {
		if header != r.authorization[1] || !strings.HasPrefix(header, "Bearer access-") {
			t.Errorf("got %q", header)
		}
	}
}

func TestMC12_AnEmptyPathIsTheRoot(t *testing.T) {
	for server, called := range map[string]string{"https://a.example": "https://a.example/", "https://a.example/": "https://A.example:443"} {
		c, err := New(Config{ResourceURL: server, Agent: &user{}})
		if err != nil {
			t.Fatal(err)
		}
		if u, _ := url.Parse(called); !c.isServer(u) {
			t.Errorf("%s is not %s", called, server)
		}
	}
}

// Requests that need authorization at the same time share one flow.
func TestMC12_OneFlowForAll(t *testing.T) {
	r := newRig(t)
	agent := &user{}
	c := r.client(func(config *Config) { config.Agent = agent })
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			if status, err := post(t, c, r.url(), "x"); err != nil || status != 200 {
				t.Errorf("got %d, %v", status, err)
			}
		})
	}
	group.Wait()
	if registrations, authorizations, tokens := r.as.count(); registrations != 1 || authorizations != 1 || tokens != 1 || agent.opened.Load() != 1 {
		t.Errorf("%d registrations, %d authorizations, %d token requests", registrations, authorizations, tokens)
	}
}

// And one renewal.
func TestMC12_OneRenewalForAll(t *testing.T) {
	r := newRig(t)
	clock := newClock()
	c := r.client(func(config *Config) { config.Now = clock.now })
	r.mustPost(c, "x")
	clock.advance(time.Hour - 20*time.Second)
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			if status, err := post(t, c, r.url(), "x"); err != nil || status != 200 {
				t.Errorf("got %d, %v", status, err)
			}
		})
	}
	group.Wait()
	if _, authorizations, tokens := r.as.count(); authorizations != 1 || tokens != 2 {
		t.Errorf("%d authorizations, %d token requests", authorizations, tokens)
	}
}

// A caller that goes away doesn't end the flow for the others; the last one
// does.
func TestMC12_CallersThatGoAway(t *testing.T) {
	r := newRig(t)
	opened := make(chan string)
	agent := &user{instead: func(target, _ string) { opened <- target }}
	c := r.client(func(config *Config) { config.Agent = agent })
	send := func(ctx context.Context) chan error {
		done := make(chan error, 1)
		go func() {
			request, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.url(), strings.NewReader("x"))
			response, err := c.RoundTrip(request)
			if err == nil {
				_ = response.Body.Close()
			}
			done <- err
		}()
		return done
	}
	impatient, leave := context.WithCancel(t.Context())
	first := send(impatient)
	target := <-opened
	second := send(t.Context())
	for c.waiting() < 2 {
		runtime.Gosched()
	}
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first got %v", err)
	}
	if err := visit(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Errorf("the second got %v", err)
	}
}

// A caller that went away is no reason not to ask the user again.
func TestMC12_AFlowThatWasLeft(t *testing.T) {
	r := newRig(t)
	ctx, leave := context.WithCancel(t.Context())
	agent := &user{instead: func(string, string) { leave() }}
	c := r.client(func(config *Config) { config.Agent = agent })
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.url(), strings.NewReader("x"))
	if _, err := c.RoundTrip(request); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	for c.waiting() >= 0 {
		runtime.Gosched()
	}
	agent.instead = nil
	r.mustPost(c, "x")
}

// waiting counts the callers of the flow that is going on; -1 without one.
func (t *Transport) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.flowing == nil {
		return -1
	}
	return t.flowing.waiting
}

// A server that redirects takes nothing with it: neither the token nor the
// message.
func TestMC12_I11_NothingFollowsARedirect(t *testing.T) {
	trap := newTrap(t)
	r := newRig(t)
	c := r.client()
	r.mustPost(c, "x")
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{trap.URL + "/mcp", strings.Replace(trap.URL, "127.0.0.1", "localhost", 1), "//" + strings.TrimPrefix(trap.URL, "http://") + "/mcp"} {
			var authorization string
			redirecting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				authorization = request.Header.Get("Authorization")
				w.Header().Set("Location", location)
				w.WriteHeader(status)
			}))
			// The same server, seen a moment later.
			c.base = &sendTo{redirecting.URL}
			_, err := post(t, c, r.url(), "x")
			if !errors.Is(err, ErrRedirect) || authorization == "" {
				t.Errorf("%d to %s: got %v", status, location, err)
			}
			redirecting.Close()
		}
	}
}

// sendTo carries requests to another address than they name.
type sendTo struct{ base string }

func (s *sendTo) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := r.Clone(r.Context())
	target, err := url.Parse(s.base)
	if err != nil {
		return nil, err
	}
	sent.URL.Host = target.Host
	return http.DefaultTransport.RoundTrip(sent)
}

// Whatever else the same HTTP client is used for gets no token.
func TestMC12_I11_OtherURLs(t *testing.T) {
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization")+r.Header.Get("DPoP"))
	}))
	t.Cleanup(other.Close)
	r := newRig(t)
	c := r.client()
	r.mustPost(c, "x")
	for _, target := range []string{other.URL, other.URL + "/mcp", r.rs.URL + "/other", r.rs.URL + "/mcp/", r.rs.URL + "/MCP"} {
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, target, nil)
		response, err := (&http.Client{Transport: c}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	if slices.Contains(seen, "") != true || len(seen) != 2 || seen[0]+seen[1] != "" {
		t.Errorf("the other server saw %q", seen)
	}
	for _, header := range r.authorization[2:] {
		if header != "" {
			t.Errorf("another path of the server saw %q", header)
		}
	}
}

// The request of the caller stays as it is.
func TestMC12_TheCallersRequestIsNotChanged(t *testing.T) {
	r := newRig(t)
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url(), strings.NewReader("x"))
	response, err := r.client().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if len(request.Header) != 0 {
		t.Errorf("it has now %v", request.Header)
	}
}

func TestMC12_RenewedBeforeItEnds(t *testing.T) {
	r := newRig(t)
	clock := newClock()
	c := r.client(func(config *Config) { config.Now = clock.now })
	r.mustPost(c, "x")
	clock.advance(time.Hour - 31*time.Second)
	r.mustPost(c, "x")
	if _, _, tokens := r.as.count(); tokens != 1 {
		t.Fatalf("%d token requests while the token was good", tokens)
	}
	clock.advance(2 * time.Second)
	r.mustPost(c, "x")
	form := r.as.tokenForms[len(r.as.tokenForms)-1]
	if len(r.as.tokenForms) != 2 || form.Get("grant_type") != "refresh_token" || form.Get("resource") != r.url() || form.Get("client_id") != "client-1" {
		t.Errorf("got %v", r.as.tokenForms)
	}
	if last := r.authorization[len(r.authorization)-1]; last == r.authorization[1] {
		t.Error("the old token was sent")
	}
	// The server rotates: the next renewal uses the new refresh token.
	clock.advance(time.Hour)
	r.mustPost(c, "x")
	if _, authorizations, tokens := r.as.count(); authorizations != 1 || tokens != 3 {
		t.Errorf("%d authorizations, %d token requests", authorizations, tokens)
	}
}

// A token that was revoked is renewed too.
func TestMC12_RefusedTokenIsRenewed(t *testing.T) {
	r := newRig(t)
	c := r.client()
	r.mustPost(c, "x")
	r.as.mu.Lock()
	r.as.issued = map[string]string{}
	r.as.mu.Unlock()
	r.mustPost(c, "x")
	if _, authorizations, tokens := r.as.count(); authorizations != 1 || tokens != 2 {
		t.Errorf("%d authorizations, %d token requests", authorizations, tokens)
	}
}

// invalid_grant and invalid_client lead to a new authorization.
func TestMC12_NoDeadEnd(t *testing.T) {
	for code, registrations := range map[string]int{"invalid_grant": 1, "invalid_client": 2} {
		for _, how := range []string{"when it ends", "when it is refused"} {
			t.Run(code+" "+how, func(t *testing.T) {
				r := newRig(t)
				clock := newClock()
				c := r.client(func(config *Config) { config.Now = clock.now })
				r.mustPost(c, "x")
				r.as.mu.Lock()
				r.as.issued = map[string]string{}
				r.as.refuse = func(form url.Values) error {
					if form.Get("grant_type") == "refresh_token" {
						return &ServerError{Code: code}
					}
					return nil
				}
				r.as.mu.Unlock()
				if how == "when it ends" {
					clock.advance(time.Hour)
				}
				r.mustPost(c, "x")
				if got, authorizations, _ := r.as.count(); got != registrations || authorizations != 2 {
					t.Errorf("%d registrations, %d authorizations", got, authorizations)
				}
			})
		}
	}
}

// While the authorization server is away, a token that is still good is used.
func TestMC12_RenewalCanWait(t *testing.T) {
	r := newRig(t)
	clock := newClock()
	c := r.client(func(config *Config) { config.Now = clock.now })
	r.mustPost(c, "x")
	r.as.Close()
	clock.advance(time.Hour - 10*time.Second)
	r.mustPost(c, "x")
	clock.advance(10 * time.Second)
	if _, err := post(t, c, r.url(), "x"); err == nil {
		t.Error("it was sent after its end")
	}
}

// A server that refuses every token is not asked for ever.
func TestMC12_RefusedForEver(t *testing.T) {
	r := newRig(t)
	r.as.token = func(response map[string]any) { response["access_token"] = "another-token-than-the-server-knows" }
	_, err := post(t, r.client(), r.url(), "x")
	if _, authorizations, _ := r.as.count(); !errors.Is(err, ErrRefused) || authorizations > 2 {
		t.Errorf("got %v after %d authorizations", err, authorizations)
	}
}

func TestMC12_WB1_TokenResponses(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for body, want := range map[string]*Token{
		`{"access_token":"a","token_type":"bearer"}`:                          {Access: "a", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"dpop","scope":""}`:                 {Access: "a", Type: "DPoP"},
		`{"access_token":"a","token_type":"Bearer","scope":"x  y x"}`:         {Access: "a", Type: "Bearer", Scope: "x y"},
		`{"access_token":"a","token_type":"Bearer","expires_in":60}`:          {Access: "a", Type: "Bearer", Scope: "asked", Expires: now.Add(time.Minute)},
		`{"access_token":"a","token_type":"Bearer","expires_in":"60"}`:        {Access: "a", Type: "Bearer", Scope: "asked", Expires: now.Add(time.Minute)},
		`{"access_token":"a","token_type":"Bearer","expires_in":1e300}`:       {Access: "a", Type: "Bearer", Scope: "asked", Expires: now.Add(365 * 24 * time.Hour)},
		`{"access_token":"a","token_type":"Bearer","expires_in":null,"x":{}}`: {Access: "a", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"mac"}`:                             nil,
		`{"access_token":"a"}`:                                          nil,
		`{"access_token":"","token_type":"Bearer"}`:                     nil,
		`{"token_type":"Bearer"}`:                                       nil,
		`{"access_token":"a\r\nX: y","token_type":"Bearer"}`:            nil,
		`{"access_token":"a b","token_type":"Bearer"}`:                  nil,
		`{"access_token":1,"token_type":"Bearer"}`:                      nil,
		`{"access_token":"a","ACCESS_TOKEN":"b","token_type":"Bearer"}`: nil,
		`{"access_token":"a","access_token":"b","token_type":"Bearer"}`: nil,
		// What a client needn't understand (WB1).
		`{"access_token":"a:b|c!d@e,f~","token_type":"Bearer"}`:           {Access: "a:b|c!d@e,f~", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"Bearer","expires_in":-1}`:      {Access: "a", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"Bearer","expires_in":"soon"}`:  {Access: "a", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"Bearer","expires_in":{}}`:      {Access: "a", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"Bearer","refresh_token":null}`: {Access: "a", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"Bearer","scope":["x"]}`:        {Access: "a", Type: "Bearer", Scope: "asked"},
		`{"access_token":"a","token_type":"Bearer","scope":"x\"y"}`:       {Access: "a", Type: "Bearer", Scope: `x"y`},
		`{"access_token":"é","token_type":"Bearer"}`:                      nil,
		`{"access_token":"a\u007f","token_type":"Bearer"}`:                nil,
		`{"access_token":"a","token_type":"Bearer"} trailing`:             nil,
		`null`:   nil,
		``:       nil,
		`<html>`: nil,
	} {
		got, err := parseToken([]byte(body), "asked", now)
		if want == nil {
			if err == nil {
				t.Errorf("%s: got %#v", body, *got)
			}
			continue
		}
		want.Asked, want.Issued = "asked", now
		if err != nil || *got != *want {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
}

func FuzzTokenResponse(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","token_type":"Bearer","expires_in":3600,"refresh_token":"r","scope":"a b"}`))
	f.Add([]byte(`{"access_token":"a","token_type":"dpop","expires_in":"1e9"}`))
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, body []byte) {
		token, err := parseToken(body, "", now)
		if err != nil {
			return
		}
		if !syntax.Visible(token.Access) || token.Type != "Bearer" && token.Type != "DPoP" || !token.Expires.IsZero() && token.Expires.Before(now) {
			t.Fatalf("%q: %+v", body, *token)
		}
		request := httptest.NewRequest(http.MethodPost, "/", nil)
		request.Header.Set("Authorization", token.Type+" "+token.Access)
		if strings.ContainsAny(fmt.Sprint(request.Header), "\r\n\x00") {
			t.Fatalf("%q", body)
		}
	})
}
