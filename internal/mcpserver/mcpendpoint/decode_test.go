package mcpendpoint_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
)

const (
	parseError, invalidRequest, methodNotFound, invalidParams = -32700, -32600, -32601, -32602
	headerMismatch, unsupportedVersion                        = -32020, -32022
)

// Bodies that are no single, unambiguous request: 400 in both eras, and mcp-go
// never hears of them.
func TestRS03_A10_A11_A12_Bodies(t *testing.T) {
	deep := func(open, end string, n int) string {
		return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"message":` +
			strings.Repeat(open, n) + "1" + strings.Repeat(end, n) + `}}}`
	}
	const id = `"7"` // is repeated where it could be read
	for name, c := range map[string]struct {
		body string
		code int
		id   string
	}{
		"A10 batch of one":              {`[{"jsonrpc":"2.0","id":7,"method":"ping"}]`, invalidRequest, ""},
		"A10 batch of two":              {`[{"jsonrpc":"2.0","id":7,"method":"ping"},{"jsonrpc":"2.0","id":8,"method":"ping"}]`, invalidRequest, ""},
		"A10 empty batch":               {` [ ] `, invalidRequest, ""},
		"A11 method twice":              {`{"jsonrpc":"2.0","id":"7","method":"tools/list","method":"tools/call"}`, invalidRequest, ""},
		"A11 method, escaped":           {`{"jsonrpc":"2.0","id":"7","method":"ping","m\u0065thod":"tools/call"}`, invalidRequest, ""},
		"A11 method in capitals, too":   {`{"jsonrpc":"2.0","id":"7","method":"ping","METHOD":"tools/call"}`, invalidRequest, ""},
		"A11 method in capitals, alone": {`{"jsonrpc":"2.0","id":"7","METHOD":"ping"}`, invalidRequest, ""},
		"A11 method with a NUL":         {`{"jsonrpc":"2.0","id":"7","method\u0000":"tools/call","method":"ping"}`, invalidRequest, ""},
		"A11 params in capitals":        {`{"jsonrpc":"2.0","id":"7","method":"tools/call","Params":{"name":"echo"}}`, invalidRequest, ""},
		"A11 params with a long s":      {`{"jsonrpc":"2.0","id":"7","method":"tools/call","param\u017f":{"name":"echo"}}`, invalidRequest, ""},
		"A11 id in capitals":            {`{"jsonrpc":"2.0","ID":"7","method":"ping"}`, invalidRequest, ""},
		"A11 name twice":                {`{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{"name":"echo","name":"audit"}}`, invalidRequest, ""},
		"A11 name in two cases":         {`{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{"name":"echo","Name":"audit"}}`, invalidRequest, ""},
		"A11 name in capitals, alone":   {`{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{"NAME":"echo"}}`, invalidRequest, id},
		"A11 an argument twice":         {`{"jsonrpc":"2.0","id":"7","method":"tools/call","params":{"name":"echo","arguments":{"a":{"b":1,"b":2}}}}`, invalidRequest, ""},
		"A11 result beside method":      {`{"jsonrpc":"2.0","id":"7","method":"ping","result":{}}`, invalidRequest, id},
		"A12 nothing":                   {``, parseError, ""},
		"A12 blanks":                    {" \r\n\t", parseError, ""},
		"A12 byte order mark":           {"\ufeff" + `{"jsonrpc":"2.0","id":"7","method":"ping"}`, parseError, ""},
		"A12 trailing x":                {`{"jsonrpc":"2.0","id":"7","method":"ping"}x`, parseError, ""},
		"A12 two messages":              {`{"jsonrpc":"2.0","id":"7","method":"ping"}{"jsonrpc":"2.0","id":8,"method":"ping"}`, parseError, ""},
		"A12 truncated":                 {`{"jsonrpc":"2.0","id":"7","method":"pi`, parseError, ""},
		"A12 trailing comma":            {`{"jsonrpc":"2.0","id":"7","method":"ping",}`, parseError, ""},
		"A12 comment":                   {`{"jsonrpc":"2.0",/**/"id":"7","method":"ping"}`, parseError, ""},
		"A12 broken UTF-8":              {`{"jsonrpc":"2.0","id":"7","method":"ping","params":{"a":"` + "\xc3\x28" + `"}}`, parseError, ""},
		"A12 UTF-16":                    {"{\x00\"\x00a\x00\"\x00:\x001\x00}\x00", parseError, ""},
		"A12 NaN":                       {`{"jsonrpc":"2.0","id":NaN,"method":"ping"}`, parseError, ""},
		"A12 10 001 arrays":             {strings.Repeat("[", 10_001), parseError, ""},
		"A12 a million arrays":          {strings.Repeat("[", 1_000_000), parseError, ""},
		"A12 a million objects":         {strings.Repeat(`{"a":`, 1_000_000), parseError, ""},
		"A12 10 000 arrays, closed":     {deep("[", "]", 10_000), parseError, ""},
		"A12 10 000 objects, closed":    {deep(`{"a":`, "}", 10_000), parseError, ""},
		"A12 number beyond a float":     {`{"jsonrpc":"2.0","id":"7","method":"ping","params":{"a":1e999}}`, invalidRequest, ""},
		"A12 id beyond a float":         {`{"jsonrpc":"2.0","id":1e999,"method":"ping"}`, invalidRequest, ""},
		"A12 lone surrogate":            {`{"jsonrpc":"2.0","id":"7","method":"ping\ud800"}`, invalidRequest, ""},
		"A12 surrogate in the id":       {`{"jsonrpc":"2.0","id":"\udc00","method":"ping"}`, invalidRequest, ""},
		"A12 null":                      {`null`, invalidRequest, ""},
		"A12 text":                      {`"ping"`, invalidRequest, ""},
		"A12 number":                    {`7`, invalidRequest, ""},
		"A12 id is null":                {`{"jsonrpc":"2.0","id":null,"method":"ping"}`, invalidRequest, ""},
		"A12 id is an object":           {`{"jsonrpc":"2.0","id":{},"method":"ping"}`, invalidRequest, ""},
		"A12 id is an array":            {`{"jsonrpc":"2.0","id":[7],"method":"ping"}`, invalidRequest, ""},
		"A12 id is true":                {`{"jsonrpc":"2.0","id":true,"method":"ping"}`, invalidRequest, ""},
		"A12 id is a fraction":          {`{"jsonrpc":"2.0","id":7.5,"method":"ping"}`, invalidRequest, ""},
		"A12 id is beyond 2^53":         {`{"jsonrpc":"2.0","id":9007199254740992,"method":"ping"}`, invalidRequest, ""},
		"A12 id is beyond int64":        {`{"jsonrpc":"2.0","id":92233720368547758070,"method":"ping"}`, invalidRequest, ""},
		"A12 id of 300 bytes":           {`{"jsonrpc":"2.0","id":"` + strings.Repeat("7", 300) + `","method":"ping"}`, invalidRequest, ""},
		"no version":                    {`{"id":"7","method":"ping"}`, invalidRequest, id},
		"version 1.0":                   {`{"jsonrpc":"1.0","id":"7","method":"ping"}`, invalidRequest, id},
		"version is a number":           {`{"jsonrpc":2.0,"id":"7","method":"ping"}`, invalidRequest, id},
		"no method":                     {`{"jsonrpc":"2.0","id":"7"}`, invalidRequest, id},
		"empty method":                  {`{"jsonrpc":"2.0","id":"7","method":""}`, invalidRequest, id},
		"method is null":                {`{"jsonrpc":"2.0","id":"7","method":null}`, invalidRequest, id},
		"method is a number":            {`{"jsonrpc":"2.0","id":"7","method":1}`, invalidRequest, id},
		"method is an array":            {`{"jsonrpc":"2.0","id":"7","method":["ping"]}`, invalidRequest, id},
		"a response":                    {`{"jsonrpc":"2.0","id":"7","result":{}}`, invalidRequest, id},
		"an error response":             {`{"jsonrpc":"2.0","id":"7","error":{"code":1,"message":"x"}}`, invalidRequest, id},
		"params are an array":           {`{"jsonrpc":"2.0","id":"7","method":"ping","params":[]}`, invalidRequest, id},
		"params are null":               {`{"jsonrpc":"2.0","id":"7","method":"ping","params":null}`, invalidRequest, id},
		"params are text":               {`{"jsonrpc":"2.0","id":"7","method":"ping","params":"a"}`, invalidRequest, id},
	} {
		h := endpoint(newServer())
		for _, e := range eras {
			a, seen := send(t, t.Context(), h, c.body, "MCP-Protocol-Version: "+e.name, "Mcp-Method: ping")
			if a.status != http.StatusBadRequest || a.code() != c.code || string(a.rpc.ID) != c.id {
				t.Errorf("%s (%s): %d %s, want 400 and %d with the id %q", name, e.name, a.status, a.body, c.code, c.id)
			}
			if seen.understood != nil || seen.reached > 0 {
				t.Errorf("%s (%s): it was handed on", name, e.name)
			}
		}
	}
}

func TestA06_A13_MediaTypes(t *testing.T) {
	h := endpoint(newServer())
	const ping = `{"jsonrpc":"2.0","id":7,"method":"ping"}`
	for header, want := range map[string]int{
		"Content-Type: application/json":                              200,
		"Content-Type: application/json; charset=utf-8":               200,
		"Content-Type: Application/JSON":                              200,
		"Content-Type: text/plain":                                    415,
		"Content-Type: text/plain; application/json":                  415,
		"Content-Type: application/x-www-form-urlencoded":             415,
		"Content-Type: multipart/form-data; boundary=x":               415,
		"Content-Type: ":                                              415,
		"Content-Type: application/jsonx":                             415,
		"Content-Type: application/json-rpc":                          415,
		"Content-Type: application/json, text/plain":                  415,
		"Content-Type: application/json; charset=utf-8; charset=x; =": 415,
		"Content-Encoding: identity":                                  200,
		"Content-Encoding: gzip":                                      415,
		"Content-Encoding: deflate":                                   415,
		"Content-Encoding: identity, gzip":                            415,
	} {
		a, seen := send(t, t.Context(), h, ping, header)
		if a.status != want || (want == 200) != (seen.reached == 1) || want != 200 && a.code() != invalidRequest {
			t.Errorf("%s: %d %s, want %d", header, a.status, a.body, want)
		}
	}
}

// cut is a body that ends in an error.
type cut struct{ err error }

func (c cut) Read([]byte) (int, error) { return 0, c.err }

func TestA13_BodyThatCannotBeRead(t *testing.T) {
	for want, body := range map[int]io.Reader{
		http.StatusRequestEntityTooLarge: http.MaxBytesReader(nil, io.NopCloser(strings.NewReader(strings.Repeat(" ", 100))), 10),
		http.StatusBadRequest:            cut{fmt.Errorf("SECRET: read tcp 127.0.0.1:9000: i/o timeout")},
	} {
		r := httptest.NewRequest("POST", "/mcp", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		endpoint(newServer()).ServeHTTP(w, r)
		if w.Code != want || !strings.Contains(w.Body.String(), `"error"`) || strings.Contains(w.Body.String(), "SECRET") {
			t.Errorf("%d %s, want %d", w.Code, w.Body, want)
		}
	}
}

// Requests that are well-formed and can't be served: the code is the same in
// both eras, the status speaks only in 2026-07-28.
func TestRS03_RS04_A18_Operations(t *testing.T) {
	for name, c := range map[string]struct {
		method, params string
		code           int
	}{
		"method of nobody":         {"rpc.x", ``, methodNotFound},
		"method in another case":   {"Tools/List", ``, methodNotFound},
		"method with a blank":      {"tools/list ", ``, methodNotFound},
		"method with a slash":      {"/tools/list", ``, methodNotFound},
		"method of an object":      {"__proto__", ``, methodNotFound},
		"tool of nobody":           {"tools/call", `"name":"nobody"`, invalidParams},
		"tool by a path":           {"tools/call", `"name":"../x"`, invalidParams},
		"tool by a prototype":      {"tools/call", `"name":"__proto__"`, invalidParams},
		"tool in another case":     {"tools/call", `"name":"Echo"`, invalidParams},
		"tool with a megabyte":     {"tools/call", `"name":"` + strings.Repeat("e", 1<<20) + `"`, invalidParams},
		"tool of 129 bytes":        {"tools/call", `"name":"` + strings.Repeat("e", 129) + `"`, invalidParams},
		"tool without a name":      {"tools/call", ``, invalidParams},
		"tool with an empty name":  {"tools/call", `"name":""`, invalidParams},
		"tool named null":          {"tools/call", `"name":null`, invalidParams},
		"tool named by a number":   {"tools/call", `"name":1`, invalidParams},
		"tool named by an array":   {"tools/call", `"name":["echo"]`, invalidParams},
		"arguments are an array":   {"tools/call", `"name":"echo","arguments":[]`, invalidParams},
		"arguments are null":       {"tools/call", `"name":"echo","arguments":null`, invalidParams},
		"arguments are text":       {"tools/call", `"name":"echo","arguments":"{}"`, invalidParams},
		"prompt of nobody":         {"prompts/get", `"name":"nobody"`, invalidParams},
		"prompt lacks an argument": {"prompts/get", `"name":"greeting"`, invalidParams},
		"prompt argument a number": {"prompts/get", `"name":"greeting","arguments":{"name":1}`, invalidParams},
		"prompt argument a list":   {"prompts/get", `"name":"greeting","arguments":{"name":["x"]}`, invalidParams},
		"cursor is a number":       {"tools/list", `"cursor":1`, invalidParams},
		"cursor is an object":      {"prompts/list", `"cursor":{}`, invalidParams},
	} {
		h := endpoint(newServer())
		for _, e := range eras {
			body, headers := e.request(c.method, c.params)
			a, seen := send(t, t.Context(), h, body, headers...)
			want := http.StatusOK
			if e.modern {
				if want = http.StatusBadRequest; c.code == methodNotFound {
					want = http.StatusNotFound
				}
			}
			if a.status != want || a.code() != c.code || string(a.rpc.ID) != "7" {
				t.Errorf("%s (%s): %d %.200s, want %d and %d", name, e.name, a.status, a.body, want, c.code)
			}
			if c.code == methodNotFound && seen.understood != nil {
				t.Errorf("%s (%s): it was handed on", name, e.name)
			}
		}
	}
}

// A name that no tool can have goes no further, into no log and no table.
func TestA18_LongNames(t *testing.T) {
	h := endpoint(newServer())
	for length, passes := range map[int]bool{1: true, 128: true, 129: false, 10_000: false} {
		body, headers := eras[0].request("tools/call", `"name":"`+strings.Repeat("e", length)+`"`)
		if _, seen := send(t, t.Context(), h, body, headers...); (seen.understood != nil) != passes {
			t.Errorf("a name of %d bytes is handed on: %t", length, seen.understood != nil)
		}
	}
}

// The members of _meta and initialize are held to their types, too.
func TestA12_TypesOfMembers(t *testing.T) {
	h := endpoint(newServer())
	for _, c := range [][2]string{
		{"initialize", `"protocolVersion":5`}, {"initialize", `"clientInfo":"x"`}, {"initialize", `"clientInfo":{"name":5}`}, {"initialize", `"clientInfo":null`},
		{"initialize", `"capabilities":[]`}, {"initialize", `"capabilities":{"sampling":5}`}, {"ping", `"_meta":[]`}, {"ping", `"_meta":null`}, {"tools/list", `"_meta":"x"`},
	} {
		body, headers := eras[0].request(c[0], c[1])
		if a, seen := send(t, t.Context(), h, body, headers...); a.status != 200 || a.code() != invalidParams || seen.reached > 0 {
			t.Errorf("%s %s: %d %s", c[0], c[1], a.status, a.body)
		}
	}
}

func TestRS04_A17_HeadersAndBody(t *testing.T) {
	h := endpoint(newServer())
	list, listHeaders := eras[1].request("tools/list", "")
	call, callHeaders := eras[1].request("tools/call", `"name":"echo"`)
	const version, listMethod, callMethod = "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list", "Mcp-Method: tools/call"
	for name, c := range map[string]struct {
		body    string
		headers []string
		code    int // 0: served
	}{
		"list as it should be":          {list, listHeaders, 0},
		"call as it should be":          {call, callHeaders, 0},
		"name in base64":                {call, []string{version, callMethod, "Mcp-Name: =?base64?ZWNobw==?="}, 0},
		"another method":                {call, []string{version, listMethod, "Mcp-Name: echo"}, headerMismatch},
		"method in another case":        {list, []string{version, "Mcp-Method: Tools/List"}, headerMismatch},
		"no method":                     {list, []string{version}, headerMismatch},
		"another name":                  {call, []string{version, callMethod, "Mcp-Name: audit"}, headerMismatch},
		"name in another case":          {call, []string{version, callMethod, "Mcp-Name: Echo"}, headerMismatch},
		"no name":                       {call, []string{version, callMethod}, headerMismatch},
		"another name in base64":        {call, []string{version, callMethod, "Mcp-Name: =?base64?YXVkaXQ=?="}, headerMismatch},
		"broken base64":                 {call, []string{version, callMethod, "Mcp-Name: =?base64?%%%?="}, headerMismatch},
		"method twice":                  {list, []string{version, listMethod, callMethod}, headerMismatch},
		"method twice, the same":        {list, []string{version, listMethod, listMethod}, headerMismatch},
		"name twice":                    {call, []string{version, callMethod, "Mcp-Name: echo", "Mcp-Name: audit"}, headerMismatch},
		"version twice":                 {list, []string{version, "MCP-Protocol-Version: 2025-11-25", listMethod}, headerMismatch},
		"version in the body alone":     {list, []string{listMethod}, headerMismatch},
		"another version in the body":   {list, []string{"MCP-Protocol-Version: 2025-11-25", listMethod}, headerMismatch},
		"version in the header alone":   {`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, []string{version, listMethod}, invalidParams},
		"version is a number":           {strings.Replace(list, `"2026-07-28"`, "20260728", 1), listHeaders, invalidParams},
		"no capabilities":               {strings.Replace(list, "clientCapabilities", "x", 1), listHeaders, invalidParams},
		"stream to be resumed":          {list, append(slices.Clone(listHeaders), "Last-Event-ID: 1"), headerMismatch},
		"2025-11-25 doesn't look there": {`{"jsonrpc":"2.0","id":7,"method":"ping"}`, []string{callMethod}, 0},
	} {
		a, seen := send(t, t.Context(), h, c.body, c.headers...)
		want := http.StatusOK
		if c.code != 0 {
			want = http.StatusBadRequest
		}
		if a.status != want || a.code() != c.code || string(a.rpc.ID) != "7" || (len(seen.handled) == 1) != (c.code == 0) {
			t.Errorf("%s: %d %s, want %d and %d", name, a.status, a.body, want, c.code)
		}
	}
}

func TestRS04_A18_Versions(t *testing.T) {
	h := endpoint(newServer())
	for _, version := range []string{"1999-01-01", "2024-11-05", "2025-03-26", "2026-07-27", "2026-07-29", "2027-01-01", "2025-11-25 ", "latest", "\"><script>"} {
		quoted, _ := json.Marshal(version)
		for name, c := range map[string]struct{ body, header string }{
			"header": {`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`, "MCP-Protocol-Version: " + version},
			"body":   {`{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":` + string(quoted) + `}}}`, "X-None: 1"},
		} {
			a, seen := send(t, t.Context(), h, c.body, c.header)
			if a.status != http.StatusBadRequest || a.code() != unsupportedVersion || seen.reached > 0 {
				t.Errorf("%q in the %s: %d %s", version, name, a.status, a.body)
				continue
			}
			var data struct {
				Supported []string
				Requested string
			}
			if err := json.Unmarshal(a.rpc.Error.Data, &data); err != nil || data.Requested != version || !slices.Equal(data.Supported, mcpendpoint.Versions) {
				t.Errorf("%q in the %s: data %s", version, name, a.rpc.Error.Data)
			}
		}
	}
}

// RS03: a notification gets 202 and ends there, whatever it says.
func TestRS03_A23_Notifications(t *testing.T) {
	s := newServer()
	h := endpoint(s)
	for _, method := range []string{
		"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed",
		"notifications/nobody", "tools/call", "initialize", "subscriptions/listen", "x",
	} {
		s.AddNotificationHandler(method, nil) // would panic if it were called
		for _, e := range eras {
			body, headers := e.request(method, `"requestId":7,"name":"echo"`)
			a, seen := send(t, t.Context(), h, strings.Replace(body, `"id":7,`, "", 1), headers...)
			if a.status != http.StatusAccepted || seen.understood != nil || seen.reached > 0 {
				t.Errorf("%s (%s): %d %s", method, e.name, a.status, a.body)
			}
		}
	}
}

// mcp-go would answer all of these; here they are in no table, or not in this
// era's.
func TestA23_UnlistedMethodsStayOutside(t *testing.T) {
	s := newServer()
	ours, alone := endpoint(s), mcpGoAlone(s)
	for _, e := range eras {
		unlisted := []string{
			"subscriptions/listen", "logging/setLevel", "completion/complete", "resources/list", "resources/read", "resources/templates/list",
			"resources/subscribe", "resources/unsubscribe", "tasks/get", "tasks/list", "tasks/result", "tasks/cancel", "sampling/createMessage",
			"elicitation/create", "roots/list",
		}
		if e.modern {
			unlisted = append(unlisted, "initialize", "ping")
		} else {
			unlisted = append(unlisted, "server/discover")
		}
		for _, method := range unlisted {
			body, headers := e.request(method, `"uri":"file:///x","taskId":"x","level":"debug"`)
			a, seen := send(t, t.Context(), ours, body, headers...)
			want := http.StatusOK
			if e.modern {
				want = http.StatusNotFound
			}
			if a.status != want || a.code() != methodNotFound || seen.understood != nil || seen.reached > 0 {
				t.Errorf("%s (%s): %d %s; mcp-go was reached %d times", method, e.name, a.status, a.body, seen.reached)
			}
			// The same request does reach mcp-go where nothing stands before it.
			if _, seen := send(t, context.WithValue(t.Context(), stopKey{}, true), alone, body, headers...); seen.reached != 1 {
				t.Errorf("%s (%s): mcp-go alone was reached %d times: this test shows nothing", method, e.name, seen.reached)
			}
		}
	}
}

func TestHandlerNeedsDecode(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a message that nobody decoded was handled")
		}
	}()
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	r.Header.Set("Content-Type", "application/json")
	mcpendpoint.Handler(newServer()).ServeHTTP(httptest.NewRecorder(), r)
}
