package matrix

func rowsOfStep7() []Row {
	resource := []string{
		`"resource": "http`, `/mcp"`, `"authorization_servers": [`, `"mcp:read"`,
		`"bearer_methods_supported"`, "Access-Control-Allow-Origin: *", "Cache-Control: public",
	}
	never := []string{"offline_access", "evil"}
	page := "Origin: http://localhost:6274"
	rows := []Row{
		healthy(7, "resource", `"protected_resource_metadata":"http`),
		healthy(7, "server", `"authorization_server_metadata":"http`),
		told(7, "metadata", `"oauth_metadata":"http`),
		{
			ID: "resource-metadata", Refs: []string{"RS09", "RS10"}, Title: "the protected resource metadata",
			Request: get("/.well-known/oauth-protected-resource/mcp"),
			Want:    absentUntil(7, Want{Status: 200, Has: resource, Lacks: never}),
		},
		{
			ID: "resource-metadata-root", Refs: []string{"RS09", "RS10"},
			Title:   "the protected resource metadata at the root",
			Request: get("/.well-known/oauth-protected-resource"),
			Want:    absentUntil(7, Want{Status: 200, Has: resource, Lacks: never}),
		},
		{
			ID: "resource-metadata-foreign-page", Refs: []string{"RS09"},
			Title:   "the protected resource metadata, read by any page",
			Request: get("/.well-known/oauth-protected-resource/mcp", "Origin: https://app.example"),
			Want:    absentUntil(7, Want{Status: 200, Has: resource}),
		},
		{
			ID: "server-metadata", Refs: []string{"RS10"}, Title: "the authorization server metadata",
			Request: get("/.well-known/oauth-authorization-server"),
			Want: absentUntil(7,
				Want{
					Status: 200,
					Has: []string{
						`"issuer": "http`, `"jwks_uri": "http`, `"scopes_supported"`,
						`"service_documentation"`, "Access-Control-Allow-Origin: *",
					},
					Lacks: append(never, "_endpoint", "response_types"),
				},
				moved,
			),
		},
		{
			ID:       "client-stops",
			Refs:     []string{"RS09"},
			Title:    "discovery by a real client (mcp-go)",
			Exchange: realClient,
			Want: []Want{
				{From: 1, Text: "finds no MCP server"},
				{From: 2, Text: "needs no token"},
				// Without metadata it guesses /register on this server.
				{From: 6, Text: "stops: registration request failed with status 404"},
				{From: 7, Text: "stops: server does not support dynamic client registration"},
			},
		},
		{
			ID: "metadata-host", Refs: []string{"RS09", "E01"}, Attack: true,
			Title:   "a foreign Host header, to get it into the metadata",
			Request: Request{Method: "GET", Target: "/.well-known/oauth-protected-resource/mcp", Host: "evil.com"},
			Want:    []Want{{From: 1, Status: 403, Error: "host_not_allowed"}},
		},
		{
			ID: "metadata-forwarded", Refs: []string{"RS09", "E01"}, Attack: true,
			Title: "forwarding headers, to get a foreign host into the resource metadata",
			Request: get(
				"/.well-known/oauth-protected-resource/mcp",
				"X-Forwarded-Host: evil.com",
				"X-Forwarded-Proto: https",
				"Forwarded: host=evil.com",
			),
			Want: absentUntil(7, Want{Status: 200, Has: resource, Lacks: never, Note: "the configured URLs"}),
		},
		{
			ID: "server-metadata-forwarded", Refs: []string{"RS09", "E01"}, Attack: true,
			Title: "forwarding headers, to get a foreign host into the server metadata",
			Request: get(
				"/.well-known/oauth-authorization-server",
				"X-Forwarded-Host: evil.com",
				"Forwarded: host=evil.com",
			),
			Want: absentUntil(7, Want{Status: 200, Lacks: never}, moved),
		},
		{
			ID: "challenge-forwarded", Refs: []string{"RS09", "E01"}, Attack: true,
			Title:   "forwarding headers, to get a foreign host into the challenge",
			Request: Request{Body: "{}", Headers: []string{jsonType, "X-Forwarded-Host: evil.com"}},
			Want: absentUntil(2,
				Want{Status: 400, RPC: -32600},
				Want{From: 6, Status: 401, Error: "missing_token", Lacks: never},
				Want{
					From: 7, Status: 401, Error: "missing_token",
					Has: []string{`resource_metadata="http`, `scope="mcp:read"`}, Lacks: never,
				}),
		},
		{
			ID: "stated-urls", Refs: []string{"RS09", "A24"},
			Title:    "the URLs from the challenge to the documents, compared byte by byte",
			Exchange: statedURLs,
			Want: []Want{
				{From: 1, Text: "nothing stated"}, {From: 7, Text: "all of one base"},
				{From: 10, Text: "leads to the provider"},
			},
		},
		{
			ID: "cors-preflight", Refs: []string{"RS15"}, Title: "a preflight by a page on localhost",
			Request: Request{
				Method: "OPTIONS",
				Headers: []string{
					page, "Access-Control-Request-Method: POST",
					"Access-Control-Request-Headers: authorization, content-type, mcp-protocol-version, mcp-method, mcp-param-region, x-evil",
				},
			},
			Want: absentUntil(2,
				Want{Status: 405, Lacks: []string{"Access-Control"}},
				Want{
					From: 7, Status: 204,
					Has: []string{
						"Access-Control-Allow-Origin: http://localhost:6274",
						"Access-Control-Allow-Headers: authorization, content-type, mcp-protocol-version, mcp-method, mcp-param-region\n",
						"Access-Control-Allow-Methods: POST",
					},
					Lacks: []string{"x-evil", "Credentials"},
				}),
		},
		{
			ID: "cors-answer", Refs: []string{"RS15"}, Title: "a page on localhost reads an answer",
			Request: Request{Call: &Call{Method: "prompts/list"}, Token: alice, Headers: []string{page}},
			Want: unknownMethod(
				Want{Status: 200, Lacks: []string{"Access-Control"}, Note: "unreadable"},
				Want{
					From: 7, Status: 200,
					Has: []string{
						"Access-Control-Allow-Origin: http://localhost:6274",
						"Access-Control-Expose-Headers: WWW-Authenticate, Retry-After, Mcp-Session-Id",
						"Vary: Origin",
					},
					Note: "readable",
				}),
		},
		{
			ID: "cors-challenge", Refs: []string{"RS15"}, Title: "a page on localhost reads the challenge",
			Request: Request{Body: "{}", Headers: []string{page, jsonType}},
			Want: absentUntil(2,
				Want{Status: 400, RPC: -32600},
				Want{
					From: 6, Status: 401, Error: "missing_token", Lacks: []string{"Access-Control"},
					Note: "unreadable",
				},
				Want{
					From: 7, Status: 401, Error: "missing_token",
					Has: []string{
						"Access-Control-Allow-Origin: http://localhost:6274",
						"Access-Control-Expose-Headers: WWW-Authenticate",
					},
					Note: "readable",
				}),
		},
		{
			ID: "cors-method", Refs: []string{"RS15", "WA8"},
			Title:   "a page on localhost learns that GET is not allowed",
			Request: get("/mcp", page),
			Want: absentUntil(2,
				Want{Status: 405, Lacks: []string{"Access-Control"}, Note: "unreadable"},
				Want{
					From: 7, Status: 405, Has: []string{"Access-Control-Allow-Origin: http://localhost:6274", "Allow: OPTIONS, POST"},
					Note: "readable",
				}),
		},
		{
			ID: "cors-not-found", Refs: []string{"RS15", "WA8"},
			Title:   "any page learns that a document is not there",
			Request: get("/.well-known/openid-configuration", "Origin: https://app.example"),
			Want: []Want{
				{From: 1, Status: 404, Lacks: []string{"Access-Control"}, Note: "unreadable"},
				{From: 7, Status: 404, Has: []string{"Access-Control-Allow-Origin: *"}, Note: "readable"},
			},
		},
		{
			ID: "cors-metadata-preflight", Refs: []string{"RS15"}, Title: "a preflight for the metadata by any page",
			Request: Request{
				Method: "OPTIONS", Target: "/.well-known/oauth-protected-resource/mcp",
				Headers: []string{
					"Origin: https://app.example", "Access-Control-Request-Method: GET",
					"Access-Control-Request-Headers: mcp-protocol-version",
				},
			},
			Want: absentUntil(7, Want{
				Status: 204,
				Has: []string{
					"Access-Control-Allow-Origin: *",
					"Access-Control-Allow-Headers: mcp-protocol-version",
				},
			}),
		},
	}
	return inLayer(7, rows)
}
