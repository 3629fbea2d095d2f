package oauthmetadata

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

func TestRS09_Places(t *testing.T) {
	for resource, want := range map[string]string{
		"http://localhost:9000/mcp":          "http://localhost:9000/.well-known/oauth-protected-resource/mcp",
		"https://mcp.example.com/mcp":        "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
		"https://mcp.example.com":            "https://mcp.example.com/.well-known/oauth-protected-resource",
		"https://mcp.example.com/a/b":        "https://mcp.example.com/.well-known/oauth-protected-resource/a/b",
		"http://[::1]:9000/mcp":              "http://[::1]:9000/.well-known/oauth-protected-resource/mcp",
		"https://mcp.example.com/mcp?tenant": "https://mcp.example.com/.well-known/oauth-protected-resource/mcp?tenant",
	} {
		if got := ResourceURL(resource); got != want {
			t.Errorf("ResourceURL(%q) = %q, want %q", resource, got, want)
		}
	}
	for issuer, want := range map[string]string{
		"http://localhost:9000":                  "http://localhost:9000/.well-known/oauth-authorization-server",
		"https://as.example/":                    "https://as.example/.well-known/oauth-authorization-server",
		"http://localhost:8080/realms/mcp-realm": "http://localhost:8080/.well-known/oauth-authorization-server/realms/mcp-realm",
	} {
		if got := ServerURL(issuer); got != want {
			t.Errorf("ServerURL(%q) = %q, want %q", issuer, got, want)
		}
	}
}

// read serves a document to a request that tries to bend it.
func read(t *testing.T, h http.Handler) map[string]any {
	t.Helper()
	var document map[string]any
	for _, host := range []string{"localhost:9000", "evil.com"} {
		r := httptest.NewRequest("GET", "http://"+host+"/.well-known/x", nil)
		for name, value := range map[string]string{
			"Origin": "https://evil.com", "X-Forwarded-Host": host, "X-Forwarded-Proto": "https", "Forwarded": "host=" + host, "X-Original-Url": "/" + host,
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if document != nil && !reflect.DeepEqual(got, document) {
			t.Errorf("E01: for the Host %s the document is %s", host, w.Body)
		}
		document = got
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" ||
			w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Cache-Control") != "public, max-age=300" {
			t.Errorf("RS09, RS15: %d %v", w.Code, w.Header())
		}
	}
	return document
}

func TestRS09_RS10_E01_Resource(t *testing.T) {
	got := read(t, Handler(NewResource("http://localhost:9000/mcp", "mcp:read", "http://localhost:9000")))
	want := map[string]any{
		"resource":                 "http://localhost:9000/mcp",
		"resource_name":            "Auth Step By Step",
		"authorization_servers":    []any{"http://localhost:9000"},
		"scopes_supported":         []any{"mcp:read"}, // no catalogue, no offline_access
		"bearer_methods_supported": []any{"header"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// What isn't there isn't named: no endpoint, no grant, no response type.
func TestE01_AuthorizationServerIsHonest(t *testing.T) {
	got := read(t, Handler(NewAuthorizationServer("http://localhost:9000", "http://localhost:9000/.well-known/jwks.json", "mcp:read", "mcp:tools")))
	want := map[string]any{
		"issuer":                "http://localhost:9000",
		"jwks_uri":              "http://localhost:9000/.well-known/jwks.json",
		"scopes_supported":      []any{"mcp:read", "mcp:tools"},
		"service_documentation": got["service_documentation"],
	}
	if !reflect.DeepEqual(got, want) || got["service_documentation"] == "" {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
