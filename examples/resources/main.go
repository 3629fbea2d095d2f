// Command resources is an MCP server with go-sdk that has resources too, each
// with a rule of its own, and a tool that is hidden from those who may not call
// it. The function protect and the packages that it uses are not here: adopt
// makes them. See docs/your-own-server.md.
package main

import (
	"context"
	"flag"
	"log"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"example.com/resources/internal/mcpserver/scopepolicy"
	"example.com/resources/internal/oauth/principal"
)

var (
	addr   = flag.String("addr", "localhost:8000", "`host:port` to listen on")
	issuer = flag.String("issuer", "http://localhost:8080/realms/mcp-realm", "`URL` of the authorization server")
)

// rules are those of this server, in the place of those that adopt printed.
var rules = scopepolicy.Rules{
	"initialize": {}, "server/discover": {}, "ping": {}, "completion/complete": {}, "logging/setLevel": {},
	"tools/list":             {AnyOf: "mcp:read mcp:tools"},
	"tools/call list_orders": {AllOf: "mcp:read"},
	"tools/call drop_orders": {AllOf: "mcp:tools", Hidden: true},
	"resources/list":         {AnyOf: "mcp:read mcp:tools"}, "resources/templates/list": {AnyOf: "mcp:read mcp:tools"},
	"resources/read orders://open": {AllOf: "mcp:read"},
	"resources/read orders://all":  {AllOf: "mcp:tools"},
}

func main() {
	flag.Parse()
	maps.Copy(rules, scopepolicy.Session)
	policy.Rules = rules
	server := newServer()
	endpoint := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true}) // which 2026-07-28 needs
	self := &url.URL{Scheme: "http", Host: *addr}
	handler := protect(context.Background(), self, *issuer, withCaller(endpoint))
	log.Print("listening on ", self)
	log.Fatal((&http.Server{Addr: *addr, Handler: handler, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe())
}

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "orders", Version: "1"}, nil)
	for name, text := range map[string]string{"list_orders": "no orders yet", "drop_orders": "all orders dropped"} {
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}, nil, nil
		})
	}
	for uri, text := range map[string]string{"orders://open": "none open", "orders://all": "none at all"} {
		server.AddResource(&mcp.Resource{URI: uri, Name: uri}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, Text: text}}}, nil
		})
	}
	server.AddReceivingMiddleware(hide(policy.Shows()))
	return server
}

// hide leaves out of the list of tools what the policy hides from the caller.
func hide(shows func(caller *principal.Principal, method, name string) bool) mcp.Middleware {
	return func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
			result, err := next(ctx, method, r)
			if list, ok := result.(*mcp.ListToolsResult); ok {
				caller := r.GetExtra().TokenInfo.Extra["principal"].(*principal.Principal)
				list.Tools = slices.DeleteFunc(slices.Clone(list.Tools), func(t *mcp.Tool) bool { return !shows(caller, "tools/call", t.Name) })
			}
			return result, err
		}
	}
}
