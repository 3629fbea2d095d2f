package authserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
)

func passwordForm(user string, changes ...string) url.Values {
	values := url.Values{"grant_type": {"password"}, "username": {user}, "password": {passwordOf(user)}, "scope": {"mcp:read mcp:tools mcp:prompts"}}
	change(values, changes)
	return values
}

func TestG11_AS11_IssuedTokens(t *testing.T) {
	t.Parallel()
	r := start(t)
	refreshed := r.login("mcp-user")
	seen := map[string]bool{}
	for i := range 100 {
		// From each grant: refreshed ones, and ones by password.
		var got reply
		if i%2 == 0 {
			refreshed = r.tokens(refreshForm(refreshed.RefreshToken))
			got = refreshed
		} else {
			got = r.tokens(passwordForm("mcp-user"))
		}
		if got.status != http.StatusOK || got.TokenType != "Bearer" || got.ExpiresIn != 300 || got.header.Get("Cache-Control") != "no-store" || got.Scope != "mcp:read mcp:tools" {
			t.Fatalf("%d %s", got.status, got.text)
		}
		header, claims := r.claimsOf(got.AccessToken)
		if header["typ"] != "at+jwt" || header["alg"] != "RS256" || header["kid"] == "" {
			t.Fatalf("header %v", header)
		}
		now := float64(r.clock.now().Unix())
		for name, want := range map[string]any{
			"iss": r.issuer, "aud": testResource, "client_id": testClient, "azp": testClient, "scope": "mcp:read mcp:tools",
			"preferred_username": "mcp-user", "iat": now, "exp": now + 300,
		} {
			if claims[name] != want {
				t.Errorf("%s is %v, want %v", name, claims[name], want)
			}
		}
		id, _ := claims["jti"].(string)
		if id == "" || seen[id] {
			t.Fatalf("jti %q, seen before: %v", id, seen[id])
		}
		seen[id] = true
		if claims["sub"] == "mcp-user" || claims["sub"] == "" || claims["email"] != nil || claims["name"] != nil {
			t.Errorf("claims %v", claims)
		}
		if _, err := r.Server.tokens.verifier.Verify(t.Context(), got.AccessToken); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAS11_ClaimsFollowTheScopes(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := r.tokens(passwordForm("mcp-user", "scope=mcp:read profile email"))
	_, claims := r.claimsOf(got.AccessToken)
	if claims["name"] != "Uma User" || claims["email"] != "mcp-user@example.com" || claims["email_verified"] != true || got.IDToken != "" {
		t.Errorf("claims %v", claims)
	}
	roles, _ := json.Marshal(claims["resource_access"])
	if string(roles) != `{"echo-mcp-server":{"roles":["mcp:read"]}}` {
		t.Errorf("resource_access %s", roles)
	}
}

func TestAS11_RolesStandInTheTokenAsKeycloakWritesThem(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) {
		for i := range c.Realm.Users {
			if c.Realm.Users[i].Username == "mcp-admin" {
				c.Realm.Users[i].Roles = map[string][]string{serverClient: {"mcp:read", "admin"}, "elsewhere": {"root"}}
			}
		}
	})
	_, claims := r.claimsOf(r.tokens(passwordForm("mcp-admin")).AccessToken)
	if roles, _ := json.Marshal(claims["resource_access"]); string(roles) != `{"echo-mcp-server":{"roles":["mcp:read","admin"]}}` {
		t.Errorf("resource_access %s", roles)
	}
	full := start(t, func(c *Config) {
		for i := range c.Realm.Clients {
			c.Realm.Clients[i].FullScope = true
		}
	})
	_, claims = full.claimsOf(full.tokens(passwordForm("mcp-admin", "scope=mcp:read")).AccessToken)
	if roles, _ := json.Marshal(claims["resource_access"]); string(roles) != `{"echo-mcp-server":{"roles":["mcp:read","mcp:tools","mcp:prompts"]}}` {
		t.Errorf("with full scope: %s", roles)
	}
}

func TestScopesAreBoundedByClientAndUser(t *testing.T) {
	t.Parallel()
	r := start(t)
	const all = "scope=mcp:read mcp:tools mcp:prompts"
	for _, test := range []struct{ user, change, scope string }{
		{"mcp-admin", all, "mcp:read mcp:tools mcp:prompts"},
		{"mcp-user", all, "mcp:read mcp:tools"},
		{"mcp-readonly", all, "mcp:read"},
		{"mcp-user", "scope=mcp:tools unknown offline_access mcp:tools basic", "mcp:tools"},
		{"mcp-user", "scope=", ""},
		{"mcp-user", "scope=openid", "openid"},
		{"MCP-User", "scope=mcp:read", "mcp:read"},
	} {
		form := passwordForm(strings.ToLower(test.user), test.change)
		form.Set("username", test.user)
		got := r.tokens(form)
		_, claims := r.claimsOf(got.AccessToken)
		if got.status != http.StatusOK || got.Scope != test.scope || claims["scope"] != test.scope || !strings.Contains(got.text, `"scope":`) {
			t.Errorf("%s, %s: %d, scope %q, in the token %v", test.user, test.change, got.status, got.Scope, claims["scope"])
		}
	}
	r.want(r.tokens(passwordForm("mcp-readonly", "scope=mcp:tools")), http.StatusBadRequest, "invalid_scope")
	r.want(r.tokens(passwordForm("mcp-user", "scope=unknown")), http.StatusBadRequest, "invalid_scope")
}

func TestG09_GrantsAndRequestsThatAreNone(t *testing.T) {
	t.Parallel()
	r := start(t)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none"})
	endpoint := r.Server.base() + pathToken
	for name, test := range map[string]struct {
		form    url.Values
		headers []string
		status  int
		code    string
	}{
		"password by another client":      {passwordForm("mcp-user", "client_id="+m.ClientID), nil, 400, "unauthorized_client"},
		"password by the resource server": {passwordForm("mcp-user"), []string{"Authorization", basic(serverClient, serverSecret)}, 400, "unauthorized_client"},
		"password, wrong":                 {passwordForm("mcp-user", "password=x"), nil, 400, "invalid_grant"},
		"password, none":                  {passwordForm("mcp-user", "password="), nil, 400, "invalid_request"},
		"password, unknown user":          {passwordForm("nobody"), nil, 400, "invalid_grant"},
		"password, service account":       {passwordForm("service-account-echo-mcp-server"), nil, 400, "invalid_grant"},
		"password, foreign resource":      {passwordForm("mcp-user", "resource=https://other.example"), nil, 400, "invalid_target"},
		"client credentials, public":      {url.Values{"grant_type": {"client_credentials"}}, nil, 400, "unauthorized_client"},
		"implicit":                        {url.Values{"grant_type": {"implicit"}}, nil, 400, "unsupported_grant_type"},
		"device":                          {url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}}, nil, 400, "unsupported_grant_type"},
		"no grant type":                   {url.Values{}, nil, 400, "invalid_request"},
		"unknown client":                  {passwordForm("mcp-user", "client_id=nobody"), nil, 401, "invalid_client"},
		"no client":                       {passwordForm("mcp-user", "client_id= "), nil, 401, "invalid_client"},
		"confidential, without a secret":  {url.Values{"grant_type": {"client_credentials"}, "client_id": {serverClient}}, nil, 401, "invalid_client"},
		"confidential, wrong in the body": {url.Values{"grant_type": {"client_credentials"}, "client_id": {serverClient}, "client_secret": {"wrong"}}, nil, 401, "invalid_client"},
		"wrong secret":                    {url.Values{"grant_type": {"client_credentials"}}, []string{"Authorization", basic(serverClient, "wrong")}, 401, "invalid_client"},
		"empty secret":                    {url.Values{"grant_type": {"client_credentials"}}, []string{"Authorization", basic(serverClient, "")}, 401, "invalid_client"},
		"public, with a secret":           {passwordForm("mcp-user"), []string{"Authorization", basic(testClient, "")}, 401, "invalid_client"},
		"two clients":                     {url.Values{"grant_type": {"client_credentials"}, "client_id": {testClient}}, []string{"Authorization", basic(serverClient, serverSecret)}, 401, "invalid_client"},
		"another scheme":                  {passwordForm("mcp-user"), []string{"Authorization", "Bearer x"}, 401, "invalid_client"},
		"JSON type":                       {passwordForm("mcp-user"), []string{"Content-Type", "application/json"}, 400, "invalid_request"},
		"text type":                       {passwordForm("mcp-user"), []string{"Content-Type", "text/plain"}, 400, "invalid_request"},
		"compressed":                      {passwordForm("mcp-user"), []string{"Content-Encoding", "gzip"}, 400, "invalid_request"},
		"too large":                       {passwordForm("mcp-user", "x="+strings.Repeat("x", maxForm)), nil, 413, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.tokens(test.form, test.headers...)
			r.want(got, test.status, test.code)
			if challenge := got.header.Get("WWW-Authenticate"); (challenge != "") != (got.status == 401) {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
		})
	}
	if got := r.tokens(passwordForm("mcp-user", "client_id="+m.ClientID)); !strings.Contains(got.Description, "OAuth 2.1 has no password grant") {
		t.Errorf("it says %q", got.Description)
	}
	for name, body := range map[string]string{
		"twice the same":  passwordForm("mcp-user").Encode() + "&client_id=" + testClient + "&scope=mcp:read",
		"twice the grant": passwordForm("mcp-user").Encode() + "&client_id=" + testClient + "&grant_type=password",
		"broken":          "grant_type=%zz",
		"semicolons":      "grant_type=password;client_id=" + testClient,
		"not UTF-8":       "grant_type=password&client_id=%ff",
		"NUL":             "grant_type=password&client_id=%00",
	} {
		t.Run(name, func(t *testing.T) {
			request, _ := http.NewRequest(http.MethodPost, r.base+endpoint, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.want(r.reply(r.browser().do(request)), 400, "invalid_request")
		})
	}
	for name, where := range map[string]string{
		"in the URL":       "?" + passwordForm("mcp-user").Encode() + "&client_id=" + testClient,
		"some in the URL":  "?scope=mcp:read",
		"nothing in there": "?",
	} {
		t.Run(name, func(t *testing.T) {
			r.want(r.reply(r.browser().post(endpoint+where, passwordForm("mcp-user", "client_id="+testClient))), 400, "invalid_request")
		})
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		request, _ := http.NewRequest(method, r.base+endpoint+"?"+passwordForm("mcp-user").Encode(), nil)
		if got := r.browser().do(request); got.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(got.Header.Get("Allow"), "POST") {
			t.Errorf("%s: %d, Allow %q", method, got.StatusCode, got.Header.Get("Allow"))
		}
	}
}

func TestG09_OnlyOneClientOfTheDemoHasThePasswordGrant(t *testing.T) {
	t.Parallel()
	for _, c := range realm.Demo().Clients {
		if c.DirectAccess != (c.ID == testClient) {
			t.Errorf("%s: direct access is %v", c.ID, c.DirectAccess)
		}
	}
}

func TestG09_SecretsCantBeGuessed(t *testing.T) {
	t.Parallel()
	r := start(t)
	for i := range 20 {
		got := r.tokens(url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(serverClient, randomText(20)))
		if want := i < r.limits.UserTries; (got.status == http.StatusUnauthorized) != want {
			t.Fatalf("try %d: %d", i, got.status)
		}
	}
	r.clock.advance(r.limits.TryInterval)
	if got := r.tokens(url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(serverClient, serverSecret)); got.status != http.StatusOK {
		t.Errorf("after a while: %d", got.status)
	}
}

func TestAS12_ClientCredentialsWithASecret(t *testing.T) {
	t.Parallel()
	r := start(t)
	got := r.tokens(url.Values{"grant_type": {"client_credentials"}, "scope": {"mcp:read openid"}, "resource": {testResource}}, "Authorization", basic(serverClient, serverSecret))
	if got.status != http.StatusOK || got.Scope != "mcp:read" || got.RefreshToken != "" || got.IDToken != "" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	_, claims := r.claimsOf(got.AccessToken)
	if claims["sub"] != serverClient || claims["client_id"] != serverClient || claims["preferred_username"] != "service-account-echo-mcp-server" || claims["aud"] != testResource {
		t.Errorf("claims %v", claims)
	}
	if !r.active(got.AccessToken) {
		t.Error("the token isn't active")
	}
	// Its own token, revoked.
	r.browser().post(r.Server.base()+pathRevoke, url.Values{"token": {got.AccessToken}}, "Authorization", basic(serverClient, serverSecret))
	if r.active(got.AccessToken) {
		t.Error("the revoked token is active")
	}
	r.want(r.tokens(url.Values{"grant_type": {"client_credentials"}, "resource": {"https://other.example"}}, "Authorization", basic(serverClient, serverSecret)), 400, "invalid_target")
}

func TestAS12_ClientCredentialsWithASignedAssertion(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	set, _ := json.Marshal(map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "use": "sig", "x": encode(point[1:33]), "y": encode(point[33:])}}})
	r := start(t, func(c *Config) {
		c.Realm.Clients = append(c.Realm.Clients, realm.Client{ID: "job", SignedJWT: true, Keys: string(set), ServiceAccount: true, OptionalScopes: []string{"mcp:read"}})
		c.Realm.Users = append(c.Realm.Users, realm.User{Username: "service-account-job", ServiceAccountOf: "job", Roles: map[string][]string{serverClient: {"mcp:read"}}})
	})
	sign := func(change func(jwt.MapClaims)) string {
		now := r.clock.now()
		claims := jwt.MapClaims{"iss": "job", "sub": "job", "aud": r.issuer, "jti": randomText(20), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
		change(claims)
		token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
		token.Header["kid"] = "k1"
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	ask := func(assertion string, changes ...string) reply {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"mcp:read"}, "client_id": {"job"}, "client_assertion": {assertion}, "client_assertion_type": {clientassertion.Type}}
		change(form, changes)
		return r.reply(r.browser().post(r.Server.base()+pathToken, form))
	}
	same := func(jwt.MapClaims) {}
	good := sign(same)
	if got := ask(good); got.status != http.StatusOK || got.Scope != "mcp:read" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	r.want(ask(good), http.StatusUnauthorized, "invalid_client") // once
	if got := ask(sign(same), "client_id="); got.status != http.StatusOK {
		t.Errorf("without a client_id: %d %s", got.status, got.text)
	}
	for name, assertion := range map[string]string{
		"another server":   sign(func(c jwt.MapClaims) { c["aud"] = "https://other.example" }),
		"the resource":     sign(func(c jwt.MapClaims) { c["aud"] = testResource }),
		"of another":       sign(func(c jwt.MapClaims) { c["sub"], c["iss"] = testClient, testClient }),
		"over":             sign(func(c jwt.MapClaims) { c["exp"] = r.clock.now().Add(-time.Hour).Unix() }),
		"without jti":      sign(func(c jwt.MapClaims) { delete(c, "jti") }),
		"an access token":  r.tokens(passwordForm("mcp-user")).AccessToken,
		"not an assertion": "x.y.z",
	} {
		t.Run(name, func(t *testing.T) { r.want(ask(assertion), http.StatusUnauthorized, "invalid_client") })
	}
	r.want(ask(sign(same), "client_assertion_type=x"), http.StatusUnauthorized, "invalid_client")
	r.want(ask(sign(same), "client_secret=x"), http.StatusBadRequest, "invalid_request") // WA2: two methods
	r.want(ask("", "client_assertion="), http.StatusUnauthorized, "invalid_client")
	if !slices.Contains(r.clients.inFile["job"].GrantTypes, clientmetadata.GrantClientCredentials) {
		t.Error("job lost its grant")
	}
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func TestIDTokensOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	r := start(t)
	if got := r.login("mcp-user"); got.IDToken != "" {
		t.Error("an ID token without openid")
	}
	began := r.clock.now().Unix()
	got := r.login("mcp-user", "scope=openid mcp:read profile", "nonce=n-1")
	header, claims := r.claimsOf(got.IDToken)
	if header["typ"] != "JWT" || claims["aud"] != testClient || claims["nonce"] != "n-1" || claims["auth_time"] != float64(began) || claims["iss"] != r.issuer || claims["name"] != "Uma User" || claims["at_hash"] == nil {
		t.Errorf("header %v, claims %v", header, claims)
	}
	_, access := r.claimsOf(got.AccessToken)
	if claims["sub"] != access["sub"] {
		t.Error("two subjects")
	}
	// It is no access token, here or at the resource.
	if _, err := r.Server.tokens.verifier.Verify(t.Context(), got.IDToken); err == nil {
		t.Error("an ID token passes for an access token")
	}
	if r.active(got.IDToken) {
		t.Error("an ID token is active")
	}
	r.clock.advance(time.Minute)
	got = r.tokens(refreshForm(got.RefreshToken))
	if _, claims = r.claimsOf(got.IDToken); claims["auth_time"] != float64(began) || claims["nonce"] != nil {
		t.Errorf("after refreshing: %v", claims)
	}
}

func TestUserinfo(t *testing.T) {
	t.Parallel()
	r := start(t)
	ask := func(method, token string) answer {
		request, _ := http.NewRequest(method, r.issuer+pathUserinfo, nil)
		request.Header.Set("Authorization", "Bearer "+token)
		return r.browser().do(request)
	}
	got := r.login("mcp-user", "scope=openid email")
	for _, method := range []string{"GET", "POST"} {
		said := ask(method, got.AccessToken)
		var claims map[string]any
		if err := json.Unmarshal([]byte(said.text), &claims); err != nil || said.StatusCode != http.StatusOK || claims["email"] != "mcp-user@example.com" || claims["sub"] == nil || claims["name"] != nil {
			t.Errorf("%s: %d %s", method, said.StatusCode, said.text)
		}
	}
	if said := ask("GET", r.login("mcp-user").AccessToken); said.StatusCode != http.StatusForbidden || !strings.Contains(said.Header.Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("without openid: %d", said.StatusCode)
	}
	r.tokens(refreshForm(got.RefreshToken))
	r.tokens(refreshForm(got.RefreshToken))
	if said := ask("GET", got.AccessToken); said.StatusCode != http.StatusUnauthorized || !strings.Contains(said.Header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("revoked: %d", said.StatusCode)
	}
	if said := ask("GET", "x"); said.StatusCode != http.StatusUnauthorized {
		t.Errorf("nonsense: %d", said.StatusCode)
	}
}

func TestIntrospectionIsForResourceServers(t *testing.T) {
	t.Parallel()
	r := start(t)
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "client_secret_basic"})
	token := r.login("mcp-user", "scope=mcp:read").AccessToken
	ask := func(form url.Values, headers ...string) answer {
		return r.browser().post(r.Server.base()+pathIntrospect, form, headers...)
	}
	for name, got := range map[string]answer{
		"nobody":                        ask(url.Values{"token": {token}}),
		"a public client":               ask(url.Values{"token": {token}, "client_id": {testClient}}),
		"wrong secret":                  ask(url.Values{"token": {token}}, "Authorization", basic(serverClient, "x")),
		"a client that registered":      ask(url.Values{"token": {token}}, "Authorization", basic(m.ClientID, m.ClientSecret)),
		"a token instead of the client": ask(url.Values{"token": {token}}, "Authorization", "Bearer "+token),
	} {
		if said := r.reply(got); said.status != http.StatusUnauthorized || said.Error != "invalid_client" || strings.Contains(got.text, "active") {
			t.Errorf("%s: %d %s", name, said.status, said.text)
		}
	}
	got := ask(url.Values{"token": {token}}, "Authorization", basic(serverClient, serverSecret))
	var said accessClaims
	_ = json.Unmarshal([]byte(got.text), &said)
	if !said.Active || said.Scope != "mcp:read" || said.ClientID != testClient || said.Username != "mcp-user" || said.Audience != testResource || said.Issuer != r.issuer || said.Expires == 0 || said.ID == "" || !strings.Contains(string(said.Roles), `"mcp:read"`) || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s", got.text)
	}
	r.clock.advance(300 * time.Second)
	for name, token := range map[string]string{"over": token, "nonsense": "x", "a refresh token": r.login("mcp-user").RefreshToken} {
		got := ask(url.Values{"token": {token}}, "Authorization", basic(serverClient, serverSecret))
		if got.StatusCode != http.StatusOK || strings.TrimSpace(got.text) != `{"active":false}` {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.text)
		}
	}
	if said := r.reply(ask(url.Values{}, "Authorization", basic(serverClient, serverSecret))); said.Error != "invalid_request" {
		t.Errorf("no token: %q", said.Error)
	}
}
