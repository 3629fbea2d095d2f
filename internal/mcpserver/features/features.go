// Package features holds what the MCP server offers: its tools and prompts.
// (MCP calls tools, prompts and resources "server features".)
//
// Listing and doing are apart, because they are two lessons: [List] registers
// the definitions with handlers that only say they are not there yet,
// [Dispatch] registers the same definitions with the real ones.
package features

import (
	"context"
	"errors"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
)

// List registers the tools and prompts. Using one is answered with the error
// notYet.
func List(s *mcpendpoint.Server, notYet string) {
	// Lists don't change while the server runs, so it promises no news of them.
	server.WithToolCapabilities(false)(s.MCPServer)
	server.WithPromptCapabilities(false)(s.MCPServer)
	err := errors.New(notYet)
	for _, tool := range tools {
		s.AddTool(tool.definition, func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return nil, err
		})
	}
	for _, prompt := range prompts {
		s.AddPrompt(prompt.definition, func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return nil, err
		})
	}
}

// Dispatch registers the tools and prompts of [List] again, with handlers that
// do what the definitions promise. From then on the arguments of every tool
// are checked against its schema, and a panic in a handler is contained.
func Dispatch(s *mcpendpoint.Server) {
	s.Use(recoverTool, checkArguments(s.MCPServer))
	server.WithPromptHandlerMiddleware(recoverPrompt)(s.MCPServer)
	for _, tool := range tools {
		s.AddTool(tool.definition, tool.handler)
	}
	for _, prompt := range prompts {
		s.AddPrompt(prompt.definition, prompt.handler)
	}
}
