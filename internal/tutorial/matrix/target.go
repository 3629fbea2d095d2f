package matrix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/web/serve"
)

// patience is how long an answer may take on a busy machine.
const patience = 30 * time.Second

// Target is a running server to which rows are sent.
type Target struct {
	Addr string // TCP address
	URL  string // base of what it states about itself
	Keys string // folder of the key pair whose tokens it takes
	// Provider is whose tokens it takes instead; nil for a step that has keys
	// of its own, or none.
	Provider *stubprovider.Provider
	// Attacker is the base URL of the attacker's site, for tokens that name a key
	// there; empty: that of cmd/naive.
	Attacker string

	// again starts the same server once more, with changes; nil where it was
	// started by somebody else.
	again func(func(*Options)) (*Target, func(), error)

	mu     sync.Mutex
	minted []string
}

// Run sends a row and returns what came back.
func (t *Target) Run(row Row, era Era) (*Answer, error) {
	if row.Exchange != nil {
		return row.Exchange(t)
	}
	return t.Send(row.Request, era)
}

// Minted are the tokens that were sent so far.
func (t *Target) Minted() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.minted)
}

// Send makes a request and returns the answer.
func (t *Target) Send(q Request, era Era) (*Answer, error) {
	q = q.In(era)
	var token string
	if q.Token != nil {
		var err error
		if token, err = t.Mint(*q.Token); err != nil {
			return nil, err
		}
	}
	host := q.Host
	if host == "" {
		_, host, _ = strings.Cut(t.URL, "://")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", q.Method, strings.ReplaceAll(q.Target, "{token}", token), host)
	for _, header := range q.Headers {
		b.WriteString(strings.ReplaceAll(header, "{token}", token) + "\r\n")
	}
	// A body that is cut short is still announced: the server must not wait for it.
	head := strings.ToLower(b.String())
	announced := strings.Contains(head, "content-length:") || strings.Contains(head, "transfer-encoding:")
	if !announced && (q.Body != "" || q.Method == http.MethodPost) {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(q.Body))
	}
	b.WriteString("\r\n" + q.Body)
	return t.Raw(q.Method, b.String())
}

// Raw writes bytes to the server and reads one answer.
func (t *Target) Raw(method, text string) (*Answer, error) {
	conn, err := net.DialTimeout("tcp", t.Addr, patience)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	// The server may answer and hang up before all is written.
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, text)
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return nil, fmt.Errorf("no HTTP answer: %w", err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	<-written
	if response.Close { // http.ReadResponse takes the header away
		response.Header.Set("Connection", "close")
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)}, nil
}

// Mint signs a token for the target.
func (t *Target) Mint(wanted Token) (string, error) {
	draft, err := t.draft(wanted)
	if err != nil {
		return "", err
	}
	if wanted.Key != "" {
		key := stubprovider.Keys()[wanted.Key]
		draft.Header["alg"], draft.Header["kid"], draft.Sign = key.Algorithm, key.ID, key.Sign
	}
	if wanted.Flaw != "" {
		flaw, ok := mint.FlawByName(wanted.Flaw)
		if !ok {
			return "", errors.New("no flaw " + wanted.Flaw)
		}
		if err := flaw.Spoil(draft); err != nil {
			return "", err
		}
	}
	if err := draft.Replace(wanted.Header, wanted.Claims); err != nil {
		return "", err
	}
	token, err := draft.Token()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.minted = append(t.minted, token)
	return token, err
}

// draft is a token as the target's issuer writes it: with the roles where the
// server looks for them.
func (t *Target) draft(wanted Token) (*mint.Draft, error) {
	grant := mint.Grant{
		Issuer: t.issuer(), Audience: t.URL + "/mcp", Username: wanted.Username, ClientID: "gentoken",
		Scopes:   strings.FieldsFunc(wanted.Scopes, func(r rune) bool { return r == ',' }),
		Roles:    wanted.Roles,
		Lifetime: time.Hour, Now: time.Now(), Attacker: t.Attacker,
	}
	if grant.Roles == nil {
		grant.Roles = mint.RolesOf(wanted.Username)
	}
	if t.Provider != nil {
		// Before the server asked for the provider's keys. An unknown key of a later
		// token may be a new one, so its answer depends on the time (WC7).
		grant.Now = grant.Now.Add(-2 * time.Minute)
		grant.RolesClient = RolesClient
		key := stubprovider.Keys()["rs256"]
		return mint.New(key.RSA, key.ID, grant), nil
	}
	private, err := keys.Private(t.Keys, localfile.OwnerOnly)
	if err != nil {
		return nil, err
	}
	public, err := jwks.New(&private.PublicKey, keys.Algorithm)
	if err != nil {
		return nil, err
	}
	return mint.New(private, public.ID, grant), nil
}

// issuer is whose tokens the target takes.
func (t *Target) issuer() string {
	if t.Provider != nil {
		return t.Provider.Issuer()
	}
	return t.URL
}

// Options say how a step is started.
type Options struct {
	Keys     string // folder of the key pair, for a step that has one
	Limits   serve.Limits
	Log      *slog.Logger           // of the step; nil: nothing is logged
	Provider *stubprovider.Provider // for a step that trusts one
	Env      []string               // further variables, as NAME=value
}

// Start serves a step on a free port.
func Start(build serve.Builder, o Options) (*Target, func(), error) {
	env := o.Env
	if o.Provider != nil {
		env = append(o.Provider.Env(), env...)
	}
	restore := setEnv(env)
	running, err := serve.Start(serve.Options{Addr: "localhost:0", Limits: o.Limits, Log: o.Log}, build)
	restore()
	if err != nil {
		return nil, nil, err
	}
	target := &Target{Addr: running.Addr.String(), URL: running.Site.URL, Keys: o.Keys, Provider: o.Provider}
	for _, variable := range env {
		if named, ok := strings.CutPrefix(variable, "MCP_SERVER_URL="); ok {
			target.URL = named
		}
	}
	target.again = func(change func(*Options)) (*Target, func(), error) {
		other := o
		change(&other)
		return Start(build, other)
	}
	return target, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = running.Shutdown(ctx)
	}, nil
}

// setEnv sets variables of this process, for the moment in which a step reads
// them.
func setEnv(variables []string) (restore func()) {
	var undo []func()
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		before, was := os.LookupEnv(name)
		_ = os.Setenv(name, value)
		undo = append(undo, func() {
			_ = os.Unsetenv(name)
			if was {
				_ = os.Setenv(name, before)
			}
		})
	}
	return func() {
		// The last first: a variable that is set twice has its first value again.
		for _, u := range slices.Backward(undo) {
			u()
		}
	}
}
