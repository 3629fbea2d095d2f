// Package safefetch fetches URLs that others chose: client metadata documents,
// the metadata of servers. Whoever may choose what a server fetches can make it
// send requests into its own network (server-side request forgery), so every
// request is bounded in where it goes, how long it takes and how much it reads
// (MCP, Security Best Practices, "SSRF"; Client ID Metadata Document draft,
// section 8.6).
//
// The address is checked when it is dialled, after the name was resolved: a
// name that means a public address at one moment and a private one at the next
// (DNS rebinding) gains nothing.
//
//	client := safefetch.NewClient(safefetch.Policy{})
//	body, header, err := safefetch.Get(ctx, client, "https://app.example/client.json", 5<<10)
package safefetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/web/baseurl"
)

// What can go wrong, besides what the network reports. The text of errors is
// for logs: it names addresses.
var (
	ErrURL      = errors.New("URL refused")          // by its form
	ErrAddress  = errors.New("not a public address") // by where it leads
	ErrStatus   = errors.New("unexpected status")    // anything but 200
	ErrTooLarge = errors.New("too large")            // beyond the cap
	ErrEncoding = errors.New("encoding not allowed") // compressed, although identity was asked for
)

const (
	defaultTimeout  = 5 * time.Second
	defaultMaxBytes = 64 << 10
	maxHeaderBytes  = 16 << 10
)

// Policy says what may be fetched. Its zero value is the strict one: https to
// public addresses.
type Policy struct {
	// Loopback allows URLs whose host is this machine, over http too. They are
	// dialled at loopback addresses only; all other URLs stay as they were. Set
	// it only where the URL that the user gave, or the server's own, is on
	// loopback: a public server that sets it can be made to send requests to
	// its own machine.
	Loopback bool
	// Private are origins, in the form of [baseurl.Origin], that may lead to
	// private addresses over https; never to link-local ones, and never to
	// those at which clouds hand out credentials.
	Private []string

	Timeout  time.Duration // of the whole exchange; 0: five seconds
	MaxBytes int64         // of a body; 0: 64 KiB

	// RootCAs verify the servers' certificates; nil: the system's.
	RootCAs *x509.CertPool
	// Resolver replaces DNS, for tests; what it returns is checked all the
	// same.
	Resolver func(ctx context.Context, host string) ([]netip.Addr, error)

	// Proxy, as of http.Transport, chooses a proxy for a request, which then
	// chooses the address: it is not checked here, and only https is fetched.
	// Nil fetches without a proxy, whatever the environment says.
	Proxy func(*http.Request) (*url.URL, error)

	permits func(netip.Addr) bool // for tests: instead of the table
}

// NewClient makes a client that fetches what the policy allows and nothing
// else. It takes no proxy from the environment, since the proxy and not this
// program would then choose the address; keeps no cookies; and returns
// redirects to the caller instead of following them.
func NewClient(p Policy) *http.Client {
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
	}
	if p.MaxBytes == 0 {
		p.MaxBytes = defaultMaxBytes
	}
	transport := &http.Transport{
		DialContext:            p.dial,
		TLSClientConfig:        &tls.Config{RootCAs: p.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    p.Timeout,
		ResponseHeaderTimeout:  p.Timeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true,
		MaxIdleConns:           10,
		IdleConnTimeout:        30 * time.Second,
	}
	if p.Proxy != nil {
		proxies := &proxies{choose: p.Proxy, direct: p.dial}
		transport.Proxy, transport.DialContext = proxies.proxy, proxies.dial
	}
	return &http.Client{
		Timeout:       p.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &guarded{p, transport},
	}
}

// guarded checks each request, so that a client can't be used around the
// policy, and caps each body.
type guarded struct {
	policy Policy
	next   *http.Transport
}

func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := CheckURL(r.URL.String(), g.policy); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	// Without this header any encoding would be acceptable (RFC 9110, section
	// 12.5.3), and a small body can unpack to a large one.
	if r.Header.Get("Accept-Encoding") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("Accept-Encoding", "identity")
	}
	response, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = http.MaxBytesReader(nil, response.Body, g.policy.MaxBytes)
	return response, nil
}

// CloseIdleConnections is what http.Client looks for.
func (g *guarded) CloseIdleConnections() { g.next.CloseIdleConnections() }

// proxies remembers which addresses are those of proxies: they may be anywhere.
type proxies struct {
	choose func(*http.Request) (*url.URL, error)
	direct func(ctx context.Context, network, address string) (net.Conn, error)
	known  sync.Map // host:port
}

func (p *proxies) proxy(r *http.Request) (*url.URL, error) {
	chosen, err := p.choose(r)
	if err == nil && chosen != nil {
		p.known.Store(net.JoinHostPort(chosen.Hostname(), baseurl.Port(chosen)), true)
	}
	return chosen, err
}

func (p *proxies) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if _, isProxy := p.known.Load(address); isProxy {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return p.direct(ctx, network, address)
}

// dial connects to an address that is allowed for the host and port of a URL.
func (p Policy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	permits := p.permits
	if permits == nil {
		permits = func(addr netip.Addr) bool { return p.permitted(host, port, addr) }
	}
	dialer := &net.Dialer{Timeout: p.Timeout, ControlContext: control(permits)}
	if _, err := netip.ParseAddr(host); err == nil || p.Resolver == nil {
		return dialer.DialContext(ctx, network, address)
	}
	found, err := p.Resolver(ctx, host)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}
	if err != nil {
		return nil, err
	}
	var failed error
	for _, addr := range found {
		connection, err := dialer.DialContext(ctx, network, net.JoinHostPort(addr.String(), port))
		if err == nil {
			return connection, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

// control makes what the dialer calls with the address that it is about to
// connect to: the last moment, and the only one that counts.
func control(permits func(netip.Addr) bool) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAddress, err)
		}
		if !permits(target.Addr()) {
			return fmt.Errorf("%w: %s", ErrAddress, target.Addr())
		}
		return nil
	}
}

// Get fetches a document of at most maxBytes. Only status 200 counts: a
// redirect leads to where nobody has checked, and is an error like any other.
func Get(ctx context.Context, client *http.Client, url string, maxBytes int64) (body []byte, header http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%w: %d", ErrStatus, response.StatusCode)
	}
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, nil, fmt.Errorf("%w: %.32q", ErrEncoding, encoding)
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	var over *http.MaxBytesError
	if int64(len(body)) > maxBytes || errors.As(err, &over) {
		return nil, nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxBytes)
	}
	if err != nil {
		return nil, nil, err
	}
	return body, response.Header, nil
}
