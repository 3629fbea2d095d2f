package matrix

func rowsOfStep3() []Row {
	const tools = `"name":"echo"`
	return inLayer(3, []Row{
		{
			ID: "told-capabilities", Title: "server information: capabilities",
			Request: Request{Call: introduce, Token: alice},
			Want: absentUntil(2,
				Want{Status: 200, Has: []string{`"capabilities":{}`}, Note: "none"},
				Want{
					From: 3, Status: 200, Has: []string{`"capabilities":{"prompts":{},"tools":{}}`}, Note: "tools and prompts",
				}),
		},
		{
			ID: "tools-list", Refs: []string{"RS04"}, Title: "list the tools",
			Request: Request{Call: &Call{Method: "tools/list"}, Token: alice},
			Want: unknownMethod(Want{
				Status: 200,
				Has: []string{
					tools, `"name":"get_time"`, `"outputSchema"`, `"readOnlyHint":true`,
					`"title":"Echo"`,
				},
				Lacks: []string{"whoami"},
			},
				Want{
					From: 6, Status: 200, Has: []string{tools, `"name":"whoami"`},
					Lacks: []string{"audit"}, Note: "with whoami",
				}),
			Modern: unknownMethod(Want{
				Status: 200,
				Has: []string{
					tools, `"name":"get_time"`, `"resultType":"complete"`, `"ttlMs":`,
					`"cacheScope":"private"`,
				},
				Lacks: []string{"whoami"},
			},
				Want{
					From: 6, Status: 200, Has: []string{tools, `"name":"whoami"`},
					Lacks: []string{"audit"}, Note: "with whoami",
				}),
		},
		{
			ID: "prompts-list", Refs: []string{"RS04"}, Title: "list the prompts",
			Request: Request{Call: &Call{Method: "prompts/list"}, Token: alice},
			Want: unknownMethod(Want{
				Status: 200,
				Has: []string{
					`"name":"echo_prompt"`, `"name":"greeting"`, `"name":"help"`, `"required":true`,
				},
			}),
			Modern: unknownMethod(Want{
				Status: 200,
				Has: []string{
					`"name":"echo_prompt"`, `"name":"greeting"`, `"name":"help"`,
					`"cacheScope":"private"`,
				},
			}),
		},
	})
}
