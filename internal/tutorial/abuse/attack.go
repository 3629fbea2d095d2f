package abuse

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sent is what a flood did.
type Sent struct {
	Requests int            `json:"requests"`
	Answers  map[string]int `json:"answers"` // by status, or why there was none
}

// attacker runs one flood, in a process of its own.
type attacker struct {
	*Flood
	issuer, mcp, documents string
	made, sent             atomic.Int64 // connections and requests

	mu      sync.Mutex
	answers map[string]int
}

// flood is the main function of a flood's process.
func flood(ctx context.Context, id, issuer, mcp, documents string) error {
	f := find(id)
	if f == nil {
		return fmt.Errorf("there is no flood %s", id)
	}
	a := &attacker{Flood: f, issuer: issuer, mcp: mcp, documents: documents, answers: map[string]int{}}
	next, err := f.prepare(a)
	if err != nil {
		return err
	}
	fmt.Print(ready)
	var all sync.WaitGroup
	for range f.connections {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := a.connect(ctx, next); err != nil && ctx.Err() == nil {
					a.note("no answer")
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(Sent{int(a.sent.Load()), a.answers})
}

// user is a user of the attacker, who knows one password. Its address is another
// than the flood's, which has limits to share.
func (a *attacker) user() (*user, *cookiejar.Jar) {
	jar, _ := cookiejar.New(nil) // never fails without options
	all := newUsers(&World{Issuer: a.issuer, MCP: a.mcp})
	all.from = address(0, 4)
	u := all.user(context.Background(), 0)
	u.name, u.id = "mcp-readonly", testClient
	return u, jar
}

func (a *attacker) note(answer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[answer]++
}

// request is the n-th request of a flood, as it goes over the wire.
type request func(n int) []byte

// perConnection is how many requests are sent on one connection before another
// address takes its turn.
const perConnection = 25

// connect opens a connection and sends what the flood sends.
func (a *attacker) connect(ctx context.Context, next request) error {
	target := a.issuer
	if a.atMCP {
		target = a.mcp
	}
	at, err := url.Parse(target)
	if err != nil {
		return err
	}
	dialer := net.Dialer{LocalAddr: a.source(int(a.made.Add(1)))}
	conn, err := dialer.DialContext(ctx, "tcp", strings.Replace(at.Host, "localhost", "127.0.0.1", 1))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if a.hold != nil {
		return a.hold(a, ctx, conn, next)
	}
	answers := bufio.NewReader(conn)
	for n := 0; ctx.Err() == nil && (a.addresses == 1 || n < perConnection); n++ {
		if _, err := conn.Write(next(int(a.sent.Add(1)))); err != nil {
			return err
		}
		if a.hangsUp {
			return nil
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		answer := strconv.Itoa(response.StatusCode)
		if location, _ := response.Location(); location != nil && location.Query().Has("code") {
			answer = withCode
		}
		a.note(answer)
		if err != nil || response.Close {
			return err
		}
	}
	return nil
}

// source is the address of the n-th connection: one, one of many, or that of the
// honest users.
func (a *attacker) source(n int) net.Addr {
	switch {
	case a.SameAddress:
		return sharedAddress
	case a.addresses == 1:
		return address(0, 2)
	}
	return address(2, n%a.addresses)
}

// sharedAddress is that of honest users and flood where both have the same.
var sharedAddress = address(0, 3)

// dripBody sends a header, and then of the body a byte a second.
func dripBody(a *attacker, ctx context.Context, conn net.Conn, next request) error {
	if _, err := conn.Write(next(int(a.sent.Add(1)))); err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			time.Sleep(time.Second)
			if _, err := conn.Write([]byte{' '}); err != nil {
				return
			}
		}
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		a.note("closed")
		return nil //nolint:nilerr // it is what the flood wants to see
	}
	a.note(strconv.Itoa(response.StatusCode))
	return response.Body.Close()
}

// sayNothing waits until the server closes the connection.
func sayNothing(a *attacker, _ context.Context, conn net.Conn, next request) error {
	a.sent.Add(1)
	if begin := next(0); begin != nil {
		if _, err := conn.Write(begin); err != nil {
			return err
		}
	}
	_, _ = io.Copy(io.Discard, conn)
	a.note("closed")
	return nil
}

// raw is a request as it goes over the wire.
func raw(method, where, header, body string) []byte {
	at, err := url.Parse(where)
	if err != nil {
		panic(err) // a mistake in this package
	}
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		method, at.RequestURI(), at.Host, header, len(body), body)
}
