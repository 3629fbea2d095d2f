// Package serve runs one HTTP handler as a program: flags, listener, limits,
// logs and a graceful end. It knows nothing of MCP or OAuth.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/logging"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// Limits bound what one client can cost the server. The zero value of a field
// means no limit, so start from [DefaultLimits].
type Limits struct {
	ReadHeader time.Duration // until the request's header is complete
	Read       time.Duration // until the request's body is complete
	Write      time.Duration // until the answer is written; of a stream, each part
	Idle       time.Duration // between two requests on one connection
	Header     int           // bytes of the request's header; Go adds 4 KiB of slack
	Body       int64         // bytes of the request's body

	// Connections that are open at a time, and those of them from one address.
	Connections, ConnectionsPerAddress int
	// Connections that are opened in a second: beyond Opened only by addresses that
	// had an answer lately, by none beyond OpenedPerAddress. They hold where
	// Connections is set.
	Opened, OpenedPerAddress int
	// Bytes of bodies that are in memory at a time, and those of them from one
	// address, without the first [BodyBlock] of each body. They hold where
	// Connections is set.
	Bodies, BodiesPerAddress int
}

// DefaultLimits are the limits of every step.
var DefaultLimits = Limits{
	ReadHeader: 5 * time.Second,
	Read:       15 * time.Second,
	Write:      30 * time.Second,
	Idle:       60 * time.Second,
	Header:     32 << 10,
	Body:       1 << 20,

	Connections:           384,
	ConnectionsPerAddress: 128,
	Opened:                1000,
	OpenedPerAddress:      500,
	Bodies:                1536 << 10,
	BodiesPerAddress:      1 << 20,
}

// Options say where and how to serve.
type Options struct {
	Addr    string   // TCP address to listen on; port 0 takes a free one
	URL     string   // base URL of the site; empty: http://localhost with the bound port
	Origins []string // further Origins to allow, besides loopback
	Limits  Limits
	Log     *slog.Logger // nil: nothing is logged
	JSON    bool         // Log writes JSON, so nothing else may be written beside it

	requests *slog.Logger // for their lines; nil: Log
	flush    func()       // writes what waits in requests
}

// Site is what a handler may say about itself. All of it comes from the
// command line and none from a request, so that nobody's Host header ends up
// in a stated URL.
type Site struct {
	// URL is the base of every URL that the server states about itself,
	// without a slash at the end. It may have a path: see [Site.Mount].
	URL string
	// Stated says that URL was given, and doesn't just follow from the port.
	Stated bool
	// Origins are the further Origins to allow, besides loopback.
	Origins []string
	// Port is the TCP port that is really bound.
	Port int
	// Exposed says that it is bound to more than loopback, so that other
	// machines can reach it.
	Exposed bool
	// Log is the program's logger. The context of each request carries it too;
	// see package logging.
	Log *slog.Logger
	// Fail ends the program with an error, for handlers without which it is of no
	// use. Any goroutine may call it, at any time.
	Fail func(error)
}

// Resource is the resource identifier of the MCP server (RFC 9728, section
// 1.2; RFC 8707, section 2): what a token's audience must name.
func (s Site) Resource() string { return s.URL + "/mcp" }

// Hosts are the Host headers by which this server may be addressed: the one
// of its URL, and the loopback names with the bound port. A default port may be
// written out or not (RFC 9110, section 4.2.3).
func (s Site) Hosts() []string {
	hosts := loopback.HostPorts(s.Port)
	if u, err := url.Parse(s.URL); err == nil {
		_, withPort, _ := strings.Cut(baseurl.Origin(u), "://")
		hosts = append(hosts, u.Host, withPort)
	}
	return hosts
}

// ParseURL reads the base URL of a site. name is what the error calls it.
func ParseURL(name, raw string) (string, error) {
	u, err := baseurl.Parse(name, raw)
	switch {
	case err != nil:
		return "", err
	case strings.HasSuffix(u.Path, "/"):
		return "", fmt.Errorf("%s %.200q must not end with a slash; remove it", name, raw)
	}
	return baseurl.Canonical(u), nil
}

// A Builder makes the handler of a program, once its site is known. The context
// ends when the server does: it is for what the handler keeps running between
// requests.
type Builder func(context.Context, Site) (http.Handler, error)

// Running is a server that accepts connections.
type Running struct {
	Site   Site
	Addr   net.Addr
	server *http.Server
	failed chan error
	stop   context.CancelFunc // ends the context of the Builder
}

// Start binds the address, builds the handler and serves it in the
// background. It fails with a sentence that says what to do when the address
// is taken, or the URL or an Origin unusable.
func Start(opts Options, build Builder) (*Running, error) {
	stated := opts.URL
	if stated != "" {
		var err error
		if stated, err = ParseURL("-url", stated); err != nil {
			return nil, err
		}
	}
	for _, origin := range opts.Origins {
		if _, err := baseurl.ParseOrigin("-origins", origin); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, explainListen(opts.Addr, err)
	}
	log := cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(logging.NewContext(context.Background(), log))
	bound := listener.Addr().(*net.TCPAddr)
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default: // it ends already
		}
	}
	site := Site{
		URL: stated, Stated: stated != "", Origins: opts.Origins,
		Port: bound.Port, Exposed: !bound.IP.IsLoopback(), Log: log, Fail: fail,
	}
	if site.URL == "" {
		site.URL = "http://localhost:" + strconv.Itoa(site.Port)
	}
	handler, err := build(ctx, site)
	if err != nil {
		stop()
		_ = listener.Close()
		return nil, err
	}
	logged := logRequests(cmp.Or(opts.requests, log), opts.Limits.Write, proveConnections(handler))
	r := &Running{
		Site: site,
		Addr: listener.Addr(),
		server: &http.Server{
			// Outermost, so that net/http itself learns of a body that is too
			// large, and closes the connection.
			Handler:           http.MaxBytesHandler(endConnections(answerProbes(site, logged)), opts.Limits.Body),
			ConnContext:       rememberConnection,
			ConnState:         noteIdle,
			ReadHeaderTimeout: opts.Limits.ReadHeader,
			ReadTimeout:       opts.Limits.Read,
			WriteTimeout:      opts.Limits.Write,
			IdleTimeout:       opts.Limits.Idle,
			MaxHeaderBytes:    opts.Limits.Header,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
			// Not the Builder's: requests in flight are answered after its end.
			BaseContext: func(net.Listener) context.Context { return logging.NewContext(context.Background(), log) },
		},
		failed: failed,
		stop:   stop,
	}
	go func() { fail(fmt.Errorf("serving ended: %w", r.server.Serve(limitConnections(listener, opts.Limits)))) }()
	return r, nil
}

// endConnections closes the connection after a request whose end two readers could
// see in two places. Where a request has both Transfer-Encoding and Content-Length,
// net/http has removed the second before a handler runs, so each request with
// Transfer-Encoding counts; and in HTTP/1.0 it has removed the first (RFC 9112,
// section 6.1). What is sent behind such a request is not run.
func endConnections(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 || !r.ProtoAtLeast(1, 1) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Shutdown stops accepting and waits until the requests in flight are
// answered, or ctx ends.
func (r *Running) Shutdown(ctx context.Context) error {
	defer r.stop()
	err := r.server.Shutdown(ctx)
	if err != nil {
		_ = r.server.Close()
	}
	return err
}

// Close ends the server at once, without waiting for requests in flight.
func (r *Running) Close() error {
	defer r.stop()
	return r.server.Close()
}

func explainListen(addr string, err error) error {
	_, port, _ := net.SplitHostPort(addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s is taken: stop the program that uses it, or choose another with -addr localhost:0", port)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this user may not listen on port %s: choose a port above 1023 with -addr", port)
	}
	return fmt.Errorf("can't listen on -addr %q: %w", addr, err)
}
