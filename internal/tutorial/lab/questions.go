package lab

// Question is one that a reader can answer from the page of its step and those before.
type Question struct {
	Step        int
	Ask, Answer string // Markdown, in one paragraph each
}

// Questions are three for each page, in order.
var Questions = []Question{
	{1, "A server lets in each `Origin` that begins with `http://localhost`. Who gets in, besides local pages?",
		"Anybody who registers a name such as `localhost.evil.com`. An Origin is a scheme, a host and a port. " +
			"Its beginning says nothing, so these three have to be compared as a whole."},
	{1, "After DNS rebinding, the page's `Origin` and the `Host` are equal. How does the server notice that the page is foreign?",
		"By the `Host` alone. It says `evil.com`, and the server has a list of the names by which it may be called. " +
			"Comparing the two headers with each other doesn't help, because they agree."},
	{1, "curl can send any `Origin` and any `Host`. Why are these checks not useless?",
		"They are about browsers. A foreign page can make your browser send requests, and can't change these two headers. " +
			"A program on your machine can. Tokens stop programs (step 6)."},

	{2, "A message has `\"method\":\"ping\"` and `\"METHOD\":\"tools/call\"`. " +
		"What does a check that reads exact names see, and what does `encoding/json` see?",
		"The check sees `ping`. `encoding/json` takes both names for `method`, and the last one wins: `tools/call`. " +
			"So what runs is not what was checked."},
	{2, "This step doesn't pass on the text of the caller. What does it pass on, and what for?",
		"A new encoding of what it understood. Whatever comes next then reads the same message, even if it reads less strictly."},
	{2, "A client sends `notifications/cancelled` for the request with the id 1. Why does the server not pass it on?",
		"There are no sessions, so the library knows a running call by its id alone, and most clients begin with 1. " +
			"The notification could end the call of another caller."},

	{3, "Who reads the description of a tool, and what follows from that for who may write it?",
		"Models read it, nearly as an instruction, and clients show it to users. Whoever writes descriptions can mislead the model. " +
			"So they belong in reviewed code, and not where others can change them."},
	{3, "A server says `readOnlyHint: true`. What may a client conclude?",
		"That the server says so, and nothing else. It is a hint for the user. A server can lie, so no decision about safety may depend on it."},
	{3, "At step 3, `tools/list` works and `tools/call` doesn't. What does a caller get, and is that a fault of the caller?",
		"A JSON-RPC error, -32603, with the text that this comes with step 4. The caller did nothing wrong: " +
			"-32603 says that the server can't do it."},

	{4, "A tool lists `repeat_count` with a maximum of 10. What stops a call with 11?",
		"The server, which checks the arguments of each call against the same schema that it lists. " +
			"A schema that nobody checks is only documentation."},
	{4, "Why is a wrong argument answered with `isError` in the result, and an unknown tool with a JSON-RPC error?",
		"The model chose the argument, so it can read the result, correct the call and try again. " +
			"An unknown tool is a mistake of the client, which speaks JSON-RPC."},
	{4, "A tool needs data from another service. Why must it not send the client's token there?",
		"The token is meant for this server. The other service could use it to act for the user here. The tool needs a credential of its own."},

	{5, "Somebody sees a token in a log. What can this person read, and what change?",
		"Header and payload can be read: they are base64, and not encrypted. Nothing can be changed without breaking the signature. " +
			"But the whole token can be used as it is, by whoever has it."},
	{5, "Which key do you need to make a token, and which one to check it? Who may have which?",
		"The private key makes tokens, and only the issuer may have it. The public key checks them, and everybody may have it. " +
			"That is why it is published."},
	{5, "A server can't read its key file. What should it do, and what is wrong with a warning?",
		"It must not start. With a warning and the check switched off, it works for everybody, so nobody complains and everybody is let in."},

	{6, "Why may the token not choose the algorithm by which it is verified?",
		"An attacker writes the header. With HS256, the key that verifies can also sign. " +
			"A server that follows the header then uses its public key as that secret, and everybody has the public key."},
	{6, "A token has a good signature, the right issuer, and has not expired. Why can it still be an attack?",
		"It can be meant for another server. Somebody there received it, and sends it here. " +
			"Only the audience (`aud`) says for which server it is."},
	{6, "Why do all wrong tokens get the same answer?",
		"So that a forger doesn't learn how far the forgery got, and what to change next. The operator finds the reason in the log."},

	{7, "A client knows one URL, and gets a 401. By which two documents does it find out where to get a token?",
		"The challenge names the server's own document (RFC 9728), which says who issues tokens for it. " +
			"The issuer's document (RFC 8414) says how to get one there."},
	{7, "Why may no URL in these documents come from `Host` or `X-Forwarded-Host`?",
		"The sender of a request chooses these headers. A cache whose key lacks the header gives the answer to the next client. " +
			"It stops, or it goes there."},
	{7, "A client reads metadata whose `resource` is not the URL that it called. What should it do, and why?",
		"Stop. Otherwise it would get a token for one server and send it to another, and that other server would collect tokens."},

	{8, "Who decides about a scope, and who about a role? Which of them can a new token change?",
		"The user grants scopes to a client. An administrator gives roles to a user. " +
			"A new token can have more scopes, if the user agrees, and no other role."},
	{8, "Two calls are refused with 403. One answer has a challenge, and the other has none. What is a client to do with each?",
		"The challenge names the scopes that are missing: the client can ask the user for them and try again. " +
			"Without a challenge the refusal is final for this user, so trying again is pointless."},
	{8, "The tool `audit` is not in a user's list of tools. Is it protected by that?",
		"No. Anybody can call a name that they have read somewhere. The policy refuses the call, and that is the protection. " +
			"The list is a courtesy."},

	{9, "An attacker reads a code in a log, before the client has used it. What is still missing?",
		"The secret that the client made up at the beginning (PKCE). The authorization server got only its hash, and wants the secret " +
			"together with the code."},
	{9, "Why does the authorization server show some errors on a page of its own, instead of sending them to the client?",
		"Before it knows that the redirect URI belongs to the client, the address could be the attacker's. " +
			"Nothing may be sent there, and least of all a code."},
	{9, "A refresh token was copied. Both the client and the attacker use it. What happens?",
		"Each refresh token is good once. The second use shows that it has leaked, so the server revokes the whole family, and the " +
			"user has to log in again."},

	{10, "What does the MCP server of step 10 have to be told about its provider, and what does it find out by itself?",
		"It is told the issuer's URL, and by the dialect how its tokens are written. " +
			"It reads the provider's metadata, which must name exactly this issuer, and finds the keys there."},
	{10, "A provider signs an ID token and an access token with the same key. How does the server tell them apart?",
		"By the type in the header (`at+jwt`), or where the provider writes `JWT` everywhere, by what the claims say about the kind of token. " +
			"Key and signature are the same in both."},
	{10, "The provider is down. What happens to a good token, and what at a server that has never had the keys?",
		"The server has kept the keys, so a good token still works. Without any keys it can neither accept nor reject, so it answers 503. " +
			"A 401 would make clients throw good tokens away."},

	{11, "The metadata of a malicious MCP server names an honest one. At which check does the client stop, and what would have " +
		"happened without it?",
		"The `resource` in the metadata is not the URL that the client called. Without this check the client gets a token for the " +
			"honest server, from its real login page, and sends it to the malicious one."},
	{11, "What is the difference between what `state` shows and what `iss` shows?",
		"`state` shows that an answer belongs to the request that this client made. " +
			"`iss` shows which authorization server gave the answer. Both must fit before the code is used."},
	{11, "Which decision can the client not make for the user, whatever it checks?",
		"Whether the login page is one where the user wants to type a password. The client trusts the authorization server that the " +
			"MCP server names. Only the user can judge the address in the browser."},
}
