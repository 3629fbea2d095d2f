package mcpauth

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// constant is a server that answers every request alike, without a network.
type constant struct{}

func (constant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("{}")),
	}, nil
}

// BenchmarkRequest times a request of a client that has a token, and the same
// request without this package.
func BenchmarkRequest(b *testing.B) {
	const url = "http://localhost:9000/mcp"
	authorized, err := New(Config{ResourceURL: url, Agent: Browser{}, Base: constant{}})
	if err != nil {
		b.Fatal(err)
	}
	authorized.session = session{entry: &Entry{Token: &Token{Access: strings.Repeat("a", 800), Type: "Bearer"}}}
	for _, run := range []struct {
		name string
		http.RoundTripper
	}{{"without", constant{}}, {"with", authorized}} {
		b.Run(run.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
				if err != nil {
					b.Fatal(err)
				}
				response, err := run.RoundTrip(request)
				if err != nil || response.StatusCode != http.StatusOK {
					b.Fatal(response, err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
}
