// Command gosdk is an MCP server with go-sdk: two tools under two scopes, behind
// the layers of this repository. The function protect and the packages that it
// uses are not here: adopt makes them. See docs/your-own-server.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var (
	addr   = flag.String("addr", "localhost:8000", "`host:port` to listen on")
	issuer = flag.String("issuer", "http://localhost:8080/realms/mcp-realm", "`URL` of the authorization server")
)

func main() {
	flag.Parse()
	server := newServer()
	endpoint := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server },
		&mcp.StreamableHTTPOptions{Stateless: true}) // which 2026-07-28 needs
	self := &url.URL{Scheme: "http", Host: *addr}
	handler := protect(context.Background(), self, *issuer, withCaller(endpoint))
	log.Print("listening on ", self)
	log.Fatal((&http.Server{Addr: *addr, Handler: handler, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe())
}

type order struct {
	Item string `json:"item" jsonschema:"what to order"`
}

func newServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "orders", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "list_orders", Description: "lists the orders"},
		func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
			return say("no orders yet"), nil, nil
		})
	mcp.AddTool(server, &mcp.Tool{Name: "create_order", Description: "orders something"},
		func(_ context.Context, r *mcp.CallToolRequest, in order) (*mcp.CallToolResult, any, error) {
			return say(fmt.Sprintf("%s ordered by user %s", in.Item, r.Extra.TokenInfo.UserID)), nil, nil
		})
	return server
}

func say(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}
