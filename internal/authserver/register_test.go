package authserver

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
)

func TestAS08_WhatIsReturnedIsWhatIsGranted(t *testing.T) {
	t.Parallel()
	r := start(t)
	m, got := r.registerClient(map[string]any{
		"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "none", "client_name": "Inspector", "application_type": "native",
		"grant_types": []string{"authorization_code", "refresh_token", "implicit", "password", "client_credentials"}, "scope": "mcp:read mcp:everything openid offline_access",
		"software_statement": "x.y.z", "client_id": "mine",
	})
	if got.StatusCode != http.StatusCreated || got.Header.Get("Cache-Control") != "no-store" || got.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Fatalf("%d %s", got.StatusCode, got.text)
	}
	if m.ClientID == "" || m.ClientID == "mine" || m.ClientSecret != "" || !slices.Equal(m.GrantTypes, []string{"authorization_code", "refresh_token"}) || m.Scope != "mcp:read openid" {
		t.Errorf("granted %s", got.text)
	}
	tokens := r.tokens(redeemForm(r.code("mcp-user", "client_id="+m.ClientID, "scope=openid mcp:read mcp:tools"), "client_id="+m.ClientID))
	if tokens.Scope != "openid mcp:read mcp:tools" {
		t.Errorf("scope %q", tokens.Scope)
	}
	// It asked for nothing in particular: what it registered for.
	if tokens = r.tokens(redeemForm(r.code("mcp-user", "client_id="+m.ClientID, "scope="), "client_id="+m.ClientID)); tokens.Scope != "mcp:read" {
		t.Errorf("by default: %q", tokens.Scope)
	}
}

func TestAS08_ConfidentialClients(t *testing.T) {
	t.Parallel()
	r := start(t)
	m, got := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}, "grant_types": []string{"authorization_code", "refresh_token"}})
	if got.StatusCode != http.StatusCreated || m.ClientSecret == "" || m.ClientSecretExpiresAt == nil || m.TokenEndpointAuthMethod != "client_secret_basic" {
		t.Fatalf("%d %s", got.StatusCode, got.text)
	}
	form := redeemForm(r.code("mcp-user", "client_id="+m.ClientID))
	r.want(r.tokens(form, "Authorization", basic(m.ClientID, "wrong")), 401, "invalid_client")
	form.Set("client_id", m.ClientID)
	r.want(r.tokens(form), 401, "invalid_client")
	if said := r.tokens(form, "Authorization", basic(m.ClientID, m.ClientSecret)); said.status != http.StatusOK {
		t.Errorf("%d %s", said.status, said.text)
	}
}

func TestAS08_H01_WhatCantBeRegistered(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, test := range map[string]struct {
		metadata map[string]any
		code     string
	}{
		"javascript":          {map[string]any{"redirect_uris": []string{"javascript:alert(1)"}}, "invalid_redirect_uri"},
		"http elsewhere":      {map[string]any{"redirect_uris": []string{"http://evil.com/cb"}}, "invalid_redirect_uri"},
		"a host not trusted":  {map[string]any{"redirect_uris": []string{"https://evil.example/cb"}}, "invalid_redirect_uri"},
		"an app's own scheme": {map[string]any{"redirect_uris": []string{"com.example.app:/cb"}}, "invalid_redirect_uri"},
		"none":                {map[string]any{"redirect_uris": []string{}}, "invalid_redirect_uri"},
		"client credentials":  {map[string]any{"grant_types": []string{"client_credentials"}}, "invalid_client_metadata"},
		"an unknown method":   {map[string]any{"redirect_uris": []string{testRedirect}, "token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := r.registerClient(test.metadata)
			if said := r.reply(got); said.status != http.StatusBadRequest || said.Error != test.code {
				t.Errorf("%d %s", said.status, said.text)
			}
		})
	}
	request := r.postRequest(r.Server.base()+pathRegister, nil)
	if said := r.reply(r.browser().do(request)); said.status != http.StatusBadRequest || said.Error != "invalid_client_metadata" {
		t.Errorf("a form: %d %q", said.status, said.Error)
	}
}

func TestH03_TheRateOfOneAddressIsBounded(t *testing.T) {
	t.Parallel()
	r := start(t)
	created := 0
	for range r.limits.Registrations + 50 {
		if _, got := r.registerClient(map[string]any{"redirect_uris": []string{testRedirect}}); got.StatusCode == http.StatusCreated {
			created++
		}
	}
	if created != r.limits.Registrations {
		t.Errorf("%d were registered at once", created)
	}
}

func TestAS09_ClientIDMetadataDocuments(t *testing.T) {
	t.Parallel()
	const id, elsewhere = "https://app.example/client.json", "https://app.example/elsewhere.json"
	document := clientmetadata.Metadata{
		ClientID: id, ClientName: "App", RedirectURIs: clientmetadata.MustRedirects("https://app.example/cb", testRedirect),
		TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	}
	away := document
	away.ClientID, away.RedirectURIs = elsewhere, clientmetadata.MustRedirects(testRedirect, "https://evil.example/cb")
	r := start(t, func(c *Config) {
		c.Realm.Documents.Hosts = []string{"app.example"}
		c.Documents = published{id: &document, elsewhere: &away}
	})
	got := r.tokens(redeemForm(r.code("mcp-user", "client_id="+id), "client_id="+id))
	if got.status != http.StatusOK || got.RefreshToken == "" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if _, claims := r.claimsOf(got.AccessToken); claims["client_id"] != id {
		t.Errorf("client_id %v", claims["client_id"])
	}
	if next := r.tokens(refreshForm(got.RefreshToken, "client_id="+id)); next.status != http.StatusOK {
		t.Errorf("refresh: %d %s", next.status, next.text)
	}
	for name, change := range map[string]string{
		"not there":                   "client_id=https://app.example/nothing.json",
		"H05 http":                    "client_id=http://app.example/client.json",
		"H05 no path":                 "client_id=https://app.example",
		"H05 dot segment":             "client_id=https://app.example/./client.json",
		"H05 userinfo":                "client_id=https://x@app.example/client.json",
		"H05 fragment":                "client_id=https://app.example/client.json#x",
		"host not permitted":          "client_id=https://evil.example/client.json",
		"redirect not listed":         "redirect_uri=https://app.example/other",
		"redirect host not permitted": "redirect_uri=https://app.example/cb",
	} {
		t.Run(name, func(t *testing.T) {
			r.wantPage(t, r.browser().get(r.ask("client_id="+id, change)))
		})
	}
	// A redirect URI that isn't permitted doesn't spoil the others (WA5).
	r.wantPage(t, r.browser().get(r.ask("client_id="+elsewhere, "redirect_uri=https://evil.example/cb")))
	if got := r.browser().get(r.ask("client_id=" + elsewhere)); got.StatusCode != http.StatusOK {
		t.Errorf("the permitted redirect URI beside it: %d", got.StatusCode)
	}
	if _, claims := r.claimsOf(got.AccessToken); strings.Contains(claims["scope"].(string), "prompts") {
		t.Error("more than the user has")
	}
}

func TestAS09_TheRealmFileCanTurnDocumentsOff(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) {
		c.Realm.Documents = nil
		c.Documents = published{"https://app.example/c.json": {ClientID: "https://app.example/c.json", RedirectURIs: clientmetadata.MustRedirects(testRedirect)}}
	})
	r.wantPage(t, r.browser().get(r.ask("client_id=https://app.example/c.json")))
	if !strings.Contains(r.browser().get(r.issuer+wellKnownOAuth).text, `"client_id_metadata_document_supported": false`) {
		t.Error("it is still advertised")
	}
}
