package matrix

import (
	"fmt"
	"strings"
)

func rowsOfStep2() []Row {
	invalid := Want{Status: 400, RPC: -32600, Lacks: []string{`"result"`}}
	broken := Want{Status: 400, RPC: -32700, Lacks: []string{`"result"`}}
	mismatch := Want{Status: 400, RPC: -32020}
	notOffered := absentUntil(2, Want{Status: 200, RPC: -32601})

	rows := []Row{
		{
			ID: "initialize", Refs: []string{"RS03"}, Title: "the handshake of 2025-11-25",
			Request: Request{Call: initialize("2025-11-25"), Token: alice},
			Modern:  notOffered,
			Want: absentUntil(2, Want{
				Status: 200, Has: []string{`"protocolVersion":"2025-11-25"`, `"serverInfo"`},
				Lacks: []string{"Mcp-Session-Id"},
			}),
		},
		{
			ID: "initialize-2025-06-18", Refs: []string{"RS03"}, Title: "the handshake of 2025-06-18",
			Request: Request{Call: initialize("2025-06-18"), Token: alice},
			Modern:  notOffered,
			Want:    absentUntil(2, Want{Status: 200, Has: []string{`"protocolVersion":"2025-06-18"`}}),
		},
		{
			ID: "initialize-other", Refs: []string{"RS03"}, Title: "a handshake of a version that isn't served",
			Request: Request{Call: initialize("2024-11-05"), Token: alice},
			Modern:  notOffered,
			Want:    absentUntil(2, Want{Status: 200, Has: []string{`"protocolVersion":"2025-11-25"`}}),
		},
		{
			ID: "discover", Refs: []string{"RS04"}, Title: "discovery of 2026-07-28",
			Request: Request{Call: &Call{Method: "server/discover"}, Token: alice},
			Want:    notOffered,
			Modern: absentUntil(2, Want{
				Status: 200,
				Has: []string{
					`"supportedVersions":["2026-07-28","2025-11-25","2025-06-18"]`,
					`"resultType":"complete"`, `"ttlMs":`, `"cacheScope":"private"`,
				},
			}),
		},
		{
			ID: "ping", Refs: []string{"RS03"}, Title: "ping, which 2026-07-28 has removed",
			Request: Request{Call: &Call{Method: "ping"}, Token: alice},
			Modern:  notOffered,
			Want:    absentUntil(2, Want{Status: 200, Has: []string{`"result":{}`}}),
		},
		{
			ID: "notification", Refs: []string{"RS03"}, Title: "a notification",
			Request: Request{
				Body: `{"jsonrpc":"2.0","method":"notifications/initialized"}`, Headers: []string{jsonType},
				Token: alice,
			},
			Want: absentUntil(2, Want{Status: 202, Lacks: []string{"{"}}),
		},
		{
			ID: "cancel-others", Refs: []string{"RS05", "A23"}, Attack: true,
			Title: "cancel the request of another caller",
			Request: Request{
				Body:    `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
				Headers: []string{jsonType}, Token: alice,
			},
			Want: absentUntil(2, Want{Status: 202, Lacks: []string{"{"}}),
		},
		{
			ID: "listen", Refs: []string{"RS03", "A23"}, Attack: true,
			Title:   "hold a stream open with subscriptions/listen",
			Request: Request{Call: &Call{Method: "subscriptions/listen", Params: `"notifications":{}`}, Token: alice},
			Want:    notOffered,
		},
		{
			ID: "unknown-method", Refs: []string{"RS03", "A18"}, Attack: true, Title: "a method that does not exist",
			Request: Request{Call: &Call{Method: "rpc.x"}, Token: alice},
			Want:    notOffered,
		},
		{
			ID: "logging-set-level", Refs: []string{"RS03", "A18"}, Attack: true,
			Title:   "a method that mcp-go has and this server does not offer",
			Request: Request{Call: &Call{Method: "logging/setLevel", Params: `"level":"debug"`}, Token: alice},
			Want:    notOffered,
		},
		{
			ID: "session-foreign", Refs: []string{"RS05", "A21"}, Attack: true, Title: "a session id of another user",
			Request: Request{
				Call: &Call{Method: "tools/call", Name: "whoami"}, Token: alice,
				Headers: []string{"Mcp-Session-Id: session-of-admin"},
			},
			Want: absentUntil(2,
				Want{Status: 200, RPC: -32601},
				Want{From: 3, Status: 200, RPC: -32602},
				Want{
					From: 6, Status: 200, Has: []string{`"subject":"alice"`},
					Lacks: []string{"Mcp-Session-Id"},
				}),
		},
		{
			ID: "session-none", Refs: []string{"RS05", "A22"}, Attack: true, Title: "fill the memory with sessions",
			Exchange: manyHandshakes,
			Want:     []Want{{From: 1, Text: "no session was made"}},
		},

		{
			ID: "batch", Refs: []string{"RS03", "A10"}, Attack: true, Title: "a batch",
			Request: post(`[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "batch-empty", Refs: []string{"RS03", "A10"}, Attack: true, Title: "an empty batch",
			Request: post(`[]`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "name-twice", Refs: []string{"RS03", "A11"}, Attack: true, Title: "two methods in one message",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "name-other-case", Refs: []string{"RS03", "A11"}, Attack: true,
			Title:   "a second method, spelled METHOD",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "method-two-readers", Refs: []string{"RS03", "A11"}, Attack: true,
			Title: "a harmless method for the check, and another one for the server",
			Request: post(
				`{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call","params":{"name":"audit"}}`,
			),
			Want: absentUntil(2, invalid),
		},
		{
			ID: "name-only-other-case", Refs: []string{"RS03", "A11"}, Attack: true,

			Title:   "a method, spelled METHOD",
			Request: post(`{"jsonrpc":"2.0","id":1,"METHOD":"ping"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "tool-other-case", Refs: []string{"RS03", "A11"}, Attack: true,
			Title:   "a second tool name in another case",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"audit","name":"echo"}}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "tool-only-other-case", Refs: []string{"RS03", "A11"}, Attack: true,
			Title:   "a tool name in another case alone",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"audit"}}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "name-nul", Refs: []string{"RS03", "A11"}, Attack: true, Title: "a NUL in a member's name",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"ping","method\u0000":"x"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "deep", Refs: []string{"RS03", "A12"}, Attack: true, Title: "10,001 levels of arrays",
			Request: post(strings.Repeat("[", 10_001)),
			Want:    absentUntil(2, broken),
		},
		{
			ID: "deeper", Refs: []string{"RS03", "A12"}, Attack: true, Title: "half a million levels of arrays",
			Request: post(strings.Repeat("[", 500_000)),
			Want:    absentUntil(2, broken),
		},
		{
			ID: "trailing", Refs: []string{"RS03", "A12"}, Attack: true, Title: "text after the message",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"ping"}x`),
			Want:    absentUntil(2, broken),
		},
		{
			ID: "bom", Refs: []string{"RS03", "A12"}, Attack: true, Title: "a byte order mark",
			Request: post("\ufeff" + `{"jsonrpc":"2.0","id":1,"method":"ping"}`),
			Want:    absentUntil(2, broken),
		},
		{
			ID: "utf8", Refs: []string{"RS03", "A12"}, Attack: true, Title: "broken UTF-8",
			Request: post("{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}"),
			Want:    absentUntil(2, broken),
		},
		{
			ID: "surrogate", Refs: []string{"RS03", "A12"}, Attack: true, Title: "a lone surrogate",
			Request: post(`{"jsonrpc":"2.0","id":"\ud800","method":"ping"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "id-overflow", Refs: []string{"RS03", "A12"}, Attack: true, Title: "an id too large for a number",
			Request: post(`{"jsonrpc":"2.0","id":1e999,"method":"ping"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "id-null", Refs: []string{"RS03", "A12"}, Attack: true, Title: "an id of null",
			Request: post(`{"jsonrpc":"2.0","id":null,"method":"ping"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "id-object", Refs: []string{"RS03", "A12"}, Attack: true, Title: "an id that is an object",
			Request: post(`{"jsonrpc":"2.0","id":{},"method":"ping"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "response", Refs: []string{"RS03"}, Attack: true, Title: "a response to nothing",
			Request: post(`{"jsonrpc":"2.0","id":1,"result":{}}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "no-version", Refs: []string{"RS03"}, Attack: true, Title: "a message without jsonrpc",
			Request: post(`{"id":1,"method":"ping"}`),
			Want:    absentUntil(2, invalid),
		},
		{
			ID: "body-huge", Refs: []string{"RS03", "A13"}, Attack: true, Title: "a body of 100 MiB",
			Request: post(strings.Repeat(" ", 1<<20+1), "Content-Length: 104857600"),
			Want:    absentUntil(2, Want{Status: 413, RPC: -32600, Has: []string{"Connection: close\n"}}),
		},
		{
			ID: "body-endless", Refs: []string{"RS03", "A13"}, Attack: true, Title: "an endless body in chunks",
			Request: post(
				fmt.Sprintf("%x\r\n%s\r\n", 2<<20, strings.Repeat(" ", 2<<20)),
				"Transfer-Encoding: chunked",
			),
			Want: absentUntil(2, Want{Status: 413, RPC: -32600}),
		},
		{
			ID: "body-gzip", Refs: []string{"RS03", "A13"}, Attack: true, Title: "a compressed body",
			Request: post("\x1f\x8b\x08", "Content-Encoding: gzip"),
			Want:    absentUntil(2, Want{Status: 415, RPC: -32600}),
		},
		{
			ID: "type-text", Refs: []string{"RS03", "A06"}, Attack: true,
			Title:   "a text/plain body, which any page can send without a preflight",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Content-Type: text/plain"),
			Want:    absentUntil(2, Want{Status: 415, RPC: -32600}),
		},
		{
			ID: "type-form", Refs: []string{"RS03", "A06"}, Attack: true,
			Title: "a form, which any page can send without a preflight",
			Request: post(
				`{"jsonrpc":"2.0","id":1,"method":"ping"}`,
				"Content-Type: application/x-www-form-urlencoded",
			),
			Want: absentUntil(2, Want{Status: 415, RPC: -32600}),
		},
		{
			ID: "type-twice", Refs: []string{"RS03", "A06"}, Attack: true,
			Title:   "two Content-Type headers: text/plain, and then application/json",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Content-Type: text/plain", jsonType),
			Want:    absentUntil(2, Want{Status: 415, RPC: -32600}),
		},
		{
			ID: "version-unknown", Refs: []string{"RS03", "A18"}, Attack: true,
			Title:   "a protocol version that isn't known",
			Request: post(`{"jsonrpc":"2.0","id":1,"method":"ping"}`, "MCP-Protocol-Version: 1999-01-01"),
			Want: absentUntil(2, Want{
				Status: 400, RPC: -32022,
				Has: []string{
					`"supported":["2026-07-28","2025-11-25","2025-06-18"]`,
					`"requested":"1999-01-01"`,
				},
			}),
		},
		{
			ID: "type-missing", Refs: []string{"A06"}, Attack: true, Title: "a body without a Content-Type",
			Request: Request{Body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Token: alice},
			Want:    absentUntil(2, Want{Status: 415, RPC: -32600}),
		},
	}
	// What the headers of 2026-07-28 say must be what the body says.
	discover := `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{` + metaKeys + `}}`
	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"},` + metaKeys + `}}`
	modern := "MCP-Protocol-Version: 2026-07-28"
	for _, m := range []struct {
		id, title, body string
		headers         []string
	}{
		{
			"method", "a header that names another method", call,
			[]string{modern, "Mcp-Method: tools/list", "Mcp-Name: echo"},
		},
		{"method-missing", "no Mcp-Method", discover, []string{modern}},
		{
			"method-twice", "two Mcp-Method headers", discover,
			[]string{modern, "Mcp-Method: server/discover", "Mcp-Method: tools/call"},
		},
		{
			"name", "a header that names another tool", call,
			[]string{modern, "Mcp-Method: tools/call", "Mcp-Name: get_time"},
		},
		{"name-missing", "no Mcp-Name", call, []string{modern, "Mcp-Method: tools/call"}},
		{
			"name-base64", "an Mcp-Name that is broken base64", call,
			[]string{modern, "Mcp-Method: tools/call", "Mcp-Name: =?base64?%%%?="},
		},
		{
			"version", "a header with an older version than the body", discover,
			[]string{"MCP-Protocol-Version: 2025-11-25", "Mcp-Method: server/discover"},
		},
		{
			"version-absent", "no header for the version in the body", discover,
			[]string{"Mcp-Method: server/discover"},
		},
	} {
		rows = append(rows, Row{
			ID: "mismatch-" + m.id, Refs: []string{"RS04", "A17"}, Attack: true, Title: m.title,
			Request: Request{Body: m.body, Headers: append(m.headers, jsonType), Token: alice},
			Want:    absentUntil(2, mismatch),
		})
	}
	rows = append(rows, Row{
		ID: "meta-missing", Refs: []string{"RS04", "A17"}, Attack: true,
		Title: "a version header without _meta in the body",
		Request: Request{
			Body:    `{"jsonrpc":"2.0","id":1,"method":"server/discover"}`,
			Headers: []string{modern, "Mcp-Method: server/discover", jsonType}, Token: alice,
		},
		Want: absentUntil(2, Want{Status: 400, RPC: -32602}),
	})
	for _, method := range []string{"GET", "DELETE", "PUT", "PATCH", "HEAD"} {
		rows = append(rows, Row{
			ID: "method-" + strings.ToLower(method), Refs: []string{"RS03", "A07"}, Attack: true,
			Title:   method + " on the MCP endpoint, without a token",
			Request: Request{Method: method},
			Want: absentUntil(2, Want{Status: 405, Has: []string{"Allow: POST"}}, Want{
				From: 7, Status: 405, Has: []string{"Allow: OPTIONS, POST"},
			}),
		})
	}
	rows = append(rows, Row{
		ID: "method-options", Refs: []string{"RS03", "A07"}, Attack: true, Title: "OPTIONS of a foreign page",
		Request: Request{
			Method: "OPTIONS", Headers: []string{"Origin: http://evil.com", "Access-Control-Request-Method: POST"},
		},
		Want: []Want{
			{From: 1, Status: 403, Error: "origin_not_allowed", Lacks: []string{"Access-Control-Allow-Origin"}},
		},
	})
	// Whatever is the MCP endpoint for the router must be it for the checks.
	for _, p := range []struct {
		id, target string
		status     int // until step 6, from step 2
	}{
		{"double-slash", "//mcp", 307}, {"dot-dot", "/x/../mcp", 307},
		{"trailing-slash", "/mcp/", 404}, {"upper-case", "/MCP", 404},
		{"matrix-parameter", "/mcp;x", 404}, {"encoded", "/%6dcp", 200},
		{"empty-query", "/mcp?", 200},
	} {
		row := Row{
			ID: "path-" + p.id, Refs: []string{"A09"}, Attack: true,
			Title: "the path " + p.target + ", without a token",
			Request: Request{
				Target: p.target, Body: `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Headers: []string{jsonType},
			},
		}
		switch p.status {
		case 200:
			row.Want = absentUntil(2, Want{Status: 200, Works: true}, Want{
				From: 6, Status: 401, Error: "missing_token",
			})
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
