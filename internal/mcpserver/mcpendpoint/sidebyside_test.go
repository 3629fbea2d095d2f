package mcpendpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
)

// handleMessageAlone is what Handler would be without its checks.
func handleMessageAlone(s *mcpendpoint.Server) http.Handler {
	return mcpendpoint.Decode(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.HandleMessage(r.Context(), body))
	}))
}

// mirroringServer has tools in the ways that a schema can be declared, two of them
// with an argument that a header repeats.
func mirroringServer() *mcpendpoint.Server {
	s := newServer()
	answer := func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(fmt.Sprintf("<%v> & %v", r.GetArguments(), r.Params.Meta)), nil
	}
	region := func(schema map[string]any) { schema["x-mcp-header"] = "Region" }
	s.AddTool(mcp.NewTool("mirrored", mcp.WithString("region", region)), answer)
	s.AddTool(mcp.NewTool("nested", mcp.WithObject("in", mcp.Properties(map[string]any{"region": map[string]any{"type": "string", "x-mcp-header": "Region"}}))), answer)
	s.AddTool(mcp.NewToolWithRawSchema("raw", "", json.RawMessage(`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`)), answer)
	typed := mcp.NewTool("typed")
	typed.InputSchema.Properties = map[string]any{"region": struct {
		Type   string `json:"type"`
		Header string `json:"x-mcp-header"`
	}{"string", "Region"}}
	s.AddTool(typed, answer)
	s.AddTool(mcp.NewTool("failing"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, errors.New("no") })
	s.AddTool(mcp.NewTool("empty"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { return nil, nil })
	return s
}

// posted is a body with its headers ("Name: value").
type posted struct {
	body    string
	headers []string
}

// generated are requests in which every part that the transport looks at is right,
// wrong, doubled or missing.
func generated() []posted {
	const version = `"io.modelcontextprotocol/protocolVersion":"2026-07-28"`
	const capabilities = `"io.modelcontextprotocol/clientCapabilities":{}`
	metas := []string{
		``, `{}`, `{` + version + `}`, `{` + version + `,` + capabilities + `}`,
		`{` + version + `,"io.modelcontextprotocol/clientCapabilities":[]}`, `{` + version + `,"io.modelcontextprotocol/clientCapabilities":null}`,
		`{` + strings.ToUpper(version) + `,` + capabilities + `}`, `{"io.modelcontextprotocol/protocolVersion":20260728,` + capabilities + `}`,
		`{"io.modelcontextprotocol/protocolVersion":"2025-11-25","progressToken":"t"}`,
		`{` + version + `,` + capabilities + `,"io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/clientInfo":{"name":5},"progressToken":1}`,
	}
	var requests []posted
	add := func(method, params, meta string, headers ...string) {
		if meta != "" {
			params = strings.Trim(params+`,"_meta":`+meta, ",")
		}
		requests = append(requests, posted{fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{%s}}`, len(requests), method, params), headers})
	}
	for _, call := range [][3]string{
		{"initialize", `"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}`, ""}, {"initialize", ``, ""},
		{"ping", ``, ""}, {"server/discover", ``, ""}, {"tools/list", ``, ""}, {"tools/list", `"cursor":"bm9uZQ=="`, ""}, {"tools/list", `"cursor":"?"`, ""},
		{"prompts/list", `"cursor":null`, ""}, {"prompts/get", `"name":"greeting","arguments":{"name":"a"}`, "greeting"}, {"prompts/get", `"name":"nobody"`, "nobody"},
		{"tools/call", `"name":"echo","arguments":{"message":"<&>"}`, "echo"}, {"tools/call", `"name":"nobody"`, "nobody"},
		{"tools/call", `"name":"failing"`, "failing"}, {"tools/call", `"name":"empty"`, "empty"},
	} {
		for _, meta := range metas {
			for _, stated := range []string{"", "2025-06-18", "2025-11-25", "2026-07-28", "2027-01-01"} {
				add(call[0], call[1], meta, "MCP-Protocol-Version: "+stated, "Mcp-Method: "+call[0], "Mcp-Name: "+call[2])
			}
			for _, headers := range []string{
				"", "Mcp-Method: " + call[0], "Mcp-Method: ping|Mcp-Name: " + call[2], "Mcp-Method: " + strings.ToUpper(call[0]) + "|Mcp-Name: " + call[2],
				"Mcp-Method: " + call[0] + "|Mcp-Name: x", "Mcp-Method: " + call[0] + "|Mcp-Name: =?base64?ZWNobw==?=", "Mcp-Method: " + call[0] + "|Mcp-Name: =?base64?%?=",
				"Mcp-Method: " + call[0] + "|Mcp-Name: " + call[2] + "|Last-Event-ID: 1", "Mcp-Method: " + call[0] + "|Mcp-Name: " + call[2] + "|Last-Event-ID: ",
				"Mcp-Method: " + call[0] + "|Mcp-Name: " + call[2] + "|Mcp-Session-Id: mcp-session-1|Accept: text/html|Mcp-Param-Region: x",
			} {
				add(call[0], call[1], meta, append(strings.Split(headers, "|"), "MCP-Protocol-Version: 2026-07-28")...)
			}
		}
	}
	for _, tool := range []string{"mirrored", "nested", "raw", "typed", "echo"} {
		for _, value := range []string{``, `null`, `""`, `"eu"`, `"é"`, `5`, `true`, `{}`} {
			arguments := `"region":` + value
			if value == "" {
				arguments = ""
			} else if tool == "nested" {
				arguments = `"in":{` + arguments + `}`
			}
			for _, header := range []string{"", "Mcp-Param-Region: ", "Mcp-Param-Region: eu", "mcp-param-region: EU", "Mcp-Param-Region: =?base64?w6k=?=", "Mcp-Param-Region: 5", "Mcp-Param-Region: eu|Mcp-Param-Region: us"} {
				add("tools/call", `"name":"`+tool+`","arguments":{`+arguments+`}`, metas[3],
					append(strings.Split(header, "|"), "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: "+tool)...)
			}
		}
	}
	return requests
}

// ask posts a body and returns what a client can tell apart. The words of a refusal
// by the transport are its own.
func ask(t *testing.T, h http.Handler, body string, headers []string) (status int, kind string, answer any) {
	t.Helper()
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(body)).WithContext(t.Context())
	r.Header.Set("Content-Type", "application/json")
	for _, header := range headers {
		if name, value, ok := strings.Cut(header, ": "); ok {
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Body.Len() == 0 {
		return w.Code, "", nil
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s is answered with %q", body, w.Body)
	}
	if object, ok := answer.(map[string]any); ok {
		if failure, ok := object["error"].(map[string]any); ok && (failure["code"] == -32020.0 || failure["code"] == -32602.0) {
			delete(failure, "message")
		}
	}
	return w.Code, w.Header().Get("Content-Type"), answer
}

func differs(t *testing.T, a, b http.Handler, body string, headers []string) string {
	t.Helper()
	status, kind, answer := ask(t, a, body, headers)
	otherStatus, otherKind, other := ask(t, b, body, headers)
	if status == otherStatus && kind == otherKind && reflect.DeepEqual(answer, other) {
		return ""
	}
	return fmt.Sprintf("%s with %q:\n%d %s %v, and by mcp-go's transport\n%d %s %v", body, headers, status, kind, answer, otherStatus, otherKind, other)
}

// RS03, RS04: Handler answers as mcp-go's own transport does: the status, the
// type and the JSON, apart from the words about a header.
func TestRS03_RS04_AsMCPGoTransport(t *testing.T) {
	t.Parallel()
	s := mirroringServer()
	ours, theirs, unchecked := endpoint(s), mcpendpoint.Decode(mcpGoAlone(s)), handleMessageAlone(s)
	requests, shown := generated(), 0
	for _, r := range requests {
		if difference := differs(t, ours, theirs, r.body, r.headers); difference != "" {
			t.Error(difference)
		}
		if differs(t, unchecked, theirs, r.body, r.headers) != "" {
			shown++
		}
	}
	t.Logf("%d requests; HandleMessage alone answers %d of them differently", len(requests), shown)
	if shown < len(requests)/4 {
		t.Error("these requests would not show a handler without checks")
	}
}

func FuzzAsMCPGoTransport(f *testing.F) {
	requests := generated()
	for i := 0; i < len(requests); i += 20 {
		f.Add(requests[i].body, strings.Join(requests[i].headers, "|"))
	}
	s := mirroringServer()
	ours, theirs := endpoint(s), mcpendpoint.Decode(mcpGoAlone(s))
	f.Fuzz(func(t *testing.T, body, headers string) {
		if strings.Contains(body, "prompts/get") {
			return // Handler knows which arguments a prompt needs, and mcp-go doesn't
		}
		if difference := differs(t, ours, theirs, body, strings.Split(headers, "|")); difference != "" {
			t.Fatal(difference)
		}
	})
}
