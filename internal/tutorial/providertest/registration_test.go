package providertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

var people = []formlogin.User{mcpAdmin, mcpUser, mcpReadonly}

// native is the metadata of a client on the user's machine, as MCP clients
// register it, with changes.
func native(changes map[string]any) map[string]any {
	metadata := map[string]any{
		"client_name": "Contract client", "application_type": "native", "token_endpoint_auth_method": "none",
		"redirect_uris": []string{callback}, "grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}
	maps.Copy(metadata, changes)
	return metadata
}

func TestAS08_ARegisteredClientGetsTokens(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for name, scope := range map[string]string{"with scopes": allScopes, "without": ""} {
			t.Run(name, func(t *testing.T) {
				metadata := native(nil)
				if scope != "" {
					metadata["scope"] = scope
				}
				client := p.register(t, metadata)
				client.want(t, "201")
				id := client.get("client_id")
				if id == "" || client.get("client_secret") != "" || client.get("token_endpoint_auth_method") != "none" || words(client.json["grant_types"]) != "authorization_code refresh_token" {
					t.Errorf("%s", client.text)
				}
				if scope != "" && words(client.json["scope"]) != "mcp:prompts mcp:read mcp:tools" {
					t.Errorf("scope %v", client.json["scope"])
				}
				got := p.redeem(t, p.authorize(t, mcpUser, "client_id="+id), "client_id="+id)
				got.want(t, "200")
				_, claims := p.verified(t, got.get("access_token"))
				if claims["azp"] != id || claims["aud"] != resource || words(claims["scope"]) != "mcp:read mcp:tools" || words(rolesIn(claims)) != "mcp:read mcp:tools" || claims["preferred_username"] != "mcp-user" {
					t.Errorf("%v", claims)
				}
				p.refresh(t, got.get("refresh_token"), "client_id="+id).want(t, "200")
			})
		}
	})
}

func TestAS08_AConfidentialClientNeedsItsSecret(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		client := p.register(t, native(map[string]any{"token_endpoint_auth_method": "client_secret_basic"}))
		client.want(t, "201")
		id, secret := client.get("client_id"), client.get("client_secret")
		if len(secret) < 26 { // 128 bits and more, however they are written
			t.Fatalf("%d characters of secret", len(secret))
		}
		code := p.authorize(t, mcpUser, "client_id="+id)
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}, "resource": {resource}}
		p.observe(t, "wrong-secret", p.post(t, pathToken, form, basic(id, "wrong")...).code())
		p.post(t, pathToken, form, basic(id, secret)...).want(t, "200")
	})
}

func TestAS10_F11_RegisteredClientsNeedConsent(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		client := p.register(t, native(nil))
		page := p.consentPage(t, "client_id="+client.get("client_id"))
		for _, want := range []string{"Contract client", "See which tools the MCP server offers, and use its prompts", "Use the MCP server&#39;s tools in your name"} {
			if !strings.Contains(strings.ReplaceAll(page, "'", "&#39;"), want) {
				t.Errorf("the consent page lacks %q", want)
			}
		}
		p.observe(t, "consent-shows-redirect-host", fmt.Sprint(strings.Contains(page, "127.0.0.1:7777")))
	})
}

func TestH01_AS08_DangerousRegistrationsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for uri, id := range map[string]string{
			"javascript:alert(1)":                 "registration-of-script",
			"data:text/html,x":                    "registration-of-script",
			"file:///etc/passwd":                  "registration-of-script",
			"com.example.app:/callback":           "registration-of-script",
			"http://evil.example/callback":        "registration-of-foreign-host",
			"https://evil.example/callback":       "registration-of-foreign-host",
			"http://localhost.evil.example/":      "registration-of-foreign-host",
			"http://127.0.0.1@evil.example/":      "registration-of-foreign-host",
			"http://127.0.0.1/*":                  "registration-of-wildcard",
			"http://127.0.0.1:*/callback":         "registration-of-wildcard",
			"*":                                   "registration-of-wildcard",
			"http://user@127.0.0.1:7777/callback": "registration-of-userinfo",
		} {
			t.Run(uri, func(t *testing.T) {
				p.observe(t, id, p.register(t, native(map[string]any{"redirect_uris": []string{uri}})).code())
			})
		}
		t.Run("a fragment", func(t *testing.T) {
			p.register(t, native(map[string]any{"redirect_uris": []string{callback + "#x"}})).want(t, "400 invalid_redirect_uri")
		})
		t.Run("no redirect", func(t *testing.T) {
			p.observe(t, "registration-without-redirect", p.register(t, native(map[string]any{"redirect_uris": []string{}})).code())
		})
		t.Run("one good and one bad", func(t *testing.T) {
			p.observe(t, "registration-of-foreign-host", p.register(t, native(map[string]any{"redirect_uris": []string{callback, "http://evil.example/"}})).code())
		})
		t.Run("unknown scope", func(t *testing.T) {
			p.observe(t, "registration-of-unknown-scope", p.register(t, native(map[string]any{"scope": "admin"})).code())
		})
		t.Run("no JSON", func(t *testing.T) {
			got := p.send(t, pathRegister, "application/json", "{")
			p.observe(t, "registration-no-json", got.code())
		})
		t.Run("client credentials", func(t *testing.T) {
			got := p.register(t, native(map[string]any{"token_endpoint_auth_method": "client_secret_basic", "grant_types": []string{"client_credentials"}}))
			p.observe(t, "registration-for-client-credentials", got.code())
			if got.StatusCode != http.StatusCreated {
				return
			}
			token := p.post(t, pathToken, url.Values{"grant_type": {"client_credentials"}, "scope": {allScopes}}, basic(got.get("client_id"), got.get("client_secret"))...)
			if _, claims := p.verified(t, token.get("access_token")); words(claims["scope"]) != "" || claims["resource_access"] != nil {
				t.Errorf("a client that made itself known has rights: %v", claims)
			}
		})
	})
}

// document publishes metadata at a URL and returns that.
func (p *provider) document(t *testing.T, changes map[string]any) string {
	t.Helper()
	if p.publish == nil {
		t.Skip("NOT TESTED: this Keycloak was started by somebody else and doesn't trust our certificate")
	}
	id := p.site + "/" + strings.ReplaceAll(t.Name(), " ", "-") + ".json"
	metadata := map[string]any{
		"client_id": id, "client_name": "Documented client", "redirect_uris": []string{callback},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none",
	}
	maps.Copy(metadata, changes)
	text, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	p.publish(id, text)
	return id
}

func TestAS09_AClientByItsDocumentGetsTokens(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		id := p.document(t, nil)
		if page := p.consentPage(t, "client_id="+id); !strings.Contains(page, "Documented client") {
			t.Errorf("consent page: %.500s", page)
		}
		got := p.redeem(t, p.authorize(t, mcpUser, "client_id="+id, "scope=mcp:read"), "client_id="+id)
		got.want(t, "200")
		_, claims := p.verified(t, got.get("access_token"))
		if claims["azp"] != id || claims["aud"] != resource || words(claims["scope"]) != "mcp:read" || words(rolesIn(claims)) != "mcp:read" {
			t.Errorf("%v", claims)
		}
	})
}

func TestH05_H08_AS09_DocumentsThatLieAreRefused(t *testing.T) {
	each(t, func(t *testing.T, p *provider) {
		for name, changes := range map[string]map[string]any{
			"another client_id":    {"client_id": "https://localhost/other.json"},
			"a secret":             {"client_secret": "s"},
			"secret basic":         {"token_endpoint_auth_method": "client_secret_basic"},
			"another redirect URI": {"redirect_uris": []string{"http://127.0.0.1:7777/other"}},
			"no redirect URI":      {"redirect_uris": []string{}},
		} {
			t.Run(name, func(t *testing.T) { wantPage(t, get(t, p.ask("client_id="+p.document(t, changes)))) })
		}
		for _, id := range []string{
			"http://localhost/client.json", "https://localhost", "https://localhost/a/../client.json", "https://localhost/client.json#x",
			"https://user@localhost/client.json", "https://evil.example/client.json", "https://localhost/nothing-there.json", "HTTPS://localhost/client.json",
		} {
			t.Run(id, func(t *testing.T) { wantPage(t, get(t, p.ask("client_id="+id))) })
		}
	})
}
