package mcpmessage_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// ask sends a request through Inspect. seen is nil where it ended there.
func ask(method, body string, header http.Header) (w *httptest.ResponseRecorder, seen *mcpmessage.Message, handedOn string) {
	r := httptest.NewRequest(method, "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	w = httptest.NewRecorder()
	mcpmessage.Inspect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = mcpmessage.FromContext(r.Context())
		text, _ := io.ReadAll(r.Body)
		if handedOn = string(text); method == http.MethodPost && r.ContentLength != int64(len(text)) {
			handedOn = "another length"
		}
	})).ServeHTTP(w, r)
	return w, seen, handedOn
}

// All that a server with streams and sessions needs goes on as it came.
func TestInspectHandsOn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, body, operation, name string }{
		{"GET", "", mcpmessage.Stream, ""},
		{"DELETE", "", mcpmessage.End, ""},
		{"POST", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"A":1,"a":2}}}`, "tools/call", "echo"},
		{"POST", `{ "jsonrpc":"2.0", "method":"tools/list", "id":"x", "more":1 }`, "tools/list", ""},
		{"POST", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"orders://open","name":"other"}}`, "resources/read", "orders://open"},
		{"POST", `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}`, "prompts/get", "p"},
		{"POST", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"orders://open"}}`, "resources/subscribe", "orders://open"},
		{"POST", `{"jsonrpc":"2.0","method":"notifications/vendor"}`, "notifications/vendor", ""},
		{"POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, "notifications/initialized", ""},
		{"POST", `{"jsonrpc":"2.0","id":7,"result":{"method":"tools/call"}}`, mcpmessage.Respond, ""},
		{"POST", `{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}`, mcpmessage.Respond, ""},
	} {
		w, seen, handedOn := ask(c.method, c.body, nil)
		if seen == nil || seen.Method != c.operation || seen.Name != c.name || handedOn != c.body || seen.Response != (c.operation == mcpmessage.Respond) {
			t.Errorf("%s %s: %d %s, understood %+v, handed on %q", c.method, c.body, w.Code, w.Body, seen, handedOn)
		}
	}
}

// What has two readings, or none, ends here with an error of JSON-RPC.
func TestInspectRefuses(t *testing.T) {
	t.Parallel()
	call := func(members string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + members + `}}`
	}
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	for what, c := range map[string]struct {
		method, body string
		header       http.Header
		status, code int
	}{
		"PUT":                    {"PUT", ping, nil, 405, -32600},
		"a form":                 {"POST", ping, http.Header{"Content-Type": {"text/plain"}}, 415, -32600},
		"compressed":             {"POST", ping, http.Header{"Content-Encoding": {"gzip"}}, 415, -32600},
		"no JSON":                {"POST", `{`, nil, 400, -32700},
		"nothing":                {"POST", ``, nil, 400, -32700},
		"a batch":                {"POST", `[` + ping + `]`, nil, 400, -32600},
		"too large":              {"POST", `{"a":"` + strings.Repeat("a", mcpmessage.MaxBody) + `"}`, nil, 413, -32600},
		"two methods":            {"POST", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`, nil, 400, -32600},
		"Method":                 {"POST", `{"jsonrpc":"2.0","id":1,"Method":"ping"}`, nil, 400, -32600},
		"two names":              {"POST", call(`"name":"echo","name":"audit"`), nil, 400, -32600},
		"name and Name":          {"POST", call(`"name":"echo","Name":"audit"`), nil, 400, -32600},
		"Name":                   {"POST", call(`"Name":"audit"`), nil, 400, -32602},
		"a long name":            {"POST", call(`"name":"` + strings.Repeat("a", 129) + `"`), nil, 400, -32602},
		"a number for a name":    {"POST", call(`"name":1`), nil, 400, -32602},
		"_meta in two readings":  {"POST", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","a":1,"A":2}}}`, nil, 400, -32600},
		"params in a list":       {"POST", `{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}`, nil, 400, -32600},
		"a response to nothing":  {"POST", `{"jsonrpc":"2.0","result":{}}`, nil, 400, -32600},
		"request and response":   {"POST", `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`, nil, 400, -32600},
		"null for an id":         {"POST", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, nil, 400, -32600},
		"a method GET":           {"POST", `{"jsonrpc":"2.0","id":1,"method":"GET"}`, nil, 200, -32601},
		"a method DELETE":        {"POST", `{"jsonrpc":"2.0","method":"DELETE"}`, nil, 200, -32601},
		"a method response":      {"POST", `{"jsonrpc":"2.0","method":"response"}`, nil, 200, -32601},
		"an unknown method":      {"POST", `{"jsonrpc":"2.0","id":1,"method":"vendor/own"}`, nil, 200, -32601},
		"unknown, modern":        {"POST", `{"jsonrpc":"2.0","id":1,"method":"vendor/own"}`, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}}, 404, -32601},
		"gone, modern":           {"POST", `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe"}`, http.Header{"Mcp-Protocol-Version": {"2026-07-28"}}, 404, -32601},
		"two version headers":    {"POST", ping, http.Header{"Mcp-Protocol-Version": {"2025-11-25", "2026-07-28"}}, 400, -32020},
		"two name headers":       {"POST", ping, http.Header{"Mcp-Name": {"a", "b"}}, 400, -32020},
		"header against message": {"POST", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, http.Header{"Mcp-Protocol-Version": {"2025-11-25"}}, 400, -32020},
	} {
		w, seen, _ := ask(c.method, c.body, c.header)
		var answer struct {
			JSONRPC string
			Error   struct{ Code int }
		}
		_ = json.Unmarshal(w.Body.Bytes(), &answer)
		if seen != nil || w.Code != c.status || answer.Error.Code != c.code || answer.JSONRPC != "2.0" {
			t.Errorf("%s: %d %.200s, want %d %d; handed on: %t", what, w.Code, w.Body, c.status, c.code, seen != nil)
		}
	}
}

// A caller knows which of its requests was refused, and a program reads why.
func TestWA9_RefuseNamesTheRequest(t *testing.T) {
	t.Parallel()
	refusal := jsonreply.Refusal{Status: 403, Code: "insufficient_scope", Description: "More.", Scope: "a b"}
	const data = `"error":{"code":-32010,"message":"More.","data":{"error":"insufficient_scope","error_description":"More.","scope":"a b"}}}` + "\n"
	for id, want := range map[string]string{"": `{"jsonrpc":"2.0",` + data, `"x"`: `{"jsonrpc":"2.0","id":"x",` + data} {
		r, w := httptest.NewRequest("POST", "/mcp", nil), httptest.NewRecorder()
		if id != "" {
			r = r.WithContext(mcpmessage.NewContext(r.Context(), &mcpmessage.Message{ID: json.RawMessage(id)}))
		}
		mcpmessage.Refuse(w, r, refusal)
		if w.Code != 403 || w.Body.String() != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v %s, want %s", w.Code, w.Header(), w.Body, want)
		}
	}
}

// An error that nobody meant for callers is not shown to them.
func TestWriteErrorHidesOthers(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	mcpmessage.WriteError(w, 500, nil, fmt.Errorf("password is hunter2"))
	if want := `{"jsonrpc":"2.0","error":{"code":-32603,"message":"Internal error"}}` + "\n"; w.Body.String() != want {
		t.Errorf("%s", w.Body)
	}
}

// The names of methods are those of the protocol.
func TestKnownMethods(t *testing.T) {
	t.Parallel()
	for method, want := range map[string][2]bool{
		"tools/call": {true, true}, "resources/read": {true, true}, "prompts/get": {true, true}, "resources/list": {true, false},
		"completion/complete": {true, false}, "GET": {true, false}, "tools/cal": {false, false}, "sampling/createMessage": {false, false},
	} {
		if got := [2]bool{mcpmessage.Known(method), mcpmessage.Named(method)}; got != want {
			t.Errorf("%s: known and named are %v, want %v", method, got, want)
		}
	}
}
