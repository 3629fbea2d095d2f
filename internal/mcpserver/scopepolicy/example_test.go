package scopepolicy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/mcpserver/scopepolicy"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// A policy of another server: create_order needs orders:write.
func Example() {
	policy := scopepolicy.Policy{
		Rules: scopepolicy.Rules{
			"tools/list":              {},
			"tools/call list_orders":  {AnyOf: "orders:read orders:write"},
			"tools/call create_order": {AllOf: "orders:write"},
		},
	}
	done := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })
	guarded := mcpmessage.Inspect(scopepolicy.Require(policy, bearerauth.Challenge{Realm: "orders"}, nil, done))

	caller := &principal.Principal{Subject: "s", Scopes: []string{"orders:read"}}
	for _, tool := range []string{"list_orders", "create_order", "drop_orders"} {
		r := httptest.NewRequestWithContext(principal.NewContext(context.Background(), caller), http.MethodPost, "/mcp",
			strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool+`"}}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		fmt.Println(tool, w.Code, w.Header().Get("WWW-Authenticate") != "")
	}
	// Output:
	// list_orders 200 false
	// create_order 403 true
	// drop_orders 403 false
}
