package mcpauth_test

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
)

// The transport goes under an MCP client, which then knows nothing of
// authorization.
func ExampleNew() {
	const server = "https://mcp.example.com/mcp"
	store, err := mcpauth.DefaultStore()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	authorization, err := mcpauth.New(mcpauth.Config{ResourceURL: server, Name: "My client", Agent: mcpauth.Browser{}, Store: store})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	wire, err := transport.NewStreamableHTTP(server, transport.WithHTTPBasicClient(&http.Client{Transport: authorization}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	// The first request waits for the user, so mcp-go must not give up on it.
	c := client.NewClient(wire, client.WithDiscoverTimeout(-1))
	if _, err := c.Initialize(context.Background(), mcp.InitializeRequest{}); err != nil {
		if why := authorization.Err(); why != nil {
			err = why
		}
		fmt.Fprintln(os.Stderr, err)
	}
}
