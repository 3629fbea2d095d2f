// Command gosdk is an MCP server with one tool, echo, as people write it with
// go-sdk and its bearer middleware.
package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"mcp-auth-step-by-step/bench/peers/guard"
)

func main() {
	guard.Serve(func(v *guard.Verifier) http.Handler {
		if v == nil {
			return newHandler()
		}
		verify := func(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
			c, err := v.Verify(token)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", auth.ErrInvalidToken, err)
			}
			return &auth.TokenInfo{Scopes: strings.Fields(c.Scope), Expiration: c.ExpiresAt.Time, UserID: c.Subject}, nil
		}
		return auth.RequireBearerToken(verify, &auth.RequireBearerTokenOptions{Scopes: []string{"mcp:tools"}})(newHandler())
	})
}

type message struct {
	Message string `json:"message"`
}

func newHandler() http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "go-sdk", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "says it again"},
		func(_ context.Context, _ *mcp.CallToolRequest, in message) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Message}}}, nil, nil
		})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
}
