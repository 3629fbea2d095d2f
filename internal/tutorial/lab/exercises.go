package lab

import "mcp-auth-step-by-step/internal/tutorial/matrix"

// Exercise is something that a reader does with a step: take a line out and see what
// gets in, or build something without a recipe.
type Exercise struct {
	ID    string // "6.2": the step, and a number
	Step  int
	Title string
	// Folder and Line name what is taken out: a mutant of that package, as package
	// mutation names it, or the beginning of its name. Empty for an exercise without a
	// recipe.
	Folder, Line string
	// Which is Markdown that says which line it is, where the file has several that read so.
	Which string
	// Ask is asked in place of "What gets in?", where nothing gets in.
	Ask string
	// Task is what to build, where there is no recipe.
	Task string
	// Trials are what gets in without the line; or what must be so once the task is
	// done.
	Trials []Trial
	// Choices are answers to "Which check was it?", and Right the index of the right
	// one. Explain is shown with it.
	Choices []string
	Right   int
	Explain string
}

// Free tells whether there is no recipe.
func (e Exercise) Free() bool { return e.Line == "" }

// Attacks tells whether its trials are attacks, which get in without the line.
func (e Exercise) Attacks() bool { return e.Ask == "" }

// Trial is one thing that is tried.
type Trial struct {
	What string // in words
	// Row is the id of a row whose request is sent; Request one of its own. Want is
	// the answer that shows that it got in, or that the task is done.
	Row     string
	Request matrix.Request
	Era     matrix.Era
	Want    matrix.Want
	// Flow is an attack on an authorization server instead.
	Flow string
	// Server is a server that the client calls instead: that of the lab, or a path of
	// the attacker. Says is what the client then prints.
	Server, Says string
}

// honest is the MCP server of the lab.
const honest = "honest"

// Exercises are all of them.
var Exercises = []Exercise{
	{
		ID: "1.1", Step: 1, Title: "The page next door",
		Folder: "internal/mcpserver/originguard", Line: "Protect: if len(given) > 1 || len(given) == 1 && !cors.Allowed(origins, given[0])",
		Trials: []Trial{
			{What: "a page of http://localhost.evil.com asks for the health report", Row: "origin-prefix", Want: gets("healthy", "")},
			{What: "a page of http://evil.com asks for it", Row: "origin-evil", Want: gets("healthy", "")},
		},
		Choices: []string{"by which name the server was called", "from which page the request comes", "whether the caller has a token"}, Right: 1,
		Explain: "The browser writes the page's scheme, host and port into Origin, and no page can change that. " +
			"Without the check every page is let in.",
	},
	{
		ID: "1.2", Step: 1, Title: "A foreign name for this machine",
		Folder: "internal/mcpserver/originguard",
		Line:   "Protect: if !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, r.Host) })",
		Trials: []Trial{
			{What: "a request for evil.com, whose name leads here", Row: "host-rebound", Want: gets("healthy", "")},
		},
		Choices: []string{"by which name the server was called", "from which page the request comes", "how long the header may be"}, Right: 0,
		Explain: "After DNS rebinding the page's own name leads to this machine. " +
			"Origin and name then agree, so only a list of the server's own names helps.",
	},
	{
		ID: "1.3", Step: 1, Title: "Let one page in",
		Task: "Pages of https://app.example may call the server, without a flag at the start. All other foreign pages stay out. " +
			"Change `cmd/step1/main.go` alone.",
		Trials: []Trial{
			{What: "a page of https://app.example gets in", Request: get("/health", "Origin: https://app.example"), Want: gets("healthy", "")},
			{What: "a page of https://app.example.evil.com stays out", Request: get("/health", "Origin: https://app.example.evil.com"),
				Want: out403},
			{What: "a page of http://app.example stays out", Request: get("/health", "Origin: http://app.example"), Want: out403},
			{What: "a page of http://evil.com stays out", Row: "origin-evil", Want: out403},
		},
		Explain: "`site.Origins` is the list that `Protect` is given. An Origin is scheme, host and port, so http and https are different pages.",
	},
	{
		ID: "2.1", Step: 2, Title: "One header, twice",
		Folder: "internal/mcpserver/mcpmessage", Line: "Message.ReadVersion: if len(header.Values(name)) > 1",
		Trials: []Trial{
			{
				What: "two Mcp-Method headers: a proxy may read the second, the server reads the first", Row: "mismatch-method-twice",
				Want: gets(`"supportedVersions"`, ""),
			},
		},
		Choices: []string{"whether the method exists", "whether a header that decides stands there once", "whether header and body agree"},
		Right:   1,
		Explain: "Of two values each reader picks its own. A proxy that decides by Mcp-Method would have seen tools/call.",
	},
	{
		ID: "2.2", Step: 2, Title: "A name with an invisible end",
		Folder: "internal/web/strictjson", Line: `check: if escaped && isName && strings.ContainsRune(token.String(), 0)`,
		Trials: []Trial{
			{What: `a member "method\u0000" beside "method"`, Row: "name-nul", Want: gets(`"result":{}`, "")},
		},
		Choices: []string{"whether a name has a NUL in it", "whether a name stands there twice", "whether the text is UTF-8"}, Right: 0,
		Explain: "The JSON library of MCP's Go SDK took such a name for the one without the NUL (GHSA-q382-vc8q-7jhj). " +
			"This step reads ping alone; the next reader may see something else.",
	},
	{
		ID: "2.3", Step: 2, Title: "A second address",
		Task: "The endpoint also answers at `/v2/mcp`, with the same checks. `GET` is refused there with 405, as at `/mcp`.",
		Trials: []Trial{
			{What: "ping at /v2/mcp", Request: message(`{"jsonrpc":"2.0","id":1,"method":"ping"}`), Want: gets(`"result":{}`, "")},
			{
				What:    "two readers at /v2/mcp are refused",
				Request: message(`{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call"}`),
				Want:    matrix.Want{Status: 400, RPC: -32600},
			},
			{What: "GET at /v2/mcp is refused", Request: get("/v2/mcp"), Want: matrix.Want{Status: 405, Has: []string{"Allow: POST"}}},
			{What: "ping at /mcp works as before", Row: "ping", Era: matrix.Legacy, Want: gets(`"result":{}`, "")},
		},
		Explain: "One handler, two routes: a check that sits in front of one route alone is how servers lose it.",
	},
	{
		ID: "3.1", Step: 3, Title: "A server that says nothing of its tools",
		Folder: "internal/mcpserver/features", Line: "List: server.WithToolCapabilities(false)(s.MCPServer)",
		Ask: "What does the server promise now?",
		Trials: []Trial{
			{
				What: "the server introduces itself", Row: "told-capabilities", Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"capabilities":{"prompts":{},"tools":{"listChanged":true}}`}},
			},
		},
		Choices: []string{
			"the server has tools", "the server will not tell when its list of tools changes", "clients may call the tools",
		},
		Right:   1,
		Explain: "mcp-go then promises to tell of changes (listChanged). This server has no streams, so it could not keep that promise.",
	},
	{
		ID: "3.2", Step: 3, Title: "A tool of your own",
		Task: "The server lists a third tool, `reverse`, which has one required argument, `message`. At step 3 it only needs to be listed.",
		Trials: []Trial{
			{What: "reverse is in the list", Row: "tools-list", Era: matrix.Legacy, Want: gets(`"name":"reverse"`, "")},
			{What: "echo still is", Row: "tools-list", Era: matrix.Legacy, Want: gets(`"name":"echo"`, "")},
		},
		Explain: "The list in `internal/mcpserver/features` is shared by all later steps. " +
			"From step 8 on nobody may call a tool that no rule names.",
	},
	{
		ID: "4.1", Step: 4, Title: "Whatever arguments you like",
		Folder: "internal/mcpserver/features", Line: "Dispatch: s.Use(recoverTool, checkArguments(s.MCPServer))",
		Trials: []Trial{
			{
				What: "echo with repeat_count 11", Row: "echo-too-often", Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"text":"hihihihihihihihihihihi"`}},
			},
			{What: "echo with an unknown argument", Row: "echo-unknown-argument", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{"whether the tool exists", "whether the caller may call it", "whether the arguments fit the tool's own schema"},
		Right:   2,
		Explain: "A schema that is published and not checked is a comment. The handler trusted it, and repeated eleven times.",
	},
	{
		ID: "4.2", Step: 4, Title: "A prompt without its argument",
		Folder: "internal/mcpserver/mcpendpoint", Line: `Server.check: if missing != ""`,
		Trials: []Trial{
			{
				What: "echo_prompt without its message", Row: "prompt-argument-missing", Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"messages":[`}},
			},
		},
		Choices: []string{"whether a prompt has the arguments that it requires", "whether the prompt exists", "whether the argument is a string"},
		Right:   0,
		Explain: "The prompt runs with an empty text. A client should learn of its mistake from -32602 (invalid params), and not from " +
			"a strange prompt.",
	},
	{
		ID: "4.3", Step: 4, Title: "Twenty times",
		Task: "`echo` may repeat a message up to twenty times, and no more.",
		Trials: []Trial{
			{What: "twenty times work", Request: echoTimes("20"), Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"structuredContent"`}}},
			{
				What: "twenty-one times are refused", Request: echoTimes("21"), Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"isError":true`, "maximum"}},
			},
			{What: "no times are refused", Request: echoTimes("0"), Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"isError":true`, "minimum"}}},
		},
		Explain: "One number in the schema is the rule, the documentation and the check.",
	},
	{
		ID: "5.1", Step: 5, Title: "A key that nobody can read",
		Folder: "cmd/step5", Line: `newHandler: mux.Handle("GET /.well-known/jwks.json", jwks.Handler(keySet))`,
		Ask: "What can others no longer do?",
		Trials: []Trial{
			{What: "somebody asks for the public key", Row: "jwks", Want: matrix.Want{Status: 404}},
		},
		Choices: []string{
			"nobody can sign tokens any more", "other servers can no longer verify tokens of this issuer", "the private key can be read",
		},
		Right:   1,
		Explain: "Signing needs the private key, which stays here. Verifying needs the public one, and that has to be published somewhere.",
	},
	{
		ID: "5.2", Step: 5, Title: "Keep the key for an hour",
		Task: "Verifiers may keep the key set for an hour instead of five minutes. What does that mean for the day on which you change the key?",
		Trials: []Trial{
			{
				What: "the key set says so", Request: get("/.well-known/jwks.json"),
				Want: matrix.Want{Status: 200, Has: []string{"Cache-Control: public, max-age=3600\n"}, Lacks: []string{`"d":`}},
			},
		},
		Explain: "Publish a new key an hour before you sign with it, and show the old one as long as its tokens live.",
	},
	{
		ID: "6.1", Step: 6, Title: "For whom?",
		Folder: "internal/oauth/accesstoken", Line: `checks: {"audience",`,
		Trials: []Trial{
			{What: "a token for another server of the same issuer", Row: "flaw-wrong-audience", Era: matrix.Legacy, Want: ran()},
			{What: "a token for the site, and not for its MCP endpoint", Row: "flaw-audience-parent", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{"who issued the token", "for which server the token is", "how long the token is valid"}, Right: 1,
		Explain: "Without aud, each server that you give a token to can use it at all the others.",
	},
	{
		ID: "6.2", Step: 6, Title: "Valid until 2099",
		Folder: "internal/oauth/accesstoken", Line: `checks: {"lifetime",`,
		Trials: []Trial{
			{What: "a token that is valid until 2099", Row: "flaw-for-decades", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{"whether the token has expired", "when the token was issued", "how long the token is valid from its issue on"},
		Right:   2,
		Explain: "The token has not expired, and will not for decades. A token that lives that long is a password: " +
			"once stolen, it works for good.",
	},
	{
		ID: "6.3", Step: 6, Title: "Does anybody look at the signature?",
		Folder: "internal/oauth/accesstoken", Line: `checks: {"signature",`,
		Trials: []Trial{
			{What: "a token that was changed after it was signed", Row: "flaw-tampered", Era: matrix.Legacy, Want: ran()},
			{What: "a token that an unknown key signed", Row: "flaw-bad-signature", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{
			"whether the algorithm is allowed", "whether the signature fits the text and the key", "whether the key is published",
		},
		Right:   1,
		Explain: "All other checks read what the token says. Without this one, anybody can write that.",
	},
	{
		ID: "6.4", Step: 6, Title: "Let a second audience in",
		Task: "The server also takes tokens whose audience is `https://mcp.example/mcp`, because it will move there. It takes no others.",
		Trials: []Trial{
			{What: "a token for https://mcp.example/mcp gets in", Request: echoWith(`{"aud":"https://mcp.example/mcp"}`),
				Era: matrix.Legacy, Want: ran()},
			{What: "a token for the old address gets in", Row: "token-good", Era: matrix.Legacy, Want: ran()},
			{What: "a token for https://mcp.example stays out", Request: echoWith(`{"aud":"https://mcp.example"}`),
				Era: matrix.Legacy, Want: out401},
			{What: "a token for another server stays out", Row: "flaw-wrong-audience", Era: matrix.Legacy, Want: out401},
			{What: "a token without an audience stays out", Row: "flaw-no-audience", Era: matrix.Legacy, Want: out401},
		},
		Explain: "Compare whole identifiers from a list of your own. The token may name several audiences, and one of them must be yours.",
	},
	{
		ID: "7.1", Step: 7, Title: "A foreign name, and nothing happens",
		Folder: "internal/mcpserver/originguard",
		Line:   "Protect: if !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, r.Host) })",
		Ask:    "The document still names the right server. Why?",
		Trials: []Trial{
			{
				What: "somebody asks for the metadata as evil.com", Row: "metadata-host",
				Want: matrix.Want{Status: 200, Has: []string{`/mcp"`}, Lacks: []string{"evil"}},
			},
		},
		Choices: []string{
			"the Host is checked a second time", "clients ignore the document",
			"the URLs in the document come from the configuration, and not from the request",
		},
		Right:   2,
		Explain: "The check is gone, and the document still names the right server. The Host check is the first defence, and this is the second.",
	},
	{
		ID: "7.2", Step: 7, Title: "A page that can't read the answer",
		Folder: "cmd/step7", Line: "newHandler: handler = cors.Expose(site.Origins, handler)",
		Ask: "What can the page no longer do?",
		Trials: []Trial{
			{
				What: "a page on localhost reads the challenge", Row: "cors-challenge",
				Want: matrix.Want{Status: 401, Error: "missing_token", Lacks: []string{"Access-Control-Expose-Headers"}},
			},
		},
		Choices: []string{
			"the server still answers, and the browser keeps the answer from the page", "the server refuses the page",
			"the page gets in without a token",
		},
		Right:   0,
		Explain: "CORS lets a page read what the browser would otherwise hide from it. It protects users of browsers, not the server.",
	},
	{
		ID: "7.3", Step: 7, Title: "Say where your manual is",
		Task: "The protected resource metadata has a `resource_documentation`: `https://docs.example/mcp` (RFC 9728, section 2).",
		Trials: []Trial{
			{
				What: "the document names the manual", Row: "resource-metadata",
				Want: matrix.Want{Status: 200, Has: []string{`"resource_documentation": "https://docs.example/mcp"`, `"authorization_servers": [`}},
			},
		},
		Explain: "Clients ignore members that they don't know, so you can add to the document without breaking anybody.",
	},
	{
		ID: "8.1", Step: 8, Title: "A token, and no policy",
		Folder: "cmd/step8", Line: "newHandler: mcp = scopepolicy.Require(policy, challenge, decisions, mcp)",
		Trials: []Trial{
			{What: "a client that may only list calls a tool", Row: "scope-read-for-call", Era: matrix.Legacy, Want: ran()},
			{What: "a guest whose client has all scopes calls a tool", Row: "guest-calls", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{"what the caller may do", "who the caller is", "which tools there are"}, Right: 0,
		Explain: "A good token says who is calling and what was granted. That it is good doesn't say that this call is allowed.",
	},
	{
		ID: "8.2", Step: 8, Title: "Half of the policy",
		Folder: "internal/mcpserver/scopepolicy",
		Line:   "compiled.check: if len(needs.roles) > 0",
		Trials: []Trial{
			{What: "a guest whose client has all scopes calls a tool", Row: "guest-calls", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{"what the client may do", "what the user may do", "whether the token is for this server"}, Right: 1,
		Explain: "Scopes bound what the client may do for its user. Roles bound what the user may do at all. A call needs both.",
	},
	{
		ID: "8.3", Step: 8, Title: "Add a scope for prompts",
		Task: "To get a prompt, a client needs the scope `mcp:prompts`. So far `mcp:read` was enough. Listing prompts stays as it is.",
		Trials: []Trial{
			{What: "mcp:prompts gets a prompt", Row: "scope-prompts-for-get", Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"messages"`}}},
			{
				What: "mcp:read is told to ask for mcp:prompts", Era: matrix.Legacy,
				Request: matrix.Request{
					Call: &matrix.Call{Method: "prompts/get", Name: "help"}, Token: &matrix.Token{Username: "alice", Scopes: "mcp:read"},
				},
				Want: matrix.Want{Status: 403, Error: "insufficient_scope", Has: []string{`scope="mcp:prompts`}},
			},
			{What: "mcp:read lists the prompts", Row: "scope-read-for-prompts", Era: matrix.Legacy,
				Want: matrix.Want{Status: 200, Has: []string{`"name":"help"`}}},
		},
		Explain: "The policy is a table. The challenge follows from it, so clients learn by themselves what to ask for.",
	},
	{
		ID: "9.1", Step: 9, Title: "The code is enough",
		Folder: "internal/authserver",
		Line:   "grants.checkBinding: case subtle.ConstantTimeCompare([]byte(pkce.Challenge(verifier)), []byte(ask.Challenge)) != 1",
		Trials: []Trial{{What: "a stolen code, without the client's secret", Flow: "stolen-code"}},
		Choices: []string{"whether the code was used before", "whether the code goes to a registered address",
			"whether the sender of the code is who asked for it"},
		Right: 2, Explain: "PKCE: the hash came with the request, and only who made up the secret can show it.",
	},
	{
		ID: "9.2", Step: 9, Title: "Once more, please",
		Folder: "internal/authserver", Line: "grants.exchangeCode: if grant.Used",
		Trials:  []Trial{{What: "a code that was used already", Flow: "code-twice"}},
		Choices: []string{"whether the code was used before", "whether the code has expired", "whether the client is known"}, Right: 0,
		Explain: "If a code comes twice, it has leaked. The step then also takes back what the first use gave.",
	},
	{
		ID: "9.3", Step: 9, Title: "Nobody acts for itself",
		Task: "Take the grant `client_credentials` away: no client may get a token without a user. The metadata says so, too.",
		Trials: []Trial{
			{
				What:    "the metadata doesn't list it",
				Request: get("/realms/mcp-realm/.well-known/openid-configuration"),
				Want:    matrix.Want{Status: 200, Has: []string{`"authorization_code"`}, Lacks: []string{`"client_credentials"`}},
			},
			{
				What: "a client that asks for it is refused",
				Request: matrix.Request{
					Target: "/realms/mcp-realm/protocol/openid-connect/token", Headers: []string{"Content-Type: application/x-www-form-urlencoded"},
					Body: "grant_type=client_credentials&client_id=mcp-test-client",
				},
				Want: matrix.Want{Status: 400, Has: []string{`"error":"unsupported_grant_type"`}},
			},
		},
		Explain: "What the metadata promises and what the endpoint does are two places. Change both, or clients will try what can't work.",
	},
	{
		ID: "10.1", Step: 10, Title: "One key, many kinds of tokens",
		Folder: "internal/oauth/accesstoken", Line: `checks: {"kind",`,
		Trials: []Trial{
			{What: "a refresh token", Row: "provider-refresh-token", Era: matrix.Legacy, Want: ran()},
			{What: "an ID token", Row: "provider-id-token", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{"what kind of token the provider says it is", "which realm issued it", "which client it is for"}, Right: 0,
		Explain: "This provider writes typ JWT into every header. What kind of token it is stands in the claim typ.",
	},
	{
		ID: "10.2", Step: 10, Title: "The same key, another realm",
		Folder: "internal/oauth/accesstoken", Line: `checks: {"issuer",`,
		Trials: []Trial{
			{What: "a token of another realm, signed by the same key", Row: "provider-other-realm", Era: matrix.Legacy, Want: ran()},
		},
		Choices: []string{"which key signed", "who issued the token", "for which server the token is"}, Right: 1,
		Explain: "A provider can use one key for several realms, with different users. The key proves who signed, and iss says in whose name.",
	},
	{
		ID: "10.3", Step: 10, Title: "Unknown users are guests",
		Task: "Users to whom the provider gave no role of this server are guests here: they may list, and not call tools.",
		Trials: []Trial{
			{
				What: "a user without a role may not call echo", Row: "no-role-calls", Era: matrix.Legacy,
				Want: matrix.Want{Status: 403, Error: "access_denied"},
			},
			{
				What: "such a user may list the tools", Era: matrix.Legacy, Want: gets(`"name":"echo"`, ""),
				Request: matrix.Request{
					Call: &matrix.Call{Method: "tools/list"}, Token: &matrix.Token{Username: "alice", Scopes: "mcp:read", Roles: []string{}},
				},
			},
			{What: "a user with the role calls echo", Row: "token-good", Era: matrix.Legacy, Want: ran()},
		},
		Explain: "One word of the policy, DefaultRole. Decide it for each provider: who can get an account there?",
	},
	{
		ID: "11.1", Step: 11, Title: "Whose metadata is this?",
		Folder: "internal/mcpclient/mcpauth", Line: "fetcher.discoverResource: if err != nil #2",
		Which: ", the one below `bind` in `discoverResource`",
		Trials: []Trial{
			{What: "a server whose metadata names another server", Server: "impostor", Says: "Now the attacker has a token of alice"},
		},
		Choices: []string{
			"whether the metadata are about the server that was called", "whether the authorization server supports PKCE",
			"whether the user consented",
		},
		Right:   0,
		Explain: "The client found the mismatch and forgot to stop. The token was for the honest server, and the attacker has it now.",
	},
	{
		ID: "11.2", Step: 11, Title: "Who gave this code?",
		Folder: "internal/mcpclient/mcpauth", Line: `authorizationRequest.check: case !answer.Has("iss") && a.server.IssParameter`,
		Trials: []Trial{
			{What: "an answer of another authorization server", Server: "mixup", Says: "Now the attacker has a token of alice"},
		},
		Choices: []string{"to which request the answer belongs", "whether the code has expired", "which authorization server gave the answer"},
		Right:   2,
		Explain: "A code without iss could be anybody's. The client sent it to the attacker, who used it where it came from.",
	},
	{
		ID: "11.3", Step: 11, Title: "Only servers that name themselves",
		Task: "The client refuses each authorization server that doesn't promise `iss` in its answers, even where all its endpoints " +
			"are at one origin.",
		Trials: []Trial{
			{What: "the server of the lab, which promises nothing, is refused", Server: honest, Says: "step11:"},
			{What: "the error says why", Server: honest, Says: "iss"},
		},
		Explain: "This is stricter than MCP asks for today. It closes mix-up attacks for good, and some real servers with them.",
	},
}

// Outcomes and requests of exercises.
var (
	out403 = matrix.Want{Status: 403, Error: "origin_not_allowed"}
	out401 = matrix.Want{Status: 401, Error: "invalid_token"}
)

func get(target string, headers ...string) matrix.Request {
	return matrix.Request{Method: "GET", Target: target, Headers: headers}
}

// message is one for the second address that exercise 2.3 asks for.
func message(body string) matrix.Request {
	return matrix.Request{Target: "/v2/mcp", Body: body, Headers: []string{"Content-Type: application/json"}}
}

func echoTimes(count string) matrix.Request {
	return matrix.Request{Call: &matrix.Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi","repeat_count":` + count + `}`}}
}

// echoWith calls echo with a token whose claims are changed.
func echoWith(claims string) matrix.Request {
	return matrix.Request{
		Call:  &matrix.Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi"}`},
		Token: &matrix.Token{Username: "alice", Scopes: "mcp:read,mcp:tools", Claims: claims},
	}
}
