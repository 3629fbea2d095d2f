package matrix

import (
	"slices"
	"strings"
)

func rowsOfStep1() []Row {
	rows := []Row{
		{
			ID: "health", Title: "the health report",
			Request: get("/health"),
			Want: []Want{
				{From: 1, Status: 200, Has: []string{`{"status":"healthy"}`, "Cache-Control: no-store"}},
				{From: 5, Status: 200, Has: []string{`"status":"healthy"`}},
			},
		},
		{
			ID: "origin-absent-mcp", Refs: []string{"RS01"},
			Title:   "a call without an Origin, as MCP clients make it",
			Request: Request{Call: echoCall, Token: alice},
			Want:    workOf(echoed),
		},
		{
			ID: "origin-evil-mcp", Refs: []string{"RS01", "A01"}, Attack: true,
			Title:   "a page of evil.com calls the MCP endpoint",
			Request: Request{Call: echoCall, Token: alice, Headers: []string{"Origin: http://evil.com"}},
			Want: []Want{
				{From: 1, Status: 403, Error: "origin_not_allowed", Lacks: []string{"Access-Control-Allow-Origin"}},
			},
		},
		{
			ID: "origin-twice", Refs: []string{"RS01", "A02"}, Attack: true,
			Title:   "two Origin headers, the first allowed",
			Request: get("/health", "Origin: http://localhost", "Origin: http://evil.com"),
			Want:    []Want{{From: 1, Status: 403, Error: "origin_not_allowed"}},
		},
		{
			ID: "host-rebound", Refs: []string{"RS02", "A04"}, Attack: true,
			Title:   "DNS rebinding: a foreign host name that resolves to this server",
			Request: Request{Method: "GET", Target: "/health", Host: "evil.com:9000"},
			Want:    []Want{{From: 1, Status: 403, Error: "host_not_allowed"}},
		},
		{
			ID: "host-rebound-same-origin", Refs: []string{"RS02", "A04"}, Attack: true,
			Title: "DNS rebinding, with an Origin equal to the Host",
			Request: Request{
				Call: echoCall, Token: alice, Host: "evil.com:9000",
				Headers: []string{"Origin: http://evil.com:9000"},
			},
			Want: []Want{{From: 1, Status: 403, Error: "host_not_allowed"}},
		},
		{
			ID: "target-absolute", Refs: []string{"RS02", "A05"}, Attack: true,
			Title: "a foreign host in the request target",
			Request: Request{
				Target: "http://evil.com/mcp", Host: "127.0.0.1", Body: "{}", Headers: []string{jsonType},
			},
			Want: []Want{{From: 1, Status: 403, Error: "host_not_allowed"}},
		},
		{
			ID: "cross-site-without-origin", Refs: []string{"RS01", "A06"}, Attack: true,
			Title: "a cross-site request, by its Sec-Fetch-Site header",
			Request: Request{
				Headers: []string{"Sec-Fetch-Site: cross-site", "Content-Type: text/plain"},
				Body:    `{"jsonrpc":"2.0","id":1,"method":"ping"}`, Token: alice,
			},
			Want: []Want{{From: 1, Status: 403, Error: "cross_site_request"}},
		},
		{
			ID: "loopback-only", Refs: []string{"RS02", "A08"}, Attack: true,
			Title:    "reach the server from another machine",
			Exchange: onLoopback,
			Want:     []Want{{From: 1, Text: "bound to loopback"}},
		},
		{
			ID: "slow-header", Refs: []string{"A14"}, Attack: true,
			Title:    "send a header byte by byte, on many connections",
			Exchange: slowly("GET /health HTTP/1.1\r\nHost: "),
			Want:     []Want{{From: 1, Text: "slow ones closed, others served"}},
		},
		{
			ID: "slow-body", Refs: []string{"A14"}, Attack: true,
			Title: "send a body byte by byte, on many connections",
			Exchange: slowly("POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n" +
				"Authorization: Bearer {token}\r\nContent-Length: 1000\r\n\r\n{"),
			Want: []Want{{From: 1, Text: "slow ones closed, others served"}},
		},
		{
			ID: "two-lengths", Refs: []string{"WD14"}, Attack: true,
			Title: "a request behind one that has both Content-Length and Transfer-Encoding",
			Request: Request{
				Method: "GET", Target: "/health", Headers: []string{"Content-Length: 5", "Transfer-Encoding: chunked"},
				Body: "0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
			},
			Want: []Want{{From: 1, Status: 200, Has: []string{"Connection: close\n"}}},
		},
		{
			ID: "header-900k", Refs: []string{"A15"}, Attack: true, Title: "an Authorization header of 900 KB",
			Request: get("/health", "Authorization: Bearer "+strings.Repeat("a", 900<<10)),
			Want:    []Want{{From: 1, Status: 431}},
		},
		{
			ID: "headers-20000", Refs: []string{"A15"}, Attack: true, Title: "20,000 headers",
			Request: get("/health", slices.Repeat([]string{"X-A: b"}, 20_000)...),
			Want:    []Want{{From: 1, Status: 431}},
		},
	}
	for _, origin := range origins {
		row := Row{
			ID: "origin-" + origin.id, Refs: []string{"RS01"}, Title: "a page with the Origin " + origin.value,
			Request: get("/health", "Origin: "+origin.value),
			Want:    []Want{{From: 1, Status: 200}},
		}
		if !origin.allowed {
			row.Refs, row.Attack = []string{"RS01", origin.attack}, true
			row.Want = []Want{
				{
					From: 1, Status: 403, Error: "origin_not_allowed",
					Lacks: []string{"Access-Control-Allow-Origin"},
				},
			}
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
