package matrix

import (
	"net/http"
)

func rowsOfStep10() []Row {
	invalid := Want{Status: http.StatusUnauthorized, Error: "invalid_token", Lacks: []string{"structuredContent"}}
	from := func(step int, w Want) Want {
		w.From = step
		return w
	}
	// token is a good token of some provider: one that the server's own issuer
	// would not have written, and that its own keys did not sign.
	token := func(id, title string, t Token, refs ...string) Row {
		t.Username, t.Scopes = alice.Username, alice.Scopes
		good := Want{From: 10, Status: http.StatusOK, Has: []string{echoed}}
		return Row{ID: "provider-" + id, Refs: append([]string{"RS08"}, refs...), Title: title, Request: Request{Call: echoCall, Token: &t},
			Want: append(workOf(echoed), from(6, invalid), good), Modern: append(modernWorkOf(echoed), from(6, invalid), good)}
	}
	// forged is one that no step from some step on may take.
	forged := func(id, title string, since int, t Token, refs ...string) Row {
		row := token(id, title, t, refs...)
		row.Attack = true
		row.Want, row.Modern = refusedFrom(since, invalid)
		return row
	}
	// spoofed asks for the tool of administrators.
	spoofed := func(id, title, claims string, at8 Want) Row {
		denied := Want{From: 10, Status: http.StatusForbidden, Error: "access_denied", Lacks: []string{"WWW-Authenticate", "decisions"}}
		at8.From = 8
		return Row{ID: "spoof-" + id, Refs: []string{"E05"}, Attack: true, Title: title,
			Request: Request{Call: &Call{Method: "tools/call", Name: "audit"}, Token: &Token{Username: alice.Username, Scopes: alice.Scopes, Claims: claims}},
			Want:    absentUntil(2, Want{Status: 200, RPC: -32601}, Want{From: 3, Status: 200, RPC: -32602}, at8, denied),
			Modern:  absentUntil(2, Want{Status: 404, RPC: -32601}, Want{From: 3, Status: 400, RPC: -32602}, at8, denied)}
	}
	denied := Want{Status: http.StatusForbidden, Error: "access_denied"}
	// A user of the provider, as the realm file has them: with roles that are
	// names of scopes, and none of ours.
	foreign := Row{ID: "provider-foreign-roles", Refs: []string{"RS11"}, Title: "a user who has roles at the provider, and none of this server's",
		Request: Request{Call: echoCall, Token: &Token{Username: alice.Username, Scopes: alice.Scopes, Roles: []string{"mcp:read", "mcp:tools"}}}}
	foreign.Want = append(workOf(echoed), from(8, denied), Want{From: 10, Status: http.StatusOK, Has: []string{echoed}})
	foreign.Modern = append(modernWorkOf(echoed), from(8, denied), Want{From: 10, Status: http.StatusOK, Has: []string{echoed}})
	// with asks something of the provider itself.
	with := func(id, title string, attack bool, found string, try func(*Target) error, refs ...string) Row {
		return Row{ID: "provider-" + id, Refs: refs, Title: title, Attack: attack, Exchange: ofProvider(found, try),
			Want: []Want{{From: 1, Text: noProvider}, {From: 10, Text: found}}}
	}
	const keycloak = `{"typ":"JWT"}`
	who := `"client_id":null,"azp":"some-client"`
	hello := &Call{Method: "prompts/get", Name: "greeting"}
	return inLayer(10, []Row{
		token("ps256", "a token signed with PS256, by a key for it", Token{Key: "ps256"}, "C03"),
		token("es256", "a token signed with ES256, by a key for it", Token{Key: "es256"}, "C03"),
		token("eddsa", "a token signed with EdDSA, by a key for it", Token{Key: "eddsa"}, "C03"),
		token("typ-jwt", "an access token as Keycloak writes it: JWT in the header, Bearer in the claims, azp for the client", Token{Header: keycloak, Claims: `{"typ":"Bearer",` + who + `}`}, "C12", "C18"),
		forged("other-algorithm", "a signature with RS256 by the key that is published for PS256", 6, Token{Key: "ps256-as-rs256"}, "C04"),
		forged("encryption-key", "a signature by a key that is published for encryption", 6, Token{Key: "enc"}, "C05"),
		forged("twin-rsa", "a signature by one of two keys with the same id", 6, Token{Key: "twin-rsa"}, "C09"),
		forged("twin-ec", "a signature by the other of them", 6, Token{Key: "twin-ec"}, "C09"),
		forged("no-kid", "no key id, where there are many keys", 6, Token{Header: `{"kid":null}`}, "C09"),
		forged("unpublished", "a signature by a key that the provider doesn't publish", 6, Token{Key: "next"}, "C09"),
		forged("other-realm", "a token of another realm of the provider, signed by the same key", 6, Token{Claims: `{"iss":"{issuer}-2"}`}, "C15"),
		forged("id-token", "an ID token: JWT in the header, ID in the claims", 6, Token{Header: keycloak, Claims: `{"typ":"ID",` + who + `}`}, "C12"),
		forged("refresh-token", "a refresh token: JWT in the header, Refresh in the claims", 6, Token{Header: keycloak, Claims: `{"typ":"Refresh",` + who + `}`}, "C12"),
		forged("logout-token", "a logout token that says it is a Bearer", 6, Token{Header: keycloak, Claims: `{"typ":"Bearer","events":{"http://schemas.openid.net/event/backchannel-logout":{}},` + who + `}`}, "C12"),
		forged("plain-jwt", "a JWT that says nowhere what it is for", 6, Token{Header: keycloak, Claims: `{` + who + `}`}, "C12"),
		forged("id-token-typed", "an ID token that calls itself at+jwt in the header", 10, Token{Claims: `{"typ":"ID"}`}, "C12"),
		forged("refresh-token-typed", "a refresh token that calls itself at+jwt in the header", 10, Token{Claims: `{"typ":"Refresh"}`}, "C12"),
		forged("no-party", "a token of Keycloak's that names no client", 6, Token{Header: keycloak, Claims: `{"typ":"Bearer","client_id":null}`}, "C18"),
		forged("two-parties", "a token of Keycloak's that names two clients", 6, Token{Header: keycloak, Claims: `{"typ":"Bearer","azp":"other"}`}, "C18"),

		spoofed("roles", "admin in a claim that the provider lets users write", `{"roles":["admin"]}`, Want{Status: 200, Has: []string{"decisions"}}),
		spoofed("realm", "admin of the whole realm", `{"realm_access":{"roles":["admin"]}}`, denied),
		spoofed("other-client", "admin of another client", `{"resource_access":{"other":{"roles":["admin"]},"echo-mcp-server":{"roles":["user"]}}}`, denied),
		spoofed("groups", "member of a group admin", `{"groups":["admin","/admin"]}`, denied),
		spoofed("service", "a client's own token that is called admin", `{"sub":"admin","preferred_username":"admin","resource_access":null}`, denied),

		foreign,
		{ID: "metadata-elsewhere", Title: "look for a document of the provider on this server", Request: get("/.well-known/openid-configuration"),
			Want: []Want{{From: 1, Status: 404}, {From: 7, Status: 405}, {From: 10, Status: 404}}},
		{ID: "greeting-of-caller", Title: "get greeting, without a name", Request: Request{Call: hello, Token: alice},
			Want: append(workOf("greet a friend"), Want{From: 10, Status: 200, Has: []string{"greet alice", "mcp:tools", "Roles: user"}, Note: "by name"}), Modern: append(modernWorkOf("greet a friend"), Want{From: 10, Status: 200, Has: []string{"greet alice"}, Note: "by name"})},

		with("late", "start before the provider does", true, "503 until the keys are there", lateProvider, "D02"),
		with("away", "the provider goes away", true, "good tokens 200, unknown keys 401", paired(providerAway), "D02"),
		with("flood", "2,000 tokens with made-up key ids", true, "401, at most one fetch an interval", paired(unknownKeys, "JWKS_MIN_INTERVAL=1h"), "D01"),
		with("poisoned", "the provider publishes nonsense instead of its keys", true, "the good keys stay", paired(poisonedKeys), "D03"),
		with("odd-keys", "keys that can't be used beside a good one", true, "the good key works, no odd one does", paired(oddKeys), "D04", "D05"),
		with("rotation", "the provider changes its key", false, "the new key after one fetch, the old one no longer", paired(rotation), "D08"),
		with("sees-no-token", "look for callers' tokens in what the provider is asked", true, "no token in any request", paired(tokensStayHere), "RS13", "E07"),
		with("named-by-env", "say by MCP_SERVER_URL what the server is called", false, "called so everywhere", paired(namedByEnv, "MCP_SERVER_URL="+calledByEnv)),
	})
}
