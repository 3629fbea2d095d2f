package realmproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/web/caller"
)

const (
	realmPath = "/realms/mcp-realm"
	oauth     = "/.well-known/oauth-authorization-server"
	oidc      = "/.well-known/openid-configuration"
	token     = realmPath + "/protocol/openid-connect/token"
)

// provider is an upstream that, as Keycloak does, learns its address from the
// forwarded headers, and remembers what reached it.
type provider struct {
	*httptest.Server
	got    []*http.Request
	bodies []string
	answer http.HandlerFunc // instead of the metadata
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		p.got, p.bodies = append(p.got, r), append(p.bodies, string(body))
		if p.answer != nil {
			p.answer(w, r)
			return
		}
		p.metadata(w, r.Header.Get("X-Forwarded-Proto")+"://"+r.Header.Get("X-Forwarded-Host")+realmPath)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) metadata(w http.ResponseWriter, issuer string) {
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": issuer, "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/certs", "op_policy_uri": "https://example.com/policy",
		"mtls_endpoint_aliases": map[string]string{"token_endpoint": issuer + "/token"},
	})
}

// front is a proxy of the provider, and its base.
func (p *provider) front(t *testing.T, origins ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://localhost:" + fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
	handler, err := New(Config{Upstream: p.URL, Realm: "mcp-realm", Base: base, Origins: origins})
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return base
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// ask sends a request and returns the answer with its body; redirects stay.
func ask(t *testing.T, method, address string, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request := must(http.NewRequest(method, address, strings.NewReader(body)))
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
		} else {
			request.Header.Add(header[i], header[i+1])
		}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	defer func() { _ = response.Body.Close() }()
	return response, string(must(io.ReadAll(response.Body)))
}

func code(body string) string {
	var e struct{ Error, Error_description string }
	if json.Unmarshal([]byte(body), &e) != nil || e.Error_description == "" {
		return "no error: " + body
	}
	return e.Error
}

func TestAS01_MC03_MetadataUnderTheBase(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	for _, path := range []string{oauth + realmPath, realmPath + oauth, oidc + realmPath, realmPath + oidc} {
		p.got = nil
		response, body := ask(t, "GET", base+path, "", "Origin", "https://any.example")
		var document struct{ Issuer string }
		if err := json.Unmarshal([]byte(body), &document); err != nil || response.StatusCode != 200 || document.Issuer != base+realmPath {
			t.Errorf("%s: %d, %s", path, response.StatusCode, body)
		}
		if strings.Contains(body, p.URL) || response.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v, %s", path, response.Header, body)
		}
		if got := p.got[0].URL.Path; got != realmPath+oauth && got != realmPath+oidc {
			t.Errorf("%s: asked for as %s", path, got)
		}
	}
	if response, _ := ask(t, "HEAD", base+oauth+realmPath, ""); response.StatusCode != 200 {
		t.Errorf("HEAD: %d", response.StatusCode)
	}
}

// A provider that states another address anywhere is not shown.
func TestAS01_UpstreamThatDoesNotKnowItsAddress(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	good := base + realmPath
	for name, document := range map[string]any{
		"issuer":             map[string]any{"issuer": p.URL + realmPath},
		"issuer and a slash": map[string]any{"issuer": good + "/"},
		"no issuer":          map[string]any{"token_endpoint": good + "/token"},
		"an endpoint":        map[string]any{"issuer": good, "token_endpoint": p.URL + realmPath + "/token"},
		"the keys":           map[string]any{"issuer": good, "jwks_uri": p.URL + realmPath + "/certs"},
		"longer port":        map[string]any{"issuer": good, "jwks_uri": base + "1" + realmPath + "/certs"},
		"inside":             map[string]any{"issuer": good, "mtls_endpoint_aliases": map[string]any{"token_endpoint": "http://evil.example/"}},
		"a list":             []any{good},
	} {
		p.answer = func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(document) }
		response, body := ask(t, "GET", base+realmPath+oidc, "")
		want := "wrong_issuer"
		if name == "a list" {
			want = "bad_gateway"
		}
		if response.StatusCode != 502 || code(body) != want {
			t.Errorf("%s: %d, %s", name, response.StatusCode, body)
		}
	}
	p.answer = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", maxMetadata) + `"}`))
	}
	if response, body := ask(t, "GET", base+realmPath+oidc, ""); response.StatusCode != 502 {
		t.Errorf("huge: %d, %d bytes", response.StatusCode, len(body))
	}
	p.answer = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }
	if response, _ := ask(t, "GET", base+realmPath+oidc, ""); response.StatusCode != 404 {
		t.Errorf("404 of the upstream: %d", response.StatusCode)
	}
}

// E01: what the client says about addresses is not passed on.
func TestE01_ForwardedHeadersAreTheProxys(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	lies := []string{"X_Forwarded_Host", "evil.com", "Connection", "X-Forwarded-Host, Upgrade", "Upgrade", "websocket", "TE", "trailers", "Proxy-Authorization", "x", "Keep-Alive", "1"}
	for _, name := range forwarding {
		lies = append(lies, name, "evil.com")
	}
	lies = append(lies, "Host", "127.0.0.1"+base[strings.LastIndex(base, ":"):])
	response, body := ask(t, "GET", base+realmPath+oidc, "", lies...)
	if response.StatusCode != 200 || strings.Contains(body, "evil.com") {
		t.Fatalf("%d, %s", response.StatusCode, body)
	}
	got := p.got[0]
	want := map[string]string{"X-Forwarded-Host": strings.TrimPrefix(base, "http://"), "X-Forwarded-Proto": "http", "X-Forwarded-Port": base[strings.LastIndex(base, ":")+1:], "X-Forwarded-For": "127.0.0.1"}
	for _, name := range append(slices.Clone(forwarding), "X_forwarded_host", "Connection", "Upgrade", "Te", "Proxy-Authorization", "Keep-Alive") {
		if values := got.Header[name]; strings.Join(values, "|") != want[name] {
			t.Errorf("%s: %q, want %q", name, values, want[name])
		}
	}
	if "http://"+got.Host != p.URL {
		t.Errorf("Host: %s", got.Host)
	}
}

func TestE01_ForeignHosts(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	port := base[strings.LastIndex(base, ":"):]
	for host, want := range map[string]int{
		"localhost" + port: 200, "LOCALHOST" + port: 200, "127.0.0.1" + port: 200, "[::1]" + port: 200,
		"localhost": 403, "evil.com": 403, "evil.com" + port: 403, "localhost.evil.com" + port: 403, "127.0.0.1.evil.com" + port: 403, "127.0.0.1:1": 403, "10.0.0.1" + port: 403,
	} {
		if response, body := ask(t, "GET", base+realmPath, "", "Host", host); response.StatusCode != want {
			t.Errorf("%s: %d, %s", host, response.StatusCode, body)
		}
	}
}

func TestA09_NothingButTheRealm(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	paths := []string{
		"/", "", "/admin", "/admin/", "/admin/realms", "/admin/master/console/", "/realms", "/realms/", "/realms/master", "/realms/master/protocol/openid-connect/token", "/realms/mcp-realm2", "/realms/mcp-realmx/token", "/realms/MCP-REALM",
		oauth, oidc, oauth + "/realms/master", oidc + "/realms/master", "/.well-known/", "/.well-known/x", "/metrics", "/health/live", "/healthz", "/js/x", "/resources", "/resourcesx/y",
		realmPath + "/../../admin", realmPath + "/../master", realmPath + "/./x", realmPath + "/..", realmPath + "/%2e%2e/%2e%2e/admin", realmPath + "/..%2f..%2fadmin", realmPath + "/..;/..;/admin", realmPath + "/;x/token", realmPath + "/x;/..", realmPath + `/..\..\admin`, realmPath + "/%5c..", realmPath + "//admin", "//admin", "//realms/mcp-realm", "/realms//mcp-realm", "/%61dmin", "/realms/%6dcp-realm/x", realmPath + "/%00", realmPath + "/%252e%252e/x",
		"/resources/../admin", "/resources/%2e%2e/admin", "/resources/..;/admin", "/resources//admin", "/resources/./admin",
	}
	for _, path := range paths {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			request := &http.Request{Method: method, URL: must(url.Parse(base)), Header: http.Header{}}
			request.URL.Opaque = "//" + request.URL.Host + path // as it is
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Errorf("%q: %v", path, err)
				continue
			}
			_ = response.Body.Close()
			if response.StatusCode != 404 && response.StatusCode != 400 {
				t.Errorf("%s %q: %d", method, path, response.StatusCode)
			}
		}
	}
	if len(p.got) != 0 {
		t.Errorf("%d requests came through, first %s", len(p.got), p.got[0].URL)
	}
}

func TestA07_Methods(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	p.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }
	const dcr = realmPath + "/clients-registrations/openid-connect"
	for request, want := range map[string]int{
		"GET " + realmPath: 204, "POST " + realmPath: 405, "GET " + token: 405, "PUT " + token: 405, "POST " + token: 204, "DELETE " + token: 405, "TRACE " + token: 405, "CONNECT " + realmPath: 405,
		"POST " + token + "/introspect": 204, "GET " + realmPath + "/protocol/openid-connect/auth": 204, "POST " + realmPath + "/protocol/openid-connect/auth": 204, "POST " + realmPath + "/login-actions/authenticate": 204,
		"OPTIONS " + realmPath + "/protocol/openid-connect/auth": 405, "OPTIONS " + realmPath + "/login-actions/authenticate": 405, "OPTIONS /resources/x": 405,
		"POST " + dcr: 204, "PUT " + dcr + "/abc": 204, "DELETE " + dcr + "/abc": 204, "POST /resources/x.css": 405, "GET /resources/x.css": 204, "POST " + realmPath + oidc: 405,
	} {
		method, path, _ := strings.Cut(request, " ")
		response, body := ask(t, method, base+path, "")
		if response.StatusCode != want || want == 405 && (code(body) != "method_not_allowed" || response.Header.Get("Allow") == "") {
			t.Errorf("%s: %d, %s", request, response.StatusCode, body)
		}
	}
}

func TestRS15_BrowserClients(t *testing.T) {
	p := newProvider(t)
	base := p.front(t, "https://client.example")
	// The upstream has its own opinion, as Keycloak has.
	p.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		w.Header().Add("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Access-Control-Allow-Methods", "PUT")
		w.Header().Set("Vary", "origin, Accept")
		if strings.HasPrefix(r.URL.Path, realmPath+"/.well-known/") {
			p.metadata(w, base+realmPath)
		}
	}
	const (
		mine, local, foreign = "https://client.example", "http://localhost:6274", "https://evil.example"
		certs                = realmPath + "/protocol/openid-connect/certs"
	)
	for request, want := range map[string]string{
		"GET " + realmPath + oidc + " " + foreign:                                 "*",
		"GET " + oauth + realmPath + " " + foreign:                                "*",
		"GET " + certs + " " + foreign:                                            "*",
		"OPTIONS " + oauth + realmPath + " " + foreign:                            "*",
		"OPTIONS " + certs + " " + foreign:                                        "*",
		"POST " + token + " " + mine:                                              mine,
		"POST " + token + " " + local:                                             local,
		"POST " + token + " " + foreign:                                           "",
		"POST " + token + " https://client.example.evil.com":                      "",
		"POST " + token + " null":                                                 "",
		"OPTIONS " + token + " " + mine:                                           mine,
		"OPTIONS " + token + " " + foreign:                                        "",
		"OPTIONS " + realmPath + "/clients-registrations/openid-connect " + mine:  mine,
		"POST " + realmPath + "/clients-registrations/openid-connect " + mine:     mine,
		"OPTIONS " + realmPath + "/protocol/openid-connect/userinfo " + mine:      mine,
		"GET " + realmPath + "/protocol/openid-connect/userinfo " + mine:          mine,
		"POST " + realmPath + "/protocol/openid-connect/revoke " + mine:           mine,
		"GET " + realmPath + "/protocol/openid-connect/auth " + mine:              "",
		"POST " + realmPath + "/login-actions/authenticate " + mine:               "",
		"POST " + realmPath + "/protocol/openid-connect/token/introspect " + mine: "",
		"GET /resources/x.css " + mine:                                            "",
	} {
		words := strings.Split(request, " ")
		p.got = nil
		response, _ := ask(t, words[0], base+words[1], "", "Origin", words[2], "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization")
		h := response.Header
		if got := h["Access-Control-Allow-Origin"]; strings.Join(got, "|") != want {
			t.Errorf("%s: allowed %q, want %q", request, got, want)
		}
		if h.Get("Access-Control-Allow-Credentials") != "" || words[0] != "OPTIONS" && h.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: the upstream's headers came through: %v", request, h)
		}
		if want != "*" && want != "" && !strings.Contains(strings.ToLower(h.Get("Vary")), "origin") {
			t.Errorf("%s: no Vary: %v", request, h)
		}
		if words[0] == "OPTIONS" && (response.StatusCode != 204 || len(p.got) != 0 || (h.Get("Access-Control-Allow-Headers") == "") != (want == "")) {
			t.Errorf("%s: %d, %d came through, %v", request, response.StatusCode, len(p.got), h)
		}
	}
}

func TestF14_LocationsAndCookies(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	for given, want := range map[string]string{
		p.URL + realmPath + "/login-actions/x?a=b": base + realmPath + "/login-actions/x?a=b",
		p.URL:                base,
		p.URL + "?x":         base + "?x",
		p.URL + "1/x":        p.URL + "1/x", // another port
		p.URL + ".evil.com/": p.URL + ".evil.com/",
		p.URL + "@evil.com/": p.URL + "@evil.com/",
		realmPath + "/x":     realmPath + "/x",
		"http://127.0.0.1:3000/cb?code=x&iss=" + p.URL: "http://127.0.0.1:3000/cb?code=x&iss=" + p.URL,
		"com.example.app:/cb?code=x":                   "com.example.app:/cb?code=x",
	} {
		p.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", given)
			w.WriteHeader(303)
		}
		if response, _ := ask(t, "GET", base+realmPath+"/protocol/openid-connect/auth?x=y", ""); response.StatusCode != 303 || response.Header.Get("Location") != want {
			t.Errorf("%s: %d %s, want %s", given, response.StatusCode, response.Header.Get("Location"), want)
		}
	}
	p.answer = func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range []string{
			"AUTH_SESSION_ID=a.b; Version=1; Path=/realms/mcp-realm/; Secure; HttpOnly; SameSite=None",
			"A=1; Domain=127.0.0.1; Path=/", "B=domain=x; path=/;DOMAIN = .example.com ;HttpOnly", "C=",
		} {
			w.Header().Add("Set-Cookie", line)
		}
	}
	response, _ := ask(t, "GET", base+realmPath+"/protocol/openid-connect/auth?x=y", "")
	want := []string{
		"AUTH_SESSION_ID=a.b; Version=1; Path=/realms/mcp-realm/; Secure; HttpOnly; SameSite=None",
		"A=1; Path=/", "B=domain=x; path=/;HttpOnly", "C=",
	}
	if got := response.Header["Set-Cookie"]; !slices.Equal(got, want) {
		t.Errorf("cookies %q, want %q", got, want)
	}
	if p.got[len(p.got)-1].URL.RawQuery != "x=y" {
		t.Errorf("query %q", p.got[len(p.got)-1].URL.RawQuery)
	}
}

func TestA13_BodiesAndErrors(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	p.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }
	if response, _ := ask(t, "POST", base+token, "grant_type=x&a=b", "Content-Type", "application/x-www-form-urlencoded", "Authorization", "Basic eDp5"); response.StatusCode != 200 {
		t.Errorf("status %d", response.StatusCode)
	}
	if p.bodies[0] != "grant_type=x&a=b" || p.got[0].Header.Get("Authorization") != "Basic eDp5" {
		t.Errorf("came through as %q, %v", p.bodies[0], p.got[0].Header)
	}
	if response, body := ask(t, "POST", base+token, strings.Repeat("x", maxBody+1)); response.StatusCode != 413 || code(body) != "invalid_request" {
		t.Errorf("huge body: %d, %s", response.StatusCode, body)
	}
	p.answer = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	if response, body := ask(t, "POST", base+token, "x"); response.StatusCode != 502 || code(body) != "bad_gateway" {
		t.Errorf("broken off: %d, %s", response.StatusCode, body)
	}
	p.Close()
	response, body := ask(t, "POST", base+token, "x")
	if response.StatusCode != 502 || code(body) != "bad_gateway" || !strings.Contains(body, p.URL) || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("upstream gone: %d, %s", response.StatusCode, body)
	}
}

func TestHealth(t *testing.T) {
	p := newProvider(t)
	base := p.front(t)
	health := func() string {
		response, body := ask(t, "GET", base+"/health", "")
		var said map[string]string
		_ = json.Unmarshal([]byte(body), &said)
		if !maps.Equal(said, map[string]string{"status": said["status"], "issuer": base + realmPath, "upstream": p.URL}) {
			t.Errorf("said %s", body)
		}
		return fmt.Sprint(response.StatusCode, " ", said["status"])
	}
	if got := health(); got != "200 ok" {
		t.Error(got)
	}
	p.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }
	if got := health(); got != "503 degraded" {
		t.Error(got)
	}
	p.Close()
	if got := health(); got != "503 degraded" {
		t.Error(got)
	}
}

func TestNewRefuses(t *testing.T) {
	const up, base = "http://localhost:8080", "http://localhost:9090"
	for _, c := range []struct{ upstream, realmPath, base string }{
		{"", "mcp-realm", base}, {"localhost:8080", "mcp-realm", base}, {"ftp://localhost", "mcp-realm", base}, {up + "/", "mcp-realm", base}, {up + "/auth", "mcp-realm", base}, {"http://u:p@localhost:8080", "mcp-realm", base}, {up + "?", "mcp-realm", base},
		{up, "", base}, {up, "..", base}, {up, "a/b", base}, {up, "a%2fb", base}, {up, "a b", base},
		{up, "mcp-realm", ""}, {up, "mcp-realm", "localhost:9090"}, {up, "mcp-realm", base + "/"}, {up, "mcp-realm", base + "/x"}, {up, "mcp-realm", "http://LOCALHOST:9090"}, {up, "mcp-realm", up}, {up, "mcp-realm", base + "#"},
	} {
		if _, err := New(Config{Upstream: c.upstream, Realm: c.realmPath, Base: c.base}); err == nil {
			t.Errorf("%+v", c)
		}
	}
	if _, err := New(Config{Realm: "mcp-realm", Base: base}); err == nil {
		t.Error("no upstream")
	}
	if _, err := New(Config{Upstream: up, Realm: "mcp-realm", Base: base}); err != nil {
		t.Error(err)
	}
}

// FuzzRoute: whatever path is passed on has one reading, and it is the
// realm's or an asset's.
func FuzzRoute(f *testing.F) {
	for _, path := range []string{realmPath, token, oauth + realmPath, "/resources/x", realmPath + "/../../admin", realmPath + "/%2e%2e/admin", realmPath + "/..;/admin", "//admin", realmPath + "/a/b.c"} {
		f.Add(path)
	}
	handler := must(New(Config{Upstream: "http://localhost:8080", Realm: "mcp-realm", Base: "http://localhost:9090"}))
	p, ok := handler.(*proxy)
	if !ok {
		f.Fatal(errors.New("not a proxy"))
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		to, known := p.route(u)
		if !known {
			return
		}
		joined := must(url.JoinPath("http://x", to.path))
		if joined != "http://x"+to.path || strings.ContainsAny(to.path, `%;\?#`) ||
			to.path != realmPath && !strings.HasPrefix(to.path, realmPath+"/") && !strings.HasPrefix(to.path, "/resources/") {
			t.Fatalf("%q leads to %q", path, to.path)
		}
	})
}

// WD16, WD2: the upstream is told the address that Caller finds, and a secret;
// neither can be sent by clients.
func TestWD16_WD2_TheUpstreamKnowsTheProxy(t *testing.T) {
	p := newProvider(t)
	p.answer = func(http.ResponseWriter, *http.Request) {}
	trusted := must(caller.ParseProxies("127.0.0.0/8"))
	for secret, want := range map[string][]string{"": nil, "s3cret": {"s3cret"}} {
		handler := must(New(Config{
			Upstream: p.URL, Realm: "mcp-realm", Base: "http://localhost:9090", Caller: trusted.Address, Secret: secret,
		}))
		r := httptest.NewRequest("GET", "http://localhost:9090"+realmPath, nil)
		r.RemoteAddr = "127.0.0.1:1234"
		r.Header.Set(SecretHeader, "made up")
		r.Header.Set("X-Forwarded-For", "198.51.100.1, 203.0.113.7")
		p.got = nil
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if len(p.got) != 1 {
			t.Fatalf("%d requests arrived", len(p.got))
		}
		h := p.got[0].Header
		if !slices.Equal(h[http.CanonicalHeaderKey(SecretHeader)], want) || !slices.Equal(h["X-Forwarded-For"], []string{"203.0.113.7"}) {
			t.Errorf("secret %q: the upstream got %q and %q", secret, h[http.CanonicalHeaderKey(SecretHeader)], h["X-Forwarded-For"])
		}
	}
}
