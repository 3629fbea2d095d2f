package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// outcome is what came of an authorization request.
type outcome struct {
	code  string
	query url.Values
	err   error
}

// listener waits for one authorization response, on a loopback port of its own
// (RFC 8252, section 7.3).
type listener struct {
	redirectURI string
	path        string
	host        string
	socket      net.Listener
	server      *http.Server
}

// listen opens the port of a redirect URI: http, a literal loopback address or
// localhost; port 0 is any free one.
func listen(redirectURI string) (*listener, error) {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "http" || !isLoopbackHost(u.Hostname()) || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%w: the callback %.200q must be http, on a loopback address, without a query", ErrURL, redirectURI)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	socket, err := net.Listen("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("the callback can't listen: %w", err)
	}
	_, port, err = net.SplitHostPort(socket.Addr().String())
	if err != nil {
		return nil, err
	}
	u.Host = net.JoinHostPort(u.Hostname(), port)
	if u.Path == "" {
		u.Path = "/"
	}
	return &listener{redirectURI: u.String(), path: u.Path, host: u.Host, socket: socket}, nil
}

func (l *listener) close() {
	if l.server == nil {
		_ = l.socket.Close()
		return
	}
	// The page that says goodbye may still be on its way.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close() // a browser may hold a connection that it never used
	}
}

// serve answers the browser until the one response to the request has come,
// which it sends on the channel.
func (l *listener) serve(request *authorizationRequest) <-chan outcome {
	answers := make(chan outcome, 1)
	var once sync.Once
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page of another site can send requests here, by its own name.
		if r.Host != l.host || r.Method != http.MethodGet || r.URL.Path != l.path {
			page(w, http.StatusNotFound, "Nothing here", "This address waits for the answer of an authorization server, and for nothing else.")
			return
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			page(w, http.StatusBadRequest, "Not understood", "The address can't be read.")
			return
		}
		code, err := request.check(query)
		if errors.Is(err, ErrState) {
			page(w, http.StatusBadRequest, "Not our answer", "This is no answer to what the client asked. It goes on waiting for the right one.")
			return
		}
		first := false
		once.Do(func() { first = true; answers <- outcome{code, query, err} })
		switch {
		case !first:
			page(w, http.StatusBadRequest, "Already answered", "The client has its answer. You can close this page.")
		case err != nil:
			page(w, http.StatusBadRequest, "No access", "The client did not get access; it says why where you started it. You can close this page.")
		default:
			page(w, http.StatusOK, "Back to the client", "The client has the answer of the authorization server. You can close this page and go back to it.")
		}
	})
	l.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		MaxHeaderBytes: 32 << 10,
	}
	go func() { _ = l.server.Serve(l.socket) }()
	return answers
}

// page answers with a page that loads nothing, is kept by nobody and holds
// nothing of the request.
func page(w http.ResponseWriter, status int, title, text string) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%[1]s</title>
<style>:root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}</style>
</head><body><main><h1>%[1]s</h1><p>%[2]s</p></main></body></html>
`, html.EscapeString(title), html.EscapeString(text))
}
