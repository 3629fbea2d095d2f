package providertest

// Differences are all known ones, for Keycloak 26.7.3 with the features cimd and
// resource-indicators. A test that sees another answer than the one here fails.
var Differences = []Difference{
	{
		ID:       "metadata-openid-inserted",
		What:     "OpenID discovery at the inserted path, /.well-known/openid-configuration/realms/…",
		Embedded: "200", Keycloak: "404",
		Why: "OpenID Connect Discovery appends the path; only MCP's order of tries has the inserted form. " +
			"Clients find the document at the next place.",
	},
	{
		ID:       "metadata-challenge-methods",
		What:     "code_challenge_methods_supported",
		Embedded: "S256", Keycloak: "S256 plain",
		Why: "Keycloak lists what it can do. The client policy pkce-enforcer of the realm file refuses plain all the same.",
	},
	{
		ID:       "metadata-response-types",
		What:     "response_types_supported beyond code",
		Embedded: "none", Keycloak: "code id_token, code id_token token, code token, id_token, id_token token, none, token",
		Why: "As above: the policy reject-implicit-grant refuses them.",
	},
	{
		ID:       "token-type",
		What:     "header typ of an access token",
		Embedded: "at+jwt", Keycloak: "JWT",
		Why: "Keycloak can be told to write at+jwt by client only, and its claim typ says Bearer. The MCP " +
			"server tells ID tokens apart by that claim.",
	},
	{
		ID:       "token-client",
		What:     "the client's name in an access token",
		Embedded: "azp, client_id", Keycloak: "azp",
		Why: "RFC 9068 asks for client_id; Keycloak has azp in its place.",
	},
	{
		ID:       "audience-by-default",
		What:     "aud of a token that was asked for without resource",
		Embedded: "http://localhost:9000/mcp", Keycloak: "echo-mcp-server http://localhost:9000/mcp",
		Why: "Keycloak finds the client of a resource among the audiences of the token, so that one must be " +
			"its client_id. With resource, aud is the resource alone.",
	},
	{
		ID:       "foreign-resource-at-authorization",
		What:     "a foreign resource in an authorization request",
		Embedded: "invalid_target", Keycloak: "code",
		Why: "Keycloak looks at resource when it makes a token, and refuses there.",
	},
	{
		ID:       "implicit-refused",
		What:     "response_type=token",
		Embedded: "unsupported_response_type", Keycloak: "unauthorized_client",
		Why: "Keycloak knows the response type, and doesn't allow it to the client. Both codes are of RFC " +
			"6749, section 4.1.2.1.",
	},
	{
		ID:       "unknown-scope",
		What:     "an authorization request with a scope that doesn't exist, beside one that does",
		Embedded: "200", Keycloak: "invalid_scope",
		Why: "RFC 6749, section 3.3, allows both. The embedded server leaves out what it doesn't know, and " +
			"says in the answer what it granted.",
	},
	{
		ID:       "no-scope-left",
		What:     "a user who may grant none of the scopes asked for",
		Embedded: "access_denied", Keycloak: "code",
		Why: "Keycloak gives a token without scopes, which opens nothing.",
	},
	{
		ID:       "verifier-missing",
		What:     "a token request without code_verifier",
		Embedded: "400 invalid_request", Keycloak: "400 invalid_grant",
		Why: "RFC 7636, section 4.6, names invalid_grant for a wrong one only; a missing parameter is " +
			"invalid_request by RFC 6749, section 5.2.",
	},
	{
		ID:       "verifier-malformed",
		What:     "a token request with a code_verifier of 42 characters",
		Embedded: "400 invalid_request", Keycloak: "400 invalid_grant",
		Why: "As above.",
	},
	{
		ID:       "refresh-for-more",
		What:     "a refresh that asks for a scope which was not granted",
		Embedded: "400 invalid_scope", Keycloak: "200",
		Why: "Keycloak gives what was granted before, and no more; RFC 6749, section 6, would have it refuse.",
	},
	{
		ID:       "wrong-secret",
		What:     "a token request with a wrong client secret",
		Embedded: "401 invalid_client", Keycloak: "401 unauthorized_client",
		Why: "RFC 6749, section 5.2, has invalid_client; clients should go by the status too.",
	},
	{
		ID:       "client-credentials-refresh-token",
		What:     "a refresh token with client credentials",
		Embedded: "false", Keycloak: "true",
		Why: "RFC 6749, section 4.4.3, advises against. The realm file switches it on, since Keycloak 26.7 " +
			"answers 500 where a token request has resource and gets no refresh token.",
	},
	{
		ID:       "introspection-of-narrowed",
		What:     "echo-mcp-server introspects a token that was asked for with resource",
		Embedded: "true", Keycloak: "false",
		Why: "Keycloak answers only clients whose client_id is in aud, and with resource the URL alone is " +
			"there. The MCP server verifies tokens by their signature and asks nobody.",
	},
	{
		ID:       "introspection-by-public-client",
		What:     "introspection by mcp-test-client, which has no secret",
		Embedded: "401 invalid_client", Keycloak: "403 invalid_request",
		Why: "Both refuse.",
	},
	{
		ID:       "consent-again",
		What:     "a user who has consented is asked again for a program on the same machine",
		Embedded: "true", Keycloak: "false",
		Why: "Any program there can take the client's name (RFC 8252, section 8.6), so the embedded server " +
			"remembers a consent for https redirects alone. Keycloak remembers it for every client.",
	},
	{
		ID:       "wrong-password",
		What:     "the login page after a wrong password",
		Embedded: "401", Keycloak: "200",
		Why: "Browsers show the page either way; scripts can tell by the status.",
	},
	{
		ID:       "consent-shows-redirect-host",
		What:     "the consent page shows where the browser is sent afterwards",
		Embedded: "true", Keycloak: "false",
		Why: "The MCP specification demands it. Keycloak's page would need a theme of one's own.",
	},
	{
		ID:       "registration-of-foreign-host",
		What:     "registration of a redirect URI at a host that isn't among the trusted ones",
		Embedded: "400 invalid_redirect_uri", Keycloak: "403 insufficient_scope",
		Why: "Keycloak's code for all that a registration policy refuses (Trusted Hosts here); RFC 7591, " +
			"section 3.2.2, has invalid_redirect_uri.",
	},
	{
		ID:       "registration-of-script",
		What:     "registration of a redirect URI with the scheme javascript, data, file, or one of an app's own",
		Embedded: "400 invalid_redirect_uri", Keycloak: "403 insufficient_scope",
		Why: "As above. Without the executor secure-redirect-uris-enforcer, Keycloak answers 500.",
	},
	{
		ID:       "registration-of-wildcard",
		What:     "registration of a redirect URI with an asterisk",
		Embedded: "400 invalid_redirect_uri", Keycloak: "403 insufficient_scope",
		Why: "As above. Without the executor, Keycloak takes it as a wildcard.",
	},
	{
		ID:       "registration-of-userinfo",
		What:     "registration of a redirect URI with a user name in it",
		Embedded: "400 invalid_redirect_uri", Keycloak: "201",
		Why: "Keycloak looks at the host alone, which is a trusted one.",
	},
	{
		ID:       "registration-without-redirect",
		What:     "registration without a redirect URI",
		Embedded: "400 invalid_redirect_uri", Keycloak: "403 insufficient_scope",
		Why: "As for scripts.",
	},
	{
		ID:       "registration-of-unknown-scope",
		What:     "registration with a scope that doesn't exist or isn't for everybody",
		Embedded: "201", Keycloak: "403 insufficient_scope",
		Why: "The embedded server leaves the scope out and says so in its response (RFC 7591, section 3.2.1). " +
			"Keycloak's policy Allowed Client Scopes refuses. The realm file lists the scopes.",
	},
	{
		ID:       "registration-no-json",
		What:     "registration with a body that is not JSON",
		Embedded: "400 invalid_client_metadata", Keycloak: "400 invalid_request",
		Why: "Both say that the body is at fault.",
	},
	{
		ID:       "registration-for-client-credentials",
		What:     "registration for client credentials alone",
		Embedded: "400 invalid_client_metadata", Keycloak: "201",
		Why: "Keycloak makes an account without any role for such a client: its tokens have no scope.",
	},
	{
		ID:       "revoke-unknown",
		What:     "revocation of a token that doesn't exist",
		Embedded: "200", Keycloak: "200 invalid_token",
		Why: "The status is that of RFC 7009, section 2.2; Keycloak's body has an error beside it.",
	},
	{
		ID:       "client-credentials-of-public-client",
		What:     "client credentials of a client without a secret",
		Embedded: "400 unauthorized_client", Keycloak: "401 unauthorized_client",
		Why: "Both refuse.",
	},
}
