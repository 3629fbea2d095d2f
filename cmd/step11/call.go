package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// toolError is an error that a tool reported: the call itself went well.
type toolError struct{ text string }

func (e *toolError) Error() string { return "the tool reports an error: " + e.text }

// call connects, and lists the tools or calls one. It returns what came of it
// in a sentence.
func (o *options) call(ctx context.Context, authorization *mcpauth.Transport, narrator *narrator) (outcome string, err error) {
	outcome, err = o.attempt(ctx, authorization, narrator)
	// mcp-go takes a server that answers server/discover for one of the newest
	// version, and doesn't look at the versions that it names there.
	var unsupported mcp.UnsupportedProtocolVersionError
	if errors.As(err, &unsupported) && mcp.NegotiateMutuallySupportedVersion(unsupported.Supported) != "" {
		//lint:ignore SA1019 as long as servers speak 2025-11-25 alone
		return o.attempt(ctx, authorization, narrator, client.WithLegacyProtocolOnly())
	}
	return outcome, err
}

// attempt is one connection.
func (o *options) attempt(
	ctx context.Context, authorization *mcpauth.Transport, narrator *narrator, more ...client.ClientOption,
) (outcome string, err error) {
	wire, err := transport.NewStreamableHTTP(o.server, transport.WithHTTPBasicClient(&http.Client{Transport: authorization}))
	if err != nil {
		return "", err
	}
	// The first request waits for the user, so mcp-go must not give up on it.
	c := client.NewClient(wire, append(more, client.WithDiscoverTimeout(-1))...)
	if err := c.Start(ctx); err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	var hello mcp.InitializeRequest
	hello.Params.ClientInfo = mcp.Implementation{Name: "auth-step-by-step", Version: "1"}
	hello.Params.ProtocolVersion = mcp.LATEST_PROTOCOL_VERSION
	if _, err := c.Initialize(ctx, hello); err != nil {
		return "", err
	}
	if o.tool == "" {
		return listTools(ctx, c, narrator)
	}
	return o.callTool(ctx, c, narrator)
}

func listTools(ctx context.Context, c *client.Client, narrator *narrator) (string, error) {
	listed, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, tool := range listed.Tools {
		fmt.Fprintf(&b, "%-12s %s\n", plaintext.Line(tool.Name), plaintext.Line(tool.Description))
	}
	narrator.result(strings.TrimRight(b.String(), "\n"))
	return fmt.Sprintf("The server lists %d tools.", len(listed.Tools)), nil
}

func (o *options) callTool(ctx context.Context, c *client.Client, narrator *narrator) (string, error) {
	var request mcp.CallToolRequest
	request.Params.Name = o.tool
	request.Params.Arguments = o.typed(ctx, c)
	result, err := c.CallTool(ctx, request)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, content := range result.Content {
		if text, ok := content.(mcp.TextContent); ok {
			texts = append(texts, text.Text)
		}
	}
	text := strings.Join(texts, "\n")
	if result.IsError {
		return "", &toolError{text}
	}
	narrator.result(text)
	return fmt.Sprintf("The tool %s answered: %.200q.", o.tool, text), nil
}

// typed gives arguments the type that the tool's schema names. Where the tools
// can't be listed they stay strings, and the server says what is wrong.
func (o *options) typed(ctx context.Context, c *client.Client) map[string]any {
	typed := map[string]any{}
	ambiguous := false
	for name, value := range o.arguments {
		typed[name] = value
		text, _ := value.(string)
		ambiguous = ambiguous || json.Valid([]byte(text))
	}
	if !ambiguous {
		return typed // no number, no true, no object: only a string fits
	}
	listed, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return typed
	}
	for _, tool := range listed.Tools {
		if tool.Name != o.tool {
			continue
		}
		for name, property := range tool.InputSchema.Properties {
			described, _ := property.(map[string]any)
			text, given := typed[name].(string)
			if given && described["type"] != "string" && json.Valid([]byte(text)) {
				typed[name] = json.RawMessage(text)
			}
		}
	}
	return typed
}
