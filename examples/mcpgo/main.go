// Command mcpgo is an MCP server with mcp-go: two tools under two scopes, behind
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

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"example.com/mcpgo/internal/oauth/principal"
)

var (
	addr   = flag.String("addr", "localhost:8000", "`host:port` to listen on")
	issuer = flag.String("issuer", "http://localhost:8080/realms/mcp-realm", "`URL` of the authorization server")
)

func main() {
	flag.Parse()
	self := &url.URL{Scheme: "http", Host: *addr}
	handler := protect(context.Background(), self, *issuer, server.NewStreamableHTTPServer(newServer()))
	log.Print("listening on ", self)
	log.Fatal((&http.Server{Addr: *addr, Handler: handler, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe())
}

func newServer() *server.MCPServer {
	s := server.NewMCPServer("orders", "1")
	s.AddTool(mcp.NewTool("list_orders", mcp.WithDescription("lists the orders")),
		func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultText("no orders yet"), nil
		})
	s.AddTool(mcp.NewTool("create_order", mcp.WithDescription("orders something"), mcp.WithString("item", mcp.Required())),
		func(ctx context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			caller := principal.FromContext(ctx)
			return mcp.NewToolResultText(fmt.Sprintf("%s ordered by user %s", r.GetString("item", ""), caller.Subject)), nil
		})
	return s
}
