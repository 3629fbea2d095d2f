package matrix

import (
	"strings"
)

func rowsOfStep4() []Row {
	broken := func(words string) Want {
		return Want{
			Status: 200, Has: []string{`"isError":true`, words},
			Lacks: []string{"structuredContent", "Got:"}, Note: "isError",
		}
	}
	long := &Call{Method: "tools/call", Name: strings.Repeat("a", 100_000)}
	return inLayer(4, []Row{
		{
			ID: "echo", Title: "call echo",
			Request: Request{Call: &Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi"}`}, Token: alice},
			Want:    works(Want{Status: 200, Has: []string{`"type":"text","text":"hi"`, echoed}}),
		},
		{
			ID: "echo-repeat", Title: "call echo with repeat_count 3",
			Request: Request{
				Call:  &Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi","repeat_count":3}`},
				Token: alice,
			},
			Want: works(Want{Status: 200, Has: []string{`"text":"hihihi"`}}),
		},
		{
			ID: "echo-too-often", Refs: []string{"A19"}, Attack: true, Title: "break the schema: repeat_count 11",
			Request: Request{
				Call:  &Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi","repeat_count":11}`},
				Token: alice,
			},
			Want: works(broken("repeat_count: maximum: got 11, want 10")),
		},
		{
			ID: "echo-wrong-type", Refs: []string{"A19"}, Attack: true,
			Title:   "break the schema: a number for a message",
			Request: Request{Call: &Call{Method: "tools/call", Name: "echo", Args: `{"message":5}`}, Token: alice},
			Want:    works(broken("message: got number, want string")),
		},
		{
			ID: "echo-missing", Refs: []string{"A19"}, Attack: true, Title: "break the schema: no message",
			Request: Request{Call: &Call{Method: "tools/call", Name: "echo", Args: `{}`}, Token: alice},
			Want:    works(broken("missing property 'message'")),
		},
		{
			ID: "echo-unknown-argument", Refs: []string{"A19"}, Attack: true,
			Title: "break the schema: an unknown argument",
			Request: Request{
				Call: &Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi","x":1}`}, Token: alice,
			},
			Want: works(broken("additional properties 'x' not allowed")),
		},
		{
			ID: "get-time", Title: "call get_time",
			Request: Request{Call: &Call{Method: "tools/call", Name: "get_time", Args: `{}`}, Token: alice},
			Want:    works(Want{Status: 200, Has: []string{`"timezone":"UTC"`}}),
		},
		{
			ID: "get-time-berlin", Title: "call get_time with a time zone",
			Request: Request{
				Call:  &Call{Method: "tools/call", Name: "get_time", Args: `{"timezone":"Europe/Berlin"}`},
				Token: alice,
			},
			Want: works(Want{Status: 200, Has: []string{`"timezone":"Europe/Berlin"`}}),
		},
		{
			ID: "get-time-path", Refs: []string{"A19"}, Attack: true, Title: "a file path as the time zone",
			Request: Request{
				Call:  &Call{Method: "tools/call", Name: "get_time", Args: `{"timezone":"../../etc/passwd"}`},
				Token: alice,
			},
			Want: works(Want{Status: 200, Has: []string{`"isError":true`, "not an IANA zone name"}, Note: "isError"}),
		},
		{
			ID: "prompt-echo", Title: "get echo_prompt",
			Request: Request{
				Call: &Call{Method: "prompts/get", Name: "echo_prompt", Args: `{"message":"hi"}`}, Token: alice,
			},
			Want: workOf("echo tool: hi"),
		},
		{
			ID: "prompt-greeting", Title: "get greeting",
			Request: Request{
				Call: &Call{Method: "prompts/get", Name: "greeting", Args: `{"name":"Ada"}`}, Token: alice,
			},
			Want: workOf("greet Ada"),
		},
		{
			ID: "prompt-help", Title: "get help",
			Request: Request{Call: &Call{Method: "prompts/get", Name: "help"}, Token: alice},
			Want:    workOf("tools and prompts of this server"),
		},
		{
			ID: "unknown-tool", Refs: []string{"A18"}, Attack: true, Title: "a tool that does not exist",
			Request: Request{Call: &Call{Method: "tools/call", Name: "no_such_tool"}, Token: alice},
			Want:    append(notThere(), Want{From: 8, Status: 403, Error: "access_denied"}),
		},
		{
			ID: "unknown-tool-form", Refs: []string{"A18", "WD13"}, Attack: true, Title: "a tool with a name that no tool can have",
			Request: Request{Call: &Call{Method: "tools/call", Name: "no such tool"}, Token: alice},
			Want:    absentUntil(2, Want{Status: 200, RPC: -32602}),
		},
		{
			ID: "unknown-tool-proto", Refs: []string{"A18"}, Attack: true, Title: "a tool named __proto__",
			Request: Request{Call: &Call{Method: "tools/call", Name: "__proto__"}, Token: alice},
			Want:    append(notThere(), Want{From: 8, Status: 403, Error: "access_denied"}),
		},
		{
			ID: "unknown-prompt", Refs: []string{"A18"}, Attack: true, Title: "a prompt that does not exist",
			Request: Request{Call: &Call{Method: "prompts/get", Name: "x"}, Token: alice},
			Want:    notThere(),
		},
		{
			ID: "call-without-name", Refs: []string{"A19"}, Attack: true, Title: "a call without a name",
			Request: Request{Call: &Call{Method: "tools/call"}, Token: alice},
			Want:    absentUntil(2, Want{Status: 200, RPC: -32602}),
		},
		{
			ID: "call-array", Refs: []string{"A19"}, Attack: true, Title: "arguments in an array",
			Request: Request{Call: &Call{Method: "tools/call", Name: "echo", Args: `["hi"]`}, Token: alice},
			Want:    absentUntil(2, Want{Status: 200, RPC: -32602}),
		},
		{
			ID:      "name-too-long",
			Refs:    []string{"A19"},
			Attack:  true,
			Title:   "a name of 100,000 characters",
			Request: Request{Call: long, Token: alice},
			Want:    absentUntil(2, Want{Status: 200, RPC: -32602}),
			// A header of that length is refused before anybody reads the body.
			Modern: []Want{{From: 1, Status: 431}},
		},
		{
			ID: "prompt-argument-missing", Refs: []string{"A19"}, Attack: true,
			Title:   "echo_prompt without its message",
			Request: Request{Call: &Call{Method: "prompts/get", Name: "echo_prompt"}, Token: alice},
			Want:    notThere(),
		},
	})
}
