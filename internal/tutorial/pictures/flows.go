package pictures

var discovery = description{
	name: "discovery", title: "From a 401 over two documents to a token",
	says: "The client calls the MCP server without a token. The 401 names a document of the MCP server. " +
		"That document names the issuer. The issuer's document names the endpoints where the client gets a token.",
	draw: drawSequence([]string{"Client", "MCP server", "Authorization\nserver"}, []turn{
		{0, 1, "`POST /mcp`, no token", "plain"},
		{1, 0, "`401` `resource_metadata=\"…\"`", "bad"},
		chapter("“Who issues tokens for this server?”"),
		{0, 1, "`GET /.well-known/oauth-protected-resource/mcp`", "plain"},
		{1, 0, "`resource`, `authorization_servers`", "good"},
		chapter("“Where do I get one?”"),
		{0, 2, "`GET /.well-known/oauth-authorization-server`", "plain"},
		{2, 0, "`authorization_endpoint`, `token_endpoint`", "good"},
		{0, 0, "Now the client knows whom\nto ask, and for which resource.", "accent"},
	}),
}

var codeFlow = description{
	name: "code-flow", title: "The authorization code flow with PKCE",
	says: "The client makes up a secret and sends the browser to the authorization server with the hash of it. " +
		"The user logs in and consents. The browser brings a code back to the client. " +
		"The client sends the code and the secret, and gets tokens. Whoever steals the code lacks the secret.",
	draw: drawSequence([]string{"Client", "Browser", "Authorization\nserver"}, []turn{
		{0, 0, "makes up a secret: `code_verifier`\nits hash: `code_challenge`", "accent"},
		{0, 1, "“open this page”", "plain"},
		{1, 2, "`client_id` `redirect_uri` `scope`\n`resource` `state` `code_challenge`", "plain"},
		{2, 2, "the user logs in\nand consents", "card"},
		{2, 1, "redirect: `code` `state` `iss`", "plain"},
		{1, 0, "`code` `state` `iss`", "plain"},
		{0, 0, "Is it my `state`? Is it my issuer?", "accent"},
		{0, 2, "`code` and the secret: `code_verifier`", "plain"},
		{2, 2, "Does its hash fit\n`code_challenge`?", "accent"},
		{2, 0, "access token, refresh token", "good"},
	}),
}

var refreshFamily = description{
	name: "refresh-family", title: "A refresh family, and an attacker",
	says: "Each refresh token is used once and replaced by the next one of its family. " +
		"An attacker copies the first and uses it after the client did. A token that comes a second time has leaked, " +
		"so the authorization server revokes the whole family, and the user logs in again.",
	draw: drawSequence([]string{"Client", "Authorization\nserver", "Attacker"}, []turn{
		{1, 0, "after login: token 1", "good"},
		{0, 2, "a copy of token 1 leaks", "bad"},
		{0, 1, "token 1", "plain"},
		{1, 0, "token 2", "good"},
		{2, 1, "token 1, again", "bad"},
		{1, 1, "Token 1 was used before: it has leaked.\nThe family is revoked: 1, 2, and all after.", "bad"},
		{1, 2, "`invalid_grant`", "bad"},
		{0, 1, "token 2", "plain"},
		{1, 0, "`invalid_grant`", "bad"},
		{0, 0, "The user logs in again.\nThe copy is worthless.", "accent"},
	}),
}

var upstream = description{
	name: "upstream", title: "Step 9 in front of a provider",
	says: "The client sends the browser to step 9. Step 9 asks the user about this client. " +
		"Only after Allow does the browser go to the provider, where the user logs in. " +
		"The provider's code and ID token come to step 9, which checks them. The client gets a code of step 9 and never sees the provider.",
	draw: drawSequence([]string{"Client", "Step 9", "Provider"}, []turn{
		{0, 1, "`client_id` `redirect_uri` `resource`", "plain"},
		{1, 1, "Allow this client?", "card"},
		chapter("only after “Allow”"),
		{1, 1, "makes `state`, `nonce`, PKCE\nand a cookie for this browser", "accent"},
		{1, 2, "`client_id` of step 9, `state` `nonce`", "plain"},
		{2, 2, "the user logs in,\nperhaps silently", "card"},
		{2, 1, "`code` `state` `iss`", "plain"},
		{1, 2, "`code` and the PKCE secret", "plain"},
		{2, 1, "ID token", "plain"},
		{1, 1, "Is it for this login, and for us?\nMay this user log in?", "accent"},
		{1, 0, "a `code` of step 9", "good"},
	}),
}
