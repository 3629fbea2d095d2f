// Package mcpendpoint is the MCP endpoint of Streamable HTTP: mcp-go, fed with
// messages that were read strictly, in both protocol eras.
//
// Each request stands by itself. There are no sessions, so none can be stolen
// or mistaken for a login (MCP, "Security Best Practices"), and nothing is
// kept for a client between its requests.
package mcpendpoint

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/web/version"
)

// Server is an mcp-go server together with the _meta members of its answers to
// initialize and server/discover.
type Server struct {
	*server.MCPServer
	metaFields []metaField
}

type metaField struct {
	name  string
	value func(context.Context) any
}

// NewServer returns a server without tools and prompts.
func NewServer() *Server {
	s := &Server{}
	hooks := &server.Hooks{}
	hooks.AddBeforeInitialize(func(_ context.Context, _ any, request *mcp.InitializeRequest) {
		// mcp-go would also agree on revisions that are older than Versions.
		if !slices.Contains(Versions, request.Params.ProtocolVersion) {
			request.Params.ProtocolVersion = mcp.ProtocolVersion20251125
		}
	})
	hooks.AddAfterInitialize(func(ctx context.Context, _ any, _ *mcp.InitializeRequest, result *mcp.InitializeResult) {
		s.addMetaFields(ctx, result)
	})
	hooks.AddAfterDiscover(func(ctx context.Context, _ any, _ *mcp.DiscoverRequest, result *mcp.DiscoverResult) {
		s.addMetaFields(ctx, result)
	})
	s.MCPServer = server.NewMCPServer("mcp-auth-step-by-step", version.Number, server.WithHooks(hooks))
	return s
}

// AddMeta adds a member to the _meta of the answers to initialize and
// server/discover. value is called for each request, with its context.
func (s *Server) AddMeta(name string, value func(context.Context) any) {
	s.metaFields = append(s.metaFields, metaField{name, value})
}

func (s *Server) addMetaFields(ctx context.Context, result mcp.ResultMetadata) {
	for _, field := range s.metaFields {
		result.EnsureResultMeta().SetMetaField(field.name, field.value(ctx))
	}
}

// missingArgument names an argument that a prompt requires and a message
// lacks. MCP asks for -32602 (prompts, "Error Handling"); what a prompt handler
// of mcp-go returns becomes -32603.
func (s *Server) missingArgument(m *mcpmessage.Message) string {
	if m.Method != "prompts/get" {
		return ""
	}
	prompt := s.ListPrompts()[m.Name]
	if prompt == nil {
		return ""
	}
	var given map[string]string
	// Decode made sure that they are strings.
	_ = json.Unmarshal(m.Params["arguments"], &given)
	for _, argument := range prompt.Prompt.Arguments {
		if _, ok := given[argument.Name]; argument.Required && !ok {
			return argument.Name
		}
	}
	return ""
}
