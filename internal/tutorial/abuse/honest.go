package abuse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

const (
	redirectURI = "http://127.0.0.1:7777/callback"
	testClient  = "mcp-test-client"
	scopes      = "mcp:read mcp:tools"
)

// What honest users do.
const (
	login      = "log in"
	register   = "register"
	refresh    = "refresh"
	introspect = "introspect"
	callTool   = "call a tool"
)

// Operations are all that honest users do, as the table shows them.
var Operations = []string{login, register, refresh, introspect, callTool}

// users are honest users at work.
type users struct {
	*World
	from  net.Addr // all of them; nil: each has an address of its own
	pause time.Duration
	// rarely lets few of them register a client: the demo realm has room for 200, and
	// keeps those for which people have logged in.
	rarely bool

	mu     sync.Mutex
	took   map[string][]time.Duration // by operation
	failed []string
	again  int // requests that were sent again
}

func newUsers(w *World) *users { return &users{World: w, took: map[string][]time.Duration{}} }

const (
	atATime = 2  // how many honest users are active at a time
	homes   = 16 // from how many addresses they come, each of them one user's
)

// arrive lets each user log in once before anything is measured: the users' own
// addresses are then familiar to the server.
func (u *users) arrive() error {
	for n := range homes {
		if err := u.user(context.Background(), n).arrive(); err != nil {
			return err
		}
	}
	return nil
}

func (u *user) arrive() error {
	u.id = testClient
	return u.logIn()
}

// work lets users come and go until ctx ends. Who has begun finishes.
func (u *users) work(ctx context.Context) {
	var all sync.WaitGroup
	for worker := range atATime {
		all.Go(func() {
			for n := worker; ctx.Err() == nil; n += atATime {
				u.visit(n)
				select {
				case <-ctx.Done():
				case <-time.After(u.pause):
				}
			}
		})
	}
	all.Wait()
}

// user is one of them, with a client.
type user struct {
	*users
	ctx         context.Context
	http        *http.Client
	from        net.Addr
	name, id    string // of user and client
	access, old string // tokens
	redeemed    url.Values
}

// visit is what one user does: register a client, log in, call tools, refresh.
// The resource server introspects the token.
func (u *users) visit(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	v := u.user(ctx, n)
	steps := []struct {
		name string
		do   func() error
	}{
		{register, v.register}, {login, v.logIn}, {callTool, v.call}, {callTool, v.call}, {refresh, v.refresh},
		{callTool, v.call}, {introspect, v.introspect},
	}
	turn := n / homes
	registers := turn%2 == 0
	if u.rarely {
		registers = turn%16 == 0 && turn/16 < 8
	}
	switch {
	case registers: // with the client that it registered
	case n/atATime%2 == 0:
		v.id, steps = u.honest.URL+"/app", steps[1:]
	default:
		v.id, steps = testClient, steps[1:]
	}
	for _, step := range steps {
		begun := time.Now()
		err := step.do()
		u.note(step.name, time.Since(begun), err)
		if err != nil {
			return
		}
	}
}

func (u *users) user(ctx context.Context, n int) *user {
	from := u.from
	if from == nil {
		from = address(1, n%homes)
	}
	dialer := &net.Dialer{LocalAddr: from}
	return &user{
		users: u, ctx: ctx, from: from, name: []string{"mcp-user", "mcp-admin"}[n%2],
		http: &http.Client{Transport: u.reloading(&http.Transport{DialContext: dialer.DialContext}), Timeout: time.Minute},
	}
}

// reload sends a request again, once, if its connection was closed before an answer
// came. A flood of many addresses opens hundreds of connections in a tenth of a second.
// If a busy machine takes that long to read a request, its connection is the oldest one,
// and goes. The server has run nothing then; if it has, the second request fails, since
// forms, codes and refresh tokens can be used once.
type reload struct {
	http.RoundTripper
	users *users
}

// reloading lets a user send a request again. Each has a connection of its own: a server
// that is full may close one that is idle, just when it is used again, and a POST isn't
// sent again then (RFC 9112, sections 9.3.1 and 9.5).
func (u *users) reloading(next http.RoundTripper) http.RoundTripper {
	next.(*http.Transport).DisableKeepAlives = true
	return reload{next, u}
}

// RoundTrip sends a request.
func (l reload) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		return response, err
	}
	l.users.mu.Lock()
	l.users.again++
	l.users.mu.Unlock()
	again := r.Clone(r.Context())
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return l.RoundTripper.RoundTrip(again)
}

// tooManyAgain says that a server is not there for honest users, who must send more than
// one request in a hundred again.
func tooManyAgain(again, of int) []string {
	if again <= max(3, of/100) {
		return nil
	}
	return []string{fmt.Sprintf("of %d honest requests, %d had to be sent again", of, again)}
}

func (u *users) note(operation string, took time.Duration, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		u.failed = append(u.failed, operation+": "+err.Error())
		return
	}
	u.took[operation] = append(u.took[operation], took)
}

var passwords = map[string]string{"mcp-user": "user123", "mcp-admin": "admin123", "mcp-readonly": "readonly123"}

func (u *user) register() error {
	return u.registerAs(`{"client_name":"Honest","redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"none",
		"grant_types":["authorization_code","refresh_token"]}`)
}

// registerAs registers a client, which is then the user's.
func (u *user) registerAs(client string) error {
	var got struct {
		ID string `json:"client_id"`
	}
	err := u.send(u.Issuer+registerPath, "application/json", client, nil, &got)
	u.id = got.ID
	return err
}

func (u *user) logIn() error {
	return u.logInFor(scopes, formlogin.Browser{From: u.from})
}

// tokens is the part of a token response that matters here.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// logInFor goes through the pages, and gets tokens for the code.
func (u *user) logInFor(scope string, browser formlogin.Browser) error {
	verifier := pkce.NewVerifier()
	where := authorization(u.Issuer, u.id, scope, pkce.Challenge(verifier))
	browser.Wrap = u.reloading
	back, err := browser.Run(u.ctx, where, redirectURI, formlogin.User{Name: u.name, Password: passwords[u.name]})
	if err != nil {
		return err
	}
	code := back.Query().Get("code")
	if code == "" || back.Query().Get("iss") != u.Issuer {
		return fmt.Errorf("the server sent the browser back with %s", back.RawQuery)
	}
	u.redeemed = url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier},
	}
	return u.token(u.redeemed)
}

// authorization is the URL of an authorization request.
func authorization(issuer, client, scope, challenge string) string {
	return issuer + "/protocol/openid-connect/auth?" + url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirectURI}, "scope": {scope}, "state": {"s"},
		"code_challenge": {challenge}, "code_challenge_method": {pkce.Method},
	}.Encode()
}

func (u *user) refresh() error {
	return u.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {u.old}})
}

func (u *user) token(form url.Values) error {
	form.Set("client_id", u.id)
	var got tokens
	err := u.send(u.Issuer+tokenPath, formType, form.Encode(), nil, &got)
	if err == nil && (got.Access == "" || got.Refresh == "") {
		err = fmt.Errorf("the answer lacks a token")
	}
	u.access, u.old = got.Access, got.Refresh
	return err
}

const formType = "application/x-www-form-urlencoded"

func (u *user) introspect() error {
	var got struct{ Active bool }
	form := url.Values{"token": {u.access}, "client_id": {"echo-mcp-server"}, "client_secret": {"demo-secret-change-me"}}
	err := u.send(u.Issuer+tokenPath+"/introspect", formType, form.Encode(), nil, &got)
	if err == nil && !got.Active {
		err = fmt.Errorf("the token is not active")
	}
	return err
}

const echo = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}}}`

func (u *user) call() error {
	var got struct {
		Result struct{ Content []struct{ Text string } }
	}
	err := u.send(u.MCP+"/mcp", "application/json", echo, http.Header{"Authorization": {"Bearer " + u.access}}, &got)
	if err == nil && (len(got.Result.Content) != 1 || got.Result.Content[0].Text != "hi") {
		err = fmt.Errorf("the tool answered %v", got)
	}
	return err
}

// send posts something, and reads the answer of a request that succeeds.
func (u *user) send(where, kind, body string, header http.Header, into any) error {
	request, err := http.NewRequestWithContext(u.ctx, http.MethodPost, where, strings.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Content-Type", kind)
	response, err := u.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		return fmt.Errorf("status %d: %.200s", response.StatusCode, text)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// get reads a page, and keeps its cookies.
func (u *user) get(where string, jar http.CookieJar) (string, error) {
	client := *u.http
	client.Jar = jar
	response, err := client.Get(where)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// Times are how long the requests of one operation took, in milliseconds.
type Times struct {
	Count   int     `json:"count"`
	Median  float64 `json:"median"`
	Slowest float64 `json:"slowest"`
}

// times sums up what the users did.
func (u *users) times() map[string]Times {
	all := map[string]Times{}
	for operation, took := range u.took {
		slices.Sort(took)
		ms := func(d time.Duration) float64 {
			return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
		}
		all[operation] = Times{len(took), ms(took[len(took)/2]), ms(took[len(took)-1])}
	}
	return all
}
