package main

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// WD14: neither the authorization server nor the proxy in front of it runs what is
// behind a request with two ends.
func TestWD14_RequestsWithTwoEnds(t *testing.T) {
	p := start(t, "-addr", "localhost:0", "-proxy", "localhost:0", "-keys", filepath.Join(t.TempDir(), "keys"))
	proxied, _, _ := strings.Cut(strings.TrimPrefix(p.issuer, "http://"), "/")
	for _, host := range []string{proxied, strings.TrimPrefix(p.listening, "http://")} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		const path = "/realms/mcp-realm/protocol/openid-connect/certs HTTP/1.1\r\nHost: "
		_, err = io.WriteString(conn, "GET "+path+host+"\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+
			"GET "+path+host+"\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(conn) // which may end with a reset
		if answers := strings.Count(string(text), "HTTP/1.1 200"); answers != 1 || !strings.Contains(string(text), "Connection: close") {
			t.Errorf("%s: %d answers: %s", host, answers, text)
		}
	}
}
