// Command floor answers every message alike, with net/http alone: what no MCP
// server can be faster than.
package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"mcp-auth-step-by-step/bench/peers/guard"
)

func main() {
	guard.Serve(func(v *guard.Verifier) http.Handler { return v.Protect(http.HandlerFunc(answer)) })
}

// answer is what the load generator expects; it looks at nothing.
func answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, rest, _ := strings.Cut(string(body), `"message":"`)
	message, _, _ := strings.Cut(rest, `"`)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":%q}]}}`, message)
}
