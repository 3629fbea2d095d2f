package matrix

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/jwks"
	"mcp-auth-step-by-step/internal/keys"
	"mcp-auth-step-by-step/internal/mint"
	"mcp-auth-step-by-step/internal/serve"
)

// patience is how long an answer may take on a busy machine.
const patience = 30 * time.Second

// Target is a running server to which rows are sent.
type Target struct {
	Addr string // TCP address
	URL  string // base of what it states about itself
	Keys string // folder of the key pair whose tokens it takes

	// restart starts the same server again, with other limits; nil where it
	// was started by somebody else.
	restart func(serve.Limits) (*Target, func(), error)

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
		if token, err = t.mint(*q.Token); err != nil {
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
	if !strings.Contains(strings.ToLower(b.String()), "content-length:") && !strings.Contains(strings.ToLower(b.String()), "transfer-encoding:") && (q.Body != "" || q.Method == http.MethodPost) {
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

// mint signs a token for the target.
func (t *Target) mint(wanted Token) (string, error) {
	private, err := keys.Private(t.Keys)
	if err != nil {
		return "", err
	}
	public, err := jwks.New(&private.PublicKey, keys.Algorithm)
	if err != nil {
		return "", err
	}
	draft := mint.New(private, public.ID, mint.Grant{
		Issuer: t.URL, Audience: t.URL + "/mcp", Username: wanted.Username, ClientID: "gentoken",
		Scopes:   strings.FieldsFunc(wanted.Scopes, func(r rune) bool { return r == ',' }),
		Roles:    mint.RolesOf(wanted.Username),
		Lifetime: time.Hour, Now: time.Now(),
	})
	if wanted.Flaw != "" {
		flaw, ok := mint.FlawByName(wanted.Flaw)
		if !ok {
			return "", errors.New("no flaw " + wanted.Flaw)
		}
		if err := flaw.Spoil(draft); err != nil {
			return "", err
		}
	}
	if wanted.Claims != "" {
		if err := json.Unmarshal([]byte(strings.ReplaceAll(wanted.Claims, "{resource}", t.URL+"/mcp")), &draft.Claims); err != nil {
			return "", err
		}
	}
	token, err := draft.Token()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.minted = append(t.minted, token)
	return token, err
}

// Start serves a step on a free port.
func Start(build serve.Builder, keyDir string, limits serve.Limits) (*Target, func(), error) {
	running, err := serve.Start(serve.Options{Addr: "localhost:0", Limits: limits}, build)
	if err != nil {
		return nil, nil, err
	}
	target := &Target{Addr: running.Addr.String(), URL: running.Site.URL, Keys: keyDir}
	target.restart = func(l serve.Limits) (*Target, func(), error) { return Start(build, keyDir, l) }
	return target, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = running.Shutdown(ctx)
	}, nil
}
