package matrix

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/mint"
)

// Rows are the table.
var Rows = slices.Concat(rowsOfStep1(), rowsOfStep2(), rowsOfStep3(), rowsOfStep4(),
	rowsOfStep5(), rowsOfStep6(), rowsOfStep7(), rowsOfStep8(), rowsOfStep10())

// Tokens that rows send. Steps that know no tokens pay them no attention.
var (
	alice     = &Token{Username: "alice", Scopes: "mcp:read,mcp:tools,mcp:prompts"}
	aliceRead = &Token{Username: "alice", Scopes: "mcp:read"}
	admin     = &Token{Username: "admin", Scopes: "mcp:read,mcp:tools,mcp:prompts"}
	guest     = &Token{Username: "guest", Scopes: "mcp:read,mcp:tools,mcp:prompts"}
)

// echoCall is the call that attacks try to make: the work of the server.
var echoCall = &Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi"}`}

// echoed is what it returns.
const echoed = `"structuredContent":{"text":"hi"}`

// absentUntil is the outcome of a route that a step brings.
func absentUntil(step int, wants ...Want) []Want {
	wants[0].From = step
	return append([]Want{{From: 1, Status: http.StatusNotFound}}, wants...)
}

// workOf is the outcome of calls with enough rights: the endpoint comes with
// step 2, the definitions with 3, the work with 4.
func workOf(has ...string) []Want {
	return absentUntil(2,
		Want{Status: 200, RPC: -32601},
		Want{From: 3, Status: 200, RPC: -32603, Has: []string{"step 4"}},
		Want{From: 4, Status: 200, Has: has})
}

// modern is workOf in 2026-07-28, where an unknown method is 404.
func modernWorkOf(has ...string) []Want {
	wants := workOf(has...)
	wants[1].Status = http.StatusNotFound
	return wants
}

// initialize is the handshake up to 2025-11-25.
func initialize(version string) *Call {
	return &Call{Method: "initialize", Params: fmt.Sprintf(`"protocolVersion":%q,"capabilities":{},"clientInfo":{"name":"matrix","version":"1"}`, version)}
}

// introduce is how a client makes itself known, in either era.
var introduce = &Call{Method: "initialize", Modern: "server/discover", Params: initialize("2025-11-25").Params}

// told is a fact that the answer to introduce has from a step on.
func told(step int, id, fact string) Row {
	name, _, _ := strings.Cut(fact, ":")
	want := absentUntil(2, Want{Status: 200, Lacks: []string{name}, Note: "not told"}, Want{From: step, Status: 200, Has: []string{fact}, Note: "told"})
	return Row{ID: "told-" + id, Title: "what the server tells of itself: " + name, Request: Request{Call: introduce, Token: alice}, Want: want}
}

// healthy is a fact that the health report has from a step on.
func healthy(step int, id, fact string) Row {
	name, _, _ := strings.Cut(fact, ":")
	return Row{ID: "health-" + id, Title: "what the health report says: " + name, Request: get("/health"),
		Want: []Want{{From: 1, Status: 200, Lacks: []string{name}, Note: "not said"}, {From: step, Status: 200, Has: []string{fact}, Note: "said"}}}
}

func get(target string, headers ...string) Request {
	return Request{Method: http.MethodGet, Target: target, Headers: headers}
}

// refusedFrom is an attack on what echo does, which works from step 4 on until
// a step refuses it.
func refusedFrom(step int, refusals ...Want) (want, modern []Want) {
	refusals[0].From = step
	build := func(wants []Want) []Want {
		wants[3].Works = true
		return append(wants, refusals...)
	}
	return build(workOf(echoed)), build(modernWorkOf(echoed))
}

func rowsOfStep1() []Row {
	rows := []Row{
		{ID: "health", Title: "ask whether the server lives", Request: get("/health"), Want: []Want{
			{From: 1, Status: 200, Has: []string{`{"status":"healthy"}`, "Cache-Control: no-store"}},
			{From: 5, Status: 200, Has: []string{`"status":"healthy"`}}}},
		{ID: "origin-absent-mcp", Refs: []string{"RS01"}, Title: "no Origin, as MCP clients send none", Request: Request{Call: echoCall, Token: alice}, Want: workOf(echoed), Modern: modernWorkOf(echoed)},
		{ID: "origin-evil-mcp", Refs: []string{"RS01", "A01"}, Attack: true, Title: "a page of evil.com calls the MCP endpoint", Request: Request{Call: echoCall, Token: alice, Headers: []string{"Origin: http://evil.com"}},
			Want: []Want{{From: 1, Status: 403, Error: "origin_not_allowed", Lacks: []string{"Access-Control-Allow-Origin"}}}},
		{ID: "origin-twice", Refs: []string{"RS01", "A02"}, Attack: true, Title: "two Origins, the first a friend's", Request: get("/health", "Origin: http://localhost", "Origin: http://evil.com"),
			Want: []Want{{From: 1, Status: 403, Error: "origin_not_allowed"}}},
		{ID: "host-rebound", Refs: []string{"RS02", "A04"}, Attack: true, Title: "DNS rebinding: a page's own name points here", Request: Request{Method: "GET", Target: "/health", Host: "evil.com:8080"},
			Want: []Want{{From: 1, Status: 403, Error: "host_not_allowed"}}},
		{ID: "host-rebound-same-origin", Refs: []string{"RS02", "A04"}, Attack: true, Title: "DNS rebinding, with an Origin equal to the Host", Request: Request{Call: echoCall, Token: alice, Host: "evil.com:8080", Headers: []string{"Origin: http://evil.com:8080"}},
			Want: []Want{{From: 1, Status: 403, Error: "host_not_allowed"}}},
		{ID: "target-absolute", Refs: []string{"RS02", "A05"}, Attack: true, Title: "a foreign host in the request target", Request: Request{Target: "http://evil.com/mcp", Host: "127.0.0.1", Body: "{}", Headers: []string{jsonType}},
			Want: []Want{{From: 1, Status: 403, Error: "host_not_allowed"}}},
		{ID: "cross-site-without-origin", Refs: []string{"RS01", "A06"}, Attack: true, Title: "a page of another site, by the browser's own word", Request: Request{Headers: []string{"Sec-Fetch-Site: cross-site", "Content-Type: text/plain"}, Body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Token: alice},
			Want: []Want{{From: 1, Status: 403, Error: "cross_site_request"}}},
		{ID: "loopback-only", Refs: []string{"RS02", "A08"}, Attack: true, Title: "reach the server from another machine", Exchange: onLoopback,
			Want: []Want{{From: 1, Text: "bound to loopback"}}},
		{ID: "slow-header", Refs: []string{"A14"}, Attack: true, Title: "send a header byte by byte, on many connections", Exchange: slowly("GET /health HTTP/1.1\r\nHost: "),
			Want: []Want{{From: 1, Text: "slow ones closed, others served"}}},
		{ID: "slow-body", Refs: []string{"A14"}, Attack: true, Title: "send a body byte by byte, on many connections", Exchange: slowly("POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{"),
			Want: []Want{{From: 1, Text: "slow ones closed, others served"}}},
		{ID: "header-900k", Refs: []string{"A15"}, Attack: true, Title: "an Authorization header of 900 KB", Request: get("/health", "Authorization: Bearer "+strings.Repeat("a", 900<<10)),
			Want: []Want{{From: 1, Status: 431}}},
		{ID: "headers-20000", Refs: []string{"A15"}, Attack: true, Title: "20,000 headers", Request: get("/health", slices.Repeat([]string{"X-A: b"}, 20_000)...),
			Want: []Want{{From: 1, Status: 431}}},
	}
	for _, origin := range origins {
		row := Row{ID: "origin-" + origin.id, Refs: []string{"RS01"}, Title: "a page with the Origin " + origin.value, Request: get("/health", "Origin: "+origin.value),
			Want: []Want{{From: 1, Status: 200}}}
		if !origin.allowed {
			row.Refs, row.Attack = []string{"RS01", origin.attack}, true
			row.Want = []Want{{From: 1, Status: 403, Error: "origin_not_allowed", Lacks: []string{"Access-Control-Allow-Origin"}}}
		}
		rows = append(rows, row)
	}
	return inLayer(1, rows)
}

var origins = []struct {
	id      string
	value   string
	attack  string
	allowed bool
}{
	{"localhost", "http://localhost:6274", "", true},
	{"loopback", "http://127.0.0.1:3000", "", true},
	{"loopback-v6", "http://[::1]:3000", "", true},
	{"evil", "http://evil.com", "A01", false},
	{"null", "null", "A02", false},
	{"prefix", "http://localhost.evil.com", "A02", false},
	{"prefix-ip", "http://127.0.0.1.evil.com", "A02", false},
	{"userinfo", "http://localhost:3000@evil.com", "A02", false},
	{"userinfo-ip", "http://127.0.0.1@evil.com", "A02", false},
	{"fragment", "http://evil.com#localhost", "A02", false},
	{"query", "http://evil.com/?http://localhost", "A02", false},
	{"path", "http://localhost/x", "A02", false},
	{"other-scheme", "ftp://localhost", "A02", false},
	{"https-loopback", "https://localhost", "A02", false},
}

func rowsOfStep2() []Row {
	post := func(id, attack, title, body string, want Want, headers ...string) Row {
		return Row{ID: id, Refs: slices.Compact([]string{"RS03", attack}), Attack: true, Title: title,
			Request: Request{Body: body, Headers: append(headers, jsonType), Token: alice}, Want: absentUntil(2, want)}
	}
	invalid := Want{Status: 400, RPC: -32600, Lacks: []string{`"result"`}}
	broken := Want{Status: 400, RPC: -32700, Lacks: []string{`"result"`}}
	mismatch := Want{Status: 400, RPC: -32020}
	gone := absentUntil(2, Want{Status: 404, RPC: -32601})
	notOffered := absentUntil(2, Want{Status: 200, RPC: -32601})

	rows := []Row{
		{ID: "initialize", Refs: []string{"RS03"}, Title: "the handshake of 2025-11-25", Request: Request{Call: initialize("2025-11-25"), Token: alice}, Modern: gone,
			Want: absentUntil(2, Want{Status: 200, Has: []string{`"protocolVersion":"2025-11-25"`, `"serverInfo"`}, Lacks: []string{"Mcp-Session-Id"}})},
		{ID: "initialize-2025-06-18", Refs: []string{"RS03"}, Title: "the handshake of 2025-06-18", Request: Request{Call: initialize("2025-06-18"), Token: alice}, Modern: gone,
			Want: absentUntil(2, Want{Status: 200, Has: []string{`"protocolVersion":"2025-06-18"`}})},
		{ID: "initialize-other", Refs: []string{"RS03"}, Title: "a handshake of a version that isn't served", Request: Request{Call: initialize("2024-11-05"), Token: alice}, Modern: gone,
			Want: absentUntil(2, Want{Status: 200, Has: []string{`"protocolVersion":"2025-11-25"`}})},
		{ID: "discover", Refs: []string{"RS04"}, Title: "discovery of 2026-07-28", Request: Request{Call: &Call{Method: "server/discover"}, Token: alice}, Want: notOffered,
			Modern: absentUntil(2, Want{Status: 200, Has: []string{`"supportedVersions":["2026-07-28","2025-11-25","2025-06-18"]`, `"resultType":"complete"`, `"ttlMs":`, `"cacheScope":"private"`}})},
		{ID: "ping", Refs: []string{"RS03"}, Title: "ping, which 2026-07-28 has no more", Request: Request{Call: &Call{Method: "ping"}, Token: alice}, Modern: gone,
			Want: absentUntil(2, Want{Status: 200, Has: []string{`"result":{}`}})},
		{ID: "notification", Refs: []string{"RS03"}, Title: "a notification", Request: Request{Body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`, Headers: []string{jsonType}, Token: alice},
			Want: absentUntil(2, Want{Status: 202, Lacks: []string{"{"}})},
		{ID: "cancel-others", Refs: []string{"RS05", "A23"}, Attack: true, Title: "cancel the request of another caller", Request: Request{Body: `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, Headers: []string{jsonType}, Token: alice},
			Want: absentUntil(2, Want{Status: 202, Lacks: []string{"{"}})},
		{ID: "listen", Refs: []string{"RS03", "A23"}, Attack: true, Title: "hold a stream open with subscriptions/listen", Request: Request{Call: &Call{Method: "subscriptions/listen", Params: `"notifications":{}`}, Token: alice}, Want: notOffered, Modern: gone},
		{ID: "unknown-method", Refs: []string{"RS03", "A18"}, Attack: true, Title: "a method that nobody has", Request: Request{Call: &Call{Method: "rpc.x"}, Token: alice}, Want: notOffered, Modern: gone},
		{ID: "logging-set-level", Refs: []string{"RS03", "A18"}, Attack: true, Title: "a method that mcp-go has and this server doesn't offer", Request: Request{Call: &Call{Method: "logging/setLevel", Params: `"level":"debug"`}, Token: alice}, Want: notOffered, Modern: gone},
		{ID: "session-foreign", Refs: []string{"RS05", "A21"}, Attack: true, Title: "pass for another user by a session id", Request: Request{Call: &Call{Method: "tools/call", Name: "whoami"}, Token: alice, Headers: []string{"Mcp-Session-Id: session-of-admin"}},
			Want: absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, RPC: -32602}, Want{From: 6, Status: 200, Has: []string{`"subject":"alice"`}, Lacks: []string{"Mcp-Session-Id"}}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 400, RPC: -32602},
				Want{From: 6, Status: 200, Has: []string{`"subject":"alice"`}, Lacks: []string{"Mcp-Session-Id"}})},
		{ID: "session-none", Refs: []string{"RS05", "A22"}, Attack: true, Title: "fill the memory with sessions", Exchange: manyHandshakes,
			Want: []Want{{From: 1, Text: "no session was made"}}},

		post("batch", "A10", "a batch", `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]`, invalid),
		post("batch-empty", "A10", "an empty batch", `[]`, invalid),
		post("name-twice", "A11", "two methods in one message", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`, invalid),
		post("name-other-case", "A11", "a second method in another case", `{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call"}`, invalid),
		post("name-only-other-case", "A11", "a method in another case alone", `{"jsonrpc":"2.0","id":1,"METHOD":"ping"}`, invalid),
		post("tool-other-case", "A11", "a tool's name in another case", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"audit","name":"echo"}}`, invalid),
		post("tool-only-other-case", "A11", "a tool's name in another case alone", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"audit"}}`, invalid),
		post("name-nul", "A11", "a NUL in a member's name", `{"jsonrpc":"2.0","id":1,"method":"ping","method\u0000":"x"}`, invalid),
		post("deep", "A12", "10,001 levels of arrays", strings.Repeat("[", 10_001), broken),
		post("deeper", "A12", "half a million levels of arrays", strings.Repeat("[", 500_000), broken),
		post("trailing", "A12", "something behind the message", `{"jsonrpc":"2.0","id":1,"method":"ping"}x`, broken),
		post("bom", "A12", "a byte order mark", "\ufeff"+`{"jsonrpc":"2.0","id":1,"method":"ping"}`, broken),
		post("utf8", "A12", "broken UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}", broken),
		post("surrogate", "A12", "a lone surrogate", `{"jsonrpc":"2.0","id":"\ud800","method":"ping"}`, invalid),
		post("id-overflow", "A12", "an id beyond every number", `{"jsonrpc":"2.0","id":1e999,"method":"ping"}`, invalid),
		post("id-null", "A12", "an id of null", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, invalid),
		post("id-object", "A12", "an id that is an object", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, invalid),
		post("response", "RS03", "a response to nothing", `{"jsonrpc":"2.0","id":1,"result":{}}`, invalid),
		post("no-version", "RS03", "a message without jsonrpc", `{"id":1,"method":"ping"}`, invalid),
		post("body-huge", "A13", "a body of 100 MiB", strings.Repeat(" ", 1<<20+1), Want{Status: 413, RPC: -32600, Has: []string{"Connection: close\n"}}, "Content-Length: 104857600"),
		post("body-endless", "A13", "an endless body in chunks", fmt.Sprintf("%x\r\n%s\r\n", 2<<20, strings.Repeat(" ", 2<<20)), Want{Status: 413, RPC: -32600}, "Transfer-Encoding: chunked"),
		post("body-gzip", "A13", "a compressed body", "\x1f\x8b\x08", Want{Status: 415, RPC: -32600}, "Content-Encoding: gzip"),
		post("type-text", "A06", "a text/plain body, which pages may send unasked", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Want{Status: 415, RPC: -32600}, "Content-Type: text/plain"),
		post("type-form", "A06", "a form, which pages may send unasked", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Want{Status: 415, RPC: -32600}, "Content-Type: application/x-www-form-urlencoded"),
		post("version-unknown", "A18", "a protocol version that isn't known", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Want{Status: 400, RPC: -32022, Has: []string{`"supported":["2026-07-28","2025-11-25","2025-06-18"]`, `"requested":"1999-01-01"`}}, "MCP-Protocol-Version: 1999-01-01"),
		{ID: "type-missing", Refs: []string{"A06"}, Attack: true, Title: "a body without a type", Request: Request{Body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Token: alice}, Want: absentUntil(2, Want{Status: 415, RPC: -32600})},
	}
	// What the headers of 2026-07-28 say must be what the body says.
	discover := `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + metaKeys + `}}`
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"},` + metaKeys + `}}`
	modern := "MCP-Protocol-Version: 2026-07-28"
	for _, m := range []struct {
		id, title, body string
		headers         []string
	}{
		{"method", "a header that names another method", call, []string{modern, "Mcp-Method: tools/list", "Mcp-Name: echo"}},
		{"method-missing", "no Mcp-Method", discover, []string{modern}},
		{"method-twice", "two Mcp-Method headers", discover, []string{modern, "Mcp-Method: server/discover", "Mcp-Method: tools/call"}},
		{"name", "a header that names another tool", call, []string{modern, "Mcp-Method: tools/call", "Mcp-Name: get_time"}},
		{"name-missing", "no Mcp-Name", call, []string{modern, "Mcp-Method: tools/call"}},
		{"name-base64", "an Mcp-Name that is broken base64", call, []string{modern, "Mcp-Method: tools/call", "Mcp-Name: =?base64?%%%?="}},
		{"version", "a header with an older version than the body", discover, []string{"MCP-Protocol-Version: 2025-11-25", "Mcp-Method: server/discover"}},
		{"version-absent", "no header for the version in the body", discover, []string{"Mcp-Method: server/discover"}},
	} {
		rows = append(rows, Row{ID: "mismatch-" + m.id, Refs: []string{"RS04", "A17"}, Attack: true, Title: m.title,
			Request: Request{Body: m.body, Headers: append(m.headers, jsonType), Token: alice}, Want: absentUntil(2, mismatch)})
	}
	rows = append(rows, Row{ID: "meta-missing", Refs: []string{"RS04", "A17"}, Attack: true, Title: "a header with a version, and no _meta",
		Request: Request{Body: `{"jsonrpc":"2.0","id":1,"method":"server/discover"}`, Headers: []string{modern, "Mcp-Method: server/discover", jsonType}, Token: alice},
		Want:    absentUntil(2, Want{Status: 400, RPC: -32602})})
	for _, method := range []string{"GET", "DELETE", "PUT", "PATCH", "HEAD"} {
		rows = append(rows, Row{ID: "method-" + strings.ToLower(method), Refs: []string{"RS03", "A07"}, Attack: true, Title: method + " on the MCP endpoint, without a token",
			Request: Request{Method: method}, Want: absentUntil(2, Want{Status: 405, Has: []string{"Allow: POST"}}, Want{From: 7, Status: 405, Has: []string{"Allow: OPTIONS, POST"}})})
	}
	rows = append(rows, Row{ID: "method-options", Refs: []string{"RS03", "A07"}, Attack: true, Title: "OPTIONS of a foreign page", Request: Request{Method: "OPTIONS", Headers: []string{"Origin: http://evil.com", "Access-Control-Request-Method: POST"}},
		Want: []Want{{From: 1, Status: 403, Error: "origin_not_allowed", Lacks: []string{"Access-Control-Allow-Origin"}}}})
	// Whatever is the MCP endpoint for the router must be it for the checks.
	for _, p := range []struct {
		id, target string
		status     int // until step 6, from step 2
	}{
		{"double-slash", "//mcp", 307}, {"dot-dot", "/x/../mcp", 307}, {"trailing-slash", "/mcp/", 404},
		{"upper-case", "/MCP", 404}, {"matrix-parameter", "/mcp;x", 404}, {"encoded", "/%6dcp", 200}, {"empty-query", "/mcp?", 200},
	} {
		row := Row{ID: "path-" + p.id, Refs: []string{"A09"}, Attack: true, Title: "the path " + p.target + ", without a token",
			Request: Request{Target: p.target, Body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Headers: []string{jsonType}}}
		switch p.status {
		case 200:
			row.Want = absentUntil(2, Want{Status: 200, Works: true}, Want{From: 6, Status: 401, Error: "missing_token"})
		case 307:
			// The router cleans the path and sends the caller there; nothing ran.
			row.Want = []Want{{From: 1, Status: 307, Has: []string{"Location: /mcp"}}}
		default:
			row.Want = []Want{{From: 1, Status: 404}}
		}
		rows = append(rows, row)
	}
	return inLayer(2, rows)
}

func rowsOfStep3() []Row {
	const tools = `"name":"echo"`
	return inLayer(3, []Row{
		{ID: "told-capabilities", Title: "what the server tells of itself: its capabilities", Request: Request{Call: introduce, Token: alice},
			Want: absentUntil(2, Want{Status: 200, Has: []string{`"capabilities":{}`}}, Want{From: 3, Status: 200, Has: []string{`"capabilities":{"prompts":{},"tools":{}}`}})},
		{ID: "tools-list", Refs: []string{"RS04"}, Title: "list the tools", Request: Request{Call: &Call{Method: "tools/list"}, Token: alice},
			Want: absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, Has: []string{tools, `"name":"get_time"`, `"outputSchema"`, `"readOnlyHint":true`, `"title":"Echo"`}, Lacks: []string{"whoami"}},
				Want{From: 6, Status: 200, Has: []string{tools, `"name":"whoami"`}, Lacks: []string{"audit"}, Note: "with whoami"}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 200, Has: []string{tools, `"name":"get_time"`, `"resultType":"complete"`, `"ttlMs":`, `"cacheScope":"private"`}, Lacks: []string{"whoami"}},
				Want{From: 6, Status: 200, Has: []string{tools, `"name":"whoami"`}, Lacks: []string{"audit"}, Note: "with whoami"})},
		{ID: "prompts-list", Refs: []string{"RS04"}, Title: "list the prompts", Request: Request{Call: &Call{Method: "prompts/list"}, Token: alice},
			Want:   absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, Has: []string{`"name":"echo_prompt"`, `"name":"greeting"`, `"name":"help"`, `"required":true`}}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 200, Has: []string{`"name":"echo_prompt"`, `"name":"greeting"`, `"name":"help"`, `"cacheScope":"private"`}})},
	})
}

func rowsOfStep4() []Row {
	call := func(id, title, tool, args string, refs []string, attack bool, last Want) Row {
		last.From = 4
		row := Row{ID: id, Refs: refs, Title: title, Attack: attack, Request: Request{Call: &Call{Method: "tools/call", Name: tool, Args: args}, Token: alice}}
		row.Want, row.Modern = append(workOf()[:3], last), append(modernWorkOf()[:3], last)
		return row
	}
	unknown := func(id, title string, call *Call) Row {
		return Row{ID: id, Refs: []string{"A18"}, Title: title, Attack: true, Request: Request{Call: call, Token: alice},
			Want:   absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, RPC: -32602}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 400, RPC: -32602})}
	}
	malformed := func(id, title string, call *Call) Row {
		return Row{ID: id, Refs: []string{"A19"}, Title: title, Attack: true, Request: Request{Call: call, Token: alice},
			Want: absentUntil(2, Want{Status: 200, RPC: -32602}), Modern: absentUntil(2, Want{Status: 400, RPC: -32602})}
	}
	broken := func(words string) Want {
		return Want{Status: 200, Has: []string{`"isError":true`, words}, Lacks: []string{"structuredContent", "Got:"}}
	}
	prompt := func(id, title, name, args string, has string) Row {
		return Row{ID: id, Title: title, Request: Request{Call: &Call{Method: "prompts/get", Name: name, Args: args}, Token: alice}, Want: workOf(has), Modern: modernWorkOf(has)}
	}
	long := &Call{Method: "tools/call", Name: strings.Repeat("a", 100_000)}
	rows := []Row{
		call("echo", "call echo", "echo", `{"message":"hi"}`, nil, false, Want{Status: 200, Has: []string{`"type":"text","text":"hi"`, echoed}}),
		call("echo-repeat", "call echo, three times over", "echo", `{"message":"hi","repeat_count":3}`, nil, false, Want{Status: 200, Has: []string{`"text":"hihihi"`}}),
		call("echo-too-often", "break the schema: 11 times", "echo", `{"message":"hi","repeat_count":11}`, []string{"A19"}, true, broken("repeat_count: maximum: got 11, want 10")),
		call("echo-wrong-type", "break the schema: a number for a message", "echo", `{"message":5}`, []string{"A19"}, true, broken("message: got number, want string")),
		call("echo-missing", "break the schema: no message", "echo", `{}`, []string{"A19"}, true, broken("missing property 'message'")),
		call("echo-unknown-argument", "break the schema: an argument that isn't there", "echo", `{"message":"hi","x":1}`, []string{"A19"}, true, broken("additional properties 'x' not allowed")),
		call("get-time", "call get_time", "get_time", `{}`, nil, false, Want{Status: 200, Has: []string{`"timezone":"UTC"`}}),
		call("get-time-berlin", "call get_time for a zone", "get_time", `{"timezone":"Europe/Berlin"}`, nil, false, Want{Status: 200, Has: []string{`"timezone":"Europe/Berlin"`}}),
		call("get-time-path", "a file instead of a zone", "get_time", `{"timezone":"../../etc/passwd"}`, []string{"A19"}, true, Want{Status: 200, Has: []string{`"isError":true`, "not an IANA zone name"}}),
		prompt("prompt-echo", "get echo_prompt", "echo_prompt", `{"message":"hi"}`, "echo tool: hi"),
		prompt("prompt-greeting", "get greeting", "greeting", `{"name":"Ada"}`, "greet Ada"),
		prompt("prompt-help", "get help", "help", "", "tools and prompts of this server"),
		unknown("unknown-tool", "a tool that isn't there", &Call{Method: "tools/call", Name: "../x"}),
		unknown("unknown-tool-proto", "a tool with a name of JavaScript's", &Call{Method: "tools/call", Name: "__proto__"}),
		unknown("unknown-prompt", "a prompt that isn't there", &Call{Method: "prompts/get", Name: "x"}),
		malformed("call-without-name", "a call of nothing", &Call{Method: "tools/call"}),
		malformed("call-array", "arguments in an array", &Call{Method: "tools/call", Name: "echo", Args: `["hi"]`}),
		malformed("name-too-long", "a name of 100,000 characters", long),
		{ID: "prompt-argument-missing", Refs: []string{"A19"}, Attack: true, Title: "echo_prompt without its message", Request: Request{Call: &Call{Method: "prompts/get", Name: "echo_prompt"}, Token: alice},
			Want:   absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, RPC: -32602}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 400, RPC: -32602})},
	}
	// A header of that length is refused before anybody reads the body.
	for i := range rows {
		if rows[i].ID == "name-too-long" {
			rows[i].Modern = []Want{{From: 1, Status: 431}}
		}
	}
	return inLayer(4, rows)
}

// moved is the outcome of a document that the provider has from then on.
var moved = Want{From: 10, Status: http.StatusNotFound}

func rowsOfStep5() []Row {
	return inLayer(5, []Row{
		healthy(5, "jwt", `"jwt_enabled":true`), healthy(5, "jwks", `"jwks_available":true`), told(5, "jwt", `"jwt_enabled":true`),
		{ID: "jwks", Refs: []string{"D05"}, Title: "read the public key", Request: get("/.well-known/jwks.json"),
			Want: absentUntil(5, Want{Status: 200, Has: []string{`"kty":"RSA"`, `"alg":"RS256"`, `"use":"sig"`, `"kid":"`, "Cache-Control: public, max-age=300", "Access-Control-Allow-Origin: *"}, Lacks: []string{`"d":`, `"p":`, `"q":`, `"dp":`, `"dq":`, `"qi":`, `"k":`}}, moved)},
		{ID: "private-key", Refs: []string{"D05"}, Attack: true, Title: "read the private key", Request: get("/keys/mcp_private_key.pem"), Want: []Want{{From: 1, Status: 404}}},
	})
}

func rowsOfStep6() []Row {
	attack := func(id, title string, refs []string, request Request, refusal Want) Row {
		if request.Call == nil {
			request.Call = echoCall
		}
		row := Row{ID: id, Refs: refs, Attack: true, Title: title, Request: request}
		early, late := refusal, refusal
		early.Lacks = append(slices.Clone(refusal.Lacks), "resource_metadata")
		late.From = 7
		late.Has = append(slices.Clone(refusal.Has), `resource_metadata="http`, `scope="mcp:read"`)
		row.Want, row.Modern = refusedFrom(6, early, late)
		return row
	}
	missing := Want{Status: 401, Error: "missing_token", Lacks: []string{`error="`, "structuredContent"}}
	invalid := Want{Status: 401, Error: "invalid_token", Lacks: []string{"structuredContent"}}
	twice := Want{Status: 400, Error: "invalid_request", Lacks: []string{"structuredContent"}}
	who := &Call{Method: "tools/call", Name: "whoami"}
	rows := []Row{
		healthy(6, "auth", `"auth_required":true`), told(6, "user", `"authenticatedUser":"alice"`),
		{ID: "token-good", Refs: []string{"RS08"}, Title: "a good token", Request: Request{Call: echoCall, Token: alice}, Want: workOf(echoed), Modern: modernWorkOf(echoed)},
		{ID: "token-scheme-lower-case", Refs: []string{"RS06", "B02"}, Title: "a good token, as 'bearer'", Request: Request{Call: echoCall, Token: alice, Headers: []string{"Authorization: bearer {token}"}}, Want: workOf(echoed), Modern: modernWorkOf(echoed)},
		{ID: "audience-among-others", Refs: []string{"RS08", "C14"}, Title: "a token for this server and another", Request: Request{Call: echoCall, Token: &Token{Username: "alice", Scopes: alice.Scopes, Claims: `{"aud":["https://other.example","{resource}"]}`}}, Want: workOf(echoed), Modern: modernWorkOf(echoed)},
		{ID: "whoami", Refs: []string{"RS08"}, Title: "ask who the server takes one for", Request: Request{Call: who, Token: alice},
			Want:   absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, RPC: -32602}, Want{From: 6, Status: 200, Has: []string{`"subject":"alice"`, `"client_id":"gentoken"`}}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 400, RPC: -32602}, Want{From: 6, Status: 200, Has: []string{`"subject":"alice"`, `"client_id":"gentoken"`}})},

		attack("token-missing", "no token", []string{"RS06", "RS07", "B01"}, Request{}, missing),
		attack("token-in-query", "a good token in the query", []string{"RS08", "B04"}, Request{Target: "/mcp?access_token={token}", Token: alice, Headers: []string{"X-Not-A-Credential: {token}"}}, missing),
		attack("token-in-cookie", "a good token in a cookie", []string{"RS08"}, Request{Token: alice, Headers: []string{"Cookie: access_token={token}"}}, missing),
		attack("scheme-basic", "another scheme", []string{"RS06", "B02"}, Request{Headers: []string{"Authorization: Basic YTpi"}}, missing),
		attack("scheme-alone", "Bearer, and nothing", []string{"RS06", "B02"}, Request{Headers: []string{"Authorization: Bearer"}}, invalid),
		attack("scheme-two-words", "Bearer, and two words", []string{"RS06", "B02"}, Request{Headers: []string{"Authorization: Bearer a b"}}, invalid),
		attack("scheme-two-blanks", "two blanks before a good token", []string{"RS06", "B02"}, Request{Token: alice, Headers: []string{"Authorization: Bearer  {token}"}}, invalid),
		attack("scheme-tab", "a tab before a good token", []string{"RS06", "B02"}, Request{Token: alice, Headers: []string{"Authorization: Bearer\t{token}"}}, invalid),
		attack("credentials-bad-good", "two headers, the second good", []string{"B03"}, Request{Token: alice, Headers: []string{"Authorization: Bearer bad", "Authorization: Bearer {token}"}}, twice),
		attack("credentials-good-bad", "two headers, the first good", []string{"B03"}, Request{Token: alice, Headers: []string{"Authorization: Bearer {token}", "Authorization: Bearer bad"}}, twice),
		attack("credentials-comma", "two credentials in one header", []string{"B03"}, Request{Token: alice, Headers: []string{"Authorization: Bearer {token}, Bearer {token}"}}, twice),
		attack("token-20k", "a token of 20 KB", []string{"A15"}, Request{Headers: []string{"Authorization: Bearer " + strings.Repeat("a.", 10<<10)}}, invalid),
		attack("token-five-parts", "an encrypted token", []string{"RS08", "C11"}, Request{Headers: []string{"Authorization: Bearer a.b.c.d.e"}}, invalid),
		attack("session-without-token", "a session id instead of a token", []string{"RS05", "A21"}, Request{Headers: []string{"Mcp-Session-Id: session-of-admin"}}, missing),
	}
	for _, flaw := range mint.Flaws {
		rows = append(rows, attack("flaw-"+flaw.Name, "a token that "+flaw.Explain, []string{"RS08", flaw.Attack},
			Request{Token: &Token{Username: "alice", Scopes: alice.Scopes, Flaw: flaw.Name}}, invalid))
	}
	// Before it is known who asks, nobody's message is read: every body and
	// every operation gets the same answer.
	rows = append(rows, Row{ID: "body-unread", Refs: []string{"RS06", "B01"}, Attack: true, Title: "broken JSON without a token", Request: Request{Body: "{", Headers: []string{jsonType}},
		Want: absentUntil(2, Want{Status: 400, RPC: -32700}, Want{From: 6, Status: 401, Error: "missing_token", Has: []string{`Bearer realm="mcp"`}})})
	return inLayer(6, rows)
}

func rowsOfStep7() []Row {
	resource := []string{`"resource": "http`, `/mcp"`, `"authorization_servers": [`, `"mcp:read"`, `"bearer_methods_supported"`, "Access-Control-Allow-Origin: *", "Cache-Control: public"}
	never := []string{"offline_access", "evil"}
	page := "Origin: http://localhost:6274"
	rows := []Row{
		healthy(7, "resource", `"protected_resource_metadata":"http`), healthy(7, "server", `"authorization_server_metadata":"http`), told(7, "metadata", `"oauth_metadata":"http`),
		{ID: "resource-metadata", Refs: []string{"RS09", "RS10"}, Title: "the document of the protected resource", Request: get("/.well-known/oauth-protected-resource/mcp"), Want: absentUntil(7, Want{Status: 200, Has: resource, Lacks: never})},
		{ID: "resource-metadata-root", Refs: []string{"RS09", "RS10"}, Title: "the same at the root", Request: get("/.well-known/oauth-protected-resource"), Want: absentUntil(7, Want{Status: 200, Has: resource, Lacks: never})},
		{ID: "resource-metadata-foreign-page", Refs: []string{"RS09"}, Title: "the same, read by any page", Request: get("/.well-known/oauth-protected-resource/mcp", "Origin: https://app.example"), Want: absentUntil(7, Want{Status: 200, Has: resource})},
		{ID: "server-metadata", Refs: []string{"RS10"}, Title: "the document of the authorization server", Request: get("/.well-known/oauth-authorization-server"),
			Want: absentUntil(7, Want{Status: 200, Has: []string{`"issuer": "http`, `"jwks_uri": "http`, `"scopes_supported"`, `"service_documentation"`, "Access-Control-Allow-Origin: *"}, Lacks: append(never, "_endpoint", "response_types")}, moved)},
		{ID: "client-stops", Refs: []string{"RS09"}, Title: "a real client (mcp-go's) looks for a way to a token", Exchange: realClient, Want: []Want{
			{From: 1, Text: "finds no MCP server"}, {From: 2, Text: "needs no token"},
			// Without metadata it guesses /register on this server.
			{From: 6, Text: "stops: registration request failed with status 404"},
			{From: 7, Text: "stops: server does not support dynamic client registration"}}},
		{ID: "metadata-host", Refs: []string{"RS09", "E01"}, Attack: true, Title: "put a foreign host into the metadata by the Host header", Request: Request{Method: "GET", Target: "/.well-known/oauth-protected-resource/mcp", Host: "evil.com"}, Want: []Want{{From: 1, Status: 403, Error: "host_not_allowed"}}},
		{ID: "metadata-forwarded", Refs: []string{"RS09", "E01"}, Attack: true, Title: "the same by forwarding headers", Request: get("/.well-known/oauth-protected-resource/mcp", "X-Forwarded-Host: evil.com", "X-Forwarded-Proto: https", "Forwarded: host=evil.com"), Want: absentUntil(7, Want{Status: 200, Has: resource, Lacks: never})},
		{ID: "server-metadata-forwarded", Refs: []string{"RS09", "E01"}, Attack: true, Title: "the same for the authorization server", Request: get("/.well-known/oauth-authorization-server", "X-Forwarded-Host: evil.com", "Forwarded: host=evil.com"), Want: absentUntil(7, Want{Status: 200, Lacks: never}, moved)},
		{ID: "challenge-forwarded", Refs: []string{"RS09", "E01"}, Attack: true, Title: "the same for the challenge", Request: Request{Body: "{}", Headers: []string{jsonType, "X-Forwarded-Host: evil.com"}},
			Want: absentUntil(2, Want{Status: 400, RPC: -32600}, Want{From: 6, Status: 401, Error: "missing_token", Lacks: never}, Want{From: 7, Status: 401, Error: "missing_token", Has: []string{`resource_metadata="http`, `scope="mcp:read"`}, Lacks: never})},
		{ID: "stated-urls", Refs: []string{"RS09", "A24"}, Title: "follow the challenge to the documents, byte by byte", Exchange: statedURLs, Want: []Want{
			{From: 1, Text: "nothing stated"}, {From: 7, Text: "all of one base"}, {From: 10, Text: "leads to the provider"}}},
		{ID: "cors-preflight", Refs: []string{"RS15"}, Title: "a page on localhost asks whether it may call", Request: Request{Method: "OPTIONS", Headers: []string{page, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization, content-type, mcp-protocol-version, mcp-method, mcp-param-region, x-evil"}},
			Want: absentUntil(2, Want{Status: 405, Lacks: []string{"Access-Control"}}, Want{From: 7, Status: 204, Has: []string{"Access-Control-Allow-Origin: http://localhost:6274", "Access-Control-Allow-Headers: authorization, content-type, mcp-protocol-version, mcp-method, mcp-param-region\n", "Access-Control-Allow-Methods: POST"}, Lacks: []string{"x-evil", "Credentials"}})},
		{ID: "cors-answer", Refs: []string{"RS15"}, Title: "a page on localhost reads an answer", Request: Request{Call: &Call{Method: "prompts/list"}, Token: alice, Headers: []string{page}},
			Want:   absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, Lacks: []string{"Access-Control"}, Note: "unreadable"}, Want{From: 7, Status: 200, Has: []string{"Access-Control-Allow-Origin: http://localhost:6274", "Access-Control-Expose-Headers: WWW-Authenticate, Mcp-Session-Id", "Vary: Origin"}, Note: "readable"}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 200, Lacks: []string{"Access-Control"}, Note: "unreadable"}, Want{From: 7, Status: 200, Has: []string{"Access-Control-Allow-Origin: http://localhost:6274"}, Note: "readable"})},
		{ID: "cors-challenge", Refs: []string{"RS15"}, Title: "a page on localhost reads the challenge", Request: Request{Body: "{}", Headers: []string{page, jsonType}},
			Want: absentUntil(2, Want{Status: 400, RPC: -32600}, Want{From: 6, Status: 401, Error: "missing_token", Lacks: []string{"Access-Control"}, Note: "unreadable"}, Want{From: 7, Status: 401, Error: "missing_token", Has: []string{"Access-Control-Allow-Origin: http://localhost:6274", "Access-Control-Expose-Headers: WWW-Authenticate"}, Note: "readable"})},
		{ID: "cors-metadata-preflight", Refs: []string{"RS15"}, Title: "any page asks whether it may read the metadata", Request: Request{Method: "OPTIONS", Target: "/.well-known/oauth-protected-resource/mcp", Headers: []string{"Origin: https://app.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: mcp-protocol-version"}},
			Want: absentUntil(7, Want{Status: 204, Has: []string{"Access-Control-Allow-Origin: *", "Access-Control-Allow-Headers: mcp-protocol-version"}})},
	}
	return inLayer(7, rows)
}

func rowsOfStep8() []Row {
	// With a token that has only some scopes, each operation.
	scope := func(id, title string, call *Call, token *Token, needs string, has string, refs ...string) Row {
		row := Row{ID: id, Refs: append([]string{"RS11"}, refs...), Title: title, Request: Request{Call: call, Token: token}}
		row.Want, row.Modern = workOf(has), modernWorkOf(has)
		if strings.HasSuffix(call.Method, "/list") {
			// Lists work as soon as there is something to list.
			row.Want[2], row.Modern[2] = Want{From: 3, Status: 200, Has: []string{has}}, Want{From: 3, Status: 200, Has: []string{has}}
		}
		if needs == "" {
			return row
		}
		row.Attack = true
		refusal := Want{From: 8, Status: 403, Error: "insufficient_scope", Has: []string{`scope="` + needs + `"`, `resource_metadata="http`, `error_description="`}, Lacks: []string{"structuredContent", `"result"`}}
		row.Want[3].Works, row.Modern[3].Works = true, true
		row.Want, row.Modern = append(row.Want, refusal), append(row.Modern, refusal)
		return row
	}
	role := func(id, title string, call *Call, token *Token, has string, refs ...string) Row {
		row := scope(id, title, call, token, "denied", has, refs...)
		denied := Want{From: 8, Status: 403, Error: "access_denied", Lacks: []string{"WWW-Authenticate", "structuredContent"}}
		row.Want[len(row.Want)-1], row.Modern[len(row.Modern)-1] = denied, denied
		return row
	}
	only := func(scopes string) *Token { return &Token{Username: "alice", Scopes: scopes} }
	odd := func(claims string) *Token { return &Token{Username: "alice", Scopes: alice.Scopes, Claims: claims} }
	tools, prompts := &Call{Method: "tools/list"}, &Call{Method: "prompts/list"}
	getHelp := &Call{Method: "prompts/get", Name: "help"}
	audit := &Call{Method: "tools/call", Name: "audit"}
	auditRow := func(id, title string, token *Token, last Want) Row {
		last.From = 8
		return Row{ID: id, Refs: []string{"E04"}, Attack: last.Status != http.StatusOK, Title: title, Request: Request{Call: audit, Token: token},
			Want:   absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, RPC: -32602}, last),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 400, RPC: -32602}, last)}
	}
	denied := Want{Status: 403, Error: "access_denied", Lacks: []string{"WWW-Authenticate", "decisions"}}
	// Who has no role is refused, until the roles come from a provider that
	// knows users of whom this server never heard.
	noRole := role("no-role-calls", "a user without any role calls echo", echoCall, &Token{Username: "alice", Scopes: alice.Scopes, Roles: []string{}}, echoed, "E05")
	bounded := Want{From: 10, Status: 200, Has: []string{echoed, `"text":"hi"`}}
	noRole.Attack, noRole.Want[3].Works, noRole.Modern[3].Works = false, false, false
	noRole.Want, noRole.Modern = append(noRole.Want, bounded), append(noRole.Modern, bounded)
	return inLayer(8, []Row{
		healthy(8, "scopes", `"scope_based_auth":true`), told(8, "scopes", `"userScopes":["mcp:read","mcp:tools","mcp:prompts"]`), told(8, "roles", `"userRoles":["user"]`),
		scope("scope-tools-for-call", "call echo with mcp:tools", echoCall, only("mcp:tools"), "", echoed),
		scope("scope-read-for-call", "call echo with mcp:read alone", echoCall, aliceRead, "mcp:tools", echoed, "E02"),
		scope("scope-none-for-call", "call echo with no scope", echoCall, only(""), "mcp:tools", echoed, "E02"),
		scope("scope-read-for-tools", "list the tools with mcp:read", tools, aliceRead, "", `"name":"echo"`),
		scope("scope-tools-for-tools", "list the tools with mcp:tools, which is broader", tools, only("mcp:tools"), "", `"name":"echo"`, "RS12"),
		scope("scope-prompts-for-tools", "list the tools with mcp:prompts", tools, only("mcp:prompts"), "mcp:read", `"name":"echo"`, "E02"),
		scope("scope-read-for-prompts", "list the prompts with mcp:read", prompts, aliceRead, "", `"name":"help"`),
		scope("scope-prompts-for-prompts", "list the prompts with mcp:prompts, which is broader", prompts, only("mcp:prompts"), "", `"name":"help"`, "RS12"),
		scope("scope-tools-for-prompts", "list the prompts with mcp:tools", prompts, only("mcp:tools"), "mcp:read", `"name":"help"`, "E02"),
		scope("scope-prompts-for-get", "get a prompt with mcp:prompts", getHelp, only("mcp:prompts"), "", "tools and prompts of this server", "RS12"),
		scope("scope-tools-for-get", "get a prompt with mcp:tools", getHelp, only("mcp:tools"), "mcp:read", "tools and prompts of this server", "E02"),

		scope("scope-suffix", "a scope that begins like the right one", echoCall, only("mcp:toolsX"), "mcp:tools", echoed, "E03"),
		scope("scope-prefix", "a scope that ends like the right one", echoCall, only("not-mcp:tools"), "mcp:tools", echoed, "E03"),
		scope("scope-upper-case", "the right scope in upper case", echoCall, only("MCP:TOOLS"), "mcp:tools", echoed, "E03"),
		scope("scope-tab", "scopes with a tab between", echoCall, odd(`{"scope":"mcp:read\tmcp:tools"}`), "mcp:tools", echoed, "E03"),
		scope("scope-comma", "scopes with a comma between", echoCall, odd(`{"scope":"mcp:read,mcp:tools"}`), "mcp:tools", echoed, "E03"),
		scope("scope-nbsp", "scopes with a no-break space between", echoCall, odd("{\"scope\":\"mcp:read\u00a0mcp:tools\"}"), "mcp:tools", echoed, "E03"),
		scope("scope-scp", "the right scopes in another claim", echoCall, odd(`{"scope":"","scp":["mcp:tools"],"scopes":["mcp:tools"]}`), "mcp:tools", echoed, "E03"),

		role("guest-calls", "a guest calls echo, with all scopes", echoCall, guest, echoed, "E02"),
		scope("guest-lists", "a guest lists the tools", tools, guest, "", `"name":"get_time"`),
		scope("guest-prompts", "a guest gets a prompt", getHelp, guest, "", "tools and prompts of this server"),
		noRole,

		auditRow("audit-by-admin", "an administrator reads the audit log", admin, Want{Status: 200, Has: []string{`"decisions":[`, `"subject":"admin"`, `"operation":"tools/call"`, `"name":"audit"`, `"allowed":true`}, Lacks: []string{"eyJ"}}),
		auditRow("audit-by-user", "a user calls the hidden tool", alice, denied),
		auditRow("audit-by-guest", "a guest calls the hidden tool", guest, denied),
		auditRow("audit-by-name", "a user who is called admin", odd(`{"preferred_username":"admin","sub":"admin"}`), denied),
		auditRow("audit-by-other-claim", "roles in claims that are not ours", odd(`{"realm_access":{"roles":["admin"]},"groups":["admin"],"role":"admin"}`), denied),
		auditRow("audit-without-scope", "an administrator whose client lacks mcp:tools", &Token{Username: "admin", Scopes: "mcp:read"}, Want{Status: 403, Error: "insufficient_scope", Has: []string{`scope="mcp:tools"`}}),
		{ID: "audit-listed", Refs: []string{"E04"}, Title: "an administrator's list of tools", Request: Request{Call: tools, Token: admin},
			Want:   absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, Lacks: []string{"audit"}, Note: "without audit"}, Want{From: 8, Status: 200, Has: []string{`"name":"audit"`, `"name":"echo"`, `"name":"get_time"`, `"name":"whoami"`}, Note: "with audit"}),
			Modern: absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 200, Lacks: []string{"audit"}, Note: "without audit"}, Want{From: 8, Status: 200, Has: []string{`"name":"audit"`}, Note: "with audit"})},
		{ID: "scope-none-initialize", Title: "introduce oneself with no scope", Request: Request{Call: &Call{Method: "server/discover"}, Token: only("")},
			Want: absentUntil(2, Want{Status: 200, RPC: -32601}), Modern: absentUntil(2, Want{Status: 200, Has: []string{"supportedVersions"}})},
	})
}

// inLayer says that rows belong to a layer.
func inLayer(layer int, rows []Row) []Row {
	for i := range rows {
		rows[i].Layer = layer
	}
	return rows
}
