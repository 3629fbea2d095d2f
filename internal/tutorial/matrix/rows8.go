package matrix

import "strings"

func rowsOfStep8() []Row {
	only := func(scopes string) *Token { return &Token{Username: "alice", Scopes: scopes} }
	odd := func(claims string) *Token { return aliceWith(Token{Claims: claims}) }
	tools, prompts := &Call{Method: "tools/list"}, &Call{Method: "prompts/list"}
	getHelp := &Call{Method: "prompts/get", Name: "help"}
	denied := Want{
		Status: 403, Error: "access_denied",
		Lacks: []string{"WWW-Authenticate", "structuredContent", "decisions"},
	}
	return inLayer(8, []Row{
		healthy(8, "scopes", `"scope_based_auth":true`),
		told(8, "scopes", `"userScopes":["mcp:read","mcp:tools","mcp:prompts"]`),
		told(8, "roles", `"userRoles":["user"]`),
		{
			ID: "scope-tools-for-call", Refs: []string{"RS11"}, Title: "call echo with mcp:tools",
			Request: Request{Call: echoCall, Token: only("mcp:tools")},
			Want:    workOf(echoed),
		},
		{
			ID: "scope-read-for-call", Refs: []string{"RS11", "E02"}, Attack: true,
			Title:   "call echo with mcp:read alone",
			Request: Request{Call: echoCall, Token: aliceRead},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "scope-step-up", Refs: []string{"RS11", "WA9", "WA10"}, Attack: true,
			Title:   "call echo with mcp:read and mcp:prompts: what does the challenge name?",
			Request: Request{Call: echoCall, Token: only("mcp:read,mcp:prompts")},
			Want: refusedFrom(8, workOf(echoed), Want{
				Status: 403, Error: "insufficient_scope", Note: "also what the token has",
				Has: []string{
					`scope="mcp:tools mcp:read mcp:prompts", resource_metadata="http`,
					`"id":1,"error":{"code":-32010,"message":"This needs the scope mcp:tools. Ask`,
					`"data":{"error":"insufficient_scope","error_description":"This needs`, `"scope":"mcp:tools mcp:read mcp:prompts"`,
				},
			}),
			Modern: refusedFrom(8, workOf(echoed), Want{
				Status: 403, Error: "insufficient_scope", Note: "what the call needs",
				Has: []string{`scope="mcp:tools", resource_metadata="http`, `"scope":"mcp:tools"`},
			}),
		},
		{
			ID: "scope-none-for-call", Refs: []string{"RS11", "E02"}, Attack: true, Title: "call echo with no scope",
			Request: Request{Call: echoCall, Token: only("")},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "large-without-scope", Refs: []string{"WD20"}, Attack: true, Title: "a large message by a client that may call nothing",
			Request: Request{
				Body:    `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"a":[0` + strings.Repeat(",0", 20<<10) + `]}}}`,
				Headers: []string{jsonType}, Token: only(""),
			},
			Want: absentUntil(2, Want{Status: 200}, Want{From: 8, Status: 413, RPC: -32600}),
		},
		{
			ID: "scope-read-for-tools", Refs: []string{"RS11"}, Title: "list the tools with mcp:read",
			Request: Request{Call: tools, Token: aliceRead},
			Want:    listOf(`"name":"echo"`),
		},
		{
			ID: "scope-tools-for-tools", Refs: []string{"RS11", "RS12"},
			Title:   "list the tools with mcp:tools, which is broader",
			Request: Request{Call: tools, Token: only("mcp:tools")},
			Want:    listOf(`"name":"echo"`),
		},
		{
			ID: "scope-prompts-for-tools", Refs: []string{"RS11", "E02"}, Attack: true,
			Title:   "list the tools with mcp:prompts",
			Request: Request{Call: tools, Token: only("mcp:prompts")},
			Want:    refusedFrom(8, listOf(`"name":"echo"`), lacks("mcp:read")),
		},
		{
			ID: "scope-read-for-prompts", Refs: []string{"RS11"}, Title: "list the prompts with mcp:read",
			Request: Request{Call: prompts, Token: aliceRead},
			Want:    listOf(`"name":"help"`),
		},
		{
			ID: "scope-prompts-for-prompts", Refs: []string{"RS11", "RS12"},
			Title:   "list the prompts with mcp:prompts, which is broader",
			Request: Request{Call: prompts, Token: only("mcp:prompts")},
			Want:    listOf(`"name":"help"`),
		},
		{
			ID: "scope-tools-for-prompts", Refs: []string{"RS11", "E02"}, Attack: true,
			Title:   "list the prompts with mcp:tools",
			Request: Request{Call: prompts, Token: only("mcp:tools")},
			Want:    refusedFrom(8, listOf(`"name":"help"`), lacks("mcp:read")),
		},
		{
			ID: "scope-prompts-for-get", Refs: []string{"RS11", "RS12"}, Title: "get a prompt with mcp:prompts",
			Request: Request{Call: getHelp, Token: only("mcp:prompts")},
			Want:    workOf("tools and prompts of this server"),
		},
		{
			ID: "scope-tools-for-get", Refs: []string{"RS11", "E02"}, Attack: true,
			Title:   "get a prompt with mcp:tools",
			Request: Request{Call: getHelp, Token: only("mcp:tools")},
			Want:    refusedFrom(8, workOf("tools and prompts of this server"), lacks("mcp:read")),
		},

		{
			ID: "scope-suffix", Refs: []string{"RS11", "E03"}, Attack: true,
			Title:   "a scope that begins like the right one",
			Request: Request{Call: echoCall, Token: only("mcp:toolsX")},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "scope-prefix", Refs: []string{"RS11", "E03"}, Attack: true,
			Title:   "a scope that ends like the right one",
			Request: Request{Call: echoCall, Token: only("not-mcp:tools")},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "scope-upper-case", Refs: []string{"RS11", "E03"}, Attack: true,
			Title:   "the right scope in upper case",
			Request: Request{Call: echoCall, Token: only("MCP:TOOLS")},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "scope-tab", Refs: []string{"RS11", "E03"}, Attack: true, Title: "scopes with a tab between",
			Request: Request{Call: echoCall, Token: odd(`{"scope":"mcp:read\tmcp:tools"}`)},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "scope-comma", Refs: []string{"RS11", "E03"}, Attack: true, Title: "scopes with a comma between",
			Request: Request{Call: echoCall, Token: odd(`{"scope":"mcp:read,mcp:tools"}`)},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "scope-nbsp", Refs: []string{"RS11", "E03"}, Attack: true,
			Title:   "scopes with a no-break space between",
			Request: Request{Call: echoCall, Token: odd("{\"scope\":\"mcp:read\u00a0mcp:tools\"}")},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},
		{
			ID: "scope-scp", Refs: []string{"RS11", "E03"}, Attack: true, Title: "the right scopes in another claim",
			Request: Request{Call: echoCall, Token: odd(`{"scope":"","scp":["mcp:tools"],"scopes":["mcp:tools"]}`)},
			Want:    refusedFrom(8, workOf(echoed), lacks("mcp:tools")),
		},

		{
			ID: "guest-calls", Refs: []string{"RS11", "E02"}, Attack: true,
			Title:   "a guest calls echo, with all scopes",
			Request: Request{Call: echoCall, Token: guest},
			Want:    refusedFrom(8, workOf(echoed), denied),
		},
		{
			ID: "guest-lists", Refs: []string{"RS11"}, Title: "a guest lists the tools",
			Request: Request{Call: tools, Token: guest},
			Want:    listOf(`"name":"get_time"`),
		},
		{
			ID: "guest-prompts", Refs: []string{"RS11"}, Title: "a guest gets a prompt",
			Request: Request{Call: getHelp, Token: guest},
			Want:    workOf("tools and prompts of this server"),
		},
		{
			ID:      "no-role-calls",
			Refs:    []string{"RS11", "E05"},
			Title:   "a user without any role calls echo",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Roles: []string{}})},
			// The roles of step 10 come from a provider, whose users this server
			// doesn't know: there, no role takes nothing away.
			Want: append(workOf(echoed), denied.from(8), Want{From: 10, Status: 200, Has: []string{echoed}}),
		},

		{
			ID: "audit-by-admin", Refs: []string{"E04"}, Title: "an administrator reads the audit log",
			Request: Request{Call: audit, Token: admin},
			Want: unknownUntil(8, Want{
				Status: 200,
				Has: []string{
					`"decisions":[`, `"subject":"admin"`, `"operation":"tools/call"`,
					`"name":"audit"`, `"allowed":true`,
				},
				Lacks: []string{"eyJ"},
			}),
		},
		{
			ID: "audit-by-user", Refs: []string{"E04"}, Attack: true, Title: "a user calls the hidden tool",
			Request: Request{Call: audit, Token: alice},
			Want:    unknownUntil(8, denied),
		},
		{
			ID: "audit-by-guest", Refs: []string{"E04"}, Attack: true, Title: "a guest calls the hidden tool",
			Request: Request{Call: audit, Token: guest},
			Want:    unknownUntil(8, denied),
		},
		{
			ID: "audit-by-name", Refs: []string{"E04"}, Attack: true, Title: "a user with the name admin",
			Request: Request{Call: audit, Token: odd(`{"preferred_username":"admin","sub":"admin"}`)},
			Want:    unknownUntil(8, denied),
		},
		{
			ID: "audit-by-other-claim", Refs: []string{"E04"}, Attack: true,
			Title: "roles in claims that this server does not read",
			Request: Request{
				Call: audit, Token: odd(`{"realm_access":{"roles":["admin"]},"groups":["admin"],"role":"admin"}`),
			},
			Want: unknownUntil(8, denied),
		},
		{
			ID: "audit-without-scope", Refs: []string{"E04"}, Attack: true,
			Title:   "an administrator whose client lacks mcp:tools",
			Request: Request{Call: audit, Token: &Token{Username: "admin", Scopes: "mcp:read"}},
			Want:    unknownUntil(8, Want{Status: 403, Error: "insufficient_scope", Has: []string{`scope="mcp:tools`}}),
		},
		{
			ID: "audit-listed", Refs: []string{"E04"}, Title: "an administrator's list of tools",
			Request: Request{Call: tools, Token: admin},
			Want: unknownMethod(
				Want{Status: 200, Lacks: []string{"audit"}, Note: "without audit"},
				Want{
					From: 8, Status: 200,
					Has: []string{
						`"name":"audit"`, `"name":"echo"`, `"name":"get_time"`, `"name":"whoami"`,
					},
					Note: "with audit",
				}),
		},
		{
			ID: "scope-none-initialize", Title: "server/discover with no scope",
			Request: Request{Call: &Call{Method: "server/discover"}, Token: only("")},
			Want:    absentUntil(2, Want{Status: 200, RPC: -32601}),
			Modern:  absentUntil(2, Want{Status: 200, Has: []string{"supportedVersions"}}),
		},
	})
}
