package mcpauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"time"

	"mcp-auth-step-by-step/internal/web/loopback"
)

// outcome is what came of an authorization request.
type outcome struct {
	code  string
	query url.Values
	err   error
}

// defaultHome is where a program's user usually is.
const defaultHome = "the terminal"

// listener waits for one authorization response, on a loopback port of its own
// (RFC 8252, section 7.3).
type listener struct {
	redirectURI string
	path        string
	host        string
	home        string // where the user goes back to
	socket      net.Listener
	server      *http.Server
}

// defaultCallback has a path for each issuer: an answer that a malicious server
// provokes at an honest one then comes to another path (RFC 9700, section
// 4.4.2).
func defaultCallback(issuer string) string {
	sum := sha256.Sum256([]byte(issuer))
	return "http://127.0.0.1:0/callback/" + hex.EncodeToString(sum[:8])
}

// samePath reports whether two redirect URIs differ in their ports alone.
func samePath(a, b string) bool {
	u, err := url.Parse(a)
	v, otherErr := url.Parse(b)
	return err == nil && otherErr == nil && u.Hostname() == v.Hostname() && pathOf(u) == pathOf(v)
}

// listen opens the port of a redirect URI: http, a literal loopback address or
// localhost; port 0 is any free one.
func listen(redirectURI string) (*listener, error) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "http" || !loopback.URL(u) || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%w: the callback %.200q must be http, on a loopback address, without a query", ErrURL, redirectURI)
	}
	socket, err := net.Listen("tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")))
	if err != nil {
		return nil, fmt.Errorf("can't listen at the callback address %s; free its port, or choose another callback: %w", u.Host, err)
	}
	_, port, err := net.SplitHostPort(socket.Addr().String())
	if err != nil {
		return nil, err
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	u.Path = cmp.Or(u.Path, "/")
	return &listener{redirectURI: u.String(), path: u.Path, host: u.Host, home: defaultHome, socket: socket}, nil
}

func (l *listener) close() {
	if l.server == nil {
		_ = l.socket.Close()
		return
	}
	// The last page may still be on its way.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close() // a browser may hold a connection that it never used
	}
}

// serve answers the browser until the one response to the request has come,
// which it sends on the channel. disbelieved is called for every other one.
func (l *listener) serve(request *authorizationRequest, disbelieved func(url.Values)) <-chan outcome {
	answers := make(chan outcome, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page of another site can send requests here, by its own name.
		if r.Host != l.host || r.Method != http.MethodGet || r.URL.Path != l.path {
			page(w, http.StatusNotFound, "Nothing here", "This address waits for the answer of an authorization server.")
			return
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			page(w, http.StatusBadRequest, "Not understood", "The address has an invalid query.")
			return
		}
		code, err := request.check(query)
		if errors.Is(err, ErrState) {
			disbelieved(query)
			page(w, http.StatusBadRequest, "Not our answer",
				"This is not the answer to the request of the client. The client waits for the right one. Look at "+l.home+".")
			return
		}
		select {
		case answers <- outcome{code, query, err}:
		default:
			page(w, http.StatusBadRequest, "Already answered", "The client has its answer. You can close this tab.")
			return
		}
		if err != nil {
			page(w, http.StatusBadRequest, "No access", "The client did not get access. Look at "+l.home+" to see why. You can close this tab.")
			return
		}
		page(w, http.StatusOK, "Back to "+l.home, "You can close this tab and go back to "+l.home+".")
	})
	l.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		MaxHeaderBytes: 32 << 10,
	}
	go func() { _ = l.server.Serve(l.socket) }()
	return answers
}

// page answers with a page that loads nothing, is not cached and holds nothing
// of the request.
func page(w http.ResponseWriter, status int, title, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%[1]s</title>
<style>:root{color-scheme:light dark}
body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}</style>
</head><body><main><h1>%[1]s</h1><p>%[2]s</p></main></body></html>
`, html.EscapeString(title), html.EscapeString(text))
}
