package authserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
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

// counting counts how often each document is asked for.
type counting struct {
	published
	asked map[string]int
}

func (c counting) Fetch(ctx context.Context, id string) (*clientmetadata.Metadata, error) {
	c.asked[id]++
	return c.published.Fetch(ctx, id)
}

// WD5: the token endpoint fetches the document of a client alone that brings a
// code or token of its own.
func TestWD5_OnlyTheAuthorizationEndpointFetchesForAnybody(t *testing.T) {
	t.Parallel()
	const id, other = "https://app.example/client.json", "https://victim.example/client.json"
	m := func(id string) *clientmetadata.Metadata {
		return &clientmetadata.Metadata{
			ClientID: id, RedirectURIs: clientmetadata.MustRedirects(testRedirect), TokenEndpointAuthMethod: "none",
			GrantTypes: []string{"authorization_code", "refresh_token"},
		}
	}
	documents := counting{published{id: m(id), other: m(other)}, map[string]int{}}
	r := start(t, open, func(c *Config) { c.Documents = documents })
	code := r.code("mcp-user", "client_id="+id)
	fetched := func() int { n := documents.asked[id] + documents.asked[other]; clear(documents.asked); return n }
	fetched()
	refuse := func(what, path string, values url.Values) {
		t.Helper()
		r.want(r.reply(r.browser().post(r.Server.base()+path, values)), http.StatusUnauthorized, "invalid_client")
		if n := fetched(); n != 0 {
			t.Errorf("%s: %d fetches", what, n)
		}
	}
	refuse("no code of ours", pathToken, redeemForm(secret(), "client_id="+id))
	refuse("a code of another client", pathToken, redeemForm(code, "client_id="+other))
	refuse("a refresh token of nobody", pathToken, refreshForm(secret()+"."+secret(), "client_id="+id))
	refuse("client credentials", pathToken, url.Values{"grant_type": {"client_credentials"}, "client_id": {id}})
	refuse("revocation", pathRevoke, url.Values{"token": {"x"}, "client_id": {id}})
	refuse("introspection", pathIntrospect, url.Values{"token": {"x"}, "client_id": {id}})
	given := r.tokens(redeemForm(code, "client_id="+id))
	if given.status != http.StatusOK || fetched() != 1 {
		t.Fatalf("its own code: %d %s", given.status, given.text)
	}
	refuse("another client's refresh token", pathToken, refreshForm(given.RefreshToken, "client_id="+other))
	next := r.tokens(refreshForm(given.RefreshToken, "client_id="+id))
	if next.status != http.StatusOK || fetched() != 1 {
		t.Errorf("its own refresh token: %d %s", next.status, next.text)
	}
	if got := r.browser().post(r.Server.base()+pathRevoke, url.Values{"token": {next.AccessToken}, "client_id": {id}}); got.StatusCode != http.StatusOK || fetched() != 1 {
		t.Errorf("revoking its access token: %d %s", got.StatusCode, got.text)
	}
}
