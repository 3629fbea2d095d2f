// Command mcpgo is an MCP server with one tool, echo, as people write it with
// mcp-go.
package main

import (
	"context"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/bench/peers/guard"
)

func main() {
	guard.Serve(func(v *guard.Verifier) http.Handler { return v.Protect(newHandler()) })
}

func newHandler() http.Handler {
	s := server.NewMCPServer("mcp-go", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("echo", mcp.WithDescription("says it again"), mcp.WithString("message", mcp.Required())),
		func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			message, err := r.RequireString("message")
			if err != nil {
				return mcp.NewToolResultError(err.Error()), nil
			}
			return mcp.NewToolResultText(message), nil
		})
	return server.NewStreamableHTTPServer(s, server.WithStateLess(true))
}
