package dialect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// DefaultRolesClient is the client of a Keycloak whose roles count, where no
// setting names another.
const DefaultRolesClient = "echo-mcp-server"

// ClientRoles is the path to the roles of one client of a Keycloak. Roles of the
// realm or of other clients may have the same names and mean something else.
func ClientRoles(client string) []string { return []string{"resource_access", client, "roles"} }

// presets are the known dialects. docs/providers.md says what to switch on at each
// provider.
var presets = []Dialect{
	{
		// "typ": at+jwt; iss, exp, aud, sub, client_id, iat and jti are required.
		Name:   "rfc9068",
		Source: "https://www.rfc-editor.org/rfc/rfc9068#section-2",
	},
	{
		// The header says JWT for all tokens; the claim typ is Bearer, ID, Refresh or
		// Logout. azp names the client. With the client's attribute
		// access.token.header.type.rfc9068 the header says at+jwt.
		Name:   "keycloak",
		Source: "https://www.keycloak.org/docs/latest/server_admin/#_client_advanced_settings_oidc",
		Types:  []string{"at+jwt", "JWT"}, Proof: []Condition{Is("typ", "Bearer")},
		Client: []string{"client_id", "azp"}, Roles: ClientRoles(DefaultRolesClient),
	},
	{
		// Custom authorization servers: no typ. "ver", "cid" and "scp" (an array) are
		// reserved claims of access tokens; ID tokens have only the first. Tokens of
		// the org server have the typ application/okta-internal-at+jwt, and are never
		// for other servers than Okta's own.
		Name:   "okta",
		Source: "https://developer.okta.com/docs/concepts/oauth-claims/",
		Types:  []string{NoType}, Proof: []Condition{Is("ver", "1"), Has("cid"), Has("scp")},
		Client: []string{"cid"}, Scopes: []string{"scp[]"}, Username: "sub",
	},
	{
		// The profile rfc9068_profile or rfc9068_profile_authz of an API.
		Name:   "auth0",
		Source: "https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles",
	},
	{
		// Auth0's own profile: typ JWT, azp, no jti, no client_id; gty for tokens
		// without a user. ID tokens are for the client, and have none of these claims.
		Name:   "auth0-default",
		Source: "https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles",
		Types:  []string{"JWT"}, Proof: []Condition{AudienceIsNotClient(), Has("scope", "permissions", "gty"), Lacks("nonce")},
		Client: []string{"azp"}, MayLack: []string{"jti"},
	},
	{
		// azpacr says how the client authenticated; ID tokens don't have it. sub is
		// another for each application, so the user is oid; tid is the tenant. aud is
		// the API's client id. Clients ask for api://id/name and get name.
		Name:   "entra-v2",
		Source: "https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference",
		Types:  []string{"JWT"}, Proof: []Condition{Is("ver", "2.0"), Has("azpacr")},
		Client: []string{"azp"}, Scopes: []string{"scp"}, ShortScopes: true, ID: "uti", Subject: "oid", Tenant: "tid",
	},
	{
		// requestedAccessTokenVersion null or 1: appid and appidacr for azp and azpacr,
		// another issuer (https://sts.windows.net/TENANT/), aud the App ID URI.
		Name:   "entra-v1",
		Source: "https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference",
		Types:  []string{"JWT"}, Proof: []Condition{Is("ver", "1.0"), Has("appidacr")},
		Client: []string{"appid"}, Scopes: []string{"scp"}, ShortScopes: true, ID: "uti", Subject: "oid", Tenant: "tid",
		Username: "unique_name",
	},
	{
		// JSON token manager as it is created: no typ, no iat, no sub. ID tokens are for
		// the client and have neither client_id nor scope. "Type Header Value" at+jwt,
		// "Include Issued At" and sub in the contract make it rfc9068.
		Name:   "pingfederate",
		Source: "https://docs.pingidentity.com/pingfederate/latest/administrators_reference_guide/pf_configure_json_token_management.html",
		Types:  []string{NoType, "at+jwt"}, Proof: []Condition{Has("client_id"), Has("scope"), AudienceIsNotClient(), Lacks("nonce")},
		MayLack: []string{"iat", "sub"},
	},
	{
		// No typ before 2027-03-02, at+jwt from then on; no jti. ID tokens are for the
		// client and have neither client_id nor scope.
		Name: "pingone",
		Source: "https://developer.pingidentity.com/pingone-api/foundations/authentication-concepts/" +
			"access-tokens-and-id-tokens/token-claims.html",
		Types: []string{NoType, "at+jwt"}, Proof: []Condition{Has("client_id"), Has("scope"), AudienceIsNotClient(), Lacks("nonce")},
		MayLack: []string{"jti"},
	},
	{
		// Client-based tokens of PingAM and PingOne Advanced Identity Cloud: tokenName
		// is access_token, refresh_token or id_token; scope is an array; aud is the
		// client's id unless a script sets it.
		Name:   "forgerock",
		Source: "https://docs.pingidentity.com/pingam/8/oauth2-guide/single-page.html",
		Types:  []string{"JWT"}, Proof: []Condition{Is("tokenName", "access_token")}, Scopes: []string{"scope[]"},
	},
	{
		// No typ; token_use is access or id. aud only where the client asked for a
		// resource. Groups of the pool are cognito:groups.
		Name:   "cognito",
		Source: "https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html",
		Types:  []string{NoType}, Proof: []Condition{Is("token_use", "access")},
		Username: "username", Roles: []string{"cognito:groups"},
	},
	{
		// Connected Apps: aud is the id of the project, client_id the application.
		Name:   "stytch",
		Source: "https://stytch.com/docs/b2b/api/connected-app-access-token",
		Types:  []string{NoType, "JWT", "at+jwt"}, Proof: []Condition{Has("client_id"), Has("scope"), AudienceIsNotClient(), Lacks("nonce")},
	},
}

// opaque are providers whose access tokens say nothing to anybody else.
var opaque = map[string]string{
	"google": "Google's access tokens are opaque, and it has no introspection (RFC 7662): " +
		"let step 9 issue the tokens, with Google as its login",
}

// All are the presets. The slice is the caller's.
func All() []Dialect { return slices.Clone(presets) }

// Named returns a preset. The error lists the names.
func Named(name string) (Dialect, error) {
	var names []string
	for _, preset := range presets {
		if preset.Name == name {
			return preset, nil
		}
		names = append(names, preset.Name)
	}
	if reason, known := opaque[name]; known {
		return Dialect{}, fmt.Errorf("%q is not a dialect: %s", name, reason)
	}
	return Dialect{}, fmt.Errorf("%q is not a dialect: want one of %s", name, strings.Join(names, ", "))
}

// issuers are the forms that issuers of a provider have, with its dialects; the
// likeliest is first.
var issuers = []struct {
	form     *regexp.Regexp
	dialects []string
}{
	{regexp.MustCompile(`^https://[^/]+\.okta(preview|-emea)?\.com(/oauth2/[^/]+)?$`), []string{"okta"}},
	{regexp.MustCompile(`^https://[^/]+\.auth0\.com/$`), []string{"auth0", "auth0-default"}},
	{regexp.MustCompile(`^https://login\.microsoftonline\.(com|us)/[^/]+/v2\.0$`), []string{"entra-v2"}},
	{regexp.MustCompile(`^https://sts\.windows\.net/[^/]+/$`), []string{"entra-v1"}},
	{regexp.MustCompile(`^https://auth\.pingone\.[a-z.]+/[^/]+/as$`), []string{"pingone"}},
	{regexp.MustCompile(`^https://cognito-idp\.[^/]+\.amazonaws\.com(\.cn)?/[^/]+$`), []string{"cognito"}},
	{regexp.MustCompile(`^https?://[^/]+(/[^/]+)?/oauth2/(realms/|[^/]+$)`), []string{"forgerock"}},
	{regexp.MustCompile(`^https?://[^/]+(/[^/]+)?/realms/[^/]+$`), []string{"keycloak", "rfc9068"}},
}

// ForIssuer are the presets that fit the form of an issuer's URL, the likeliest
// first. It is a guess for people, and none where nothing is known: many issuers
// have a domain of their own. Nothing is trusted by it.
func ForIssuer(issuer string) []Dialect {
	var fit []Dialect
	for _, known := range issuers {
		if !known.form.MatchString(issuer) {
			continue
		}
		for _, name := range known.dialects {
			if preset, err := Named(name); err == nil {
				fit = append(fit, preset)
			}
		}
		break
	}
	return fit
}
