package lab

import "mcp-auth-step-by-step/internal/tutorial/matrix"

// echoed is what the call of the rows returns.
const echoed = `"structuredContent":{"text":"hi"}`

// ran is the answer of a server that did the work.
func ran() matrix.Want {
	return matrix.Want{Status: 200, Has: []string{echoed}, Note: "the tool runs"}
}

// gets is an answer that holds a text.
func gets(has, note string) matrix.Want {
	return matrix.Want{Status: 200, Has: []string{has}, Note: note}
}

// Attacks are all of them, in the order of the pages.
var Attacks = []Attack{
	{
		Step: 1, Name: "origin-prefix", Fault: "origin-prefix",
		Title: "A page whose name begins like yours",
		Why: "The naive server compares the beginning of the Origin with `http://localhost`, and anybody can register a name that begins so. " +
			"It lets such a page in and says so in `Access-Control-Allow-Origin`, so the browser shows the page the answer. " +
			"The health report is harmless. With a tool in its place, the page could use the tool and read the result.",
		Stops: "The step parses the Origin and compares scheme, host and port (RFC 6454, section 4).",
		Gets: matrix.Want{
			Status: 200, Has: []string{`"status":"healthy"`, "Access-Control-Allow-Origin: http://localhost.evil.com"},
			Note: "the page gets its answer",
		},
	},
	{
		Step: 1, Name: "host-rebound-same-origin", Fault: "no-host-check", Era: matrix.Legacy,
		Title: "A name that leads to this machine (DNS rebinding)",
		Why: "The page's own name resolves to 127.0.0.1 by now. Origin and Host are equal, so the naive server takes the page for one " +
			"of its own, and nobody asks whether it has that name. The port is that of the server which the page wants to reach.",
		Stops: "The step has a list of the names by which it may be called (MCP, Streamable HTTP, \"Security\").",
		Also:  "To see it in your browser, open [lab/rebind.html](lab/rebind.html).",
		Gets:  ran(),
	},
	{
		Step: 2, Name: "method-two-readers", Fault: "two-readers",
		Title: "One message, two readers",
		Why: "The check of the naive server reads \"method\" and sees a harmless ping. " +
			"The library behind it also takes \"METHOD\", and runs audit, a tool for administrators alone (step 8 brings it).",
		Stops: "The step reads a message once, strictly, and hands on that reading (JSON-RPC 2.0; CVE-2026-27896).",
		Gets:  gets(`"decisions"`, "the hidden tool runs"),
	},
	{
		Step: 2, Name: "type-text", Fault: "any-content-type",
		Title: "A body that any page may send",
		Why: "Before a page sends application/json to another site, the browser asks that site for permission (a preflight). " +
			"For text/plain it doesn't ask. The naive server doesn't look at the type. " +
			"So a page whose Origin it lets in, as in the first attack of step 1, can call its tools.",
		Stops: "The step takes application/json alone, for which a browser asks first (Fetch, \"CORS-safelisted request-header\").",
		Gets:  gets(`"result":{}`, "the message is read"),
	},
	{
		Step: 4, Name: "echo-too-often", Fault: "no-schema-check", Era: matrix.Legacy,
		Title: "An argument that the schema forbids",
		Why:   "The tool says that it repeats a message ten times at most. The naive server publishes that schema and holds no call against it.",
		Stops: "The step checks the arguments of each call against the tool's own schema (MCP, tools, \"Security Considerations\").",
		Gets:  gets(`"text":"hihihihihihihihihihihi"`, "the tool repeats eleven times"),
	},
	{
		Step: 5, Name: "private-key", Fault: "private-key-served",
		Title: "Read the private key",
		Why: "The naive server serves a folder, and its keys lie in it. Whoever has the private key can sign tokens. " +
			"(It is the naive server's own key, made at its start.)",
		Stops: "The step serves the public half alone, from memory, and no folder (RFC 7517, section 9.2).",
		Gets:  gets("BEGIN PRIVATE KEY", "the key"),
	},
	{
		Step: 6, Name: "flaw-hs256-public-key", Fault: "alg-from-token", Era: matrix.Legacy,
		Title: "The public key as a secret",
		Why: "The token says HS256, a signature that one shared secret makes and verifies (an HMAC). " +
			"The naive server takes the key that it has for this secret. That key is public: the attacker has it, too.",
		Stops: "At the step an algorithm belongs to the key, and the token doesn't choose (RFC 8725, section 3.1).",
		Gets:  ran(),
	},
	{
		Step: 6, Name: "flaw-wrong-audience", Fault: "no-audience", Era: matrix.Legacy,
		Title: "A token for another server",
		Why: "The token is good, and was issued for another server of the same issuer. That server, or whoever stole the token there, " +
			"sends it here.",
		Stops: "The step compares aud with its own identifier (RFC 9068, section 4; RFC 8707, section 2).",
		Gets:  ran(),
	},
	{
		Step: 6, Name: "flaw-id-token", Fault: "no-token-type", Era: matrix.Legacy,
		Title: "An ID token instead of an access token",
		Why: "An ID token has the same issuer and key. It tells a client who its user is, and allows nothing. " +
			"Its aud is that client (OpenID Connect Core, section 2), so the audience check stops most of them. " +
			"This one has this server in aud, so that only the type can stop it.",
		Stops: "The step takes the type at+jwt alone (RFC 9068, section 4; RFC 8725, section 3.11).",
		Gets:  ran(),
	},
	{
		Step: 6, Name: "flaw-key-url", Fault: "key-from-token", Era: matrix.Legacy,
		Title: "A token that brings its own key",
		Why: "The header of the token names a URL (jku), and the naive server fetches the key there. " +
			"It is a site of the attacker, with the attacker's key: `naive` serves it too, at port 9666.",
		Stops: "The step finds keys by kid in the issuer's key set, and reads nothing else of the header (RFC 8725, section 3.10).",
		Gets:  ran(),
	},
	{
		Step: 6, Name: "session-without-token", Fault: "session-for-token", Era: matrix.Legacy,
		Title: "A session instead of a token",
		Why:   "The naive server remembers who logged in, by a session id, and asks for no token after that. This id can be guessed.",
		Stops: "The step has no sessions, and wants a token with each request (MCP, Security Best Practices, \"Session Hijacking\").",
		Gets:  ran(),
	},
	{
		Step: 7, Name: "metadata-forwarded", Fault: "metadata-from-host",
		Title: "A foreign name in the metadata",
		Why: "The naive server writes the name that the request states into its metadata. " +
			"Step 1 refuses a foreign Host. But X-Forwarded-Host, which a proxy sets, can be sent by anybody, too. " +
			"A cache that looks at the path alone gives this answer to the next client.",
		Stops: "At the step all stated URLs come from the configuration, whatever the headers say (RFC 9728, sections 3.3 and 7.3).",
		Gets:  gets("http://evil.com/mcp", "the attacker's name"),
	},
	{
		Step: 8, Name: "scope-prefix", Fault: "scope-substring", Era: matrix.Legacy,
		Title: "A scope that contains the right one",
		Why: "The naive server would stop a client that has mcp:read alone. But it looks for the text mcp:tools, and finds it in " +
			"not-mcp:tools, a scope of another service of this issuer.",
		Stops: "The step splits the claim at blanks and compares whole scopes (RFC 6749, section 3.3).",
		Gets:  ran(),
	},
	{
		Step: 8, Name: "audit-by-name", Fault: "admin-by-name", Era: matrix.Legacy,
		Title: "A user with the right name",
		Why: "The naive server takes whoever is called admin for an administrator. At many providers users choose their own names. " +
			"The token of this command has that name, and the role user alone. (The naive server keeps no log: its audit only lists this call.)",
		Stops: "The step reads roles, which the issuer gives, and no names (RFC 9068, section 2.2.3.1).",
		Gets:  gets(`"decisions"`, "the hidden tool runs"),
	},
	{
		Step: 10, Name: "provider-id-token-typed", Fault: "no-token-type", Era: matrix.Legacy,
		Title: "An ID token as an access token",
		Why: "A provider signs several kinds of tokens with one key. The naive server checks the signature and takes each of them. " +
			"Header and aud are those of an access token here, so that another check has to stop it; real ID tokens have their client in aud.",
		Stops: "The step also reads the provider's own claim for the kind of a token: typ, which says ID (RFC 8725, sections 3.11 and 3.12).",
		Gets:  ran(),
	},
	{
		Step: 10, Name: "spoof-roles", Fault: "roles-from-anywhere", Era: matrix.Legacy,
		Title: "A role that users write themselves",
		Why:   "At some providers users can edit claims about themselves. The naive server reads roles wherever they stand.",
		Stops: "The step reads the roles of one client of the provider, where only the provider writes (RFC 9700, section 4.15).",
		Gets:  gets(`"decisions"`, "the hidden tool runs"),
	},
	{
		Step: 10, Name: "provider-other-realm", Fault: "no-issuer", Era: matrix.Legacy,
		Title: "A token of another realm",
		Why:   "Two realms of one provider can share a key, and have different users. The naive server looks at the key alone.",
		Stops: "The step compares iss to the letter (RFC 9068, section 4).",
		Gets:  ran(),
	},
	flow("foreign-redirect", "any-redirect-uri", "A redirect URI of the attacker",
		"The user follows a link to the authorization server. It names an honest client, and the attacker's address for the answer.",
		"Step 9 sends answers to registered addresses alone (RFC 9700, section 2.1)."),
	flow("stolen-code", "no-pkce", "A stolen code",
		"The attacker reads the code on its way back to the client, for example in a log, and redeems it first. "+
			"The naive server doesn't ask for the secret that belongs to it.",
		"Step 9 wants the verifier whose hash came with the request (RFC 7636, section 4.6)."),
	flow("code-twice", "code-twice", "A code that is used twice",
		"The client has redeemed the code, and the attacker redeems it once more.",
		"Step 9 refuses the second use, and revokes what the first one gave (RFC 6749, section 4.1.2)."),
	hostile("impostor", "no-resource-check", "An MCP server that says it is another",
		"The metadata of the attacker's server names the honest server. The naive client gets a token for that one, and sends it to "+
			"the attacker.",
		"Step 11 compares the resource in the metadata with the URL that it called (RFC 9728, section 3.3).",
		"Now the attacker has a token of alice that is good at http://localhost:9001", "describes"),
	hostile("mixup", "no-iss-check", "An answer of another authorization server (mix-up)",
		"The attacker's authorization server sends the user to the honest one. The code is the honest one's, and the naive client "+
			"sends it to the attacker.",
		"Step 11 wants iss in the answer to be the issuer that it asked. The attacker's issuer had to promise iss, or the client would "+
			"not have gone to another origin; the answer has none (RFC 9207, section 2.4).",
		"The code goes to http://localhost:9666/mixup/token", "iss"),
}

// flow is an attack on an authorization server.
func flow(name, fault, title, why, stops string) Attack {
	return Attack{
		Step: 9, Name: name, Fault: fault, Title: title, Why: why, Stops: stops,
		Program: &Commands{
			Naive: "go run ./cmd/attack " + name + " " + NaiveIssuer, Step: "go run ./cmd/attack " + name + " " + Issuer,
			NaiveSays: Worked, StepSays: Failed,
		},
	}
}

// hostile is an attack on a client, by the attacker's site.
func hostile(name, fault, title, why, stops, naiveSays, stepSays string) Attack {
	server := AttackerURL + "/" + name + "/mcp"
	return Attack{
		Step: 11, Name: name, Fault: fault, Title: title, Why: why, Stops: stops,
		Program: &Commands{
			Naive:     "go run ./cmd/naive client " + server,
			Step:      "go run ./cmd/step11 --quiet --store none --login mcp-user:user123 --server " + server,
			NaiveSays: naiveSays, StepSays: stepSays,
		},
	}
}
