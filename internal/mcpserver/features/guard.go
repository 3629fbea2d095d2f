package features

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"mcp-auth-step-by-step/internal/web/logging"
)

// errInternal is all that a caller learns of a failure that isn't theirs.
var errInternal = errors.New("internal error; the server's log has the details")

// recoverTo turns a panic into an error. The log says where it happened; the
// value of the panic may hold arguments of the caller and stays out of the answer.
func recoverTo(ctx context.Context, what string, err *error) {
	if p := recover(); p != nil {
		logging.FromContext(ctx).ErrorContext(ctx, "panic", "in", what, "panic", p, "stack", string(debug.Stack()))
		*err = errInternal
	}
}

func recoverTool(next server.ToolHandlerFunc) server.ToolHandlerFunc {
	return func(ctx context.Context, request mcp.CallToolRequest) (result *mcp.CallToolResult, err error) {
		defer recoverTo(ctx, "tool "+request.Params.Name, &err)
		return next(ctx, request)
	}
}

func recoverPrompt(next server.PromptHandlerFunc) server.PromptHandlerFunc {
	return func(ctx context.Context, request mcp.GetPromptRequest) (result *mcp.GetPromptResult, err error) {
		defer recoverTo(ctx, "prompt "+request.Params.Name, &err)
		return next(ctx, request)
	}
}

// checkArguments holds the arguments of each call against the input schema
// that the tool declares. A violation is explained in an isError result, so that
// a model can correct its call (MCP 2025-11-25, tools, "Error Handling"). mcp-go can check too, but answers with Go's view of numbers.
func checkArguments(s *server.MCPServer) server.ToolHandlerMiddleware {
	var compiled sync.Map // name of the tool → *jsonschema.Schema
	return func(next server.ToolHandlerFunc) server.ToolHandlerFunc {
		return func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			name := request.Params.Name
			schema, ok := compiled.Load(name)
			if !ok {
				fresh, err := compile(s.GetTool(name).Tool)
				if err != nil {
					logging.FromContext(ctx).ErrorContext(ctx, "the input schema of a tool can't be used", "tool", name, logging.Error(err))
					return nil, errInternal
				}
				schema, _ = compiled.LoadOrStore(name, fresh)
			}
			if err := schema.(*jsonschema.Schema).Validate(request.GetArguments()); err != nil {
				return mcp.NewToolResultError(name + " was not called: " + explain(err)), nil
			}
			return next(ctx, request)
		}
	}
}

func compile(tool mcp.Tool) (*jsonschema.Schema, error) {
	text, err := json.Marshal(tool.InputSchema)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(tool.Name, document); err != nil {
		return nil, err
	}
	return compiler.Compile(tool.Name)
}

// explain says which argument breaks which rule.
func explain(err error) string {
	var broken *jsonschema.ValidationError
	if !errors.As(err, &broken) {
		return "the arguments don't fit its schema"
	}
	var words []string
	printer := message.NewPrinter(language.English)
	var visit func(*jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			visit(cause)
		}
		if len(e.Causes) == 0 {
			where := strings.Join(e.InstanceLocation, ".")
			if where != "" {
				where += ": "
			}
			words = append(words, where+e.ErrorKind.LocalizedString(printer))
		}
	}
	visit(broken)
	return strings.Join(words, "; ")
}
