package protect

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
)

// The lines that adopt prints refuse what each layer is there for.
func TestProtect(t *testing.T) {
	t.Parallel()
	key := stubprovider.Keys()["rs256"]
	provider, err := stubprovider.Start(key)
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Close()
	const base = "http://orders.test"
	handler := protect(t.Context(), &url.URL{Scheme: "http", Host: "orders.test"}, provider.Issuer(),
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }))
	token := func(audience, scopes string) string {
		token, err := mint.New(key.RSA, key.ID, mint.Grant{
			Issuer: provider.Issuer(), Audience: audience, Username: "alice", ClientID: "cli",
			Scopes: strings.Fields(scopes), Lifetime: time.Minute, Now: time.Now(),
		}).Token()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	send := func(method, path, token, body string, change func(*http.Request)) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, base+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if change != nil {
			change(r)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	// The first keys are fetched in the background.
	for deadline := time.Now().Add(time.Minute); send("GET", "/health", "", "", nil).Code != 200; {
		if time.Now().After(deadline) {
			t.Fatal("no keys after a minute")
		}
		time.Sleep(5 * time.Millisecond)
	}
	call := func(tool string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `"}}`
	}
	good := token(base+"/mcp", "mcp:read")
	for what, c := range map[string]struct {
		method, path, token, body string
		change                    func(*http.Request)
		status                    int
		has                       string
	}{
		"the metadata":       {"GET", "/.well-known/oauth-protected-resource/mcp", "", "", nil, 200, `"resource": "` + base + `/mcp"`},
		"whom to ask":        {"GET", "/.well-known/oauth-protected-resource/mcp", "", "", nil, 200, `"` + provider.Issuer() + `"`},
		"no token":           {"POST", "/mcp", "", call("list_orders"), nil, 401, "missing_token"},
		"for another server": {"POST", "/mcp", token("http://other.test/mcp", "mcp:read"), call("list_orders"), nil, 401, "invalid_token"},
		"a good call":        {"POST", "/mcp", good, call("list_orders"), nil, 200, "inside"},
		"too little scope":   {"POST", "/mcp", good, call("create_order"), nil, 403, `"scope":"mcp:tools mcp:read"`},
		"no rule":            {"POST", "/mcp", good, call("drop_orders"), nil, 403, "access_denied"},
		"no rule, resources": {"POST", "/mcp", good, `{"jsonrpc":"2.0","id":1,"method":"resources/list"}`, nil, 403, "access_denied"},
		"two readings":       {"POST", "/mcp", good, `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`, nil, 400, "-32600"},
		"a stream":           {"GET", "/mcp", good, "", nil, 200, "inside"},
		"a stream, no token": {"GET", "/mcp", "", "", nil, 401, "missing_token"},
		"a foreign page":     {"POST", "/mcp", good, call("list_orders"), func(r *http.Request) { r.Header.Set("Origin", "https://evil.test") }, 403, "origin_not_allowed"},
		"a foreign name":     {"POST", "/mcp", good, call("list_orders"), func(r *http.Request) { r.Host = "evil.test" }, 403, "host_not_allowed"},
	} {
		if w := send(c.method, c.path, c.token, c.body, c.change); w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s: %d %s, want %d with %s", what, w.Code, w.Body, c.status, c.has)
		}
	}
	provider.Close()
}
