// Package agentgateway holds a configuration of agentgateway, and checks it
// against the rest of the project.
package agentgateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/joho/godotenv"
	"go.yaml.in/yaml/v3"

	"mcp-auth-step-by-step/internal/authserver/realmproxy"
)

// config is what the proxy needs of agentgateway's configuration; anything
// else in the file is an error.
type config struct {
	Binds []struct {
		Port      int
		Listeners []struct {
			Name, Protocol, Hostname string
			Routes                   []route
		}
	}
}

type route struct {
	Name    string
	Matches []struct {
		Path   struct{ Exact, Regex string }
		Method string
	}
	Policies struct {
		URLRewrite struct {
			Authority string
			Path      struct{ Full string }
		} `yaml:"urlRewrite"`
		RequestHeaderModifier struct {
			Set    map[string]string
			Remove []string
		} `yaml:"requestHeaderModifier"`
		CORS    *cors
		Timeout struct {
			RequestTimeout string `yaml:"requestTimeout"`
		}
	}
	Backends []struct{ Host string }
}

type cors struct {
	AllowOrigins  []string `yaml:"allowOrigins"`
	AllowMethods  []string `yaml:"allowMethods"`
	AllowHeaders  []string `yaml:"allowHeaders"`
	ExposeHeaders []string `yaml:"exposeHeaders"`
	MaxAge        string   `yaml:"maxAge"`
}

func read(t *testing.T) (int, []route) {
	t.Helper()
	file, err := os.Open("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	var c config
	if err := decoder.Decode(&c); err != nil {
		t.Fatal(err)
	}
	if len(c.Binds) != 1 || len(c.Binds[0].Listeners) != 1 || c.Binds[0].Listeners[0].Protocol != "HTTP" {
		t.Fatalf("not one listener for HTTP: %+v", c)
	}
	return c.Binds[0].Port, c.Binds[0].Listeners[0].Routes
}

// find is how agentgateway chooses a route: exact paths before expressions,
// which must match the whole path, and among these the longer one.
func find(routes []route, method, path string) (found route, ok bool) {
	best := -1
	for _, r := range routes {
		for _, m := range r.Matches {
			rank := len(m.Path.Regex)
			if m.Path.Exact != "" {
				rank = 1 << 20
			}
			matches := m.Path.Exact == path || m.Path.Regex != "" && regexp.MustCompile(`^(?:`+m.Path.Regex+`)$`).MatchString(path)
			if matches && (m.Method == "" || m.Method == method) && rank > best {
				found, ok, best = r, true, rank
			}
		}
	}
	return found, ok
}

// realm is the realm file, as far as it matters here.
type realm struct {
	Realm        string
	ClientScopes []struct {
		ProtocolMappers []struct{ Config map[string]string }
	}
}

func TestAgreesWithEnvironmentAndRealm(t *testing.T) {
	port, routes := read(t)
	env, err := godotenv.Read(filepath.Join("..", "keycloak_proxy.env"))
	if err != nil {
		t.Fatal(err)
	}
	direct, err := godotenv.Read(filepath.Join("..", "keycloak_direct.env"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "keycloak", "mcp-realm.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r realm
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("http://localhost:%d", port)
	if env["KEYCLOAK_URL"] != base || env["KEYCLOAK_REALM"] != r.Realm {
		t.Errorf("keycloak_proxy.env says %s, %s; the proxy is %s, the realm %s", env["KEYCLOAK_URL"], env["KEYCLOAK_REALM"], base, r.Realm)
	}
	issuer := base + "/realms/" + r.Realm
	if said, ok := env["JWT_ISSUER"]; ok && said != issuer {
		t.Errorf("keycloak_proxy.env expects the issuer %s, not %s", said, issuer)
	}
	audience := env["JWT_AUDIENCE"]
	if audience == "" {
		audience = env["MCP_SERVER_URL"] + "/mcp"
	}
	var audiences []string
	for _, scope := range r.ClientScopes {
		for _, mapper := range scope.ProtocolMappers {
			if custom := mapper.Config["included.custom.audience"]; custom != "" {
				audiences = append(audiences, strings.TrimSuffix(strings.TrimPrefix(custom, "${MCP_RESOURCE:"), "}"))
			}
		}
	}
	if !slices.Contains(audiences, audience) {
		t.Errorf("the realm's audiences are %q, the server expects %s", audiences, audience)
	}
	for _, r := range routes {
		if len(r.Backends) != 1 || "http://"+r.Backends[0].Host != direct["KEYCLOAK_URL"] {
			t.Errorf("%s leads to %v, keycloak_direct.env says %s", r.Name, r.Backends, direct["KEYCLOAK_URL"])
		}
		h := r.Policies.RequestHeaderModifier
		if h.Set["X-Forwarded-Host"] != strings.TrimPrefix(base, "http://") || h.Set["X-Forwarded-Proto"] != "http" || h.Set["X-Forwarded-Port"] != fmt.Sprint(port) || !slices.Contains(h.Remove, "Forwarded") {
			t.Errorf("%s forwards as %+v", r.Name, h)
		}
		if r.Policies.Timeout.RequestTimeout == "" {
			t.Errorf("%s has no timeout", r.Name)
		}
	}
}

// WF1: agentgateway's own choice is a Host without a port, which the embedded
// server refuses.
func TestWF1_TheHostHeaderIsKept(t *testing.T) {
	_, routes := read(t)
	for _, r := range routes {
		if r.Policies.URLRewrite.Authority != "none" {
			t.Errorf("%s rewrites the Host header: authority is %q, not none", r.Name, r.Policies.URLRewrite.Authority)
		}
	}
}

// What the Go proxy lets through and what it refuses, agentgateway must too;
// where each leads, and which pages may read the answer, is the same.
func TestAgreesWithTheGoProxy(t *testing.T) {
	port, routes := read(t)
	var reached string
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached = r.URL.Path
		w.WriteHeader(http.StatusAccepted)
	}))
	defer upstream.Close()
	base := fmt.Sprintf("http://localhost:%d", port)
	proxy, err := realmproxy.New(realmproxy.Config{Upstream: upstream.URL, Realm: "mcp-realm", Base: base})
	if err != nil {
		t.Fatal(err)
	}
	const below = "/realms/mcp-realm"
	for _, path := range []string{
		below, below + "/protocol/openid-connect/auth", below + "/protocol/openid-connect/token", below + "/protocol/openid-connect/token/introspect", below + "/protocol/openid-connect/certs",
		below + "/protocol/openid-connect/revoke", below + "/protocol/openid-connect/userinfo", below + "/clients-registrations/openid-connect", below + "/clients-registrations/openid-connect/0f1e-2d", below + "/login-actions/authenticate",
		below + "/resources/style.css", "/resources/a1b2c/login/keycloak.v2/css/styles.css",
		"/.well-known/oauth-authorization-server" + below, "/.well-known/openid-configuration" + below, below + "/.well-known/oauth-authorization-server", below + "/.well-known/openid-configuration",
		"/", "/admin", "/admin/", "/admin/master/console", "/realms/master", "/realms/master/protocol/openid-connect/token", "/realms/mcp-realm2", "/realms", "/metrics", "/.well-known/openid-configuration/realms/master", "/.well-known/oauth-authorization-server",
		below + "/../master", below + "/../../admin", below + "/x/..", below + "/%2e%2e/%2e%2e/admin", below + "/..;/..;/admin", below + "/x;y", below + "//x", below + "/./x", "/resources/../admin", "/resources/..%2fadmin", "/resources",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "TRACE"} {
			for _, origin := range []string{"http://localhost:6274", "https://evil.example"} {
				reached = ""
				target, err := url.ParseRequestURI(path)
				if err != nil {
					t.Fatal(err)
				}
				request := &http.Request{Method: method, URL: target, Host: fmt.Sprintf("localhost:%d", port), Header: http.Header{"Origin": {origin}}, Body: http.NoBody}
				response := httptest.NewRecorder()
				proxy.ServeHTTP(response, request)
				goes := response.Code == http.StatusAccepted || method == "OPTIONS" && response.Code == http.StatusNoContent
				r, found := find(routes, method, path)
				c := r.Policies.CORS
				// A path is the realm's or not, here and there. Some methods
				// are left to the provider, which refuses them itself.
				if goes != found && !(found && response.Code == http.StatusMethodNotAllowed) {
					t.Errorf("%s %s: the Go proxy says %d, agentgateway finds %q", method, path, response.Code, r.Name)
				}
				if !goes {
					continue
				}
				leads := path
				if full := r.Policies.URLRewrite.Path.Full; full != "" {
					leads = full
				}
				if method != "OPTIONS" && reached != leads {
					t.Errorf("%s %s: leads to %s, with agentgateway to %s", method, path, reached, leads)
				}
				readable := c != nil && (slices.Contains(c.AllowOrigins, "*") || slices.Contains(c.AllowOrigins, origin))
				if got := response.Header().Get("Access-Control-Allow-Origin") != ""; got != readable {
					t.Errorf("%s %s from %s: readable %v, with agentgateway %v", method, path, origin, got, readable)
				}
			}
		}
	}
}
