package realmproxy

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/web/strictjson"
)

// TestKeycloakBehindTheProxy runs against a real Keycloak that has the realm
// and calls itself by the proxy's address, such as
//
//	KEYCLOAK_PORT=18180 KEYCLOAK_HOSTNAME=http://localhost:19090 bash scripts/keycloak.sh start
//
// and PROXIED_KEYCLOAK=http://localhost:18180 in the environment.
func TestKeycloakBehindTheProxy(t *testing.T) {
	upstream := os.Getenv("PROXIED_KEYCLOAK")
	if upstream == "" {
		t.Skip("PROXIED_KEYCLOAK names no Keycloak")
	}
	_, body := ask(t, "GET", upstream+realmPath+oidc, "")
	var document struct{ Issuer string }
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	base := strings.TrimSuffix(document.Issuer, realmPath)
	listener, err := net.Listen("tcp", must(url.Parse(base)).Host)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: must(New(Config{Upstream: upstream, Realm: "mcp-realm", Base: base}))}}
	server.Start()
	defer server.Close()

	for _, path := range []string{oauth + realmPath, realmPath + oauth, oidc + realmPath, realmPath + oidc} {
		response, body := ask(t, "GET", base+path, "", "Origin", "https://any.example")
		if response.StatusCode != 200 || strings.Contains(body, strings.TrimPrefix(upstream, "http://")) || len(response.Header["Access-Control-Allow-Origin"]) != 1 {
			t.Errorf("%s: %d %v\n%s", path, response.StatusCode, response.Header, body)
		}
	}

	// The token is the proxy's.
	form := url.Values{"grant_type": {"password"}, "client_id": {"mcp-test-client"}, "username": {"mcp-user"}, "password": {"user123"}, "scope": {"mcp:read"}}
	response, body := ask(t, "POST", base+token, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", "http://localhost:6274", "X-Forwarded-Host", "evil.com", "Forwarded", "host=evil.com")
	var issued struct{ Access_token string }
	if err := json.Unmarshal([]byte(body), &issued); err != nil || response.StatusCode != 200 {
		t.Fatalf("token: %d, %s", response.StatusCode, body)
	}
	claims := must(strictjson.Object(must(base64.RawURLEncoding.DecodeString(strings.Split(issued.Access_token, ".")[1]))))
	if issuer, _ := strictjson.String(claims["iss"]); issuer != base+realmPath {
		t.Errorf("the token's issuer is %s", issuer)
	}
	if got := response.Header["Access-Control-Allow-Origin"]; len(got) != 1 || got[0] != "http://localhost:6274" {
		t.Errorf("readable by %q", got)
	}

	// The login page, and all that it is made of, is at the proxy.
	query := url.Values{"client_id": {"mcp-test-client"}, "response_type": {"code"}, "redirect_uri": {"http://127.0.0.1:7777/callback"}, "scope": {"openid mcp:read"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "state": {"x"}, "resource": {"http://localhost:9000/mcp"}}
	response, page := ask(t, "GET", base+realmPath+"/protocol/openid-connect/auth?"+query.Encode(), "")
	if response.StatusCode != 200 || strings.Contains(page, upstream) || !strings.Contains(page, base+realmPath+"/login-actions/authenticate") {
		t.Fatalf("login page: %d\n%s", response.StatusCode, page)
	}
	_, rest, _ := strings.Cut(page, `<link href="/resources/`)
	sheet, _, _ := strings.Cut(rest, `"`)
	if response, _ := ask(t, "GET", base+"/resources/"+sheet, ""); sheet == "" || response.StatusCode != 200 {
		t.Errorf("style sheet %q: %d", sheet, response.StatusCode)
	}
	for _, line := range response.Header["Set-Cookie"] {
		if strings.Contains(strings.ToLower(line), "domain=") {
			t.Errorf("cookie %s", line)
		}
	}

	// Logging in leads to the client, with the proxy's name.
	_, action, _ := strings.Cut(page, `action="`)
	action, _, _ = strings.Cut(action, `"`)
	var jar []string
	for _, line := range response.Header["Set-Cookie"] {
		pair, _, _ := strings.Cut(line, ";")
		jar = append(jar, pair)
	}
	credentials := url.Values{"username": {"mcp-user"}, "password": {"user123"}}
	response, _ = ask(t, "POST", strings.ReplaceAll(action, "&amp;", "&"), credentials.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Cookie", strings.Join(jar, "; "), "Origin", "null")
	location := must(url.Parse(response.Header.Get("Location")))
	t.Logf("style sheet %s, after login to %s%s", sheet, location.Host, location.Path)
	if response.StatusCode != 302 || location.Query().Get("iss") != base+realmPath && location.Host != strings.TrimPrefix(base, "http://") {
		t.Errorf("after login: %d %s", response.StatusCode, location)
	}

	// And nothing else of Keycloak is.
	for _, path := range []string{"/admin/", "/admin/master/console/", "/realms/master", "/realms/mcp-realm/../master", "/realms/mcp-realm/..;/..;/admin/", "/realms/mcp-realm/%2e%2e/master"} {
		request := &http.Request{Method: "GET", URL: must(url.Parse(base)), Header: http.Header{}}
		request.URL.Opaque = "//" + request.URL.Host + path
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != 404 {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}
