package matrix

import (
	"fmt"
	"net/http"

	"mcp-auth-step-by-step/internal/oauth/tokencache"
)

func rowsOfStep10() []Row {
	invalid := Want{
		Status: http.StatusUnauthorized, Error: "invalid_token",
		Lacks: []string{"structuredContent"},
	}
	denied := Want{
		Status: http.StatusForbidden, Error: "access_denied",
		Lacks: []string{"WWW-Authenticate", "decisions"},
	}
	good := Want{From: 10, Status: http.StatusOK, Has: []string{echoed}}
	// A token that is good at some provider: the server's own issuer would not
	// have written it, and the server's own key did not sign it.
	unlikeOurs := append(workOf(echoed), invalid.from(6), good)
	spoofed := func(at8 Want) []Want { return unknownUntil(8, at8, denied.from(10)) }
	const keycloak = `{"typ":"JWT"}`
	who := `"client_id":null,"azp":"some-client"`
	hello := &Call{Method: "prompts/get", Name: "greeting"}
	return inLayer(10, []Row{
		healthy(10, "tokens", fmt.Sprintf(`"token_cache":%d`, tokencache.Size)),
		{
			ID: "health-found", Refs: []string{"WA15"},
			Title:   "the health report names metadata that exists, here a provider's that has OpenID's document alone",
			Request: get("/health"),
			Want: []Want{
				{From: 1, Status: http.StatusOK, Lacks: []string{"authorization_server_metadata"}, Note: "not said"},
				{
					From: 7, Status: http.StatusOK, Has: []string{`/.well-known/oauth-authorization-server"`},
					Note: "its own",
				},
				{
					From: 10, Status: http.StatusOK, Has: []string{`/realms/test/.well-known/openid-configuration"`},
					Note: "the provider's",
				},
			},
		},
		{
			ID: "provider-ps256", Refs: []string{"RS08", "C03"},
			Title:   "a token signed with PS256 by a key for PS256",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "ps256"})},
			Want:    unlikeOurs,
		},
		{
			ID: "provider-es256", Refs: []string{"RS08", "C03"},
			Title:   "a token signed with ES256 by a key for ES256",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "es256"})},
			Want:    unlikeOurs,
		},
		{
			ID: "provider-eddsa", Refs: []string{"RS08", "C03"},
			Title:   "a token signed with EdDSA by a key for EdDSA",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "eddsa"})},
			Want:    unlikeOurs,
		},
		{
			ID: "provider-typ-jwt", Refs: []string{"RS08", "C12", "C18"},
			Title: "an access token as Keycloak writes it: typ JWT in the header, typ Bearer and azp in the claims",
			Request: Request{
				Call: echoCall, Token: aliceWith(Token{Header: keycloak, Claims: `{"typ":"Bearer",` + who + `}`}),
			},
			Want: unlikeOurs,
		},
		{
			ID: "provider-other-algorithm", Refs: []string{"RS08", "C04"}, Attack: true,
			Title:   "a signature with RS256 by the key that is published for PS256",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "ps256-as-rs256"})},
			Want:    refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-encryption-key", Refs: []string{"RS08", "C05"}, Attack: true,
			Title:   "a signature by a key that is published for encryption",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "enc"})},
			Want:    refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-twin-rsa", Refs: []string{"RS08", "WC3"},
			Title:   "a signature by the first of two keys with one key id and different algorithms",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "twin-rsa"})},
			Want:    append(workOf(echoed), invalid.from(6), good),
		},
		{
			ID: "provider-twin-ec", Refs: []string{"RS08", "WC3"},
			Title:   "a signature by the second of two keys with one key id and different algorithms",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "twin-ec"})},
			Want:    append(workOf(echoed), invalid.from(6), good),
		},
		{
			ID: "provider-no-kid", Refs: []string{"RS08", "C09"}, Attack: true,
			Title:   "a token without a key id, where the provider has several keys",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Header: `{"kid":null}`})},
			Want:    refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-unpublished", Refs: []string{"RS08", "C09"}, Attack: true,
			Title:   "a signature by a key that the provider doesn't publish",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Key: "next"})},
			Want:    refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-other-realm", Refs: []string{"RS08", "C15"}, Attack: true,
			Title:   "a token of another realm of the provider, signed by the same key",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Claims: `{"iss":"{issuer}-2"}`})},
			Want:    refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-id-token", Refs: []string{"RS08", "C12"}, Attack: true,
			Title: "an ID token: typ JWT in the header, typ ID in the claims",
			Request: Request{
				Call: echoCall, Token: aliceWith(Token{Header: keycloak, Claims: `{"typ":"ID",` + who + `}`}),
			},
			Want: refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-refresh-token", Refs: []string{"RS08", "C12"}, Attack: true,
			Title: "a refresh token: typ JWT in the header, typ Refresh in the claims",
			Request: Request{
				Call: echoCall, Token: aliceWith(Token{Header: keycloak, Claims: `{"typ":"Refresh",` + who + `}`}),
			},
			Want: refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-logout-token", Refs: []string{"RS08", "C12"}, Attack: true,
			Title: "a logout token whose claim typ is Bearer",
			Request: Request{
				Call: echoCall,
				Token: aliceWith(Token{
					Header: keycloak,
					Claims: `{"typ":"Bearer","events":{"http://schemas.openid.net/event/backchannel-logout":{}},` +
						who + `}`,
				}),
			},
			Want: refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-plain-jwt", Refs: []string{"RS08", "C12"}, Attack: true,
			Title:   "a JWT without a type in its claims",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Header: keycloak, Claims: `{` + who + `}`})},
			Want:    refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-id-token-typed", Refs: []string{"RS08", "C12"}, Attack: true,
			Title:   "an ID token with typ at+jwt in the header",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Claims: `{"typ":"ID"}`})},
			Want:    refusedFrom(10, workOf(echoed), invalid),
		},
		{
			ID: "provider-refresh-token-typed", Refs: []string{"RS08", "C12"}, Attack: true,
			Title:   "a refresh token with typ at+jwt in the header",
			Request: Request{Call: echoCall, Token: aliceWith(Token{Claims: `{"typ":"Refresh"}`})},
			Want:    refusedFrom(10, workOf(echoed), invalid),
		},
		{
			ID: "provider-no-party", Refs: []string{"RS08", "C18"}, Attack: true,
			Title: "a token from Keycloak without a client",
			Request: Request{
				Call:  echoCall,
				Token: aliceWith(Token{Header: keycloak, Claims: `{"typ":"Bearer","client_id":null}`}),
			},
			Want: refusedFrom(6, workOf(echoed), invalid),
		},
		{
			ID: "provider-two-parties", Refs: []string{"RS08", "C18"}, Attack: true,
			Title: "a token from Keycloak with two clients",
			Request: Request{
				Call: echoCall, Token: aliceWith(Token{Header: keycloak, Claims: `{"typ":"Bearer","azp":"other"}`}),
			},
			Want: refusedFrom(6, workOf(echoed), invalid),
		},

		{
			ID: "spoof-roles", Refs: []string{"E05"}, Attack: true,
			Title:   "the role admin in a claim that users of the provider can edit",
			Request: Request{Call: audit, Token: aliceWith(Token{Claims: `{"roles":["admin"]}`})},
			Want:    spoofed(Want{Status: 200, Has: []string{"decisions"}}),
		},
		{
			ID: "spoof-realm", Refs: []string{"E05"}, Attack: true, Title: "the role admin of the realm",
			Request: Request{Call: audit, Token: aliceWith(Token{Claims: `{"realm_access":{"roles":["admin"]}}`})},
			Want:    spoofed(denied),
		},
		{
			ID: "spoof-other-client", Refs: []string{"E05"}, Attack: true, Title: "the role admin of another client",
			Request: Request{
				Call: audit,
				Token: aliceWith(Token{
					Claims: `{"resource_access":{"other":{"roles":["admin"]},"echo-mcp-server":{"roles":["user"]}}}`,
				}),
			},
			Want: spoofed(denied),
		},
		{
			ID: "spoof-groups", Refs: []string{"E05"}, Attack: true, Title: "membership of a group admin",
			Request: Request{Call: audit, Token: aliceWith(Token{Claims: `{"groups":["admin","/admin"]}`})},
			Want:    spoofed(denied),
		},
		{
			ID: "spoof-service", Refs: []string{"E05"}, Attack: true,
			Title: "a client's own token with the subject admin",
			Request: Request{
				Call:  audit,
				Token: aliceWith(Token{Claims: `{"sub":"admin","preferred_username":"admin","resource_access":null}`}),
			},
			Want: spoofed(denied),
		},

		{
			// As the realm file has them: their roles are names of scopes, and
			// none of this server's.
			ID:    "provider-foreign-roles",
			Refs:  []string{"RS11"},
			Title: "a user who has roles at the provider, and none of this server's",
			Request: Request{
				Call: echoCall, Token: aliceWith(Token{Roles: []string{"mcp:read", "mcp:tools"}}),
			},
			Want: append(workOf(echoed), Want{From: 8, Status: http.StatusForbidden, Error: "access_denied"}, good),
		},
		{
			ID: "greeting-of-caller", Title: "get greeting without a name",
			Request: Request{Call: hello, Token: alice},
			Want: append(workOf("greet a friend"), Want{
				From: 10, Status: 200, Has: []string{"greet alice", "mcp:tools", "Roles: user"},
				Note: "by name",
			}),
		},

		{
			ID: "provider-late", Refs: []string{"D02"}, Attack: true,
			Title:    "a server that starts before its provider",
			Exchange: ofProvider("503 until the keys are there", lateProvider),
			Want:     fromProvider("503 until the keys are there"),
		},
		{
			ID: "provider-away", Refs: []string{"D02"}, Attack: true, Title: "a provider that no longer answers",
			Exchange: ofProvider("good tokens 200, unknown keys 401", paired(providerAway)),
			Want:     fromProvider("good tokens 200, unknown keys 401"),
		},
		{
			ID: "provider-flood", Refs: []string{"D01"}, Attack: true, Title: "2,000 tokens with made-up key ids",
			Exchange: ofProvider("401, at most one fetch an interval", paired(unknownKeys, "JWKS_MIN_INTERVAL=1h")),
			Want:     fromProvider("401, at most one fetch an interval"),
		},
		{
			ID: "provider-poisoned", Refs: []string{"D03"}, Attack: true,
			Title:    "a provider that publishes broken key sets",
			Exchange: ofProvider("the good keys stay", paired(poisonedKeys)),
			Want:     fromProvider("the good keys stay"),
		},
		{
			ID: "provider-odd-keys", Refs: []string{"D04", "D05"}, Attack: true,
			Title:    "unusable keys beside a good one",
			Exchange: ofProvider("the good key works, no odd one does", paired(oddKeys)),
			Want:     fromProvider("the good key works, no odd one does"),
		},
		{
			ID: "provider-rotation", Refs: []string{"D08"}, Title: "a provider that changes its key",
			Exchange: ofProvider("the new key after one fetch, the old one no longer", paired(rotation)),
			Want:     fromProvider("the new key after one fetch, the old one no longer"),
		},
		{
			ID: "provider-sees-no-token", Refs: []string{"RS13", "E07"}, Attack: true,
			Title:    "callers' tokens in the requests to the provider",
			Exchange: ofProvider("no token in any request", paired(tokensStayHere)),
			Want:     fromProvider("no token in any request"),
		},
		{
			ID: "provider-named-by-env", Title: "a base URL from MCP_SERVER_URL",
			Exchange: ofProvider("called so everywhere", paired(namedByEnv, "MCP_SERVER_URL="+calledByEnv)),
			Want:     fromProvider("called so everywhere"),
		},
	})
}
