package issuerkeys

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
)

// asking is a source that fetches nothing by itself.
func asking(log *bytes.Buffer) *Source {
	return &Source{
		Reader: *NewReader(Config{Issuer: "http://localhost:1"}, newClient(newTransport())), log: slog.New(slog.NewTextHandler(log, nil)),
	}
}

// Only whole answers of a reasonable size are taken, and JSON is asked for.
func TestD03_WhatIsReadOfAnAnswer(t *testing.T) {
	var accept string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accept = r.Header.Get("Accept")
		switch r.URL.Path {
		case "/header":
			w.Header().Set("X-Long", strings.Repeat("a", 64<<10))
		case "/cut":
			w.Header().Set("Content-Length", "1000")
		}
		_, _ = w.Write([]byte(`{"keys":[]}`))
	}))
	defer server.Close()
	s := asking(&bytes.Buffer{})
	for path, ok := range map[string]bool{"/": true, "/header": false, "/cut": false} {
		body, _, err := s.get(t.Context(), server.URL+path)
		if (err == nil) != ok || !ok && body != nil {
			t.Errorf("%s: %q, %v", path, body, err)
		}
	}
	if accept != "application/json" {
		t.Errorf("Accept: %q", accept)
	}
}

// The error of a fetch is that of the step that failed.
func TestD03_WhyKeysAreMissing(t *testing.T) {
	var issuer string
	keySet := http.StatusInternalServerError
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/certs" {
			w.WriteHeader(keySet)
			return
		}
		_, _ = w.Write([]byte(`{"issuer":"` + issuer + `","jwks_uri":"http://` + r.Host + `/certs"}`))
	}))
	defer server.Close()
	s := asking(&bytes.Buffer{})
	s.config = Config{Issuer: server.URL, Address: server.URL}
	for stated, want := range map[string]string{"http://localhost:2": `names the issuer "http://localhost:2"`, server.URL: "/certs: status 500"} {
		issuer = stated
		if _, err := s.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("issuer %s: %v, want %s", stated, err, want)
		}
	}
	_, metadataErr := s.Reader.Metadata(t.Context(), server.URL+"/certs")
	_, _, keysErr := s.Keys(t.Context(), &Metadata{Keys: server.URL + "/certs"})
	for step, err := range map[string]error{"metadata": metadataErr, "keys": keysErr} {
		if err == nil || !strings.Contains(err.Error(), "/certs: status 500") {
			t.Errorf("%s: %v, want the status", step, err)
		}
	}
}

// The port from which an attempt was made differs each time, and is left out.
func TestWithoutPort(t *testing.T) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 54321}
	err := withoutPort(&net.OpError{Op: "read", Net: "tcp", Source: from, Err: errors.New("reset")})
	if strings.Contains(err.Error(), "54321") {
		t.Errorf("got %v", err)
	}
}

// The log says once that the keys are there, and again after trouble.
func TestKeysAreLoggedWhenTheyCome(t *testing.T) {
	var log bytes.Buffer
	s := asking(&log)
	keys := jwks.Set{{ID: "a"}}
	count := func() int { return strings.Count(log.String(), "the issuer's keys were fetched") }
	for i, step := range []struct {
		err  error
		want int
	}{{nil, 1}, {nil, 1}, {errors.New("down"), 1}, {nil, 2}} {
		s.keep(&found{keys: keys, lifetime: usual, metadata: &Metadata{}}, time.Now(), step.err)
		if count() != step.want {
			t.Errorf("after step %d it is said %d times, want %d", i, count(), step.want)
		}
	}
}
