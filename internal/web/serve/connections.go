package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mcp-auth-step-by-step/internal/web/caller"
	"mcp-auth-step-by-step/internal/web/quota"
)

// connections bounds how many connections are open at a time, and what is in memory
// of the bodies of their requests, by the rule of package quota. One is proven from
// when a whole request has come until its answer is sent. So those go first that send
// nothing, or slowly.
type connections struct {
	*net.TCPListener
	limits Limits

	mu     sync.Mutex
	ledger *quota.Ledger
	bodies *quota.Ledger // blocks of bodies, behind the first one of each
	open   map[string]*connection
	number int // of the next one
	second time.Time
	recent map[string]int // connections in this second, by address
	all    int            // in this second
	// Addresses that had a whole request answered, lately and before that.
	known, knew map[string]bool
	since       time.Time // of known
}

func limitConnections(l net.Listener, limits Limits) net.Listener {
	tcp, ok := l.(*net.TCPListener)
	if limits.Connections == 0 || !ok {
		return l
	}
	return &connections{
		TCPListener: tcp, limits: limits, open: map[string]*connection{}, recent: map[string]int{},
		ledger: quota.New(limits.ConnectionsPerAddress, limits.Connections),
		bodies: quota.New(limits.BodiesPerAddress/BodyBlock, limits.Bodies/BodyBlock),
	}
}

// connection is counted until it is closed.
type connection struct {
	*net.TCPConn // net/http also uses CloseWrite
	of           *connections
	key, caller  string
	whole        bool // a whole request has come, whose answer is not sent yet
	blocks       int  // of its body that are counted
	header       lines
	ctx          context.Context // ends with the connection
	end          context.CancelFunc
}

// Accept waits for a connection for which there is room.
func (c *connections) Accept() (net.Conn, error) {
	for {
		conn, err := c.AcceptTCP()
		if err != nil {
			return nil, err
		}
		from := caller.Group(conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
		counted := &connection{TCPConn: conn, of: c, caller: from}
		counted.ctx, counted.end = context.WithCancel(context.Background())
		if c.count(counted) {
			return counted, nil
		}
		counted.end()
		_ = conn.Close()
	}
}

const (
	knownFor       = 10 * time.Minute // at least
	knownAddresses = 10_000
)

// mayOpen says whether an address may open one more connection in this second.
// Closing one at once costs little; reading from it costs more than opening it
// costs the other side.
func (c *connections) mayOpen(address string, now time.Time) bool {
	if now.Sub(c.second) >= time.Second {
		c.second, c.all = now, 0
		clear(c.recent)
	}
	if c.recent[address]++; c.limits.OpenedPerAddress > 0 && c.recent[address] > c.limits.OpenedPerAddress {
		return false // and it doesn't count against the others
	}
	c.all++
	return c.limits.Opened == 0 || c.all <= c.limits.Opened || c.known[address] || c.knew[address]
}

// remember makes an address known.
func (c *connections) remember(address string, now time.Time) {
	if now.Sub(c.since) >= knownFor || len(c.known) >= knownAddresses {
		c.known, c.knew, c.since = map[string]bool{}, c.known, now
	}
	c.known[address] = true
}

// count counts a new connection, if there is room for it.
func (c *connections) count(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mayOpen(conn.caller, time.Now()) {
		return false
	}
	c.number++
	conn.key = strconv.Itoa(c.number)
	gone, err := c.ledger.Add(conn.caller, conn.key, quota.Never, time.Time{})
	for _, old := range gone {
		c.drop(c.open[old])
	}
	if err != nil {
		return false
	}
	c.open[conn.key] = conn
	return true
}

// drop closes a connection for which there is no room any more. The lock is held.
func (c *connections) drop(conn *connection) {
	_ = conn.TCPConn.Close()
	conn.end()
	c.ledger.Remove(conn.key)
	conn.release()
	delete(c.open, conn.key)
}

// Close closes the connection.
func (c *connection) Close() error {
	c.end()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.ledger.Remove(c.key)
	c.release()
	delete(c.of.open, c.key)
	return c.TCPConn.Close()
}

// maxLines is how many lines the header of a request may have. net/http keeps a
// line of five bytes in eighty.
const maxLines = 128

// errBodies says that there is no room for a body.
var errBodies = errors.New("too many large bodies come at a time")

// Read reads from the connection. Where a header has too many lines, the rest of it
// is read as one long line: net/http then comes to the limit of its bytes, and
// answers 431.
func (c *connection) Read(p []byte) (int, error) {
	if c.header.count(nil) > maxLines {
		return copy(p, tooLong), nil
	}
	n, err := c.TCPConn.Read(p)
	if c.header.count(p[:n]) > maxLines {
		return copy(p, tooLong), nil
	}
	return n, err
}

var tooLong = bytes.Repeat([]byte("x"), 4<<10)

// lines counts those of a header, until it ends. net/http lets one goroutine read
// at a time.
type lines struct {
	seen  int
	empty bool // nothing but \r has come since the last line
	over  bool
	again atomic.Bool // the next header begins
}

func (l *lines) count(read []byte) int {
	if l.again.Swap(false) {
		l.seen, l.empty, l.over = 0, true, false
	}
	for len(read) > 0 && !l.over {
		line, rest, ended := bytes.Cut(read, []byte("\n"))
		l.empty = l.empty && len(bytes.Trim(line, "\r")) == 0
		if ended {
			l.over = l.empty && l.seen > 0
			l.seen++
			l.empty = true
		}
		read = rest
	}
	return l.seen
}

// prove says that a whole request has come.
func (c *connection) prove() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.whole = true
	c.of.ledger.Prove(c.key)
	for i := range c.blocks {
		c.of.bodies.Prove(c.block(i))
	}
}

// BodyBlock is how much of each body counts with its connection, in bytes. What is
// behind it counts by blocks of this size for [Limits.Bodies].
const BodyBlock = 8 << 10

func (c *connection) block(i int) string { return c.key + " " + strconv.Itoa(i) }

// hold counts what was read of a body, and reports whether there is room for it.
func (c *connection) hold(size int64) bool {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	for want := int((size - 1) / BodyBlock); c.blocks < want; {
		if c.of.open[c.key] == nil {
			return false
		}
		gone, err := c.of.bodies.Add(c.caller, c.block(c.blocks), quota.Never, time.Time{})
		if err == nil {
			c.blocks++
		}
		for _, old := range gone {
			key, _, _ := strings.Cut(old, " ")
			if conn := c.of.open[key]; conn != nil {
				c.of.drop(conn)
			}
		}
		if err != nil {
			return false
		}
	}
	return c.of.open[c.key] != nil
}

// release forgets what is held of a body. The lock is held.
func (c *connection) release() {
	for i := range c.blocks {
		c.of.bodies.Remove(c.block(i))
	}
	c.blocks = 0
}

// answered says that a handler has answered. The answer is not sent yet.
func (c *connection) answered() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.release()
	c.header.again.Store(true)
	if c.whole && c.of.open[c.key] != nil {
		c.of.remember(c.caller, time.Now())
	}
}

// noteIdle is for [http.Server.ConnState]: once the answer is sent, the connection is
// as good as new. Before that it must not go: the request has been run, and a refresh
// token that it used up would be lost with the answer.
func noteIdle(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*connection)
	if !ok || state != http.StateIdle {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.whole = false
	c.of.ledger.Renew(c.key)
}

type connectionKey struct{}

// rememberConnection is for [http.Server.ConnContext]. Nothing waits for a
// connection that had to go.
func rememberConnection(ctx context.Context, conn net.Conn) context.Context {
	c, ok := conn.(*connection)
	if !ok {
		return ctx
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, connectionKey{}, c))
	context.AfterFunc(c.ctx, cancel)
	return ctx
}

// proveConnections keeps the connections of requests that are being answered.
func proveConnections(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			defer c.answered()
			if r.ContentLength == 0 {
				c.prove()
			} else {
				r.Body = &wholeBody{ReadCloser: r.Body, of: c}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// wholeBody counts what was read of a body, and says when it was all.
type wholeBody struct {
	io.ReadCloser
	of   *connection
	size int64
	all  bool
}

// Read reads from the body.
func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.size += int64(n); b.size > BodyBlock && !b.of.hold(b.size) {
		_ = b.of.TCPConn.Close()
		return 0, errBodies
	}
	if err == io.EOF && !b.all {
		b.all = true
		b.of.prove()
	}
	return n, err
}
