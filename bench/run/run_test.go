package main

import (
	"bufio"
	"strings"
	"testing"
)

func TestShares(t *testing.T) {
	const traces = `File: step8
Type: cpu
-----------+-------------------------------------------------------
      30ms   crypto/internal/fips140/bigmod.addMulVVW2048
             crypto/rsa.VerifyPKCS1v15 (inline)
             net/http.(*conn).serve
-----------+-------------------------------------------------------
      10ms   runtime.futex
-----------+-------------------------------------------------------
`
	got := shares(traces)
	if got["RSA verification"] != 75 || got["Go's scheduler and memory"] != 25 || len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestReceive(t *testing.T) {
	for name, text := range map[string]string{
		"length": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
	} {
		status, body, err := receive(bufio.NewReader(strings.NewReader(text + text)))
		if status != 200 || string(body) != "hello" || err != nil {
			t.Errorf("%s: %d %q %v", name, status, body, err)
		}
		if _, _, err := receive(bufio.NewReader(strings.NewReader(text[:len(text)-6]))); err == nil {
			t.Errorf("%s: an answer that is cut off is taken", name)
		}
	}
}
