package serve

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/web/caller"
	"mcp-auth-step-by-step/internal/web/quota"
)

// connections bounds how many connections are open at a time, by the rule of
// package quota. One is proven from when a whole request has come until it is
// answered. So those go first that send nothing, or slowly.
type connections struct {
	*net.TCPListener

	mu     sync.Mutex
	ledger *quota.Ledger
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
	ledger := quota.New(limits.ConnectionsPerAddress, limits.Connections)
	return &connections{TCPListener: tcp, ledger: ledger, open: map[string]*connection{}, recent: map[string]int{}}
}

// connection is counted until it is closed.
type connection struct {
	*net.TCPConn // net/http also uses CloseWrite
	of           *connections
	key, caller  string
	whole        bool            // a whole request has come, which is not answered yet
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
	perSecond    = 500  // connections of one address that are accepted in a second
	allPerSecond = 1000 // those of all addresses, beyond which only known ones may open more

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
	if c.recent[address]++; c.recent[address] > perSecond {
		return false // and it doesn't count against the others
	}
	c.all++
	return c.all <= allPerSecond || c.known[address] || c.knew[address]
}

// remember makes an address known.
func (c *connections) remember(address string, now time.Time) {
	if now.Sub(c.since) >= knownFor || len(c.known) >= knownAddresses {
		c.known, c.knew, c.since = map[string]bool{}, c.known, now
	}
	c.known[address] = true
}

// never is when the ledger lets a connection expire: they end when they are closed.
var never = time.Unix(1, 0)

// count counts a new connection, if there is room for it.
func (c *connections) count(conn *connection) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mayOpen(conn.caller, time.Now()) {
		return false
	}
	c.number++
	conn.key = strconv.Itoa(c.number)
	gone, err := c.ledger.Add(conn.caller, conn.key, never, time.Unix(0, 0))
	for _, old := range gone {
		_ = c.open[old].TCPConn.Close()
		c.open[old].end()
		delete(c.open, old)
	}
	if err != nil {
		return false
	}
	c.open[conn.key] = conn
	return true
}

// Close closes the connection.
func (c *connection) Close() error {
	c.end()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.ledger.Remove(c.key)
	delete(c.of.open, c.key)
	return c.TCPConn.Close()
}

// prove says that a whole request has come.
func (c *connection) prove() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.whole = true
	c.of.ledger.Prove(c.key)
}

// answered says that the request is answered, and the connection as good as new.
func (c *connection) answered() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.of.open[c.key] != nil {
		if c.whole {
			c.whole = false
			c.of.remember(c.caller, time.Now())
		}
		_, _ = c.of.ledger.Add(c.caller, c.key, never, time.Unix(0, 0)) // in its own place
	}
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
				r.Body = &wholeBody{r.Body, sync.OnceFunc(c.prove)}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// wholeBody says when all of a body was read.
type wholeBody struct {
	io.ReadCloser
	read func()
}

// Read reads from the body.
func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.read()
	}
	return n, err
}
