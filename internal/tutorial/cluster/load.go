package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

// clients is how many clients call at each address.
const clients = 4

// Load is honest clients. Each request takes a connection of its own, so that the
// proxy's turn decides where it goes.
type Load struct {
	MCP, Bare string // URLs of the MCP endpoint, with the proxy's retry and without
	Resource  string // that tokens are for
	Issuer    string

	client  *http.Client
	mu      sync.Mutex
	phases  []*Phase
	began   time.Time
	running sync.WaitGroup
}

// Phase begins a phase.
func (l *Load) Phase(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
	counts := map[string]*Count{}
	for _, operation := range Operations {
		counts[operation] = &Count{}
	}
	l.phases = append(l.phases, &Phase{Name: name, Counts: counts})
}

// close ends the phase that runs.
func (l *Load) close() {
	if n := len(l.phases); n > 0 {
		l.phases[n-1].Seconds = time.Since(l.began).Seconds()
	}
	l.began = time.Now()
}

// Phases waits for the clients, whose context has ended, and returns what they saw.
func (l *Load) Phases() []*Phase {
	l.running.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.close()
	return l.phases
}

// count counts an operation for the phase in which it ended. What the end of the run
// broke off doesn't count.
func (l *Load) count(ctx context.Context, operation string, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	count := l.phases[len(l.phases)-1].Counts[operation]
	count.Sent++
	switch {
	case errors.As(err, &refusal{}):
		count.Refused++
		fmt.Printf("%s: %v\n", operation, err)
	case err != nil:
		count.Lost++
	}
}

// refusal is an answer, but not the right one.
type refusal struct{ what string }

func (r refusal) Error() string { return r.what }

// Start lets the clients begin, after each has its first token.
func (l *Load) Start(ctx context.Context) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	l.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	for range clients {
		held, err := l.token(ctx, url.Values{"grant_type": {"password"}, "username": {"mcp-user"}, "password": {"user123"}})
		if err != nil {
			return fmt.Errorf("the first token: %w", err)
		}
		// These keep their first token all the time.
		l.running.Go(func() {
			l.repeat(ctx, 30*time.Millisecond, BareCall, func() error { return l.call(ctx, l.Bare, held.Access) })
		})
		l.running.Go(func() {
			l.repeat(ctx, 30*time.Millisecond, Call, func() error { return l.call(ctx, l.MCP, held.Access) })
		})
		l.running.Go(func() { l.repeat(ctx, 300*time.Millisecond, Refresh, func() error { return l.refresh(ctx, &held) }) })
	}
	for _, user := range []formlogin.User{{Name: "mcp-admin", Password: "admin123"}, {Name: "mcp-readonly", Password: "readonly123"}} {
		l.running.Go(func() { l.repeat(ctx, 300*time.Millisecond, Login, func() error { return l.login(ctx, user) }) })
	}
	return nil
}

func (l *Load) repeat(ctx context.Context, pause time.Duration, operation string, do func() error) {
	for ctx.Err() == nil {
		l.count(ctx, operation, do())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// call lists the tools.
func (l *Load) call(ctx context.Context, endpoint, token string) error {
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
	return l.post(ctx, endpoint, header, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, nil)
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// token asks for tokens for the MCP server.
func (l *Load) token(ctx context.Context, form url.Values) (got tokens, err error) {
	form.Set("client_id", "mcp-test-client")
	form.Set("resource", l.Resource)
	form.Set("scope", "mcp:read")
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	err = l.post(ctx, l.Issuer+"/protocol/openid-connect/token", header, form.Encode(), &got)
	return got, err
}

// refresh gets new tokens, and sees that the MCP server accepts them.
func (l *Load) refresh(ctx context.Context, held *tokens) error {
	got, err := l.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held.Refresh}})
	if err != nil {
		return err
	}
	held.Refresh = got.Refresh
	return l.call(ctx, l.MCP, got.Access)
}

// login goes through the pages as a browser does, and redeems the code.
func (l *Load) login(ctx context.Context, user formlogin.User) error {
	const redirect = "http://localhost:3000/callback"
	verifier := pkce.NewVerifier()
	query := url.Values{
		"response_type": {"code"}, "client_id": {"mcp-test-client"}, "redirect_uri": {redirect}, "scope": {"mcp:read"},
		"resource": {l.Resource}, "code_challenge": {pkce.Challenge(verifier)}, "code_challenge_method": {"S256"}, "state": {"s"},
	}
	back, err := formlogin.Run(ctx, l.Issuer+"/protocol/openid-connect/auth?"+query.Encode(), redirect, user)
	if err != nil {
		return err
	}
	_, err = l.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {redirect}, "code_verifier": {verifier},
	})
	return err
}

// post sends a request, and reads a JSON answer if into is there.
func (l *Load) post(ctx context.Context, to string, header http.Header, body string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = header
	response, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("status %d", response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return refusal{fmt.Sprintf("%s answers %s", to, response.Status)}
	case into == nil:
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
