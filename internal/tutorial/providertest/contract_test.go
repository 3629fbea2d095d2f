package providertest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestAS01_AS02_AS06_Metadata(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		base := strings.TrimSuffix(p.issuer, realmPath)
		inserted := get(t, base+"/.well-known/oauth-authorization-server"+realmPath)
		appended := get(t, p.issuer+"/.well-known/oauth-authorization-server")
		openID := get(t, p.issuer+"/.well-known/openid-configuration")
		for name, a := range map[string]answer{"inserted": inserted, "appended": appended, "openid": openID} {
			if a.StatusCode != http.StatusOK || a.get("issuer") != p.issuer {
				t.Fatalf("%s: %s, issuer %q", name, a.Status, a.get("issuer"))
			}
			for _, member := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint", "revocation_endpoint", "introspection_endpoint"} {
				if !strings.HasPrefix(a.get(member), p.issuer+"/") {
					t.Errorf("%s: %s is %q, not below the issuer", name, member, a.get(member))
				}
			}
			if a.json["authorization_response_iss_parameter_supported"] != true {
				t.Errorf("%s: no iss in responses", name)
			}
			// A Keycloak that was there before may run without its feature cimd.
			if advertised := a.json["client_id_metadata_document_supported"] == true; !advertised && p.publish != nil {
				t.Errorf("%s: documents are not advertised", name)
			}
			if scopes := words(a.json["scopes_supported"]); scopes != "email mcp:prompts mcp:read mcp:tools openid profile" {
				t.Errorf("%s: scopes_supported: %s", name, scopes)
			}
		}
		p.observe(t, "metadata-openid-inserted", fmt.Sprint(get(t, base+"/.well-known/openid-configuration"+realmPath).StatusCode))
		p.observe(t, "metadata-challenge-methods", words(inserted.json["code_challenge_methods_supported"]))
		p.observe(t, "metadata-response-types", otherThanCode(inserted))
	})
}

// otherThanCode are the response types besides code.
func otherThanCode(a answer) string {
	var others []string
	types, _ := a.json["response_types_supported"].([]any)
	for _, r := range types {
		if r != "code" {
			others = append(others, fmt.Sprint(r))
		}
	}
	if len(others) == 0 {
		return "none"
	}
	slices.Sort(others)
	return strings.Join(others, ", ")
}

func TestAS01_TheRealmNamesItself(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		got := get(t, p.issuer)
		if got.StatusCode != http.StatusOK || got.get("realm") != "mcp-realm" || got.get("public_key") == "" || got.get("token-service") != p.issuer+"/protocol/openid-connect" {
			t.Errorf("%s %s", got.Status, got.text)
		}
	})
}

func TestAS01_HostAndForwardedHeadersDoNotChangeTheIssuer(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.issuer+"/.well-known/openid-configuration", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443", "Forwarded": "host=evil.example;proto=https"} {
			request.Header.Set(name, value)
		}
		if got := send(t, request); got.get("issuer") != p.issuer || strings.Contains(got.text, "evil.example") {
			t.Errorf("%s", got.text)
		}
	})
}

func TestAS02_AS05_AS11_G11_CodeFlow(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		said := p.logIn(t, mcpUser)
		if said.Get("state") != "st-1" || said.Get("iss") != p.issuer {
			t.Errorf("state %q, iss %q", said.Get("state"), said.Get("iss"))
		}
		got := p.redeem(t, said.Get("code"))
		got.want(t, "200")
		// Keycloak counts from when it began to answer, so a slow answer has less left.
		left, _ := got.json["expires_in"].(float64)
		if got.get("token_type") != "Bearer" || !strings.Contains(got.Header.Get("Cache-Control"), "no-store") || left < 240 || left > 300 {
			t.Errorf("token_type %q, Cache-Control %q, expires_in %v", got.get("token_type"), got.Header.Get("Cache-Control"), got.json["expires_in"])
		}
		header, claims := p.verified(t, got.get("access_token"))
		if claims["aud"] != resource {
			t.Errorf("aud is %v", claims["aud"])
		}
		if claims["azp"] != testClient || claims["preferred_username"] != "mcp-user" || claims["sub"] != "6a1c3e5e-0b3d-4f0e-9a55-3f2d8c1b7a02" {
			t.Errorf("azp %v, preferred_username %v, sub %v", claims["azp"], claims["preferred_username"], claims["sub"])
		}
		if words(claims["scope"]) != "mcp:read mcp:tools" || words(got.json["scope"]) != "mcp:read mcp:tools" {
			t.Errorf("scope %v, in the answer %v", claims["scope"], got.json["scope"])
		}
		access, _ := claims["resource_access"].(map[string]any)
		if len(access) != 1 || words(rolesIn(claims)) != "mcp:read mcp:tools" || claims["realm_access"] != nil {
			t.Errorf("resource_access %v, realm_access %v", access, claims["realm_access"])
		}
		if life := claims["exp"].(float64) - claims["iat"].(float64); life != 300 || claims["jti"] == "" {
			t.Errorf("the token lives %v s, jti %v", life, claims["jti"])
		}
		p.observe(t, "token-type", fmt.Sprint(header["typ"]))
		clients := "azp"
		if claims["client_id"] == testClient {
			clients = "azp, client_id"
		}
		p.observe(t, "token-client", clients)
	})
}

// rolesIn are the roles at the MCP server, as a token has them.
func rolesIn(claims map[string]any) any {
	access, _ := claims["resource_access"].(map[string]any)
	server, _ := access[serverClient].(map[string]any)
	return server["roles"]
}

func TestAS05_AudienceByDefault(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		got := p.redeem(t, p.authorize(t, mcpUser, "resource="), "resource=")
		_, claims := p.verified(t, got.get("access_token"))
		if s, ok := claims["aud"].(string); ok {
			p.observe(t, "audience-by-default", s)
		} else {
			p.observe(t, "audience-by-default", words(claims["aud"]))
		}
	})
}

func TestAS05_ScopesAreBoundedByTheUser(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for _, c := range []struct {
			user  int
			asked string
			want  string
		}{
			{0, allScopes, "mcp:prompts mcp:read mcp:tools"},
			{1, allScopes, "mcp:read mcp:tools"},
			{2, allScopes, "mcp:read"},
			{0, "mcp:read", "mcp:read"},
			{0, "openid", "openid"},
		} {
			user := people[c.user]
			t.Run(user.Name+" asks for "+c.asked, func(t *testing.T) {
				_, claims := p.verified(t, p.tokens(t, user, "scope="+c.asked).get("access_token"))
				if words(claims["scope"]) != c.want {
					t.Errorf("scope %v, want %s", claims["scope"], c.want)
				}
				// The roles in the token are those behind its scopes, and no more.
				if got := words(rolesIn(claims)); got != strings.TrimPrefix(c.want, "openid") {
					t.Errorf("roles %q, with the scope %q", got, c.want)
				}
			})
		}
		t.Run("nothing that was asked for", func(t *testing.T) {
			p.observe(t, "no-scope-left", said(p.logIn(t, mcpReadonly, "scope=mcp:tools")))
		})
		t.Run("nothing asked for", func(t *testing.T) {
			response := p.logIn(t, mcpAdmin, "scope=")
			if said(response) != "code" {
				t.Fatalf("%v", response)
			}
			_, claims := p.verified(t, p.redeem(t, response.Get("code")).get("access_token"))
			if claims["scope"] != "" {
				t.Errorf("scope %v, of nothing that was asked for", claims["scope"])
			}
		})
	})
}

// said is an authorization response in a word: its error, or code.
func said(response url.Values) string {
	if response.Get("code") != "" {
		return "code"
	}
	return response.Get("error")
}

func TestF04_AS02_NoCodeWithoutS256(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for name, changes := range map[string][]string{
			"no challenge":    {"code_challenge=", "code_challenge_method="},
			"method only":     {"code_challenge="},
			"challenge only":  {"code_challenge_method="},
			"plain":           {"code_challenge=" + verifier, "code_challenge_method=plain"},
			"unknown method":  {"code_challenge_method=S512"},
			"short challenge": {"code_challenge=" + challenge[:42]},
			"long challenge":  {"code_challenge=" + strings.Repeat("a", 129)},
			"bad alphabet":    {"code_challenge=" + challenge[:42] + "!"},
		} {
			t.Run(name, func(t *testing.T) {
				got := get(t, p.ask(changes...))
				said := redirected(t, got)
				if said.Get("error") != "invalid_request" || said.Get("state") != "st-1" || said.Get("code") != "" {
					t.Errorf("%v", said)
				}
				if said.Get("iss") != p.issuer { // F08, AS06: in errors too
					t.Errorf("iss %q", said.Get("iss"))
				}
			})
		}
	})
}

// redirected reads an authorization response that came without a page.
func redirected(t *testing.T, got answer) url.Values {
	t.Helper()
	location, err := got.Location()
	if err != nil || !strings.HasPrefix(location.String(), callback+"?") {
		t.Fatalf("no redirect to the client: %s, Location %q, %.200s", got.Status, got.Header.Get("Location"), got.text)
	}
	return location.Query()
}

func TestF08_AS06_IssInErrors(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		t.Run("not logged in", func(t *testing.T) {
			got := redirected(t, get(t, p.ask("prompt=none")))
			if got.Get("error") != "login_required" || got.Get("iss") != p.issuer || got.Get("state") != "st-1" {
				t.Errorf("%v", got)
			}
		})
		t.Run("another response type", func(t *testing.T) {
			got := get(t, p.ask("response_type=token"))
			location, err := got.Location()
			if err != nil {
				t.Fatalf("%s %.300s", got.Status, got.text)
			}
			response, err := url.ParseQuery(location.RawQuery + "&" + location.Fragment)
			if err != nil || response.Get("iss") != p.issuer || response.Get("state") != "st-1" || response.Has("access_token") {
				t.Errorf("%v %v", response, err)
			}
			p.observe(t, "implicit-refused", response.Get("error"))
		})
		t.Run("unknown scope", func(t *testing.T) {
			got := get(t, p.ask("scope=mcp:read nonsense"))
			if got.Header.Get("Location") == "" {
				p.observe(t, "unknown-scope", fmt.Sprint(got.StatusCode))
				return
			}
			response := redirected(t, got)
			if response.Get("iss") != p.issuer || response.Get("state") != "st-1" {
				t.Errorf("%v", response)
			}
			p.observe(t, "unknown-scope", response.Get("error"))
		})
	})
}

func TestG01_AS02_TheVerifierIsNeeded(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for name, c := range map[string]struct{ change, id string }{
			"wrong":   {"code_verifier=" + strings.Repeat("x", 43), ""},
			"missing": {"code_verifier=", "verifier-missing"},
			"short":   {"code_verifier=" + verifier[:42], "verifier-malformed"},
		} {
			t.Run(name, func(t *testing.T) {
				got := p.redeem(t, p.authorize(t, mcpUser), c.change)
				if c.id == "" {
					got.want(t, "400 invalid_grant")
				} else {
					p.observe(t, c.id, got.code())
				}
			})
		}
	})
}

func TestF01_F02_AS03_UnknownRedirectsGetAPage(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for _, uri := range []string{
			"http://127.0.0.1:7777/callback/", "http://127.0.0.1:7777/callback/../evil", "http://127.0.0.1:7777/%63allback",
			"http://127.0.0.1:7777/Callback", "http://127.0.0.1:7777/callback?x=1", "http://127.0.0.1:7777/callback#x",
			"http://user@127.0.0.1:7777/callback", "http://127.0.0.1:7777@evil.example/callback", "http://127.0.0.1.evil.example/callback",
			"https://127.0.0.1:7777/callback", "http://127.0.0.2:7777/callback", "http://localhost:7777/call",
			"http://evil.example/callback", "javascript:alert(1)", "//evil.example/callback", "/callback",
		} {
			t.Run(uri, func(t *testing.T) { wantPage(t, get(t, p.ask("redirect_uri="+uri))) })
		}
		for _, change := range []string{"redirect_uri=", "client_id=nobody", "client_id=", "client_id=" + serverClient} {
			t.Run(change, func(t *testing.T) { wantPage(t, get(t, p.ask(change))) })
		}
	})
}

func wantPage(t *testing.T, got answer) {
	t.Helper()
	if got.StatusCode/100 != 4 || got.Header.Get("Location") != "" || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s, Location %q, %s", got.Status, got.Header.Get("Location"), got.Header.Get("Content-Type"))
	}
}

func TestF03_AS03_TheLoopbackPortIsFree(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for _, uri := range []string{"http://127.0.0.1:1/callback", "http://127.0.0.1:65535/callback", "http://[::1]:4711/callback", "http://localhost:3000/callback"} {
			t.Run(uri, func(t *testing.T) {
				if said := p.logIn(t, mcpUser, "redirect_uri="+uri); said.Get("code") == "" {
					t.Errorf("%v", said)
				}
			})
		}
	})
}

func TestF06_G05_AS05_ForeignResources(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for name, foreign := range map[string]string{
			"foreign": "http://evil.example/mcp", "relative": "/mcp", "with a fragment": resource + "#x",
			"longer": resource + "/x", "another port": "http://localhost:9001/mcp", "a slash more": resource + "/",
		} {
			t.Run("client credentials, "+name, func(t *testing.T) {
				form := url.Values{"grant_type": {"client_credentials"}, "resource": {foreign}}
				p.post(t, pathToken, form, basic(serverClient, serverSecret)...).want(t, "400 invalid_target")
			})
			t.Run("token request, "+name, func(t *testing.T) {
				p.redeem(t, p.authorize(t, mcpUser), "resource="+foreign).want(t, "400 invalid_target")
			})
		}
		t.Run("authorization request", func(t *testing.T) {
			got := get(t, p.ask("resource=http://evil.example/mcp"))
			if got.Header.Get("Location") != "" {
				p.observe(t, "foreign-resource-at-authorization", redirected(t, got).Get("error"))
				return
			}
			code := p.authorize(t, mcpUser, "resource=http://evil.example/mcp")
			p.observe(t, "foreign-resource-at-authorization", "code")
			p.redeem(t, code, "resource=http://evil.example/mcp").want(t, "400 invalid_target")
		})
		t.Run("refresh", func(t *testing.T) {
			p.refresh(t, p.tokens(t, mcpUser).get("refresh_token"), "resource=http://evil.example/mcp").want(t, "400 invalid_target")
		})
	})
}

func TestG03_AS04_CodesAreGoodOnce(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		code := p.authorize(t, mcpUser, "resource=")
		first := p.redeem(t, code, "resource=")
		first.want(t, "200")
		p.redeem(t, code, "resource=").want(t, "400 invalid_grant")
		// What the code gave is taken back: it may be a thief who came first.
		p.refresh(t, first.get("refresh_token")).want(t, "400 invalid_grant")
		if p.active(t, first.get("access_token")) {
			t.Error("the access token is still active")
		}
	})
}

func TestAS04_CodesAreBound(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		p.redeem(t, p.authorize(t, mcpUser), "redirect_uri=http://127.0.0.1:7778/callback").want(t, "400 invalid_grant")
		p.redeem(t, "guessed").want(t, "400 invalid_grant")
		other := p.register(t, native(nil))
		p.redeem(t, p.authorize(t, mcpUser), "client_id="+other.get("client_id")).want(t, "400 invalid_grant")
	})
}

func TestG06_AS07_RefreshTokensRotate(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		first := p.tokens(t, mcpUser)
		second := p.refresh(t, first.get("refresh_token"))
		second.want(t, "200")
		if second.get("refresh_token") == first.get("refresh_token") {
			t.Error("the refresh token stays the same")
		}
		_, claims := p.verified(t, second.get("access_token"))
		if claims["aud"] != resource || words(claims["scope"]) != "mcp:read mcp:tools" {
			t.Errorf("after a refresh: aud %v, scope %v", claims["aud"], claims["scope"])
		}
		p.refresh(t, first.get("refresh_token")).want(t, "400 invalid_grant")
		// Whoever used it first may be the thief, so that all of them end.
		p.refresh(t, second.get("refresh_token")).want(t, "400 invalid_grant")
	})
}

func TestAS07_ARefreshMayAskForLess(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		first := p.tokens(t, mcpAdmin)
		less := p.refresh(t, first.get("refresh_token"), "scope=mcp:read")
		_, claims := p.verified(t, less.get("access_token"))
		if words(claims["scope"]) != "mcp:read" {
			t.Errorf("scope %v", claims["scope"])
		}
		more := p.refresh(t, p.tokens(t, mcpUser, "scope=mcp:read").get("refresh_token"), "scope=mcp:read mcp:tools")
		p.observe(t, "refresh-for-more", more.code())
		if more.StatusCode == http.StatusOK {
			if _, claims := p.verified(t, more.get("access_token")); words(claims["scope"]) != "mcp:read" {
				t.Errorf("a refresh gave more than was granted: %v", claims["scope"])
			}
		}
	})
}

func TestAS07_Revocation(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		got := p.tokens(t, mcpUser)
		p.post(t, pathRevoke, url.Values{"client_id": {testClient}, "token": {got.get("refresh_token")}}).want(t, "200")
		p.refresh(t, got.get("refresh_token")).want(t, "400 invalid_grant")

		access := p.password(t, mcpUser).get("access_token")
		if !p.active(t, access) {
			t.Fatal("a fresh token is not active")
		}
		p.post(t, pathRevoke, url.Values{"client_id": {testClient}, "token": {access}}).want(t, "200")
		if p.active(t, access) {
			t.Error("a revoked access token is active")
		}
		// RFC 7009, section 2.2: an unknown token is as good as revoked.
		p.observe(t, "revoke-unknown", p.post(t, pathRevoke, url.Values{"client_id": {testClient}, "token": {"unknown"}}).code())
	})
}

func TestAS11_Introspection(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		token := p.password(t, mcpUser).get("access_token")
		got := p.post(t, pathIntrospect, url.Values{"token": {token}}, basic(serverClient, serverSecret)...)
		if got.json["active"] != true || words(got.json["scope"]) != "mcp:read mcp:tools" || got.get("client_id") != testClient || got.get("username") != "mcp-user" {
			t.Errorf("%s", got.text)
		}
		for _, bad := range []string{"x", token + "x", token[:strings.LastIndex(token, ".")+1]} {
			if p.active(t, bad) {
				t.Errorf("active: %q", bad)
			}
		}
		p.post(t, pathIntrospect, url.Values{"token": {token}}, basic(serverClient, "wrong")...).want(t, "401 invalid_client")
		p.post(t, pathIntrospect, url.Values{"token": {token}}).want(t, "401 invalid_client")
		p.observe(t, "introspection-by-public-client", p.post(t, pathIntrospect, url.Values{"token": {token}, "client_id": {testClient}}).code())
		narrowed := p.password(t, mcpUser, "resource="+resource).get("access_token")
		p.observe(t, "introspection-of-narrowed", fmt.Sprint(p.active(t, narrowed)))
	})
}

func TestAS11_IDTokenAndUserinfo(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		got := p.tokens(t, mcpUser, "scope=openid profile email mcp:read", "nonce=n-1")
		_, id := p.verified(t, got.get("id_token"))
		if id["aud"] != testClient || id["nonce"] != "n-1" || id["name"] != "Uma User" || id["email"] != "mcp-user@example.com" || id["resource_access"] != nil {
			t.Errorf("%v", id)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.issuer+pathUserinfo, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+got.get("access_token"))
		if said := send(t, request); said.StatusCode != http.StatusOK || said.get("sub") != id["sub"] || said.get("preferred_username") != "mcp-user" {
			t.Errorf("%s %s", said.Status, said.text)
		}
		if p.tokens(t, mcpUser).get("id_token") != "" {
			t.Error("an ID token without the scope openid")
		}
	})
}

func TestG09_PasswordGrantForOneClientAlone(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		p.password(t, mcpReadonly).want(t, "200")
		wrong := mcpReadonly
		wrong.Password = "wrong"
		p.password(t, wrong).want(t, "400 invalid_grant")
		public := p.register(t, native(nil))
		p.password(t, mcpReadonly, "client_id="+public.get("client_id")).want(t, "400 unauthorized_client")
		form := url.Values{"grant_type": {"password"}, "username": {mcpUser.Name}, "password": {mcpUser.Password}}
		p.post(t, pathToken, form, basic(serverClient, serverSecret)...).want(t, "400 unauthorized_client")
		asked := p.register(t, native(map[string]any{"grant_types": []string{"password", "authorization_code"}}))
		if asked.StatusCode == http.StatusCreated {
			if strings.Contains(words(asked.json["grant_types"]), "password") {
				t.Errorf("granted: %s", asked.text)
			}
			p.password(t, mcpReadonly, "client_id="+asked.get("client_id")).want(t, "400 unauthorized_client")
		}
	})
}

func TestG09_TokenRequestsOutOfForm(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		p.post(t, pathToken, url.Values{"client_id": {testClient}}).want(t, "400 invalid_request")
		p.post(t, pathToken, url.Values{"grant_type": {"implicit"}, "client_id": {testClient}}).want(t, "400 unsupported_grant_type")
		if got := get(t, p.issuer+pathToken); got.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("GET: %s", got.Status)
		}
		if got := p.send(t, pathToken, "application/json", `{"grant_type":"password"}`); got.StatusCode != http.StatusBadRequest {
			t.Errorf("JSON: %s", got.Status)
		}
		twice := "grant_type=password&client_id=mcp-test-client&username=mcp-user&password=user123&scope=mcp:read&scope=mcp:tools"
		p.send(t, pathToken, "application/x-www-form-urlencoded", twice).want(t, "400 invalid_request")
	})
}

func TestAS12_ClientCredentials(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"mcp:read"}, "resource": {resource}}
		got := p.post(t, pathToken, form, basic(serverClient, serverSecret)...)
		got.want(t, "200")
		_, claims := p.verified(t, got.get("access_token"))
		if claims["azp"] != serverClient || claims["aud"] != resource || words(claims["scope"]) != "mcp:read" {
			t.Errorf("%v", claims)
		}
		p.observe(t, "client-credentials-refresh-token", fmt.Sprint(got.get("refresh_token") != ""))
		p.observe(t, "wrong-secret", p.post(t, pathToken, form, basic(serverClient, "wrong")...).code())
		form.Set("client_id", testClient)
		p.observe(t, "client-credentials-of-public-client", p.post(t, pathToken, form).code())
	})
}

func TestAS01_KeyRotation(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		before := p.password(t, mcpUser).get("access_token")
		old, _ := p.verified(t, before)
		undo, err := p.rotate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		after, _ := p.verified(t, p.password(t, mcpUser).get("access_token"))
		if after["kid"] == old["kid"] {
			t.Error("the key is still the same")
		}
		p.verified(t, before) // its key is still shown
		if err := undo(); err != nil {
			t.Error(err)
		}
	})
}
