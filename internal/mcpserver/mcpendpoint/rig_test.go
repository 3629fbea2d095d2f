package mcpendpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
)

// handled is one request as mcp-go's hooks saw it.
type handled struct {
	id      any
	method  mcp.MCPMethod
	message any
	modern  bool
}

// A trace records what became of one request behind Decode.
type trace struct {
	understood *mcpmessage.Message // what Decode handed on; nil: nothing
	reached    int                 // how often mcp-go began with it
	handled    []handled           // what mcp-go then ran
}

type traceKey struct{}

// newServer returns a server whose hooks write into the trace of a request. It
// offers all that mcp-go can, so that only Decode keeps anything away from it.
func newServer() *mcpendpoint.Server {
	s := mcpendpoint.NewServer()
	for _, option := range []server.ServerOption{
		server.WithToolCapabilities(true), server.WithPromptCapabilities(true), server.WithResourceCapabilities(true, true),
		server.WithLogging(), server.WithCompletions(), server.WithTaskCapabilities(true, true, true),
	} {
		option(s.MCPServer)
	}
	s.AddTool(mcp.NewTool("echo", mcp.WithString("message")), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(r.GetString("message", "")), nil
	})
	s.AddPrompt(mcp.NewPrompt("greeting", mcp.WithArgument("name", mcp.RequiredArgument())), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return mcp.NewGetPromptResult("", nil), nil
	})
	hooks := s.GetHooks()
	hooks.AddOnRequestInitialization(func(ctx context.Context, _, _ any) error {
		if seen, ok := ctx.Value(traceKey{}).(*trace); ok {
			seen.reached++
		}
		if ctx.Value(stopKey{}) != nil {
			return errors.New("far enough")
		}
		return nil
	})
	hooks.AddBeforeAny(func(ctx context.Context, id any, method mcp.MCPMethod, message any) {
		if seen, ok := ctx.Value(traceKey{}).(*trace); ok {
			seen.handled = append(seen.handled, handled{id, method, message, server.IsModernRequest(ctx)})
		}
	})
	return s
}

// stopKey, in the context, lets mcp-go refuse a request once it was reached.
type stopKey struct{}

// endpoint is what the steps put together, with a look at what Decode hands on.
func endpoint(s *mcpendpoint.Server) http.Handler {
	inner := mcpendpoint.Handler(s)
	return mcpendpoint.Decode(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen, ok := r.Context().Value(traceKey{}).(*trace); ok {
			seen.understood = mcpmessage.FromContext(r.Context())
		}
		inner.ServeHTTP(w, r)
	}))
}

// mcpGoAlone is mcp-go with the options of this project and without Decode.
func mcpGoAlone(s *mcpendpoint.Server) http.Handler {
	return server.NewStreamableHTTPServer(s.MCPServer, server.WithStateLess(true), server.WithDisableStreaming(true),
		server.WithStreamableHTTPProtocolVersions(mcpendpoint.Versions...), server.WithDisableLocalhostProtection(true))
}

// answer is what a client gets.
type answer struct {
	status int
	header http.Header
	body   string
	rpc    struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  json.RawMessage `json:"result"`
		Error   *struct {
			Code    int             `json:"code"`
			Message string          `json:"message"`
			Data    json.RawMessage `json:"data"`
		} `json:"error"`
	}
}

func (a *answer) code() int {
	if a.rpc.Error == nil {
		return 0
	}
	return a.rpc.Error.Code
}

// send posts a body with headers ("Name: value") and traces it.
func send(t *testing.T, ctx context.Context, h http.Handler, body string, headers ...string) (*answer, *trace) {
	t.Helper()
	seen := &trace{}
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(body)).WithContext(context.WithValue(ctx, traceKey{}, seen))
	r.Header.Set("Content-Type", "application/json")
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		if name == "Content-Type" {
			r.Header.Del(name)
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := &answer{status: w.Code, header: w.Header(), body: w.Body.String()}
	if a.status == http.StatusAccepted {
		if a.body != "" {
			t.Errorf("202 with the body %q", a.body)
		}
		return a, seen
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a.rpc); err != nil || a.rpc.JSONRPC != "2.0" || (a.rpc.Error == nil) == (a.rpc.Result == nil) {
		t.Fatalf("%d and no JSON-RPC answer: %.200q", a.status, a.body)
	}
	if e := a.rpc.Error; e != nil {
		// J02: no words of Go and its libraries.
		for _, word := range []string{"json:", "unmarshal", "strconv", "mcp.", "goroutine", ".go", "%!", "&{", "invalid character"} {
			if e.Message == "" || strings.Contains(e.Message, word) {
				t.Errorf("the error says %q", e.Message)
			}
		}
	}
	return a, seen
}

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
	`"io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}`

// An era is one of the two ways to write a request.
type era struct {
	name   string
	modern bool
}

var eras = []era{{"2025-11-25", false}, {"2026-07-28", true}}

// request writes a request of an era. params are the members of params.
func (e era) request(method, params string) (body string, headers []string) {
	headers = []string{"MCP-Protocol-Version: " + e.name}
	if e.modern {
		headers = append(headers, "Mcp-Method: "+method)
		var named struct{ Name string }
		if json.Unmarshal([]byte("{"+params+"}"), &named) == nil && named.Name != "" {
			headers = append(headers, "Mcp-Name: "+named.Name)
		}
		params = strings.Trim(params+","+meta, ",")
	}
	return `{"jsonrpc":"2.0","id":7,"method":"` + method + `","params":{` + params + `}}`, headers
}
