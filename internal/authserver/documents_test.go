package authserver

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
)

// callers notes on whose account documents are fetched.
type callers map[string]bool

func (c callers) Fetch(ctx context.Context, _ string) (*clientmetadata.Metadata, error) {
	c[clientmetadata.Caller(ctx)] = true
	return nil, errors.New("there is no document")
}

// WD5: a fetch counts on the account of the address that caused it.
func TestWD5_FetchesCountByAddress(t *testing.T) {
	t.Parallel()
	seen := callers{}
	r := start(t, open, func(c *Config) {
		c.Documents = seen
		c.ClientAddress = func(*http.Request) string { return "203.0.113.7" }
	})
	r.browser().get(r.ask("client_id=https://app.example/client.json"))
	if len(seen) != 1 || !seen["203.0.113.7"] {
		t.Errorf("fetched for %v", seen)
	}
}
