package matrix

import (
	"strings"

	"mcp-auth-step-by-step/internal/oauth/mint"
)

func rowsOfStep6() []Row {
	missing := Want{
		Status: 401, Error: "missing_token", Has: []string{`"error":{"code":-32010`}, Lacks: []string{`error="`, "structuredContent"},
	}
	invalid := Want{Status: 401, Error: "invalid_token", Lacks: []string{"structuredContent"}}
	twice := Want{Status: 400, Error: "invalid_request", Lacks: []string{"structuredContent"}}
	who := &Call{Method: "tools/call", Name: "whoami"}
	rows := []Row{
		healthy(6, "jwt", `"jwt_enabled":true`),
		healthy(6, "auth", `"auth_required":true`),
		told(6, "jwt", `"jwt_enabled":true`),
		told(6, "user", `"authenticatedUser":"alice"`),
		{
			ID: "token-good", Refs: []string{"RS08"}, Title: "a good token",
			Request: Request{Call: echoCall, Token: alice},
			Want:    workOf(echoed),
		},
		{
			ID: "token-scheme-lower-case", Refs: []string{"RS06", "B02"}, Title: "a good token, as 'bearer'",
			Request: Request{Call: echoCall, Token: alice, Headers: []string{"Authorization: bearer {token}"}},
			Want:    workOf(echoed),
		},
		{
			ID: "audience-among-others", Refs: []string{"RS08", "C14"}, Title: "a token for this server and another",
			Request: Request{
				Call: echoCall,
				Token: &Token{
					Username: "alice", Scopes: alice.Scopes, Claims: `{"aud":["https://other.example","{resource}"]}`,
				},
			},
			Want: workOf(echoed),
		},
		{
			ID: "whoami", Refs: []string{"RS08"}, Title: "call whoami",
			Request: Request{Call: who, Token: alice},
			Want: unknownUntil(6, Want{
				From: 6, Status: 200,
				Has: []string{`"subject":"alice"`, `"client_id":"gentoken"`},
			}),
		},

		{
			ID: "token-missing", Refs: []string{"RS06", "RS07", "B01"}, Attack: true, Title: "no token",
			Request: Request{Call: echoCall},
			Want:    untilTokens(missing),
		},
		{
			ID: "token-in-query", Refs: []string{"RS08", "B04"}, Attack: true, Title: "a good token in the query",
			Request: Request{
				Call: echoCall, Target: "/mcp?access_token={token}", Token: alice,
				Headers: []string{"X-Not-A-Credential: {token}"},
			},
			Want: untilTokens(missing),
		},
		{
			ID: "token-in-cookie", Refs: []string{"RS08"}, Attack: true, Title: "a good token in a cookie",
			Request: Request{Call: echoCall, Token: alice, Headers: []string{"Cookie: access_token={token}"}},
			Want:    untilTokens(missing),
		},
		{
			ID: "scheme-basic", Refs: []string{"RS06", "B02"}, Attack: true, Title: "the scheme Basic",
			Request: Request{Call: echoCall, Headers: []string{"Authorization: Basic YTpi"}},
			Want:    untilTokens(missing),
		},
		{
			ID: "scheme-alone", Refs: []string{"RS06", "B02"}, Attack: true, Title: "Bearer without a token",
			Request: Request{Call: echoCall, Headers: []string{"Authorization: Bearer"}},
			Want:    untilTokens(invalid),
		},
		{
			ID: "scheme-two-words", Refs: []string{"RS06", "B02"}, Attack: true, Title: "Bearer with two words",
			Request: Request{Call: echoCall, Headers: []string{"Authorization: Bearer a b"}},
			Want:    untilTokens(invalid),
		},
		{
			ID: "scheme-two-blanks", Refs: []string{"RS06", "B02"}, Attack: true,
			Title:   "two blanks before a good token",
			Request: Request{Call: echoCall, Token: alice, Headers: []string{"Authorization: Bearer  {token}"}},
			Want:    untilTokens(invalid),
		},
		{
			ID: "scheme-tab", Refs: []string{"RS06", "B02"}, Attack: true, Title: "a tab before a good token",
			Request: Request{Call: echoCall, Token: alice, Headers: []string{"Authorization: Bearer\t{token}"}},
			Want:    untilTokens(invalid),
		},
		{
			ID: "credentials-bad-good", Refs: []string{"B03"}, Attack: true,
			Title: "two Authorization headers, the second good",
			Request: Request{
				Call: echoCall, Token: alice,
				Headers: []string{"Authorization: Bearer bad", "Authorization: Bearer {token}"},
			},
			Want: untilTokens(twice),
		},
		{
			ID: "credentials-good-bad", Refs: []string{"B03"}, Attack: true,
			Title: "two Authorization headers, the first good",
			Request: Request{
				Call: echoCall, Token: alice,
				Headers: []string{"Authorization: Bearer {token}", "Authorization: Bearer bad"},
			},
			Want: untilTokens(twice),
		},
		{
			ID: "credentials-comma", Refs: []string{"B03"}, Attack: true, Title: "two credentials in one header",
			Request: Request{
				Call: echoCall, Token: alice, Headers: []string{"Authorization: Bearer {token}, Bearer {token}"},
			},
			Want: untilTokens(twice),
		},
		{
			ID: "token-20k", Refs: []string{"A15"}, Attack: true, Title: "a token of 20 KB",
			Request: Request{
				Call: echoCall, Headers: []string{"Authorization: Bearer " + strings.Repeat("a.", 10<<10)},
			},
			Want: untilTokens(invalid),
		},
		{
			ID: "token-five-parts", Refs: []string{"RS08", "C11"}, Attack: true, Title: "an encrypted token",
			Request: Request{Call: echoCall, Headers: []string{"Authorization: Bearer a.b.c.d.e"}},
			Want:    untilTokens(invalid),
		},
		{
			ID: "session-without-token", Refs: []string{"RS05", "A21"}, Attack: true,
			Title:   "a session id instead of a token",
			Request: Request{Call: echoCall, Headers: []string{"Mcp-Session-Id: session-of-admin"}},
			Want:    untilTokens(missing),
		},
	}
	for _, flaw := range mint.Flaws {
		rows = append(rows, Row{
			ID: "flaw-" + flaw.Name, Refs: []string{"RS08", flaw.Attack}, Attack: true,
			Title:   "a token that " + flaw.Explain,
			Request: Request{Call: echoCall, Token: aliceWith(Token{Flaw: flaw.Name})},
			Want:    untilTokens(invalid),
		})
	}
	// Before it is known who asks, nobody's message is read: every body and
	// every operation gets the same answer.
	rows = append(rows, Row{
		ID: "body-unread", Refs: []string{"RS06", "B01"}, Attack: true, Title: "broken JSON without a token",
		Request: Request{Body: "{", Headers: []string{jsonType}},
		Want: absentUntil(2, Want{Status: 400, RPC: -32700}, Want{
			From: 6, Status: 401, Error: "missing_token", Has: []string{`Bearer realm="mcp"`},
		}),
	})
	return inLayer(6, rows)
}
