package mcpendpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
)

// agree holds what Decode understood against what mcp-go runs, and both against
// the text that was sent.
func agree(t *testing.T, body string, seen *trace) {
	t.Helper()
	if seen.understood == nil {
		if seen.reached > 0 || len(seen.handled) > 0 {
			t.Fatalf("mcp-go was reached with what Decode refused: %q", body)
		}
		return
	}
	m := seen.understood
	holdTypes(t, m)
	var sent struct {
		ID     any
		Method string
		Params struct {
			Name      string
			Arguments map[string]any
		}
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatalf("%q was understood: %v", body, err)
	}
	var id any
	if err := json.Unmarshal(m.ID, &id); err != nil || id == nil || id != sent.ID || m.Method != sent.Method || m.Name != "" && m.Name != sent.Params.Name {
		t.Fatalf("%q was understood as %s %q %q", body, m.ID, m.Method, m.Name)
	}
	if len(seen.handled) > 1 {
		t.Fatalf("%q was run %d times", body, len(seen.handled))
	}
	for _, run := range seen.handled {
		name, arguments := "", map[string]any(nil)
		switch request := run.message.(type) {
		case *mcp.CallToolRequest:
			name, arguments = request.Params.Name, request.GetArguments()
		case *mcp.GetPromptRequest:
			name = request.Params.Name
			for k, v := range request.Params.Arguments {
				if arguments == nil {
					arguments = map[string]any{}
				}
				arguments[k] = v
				if sent.Params.Arguments[k] == nil {
					sent.Params.Arguments[k] = "" // how Go reads null into a string
				}
			}
		default:
			sent.Params.Arguments = nil
		}
		if run.id != id || string(run.method) != m.Method || name != m.Name || run.modern != m.Modern {
			t.Fatalf("Decode understood %s %q %q (modern: %t), mcp-go runs %v %q %q (modern: %t): %q",
				m.ID, m.Method, m.Name, m.Modern, run.id, run.method, name, run.modern, body)
		}
		if len(arguments)+len(sent.Params.Arguments) > 0 && !reflect.DeepEqual(arguments, sent.Params.Arguments) {
			t.Fatalf("sent were the arguments %v, run are %v: %q", sent.Params.Arguments, arguments, body)
		}
	}
}

// holdTypes reads the params that Decode let through into mcp-go's types.
func holdTypes(t *testing.T, m *mcpmessage.Message) {
	t.Helper()
	var params any
	switch m.Method {
	case "initialize":
		params = &mcp.InitializeParams{}
	case "tools/list", "prompts/list":
		params = &mcp.PaginatedParams{}
	case "tools/call":
		params = &mcp.CallToolParams{}
	case "prompts/get":
		params = &mcp.GetPromptParams{}
	default:
		params = &mcp.DiscoverParams{} // _meta alone
	}
	text, err := json.Marshal(m.Params)
	if err == nil {
		err = json.Unmarshal(text, params)
	}
	if err != nil {
		t.Fatalf("mcp-go can't read what Decode let through: %s %s: %v", m.Method, text, err)
	}
}

// served are requests that mcp-go must have run.
func served() map[string][]string {
	requests := map[string][]string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`:                                                                       nil,
		`{"jsonrpc":"2.0","id":-1,"method":"ping"}`:                                                                      nil,
		`{"jsonrpc":"2.0","id":0,"method":"ping"}`:                                                                       nil,
		`{"jsonrpc":"2.0","id":9007199254740991,"method":"ping"}`:                                                        nil,
		`{"jsonrpc":"2.0","id":"","method":"ping"}`:                                                                      nil,
		`{"jsonrpc":"2.0","id":"1","method":"ping"}`:                                                                     nil,
		`{"jsonrpc":"2.0","id":"<&>\u2028\"\\\ud83d\ude00","method":"ping"}`:                                             nil,
		` {"method":"ping","id":1,"jsonrpc":"2.0"} `:                                                                     nil,
		`{"jsonrpc":"2.0","id":1,"m\u0065thod":"p\u0069ng"}`:                                                             nil,
		`{"jsonrpc":"2.0","id":1,"method":"ping","extra":{"method":"tools/call"}}`:                                       nil,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"name":"echo","method":"tools/call"}}`:                        nil,
		`{"jsonrpc":"2.0","id":1,"method":"initialize"}`:                                                                 nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`:                                                                 nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"","name":"echo"}}`:                            nil,
		`{"jsonrpc":"2.0","id":1,"method":"prompts/list","params":{"_meta":{"progressToken":1}}}`:                        nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}`:                                        nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"echo","arguments":{"message":"a"}}}`:       nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":{"b":{"c":1,"C":[]}}}}}`: nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","task":{"ttl":1},"x":{}}}`:                nil,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nobody","arguments":{"n":1e2,"m":-0.5}}}`:       nil,
		`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"greeting","arguments":{"name":"a<b"}}}`:        nil,
		`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":1}}}`:      nil,
	}
	for _, c := range [][2]string{
		{"server/discover", ""}, {"tools/list", ""}, {"prompts/list", ""}, {"tools/call", `"name":"echo","arguments":{"message":"a"}`},
		{"prompts/get", `"name":"greeting","arguments":{"name":"a"}`}, {"tools/list", `"method":"tools/call"`},
	} {
		body, headers := eras[1].request(c[0], c[1])
		requests[body] = headers
	}
	return requests
}

// RS04, A11: what Decode understood is what mcp-go runs.
func TestA11_DecodeAndServerAgree(t *testing.T) {
	h := endpoint(newServer())
	for body, headers := range served() {
		a, seen := send(t, t.Context(), h, body, headers...)
		if len(seen.handled) != 1 {
			t.Errorf("%s: run %d times; %d %s", body, len(seen.handled), a.status, a.body)
		}
		agree(t, body, seen)
	}
	// The table would show a split: mcp-go alone runs another method than the
	// first one that is named.
	const split = `{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/list"}`
	if _, seen := send(t, t.Context(), mcpGoAlone(newServer()), split); len(seen.handled) != 1 || seen.handled[0].method != "tools/list" {
		t.Errorf("mcp-go alone runs %v", seen.handled)
	}
}

func FuzzJ03_DecodeAndServerAgree(f *testing.F) {
	for body, headers := range served() {
		var version, method, name string
		for _, header := range headers {
			for prefix, value := range map[string]*string{"MCP-Protocol-Version: ": &version, "Mcp-Method: ": &method, "Mcp-Name: ": &name} {
				if rest, ok := strings.CutPrefix(header, prefix); ok {
					*value = rest
				}
			}
		}
		f.Add([]byte(body), version, method, name)
	}
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/list"}`), "", "", "")
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}`), "2025-11-25", "", "")
	f.Add([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`), "", "", "")
	f.Add([]byte(`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`), "", "", "")
	h := endpoint(newServer())
	f.Fuzz(func(t *testing.T, body []byte, version, method, name string) {
		seen := &trace{}
		r := httptest.NewRequest("POST", "/mcp", bytes.NewReader(body)).WithContext(context.WithValue(t.Context(), traceKey{}, seen))
		r.Header.Set("Content-Type", "application/json")
		for header, value := range map[string]string{mcp.HeaderProtocolVersion: version, mcp.HeaderMethod: method, mcp.HeaderName: name} {
			if value != "" {
				r.Header.Set(header, value)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		agree(t, string(body), seen)
		if w.Code == http.StatusAccepted {
			if w.Body.Len() > 0 || seen.understood != nil {
				t.Fatalf("202 for %q with %q", body, w.Body)
			}
			return
		}
		var a struct {
			JSONRPC string
			ID      json.RawMessage
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.JSONRPC != "2.0" {
			t.Fatalf("%q is answered with %d %q", body, w.Code, w.Body)
		}
		if m := seen.understood; m != nil {
			var asked, answered any
			if json.Unmarshal(m.ID, &asked) != nil || json.Unmarshal(a.ID, &answered) != nil || asked != answered {
				t.Fatalf("%q is answered with the id %s", body, a.ID)
			}
		}
	})
}
