package serve

import (
	"net"
	"strconv"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/web/caller"
	"mcp-auth-step-by-step/internal/web/quota"
)

// connections bounds how many connections are open at a time, by the rule of
// package quota: who opens too many loses the oldest. None is proven, since
// nothing has been read from it yet.
type connections struct {
	*net.TCPListener

	mu     sync.Mutex
	ledger *quota.Ledger
	open   map[string]net.Conn
	number int // of the next one
}

func limitConnections(l net.Listener, limits Limits) net.Listener {
	tcp, ok := l.(*net.TCPListener)
	if limits.Connections == 0 || !ok {
		return l
	}
	return &connections{TCPListener: tcp, ledger: quota.New(limits.ConnectionsPerAddress, limits.Connections), open: map[string]net.Conn{}}
}

// Accept waits for a connection.
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.AcceptTCP()
	if err != nil {
		return nil, err
	}
	from := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	key := strconv.Itoa(c.number)
	// They end when they are closed, and not at a time.
	gone, _ := c.ledger.Add(caller.Group(from.Addr()), key, time.Time{}.AddDate(1, 0, 0), time.Time{})
	for _, old := range gone {
		_ = c.open[old].Close()
		delete(c.open, old)
	}
	c.open[key] = conn
	return &connection{TCPConn: conn, closed: sync.OnceFunc(func() { c.forget(key) })}, nil
}

func (c *connections) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ledger.Remove(key)
	delete(c.open, key)
}

// connection is counted until it is closed.
type connection struct {
	*net.TCPConn // net/http also uses CloseWrite
	closed       func()
}

// Close closes the connection.
func (c *connection) Close() error {
	c.closed()
	return c.TCPConn.Close()
}
