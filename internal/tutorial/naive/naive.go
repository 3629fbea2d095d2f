// Package naive is wrong on purpose: an MCP server, an authorization server and a
// client in which the attacks of the pages work. Each fault is a line that begins
// with a comment, "fault NAME", which says who made this mistake before; see
// [Faults].
//
//	lab, err := naive.Start(naive.Options{Log: os.Stderr})
//	…
//	defer lab.Close()
//	http.Post(lab.Server+"/mcp", "application/json", body)
//
// It listens on loopback and asks nobody but loopback. Its tools only echo. It reads
// no key and writes no file: its own key pair lives as long as it does.
package naive

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// Addresses of [Options] that stand on the pages, and the key sets of the steps
// beside it: steps 5 to 8, and step 9.
const (
	ServerAddr              = "localhost:9001"
	AuthorizationServerAddr = "localhost:8081"
	AttackerAddr            = "localhost:9666"
	KeySets                 = "http://localhost:9000/.well-known/jwks.json " +
		"http://localhost:8080/realms/mcp-realm/protocol/openid-connect/certs"
)

// Lifetime is after how long the program ends by itself.
const Lifetime = time.Hour

// Options say where the lab listens. Empty addresses take a free port.
type Options struct {
	Server, AuthorizationServer, Attacker string
	KeySets                               string // URLs with blanks between, whose keys are trusted
	Open                                  bool   // ask for no token, as steps 1 to 5
	Log                                   io.Writer
}

// Lab is what runs: base URLs without a slash at the end.
type Lab struct {
	Server              string // MCP server, at /mcp
	AuthorizationServer string // its issuer
	Attacker            string // what an attacker serves: keys, and two MCP servers

	servers []*http.Server
	options Options
	key     *rsa.PrivateKey
	fetch   *http.Client
}

// Start serves all three until Close.
func Start(o Options) (*Lab, error) {
	key, err := rsa.GenerateKey(rand.Reader, jwks.MinRSABits)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	lab := &Lab{options: o, key: key, fetch: newClient()}
	listeners := make([]net.Listener, 3)
	for i, part := range []struct {
		addr string
		url  *string
	}{{o.Server, &lab.Server}, {o.AuthorizationServer, &lab.AuthorizationServer}, {o.Attacker, &lab.Attacker}} {
		if listeners[i], err = listen(part.addr); err != nil {
			closeAll(listeners)
			return nil, err
		}
		*part.url = "http://localhost:" + strconv.Itoa(listeners[i].Addr().(*net.TCPAddr).Port)
	}
	// Now that all addresses are known, which each of them names.
	for i, handler := range []http.Handler{lab.mcpServer(), lab.authorizationServer(), lab.attacker()} {
		server := &http.Server{
			Handler:           http.MaxBytesHandler(handler, 1<<20),
			ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, MaxHeaderBytes: 64 << 10,
		}
		lab.servers = append(lab.servers, server)
		go func() { _ = server.Serve(listeners[i]) }()
	}
	return lab, nil
}

// listen binds an address on loopback, and no other.
func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = "localhost:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !loopback.Host(host) {
		return nil, fmt.Errorf("address %q is not on loopback: this server is wrong on purpose; write localhost:port", addr)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("can't listen on %q; stop the program that uses the port: %w", addr, err)
	}
	return listener, nil
}

func closeAll(listeners []net.Listener) {
	for _, listener := range listeners {
		if listener != nil {
			_ = listener.Close()
		}
	}
}

// Close ends all servers at once.
func (l *Lab) Close() {
	for _, server := range l.servers {
		_ = server.Close()
	}
	l.fetch.CloseIdleConnections()
}

// Warning is the first line of the program.
const Warning = "This server is wrong on purpose: the attacks of the tutorial work here. It listens on loopback and ends after "

// Run is the program: it warns, serves, and ends with the context or after a
// lifetime.
func Run(ctx context.Context, o Options, lifetime time.Duration) error {
	fmt.Fprintf(o.Log, "%s%s.\n", Warning, lifetime)
	lab, err := Start(o)
	if err != nil {
		return err
	}
	defer lab.Close()
	fmt.Fprintf(o.Log, "authorization server: %s\nattacker: %s\nlistening on %s\n", lab.AuthorizationServer, lab.Attacker, lab.Server)
	ctx, cancel := context.WithTimeout(ctx, lifetime)
	defer cancel()
	<-ctx.Done()
	return nil
}

// newClient asks this machine and nothing else, whatever a token or a document
// names: the address is checked when it is dialled.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{DialContext: (&net.Dialer{ControlContext: loopback.Control}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ownKey is the public half of the authorization server's key.
func (l *Lab) ownKey() jwks.Set {
	key, err := jwks.New(&l.key.PublicKey, keys.Algorithm)
	if err != nil {
		panic(err) // it was made with the right size
	}
	return jwks.Set{key}
}

// keysAt are the keys of a set on loopback, or none where it can't be had: a step
// that doesn't run has no tokens either.
func (l *Lab) keysAt(ctx context.Context, location string) jwks.Set {
	body, _, err := safefetch.Get(ctx, l.fetch, location, 64<<10)
	if err != nil {
		return nil
	}
	set, _, err := jwks.ParseFor(body, []string{"RS256", "PS256", "ES256", "EdDSA"})
	if err != nil {
		return nil
	}
	return set
}

func (l *Lab) trustedKeys(ctx context.Context) jwks.Set {
	set := l.ownKey()
	for location := range strings.FieldsSeq(l.options.KeySets) {
		set = append(set, l.keysAt(ctx, location)...)
	}
	return set
}
