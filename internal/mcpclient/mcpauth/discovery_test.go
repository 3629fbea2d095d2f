package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMC01_WhereTheMetadataStands(t *testing.T) {
	for _, c := range []struct {
		server, stated string
		want           []string // nil: refused
	}{
		{"https://a.example/mcp", "", []string{"https://a.example/.well-known/oauth-protected-resource/mcp", "https://a.example/.well-known/oauth-protected-resource"}},
		{"https://a.example/x/mcp/", "", []string{"https://a.example/.well-known/oauth-protected-resource/x/mcp", "https://a.example/.well-known/oauth-protected-resource"}},
		{"https://a.example", "", []string{"https://a.example/.well-known/oauth-protected-resource"}},
		{"https://a.example/mcp", "https://a.example/elsewhere", []string{"https://a.example/elsewhere"}},
		{"https://a.example/mcp", "https://a.example:443/elsewhere", []string{"https://a.example:443/elsewhere"}},
		{"https://a.example/mcp", "https://evil.example/elsewhere", nil},
		{"https://a.example/mcp", "https://a.example.evil.example/", nil},
		{"https://a.example/mcp", "https://a.example@evil.example/", nil},
		{"https://a.example/mcp", "http://a.example/elsewhere", nil},
		{"https://a.example/mcp", "file:///etc/passwd", nil},
		{"https://a.example/mcp", "/elsewhere", nil},
		{"https://a.example/mcp", "http://169.254.169.254/latest", nil},
		{"https://a.example/mcp", "https://10.0.0.1/", nil},
	} {
		server, err := url.Parse(c.server)
		if err != nil {
			t.Fatal(err)
		}
		got, err := resourceLocations(server, Challenge{Params: map[string]string{"resource_metadata": c.stated}}, "")
		if !reflect.DeepEqual(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("%s, %s: got %v, %v", c.server, c.stated, got, err)
		}
	}
}

func TestMC01_TheOrderAndNoMore(t *testing.T) {
	path, root := "/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"
	for name, c := range map[string]struct {
		challenge string
		documents []string
		want      []string
		fails     bool
	}{
		"the challenge says where":        {"", []string{path, root}, []string{path}, false},
		"at the path":                     {"Bearer", []string{path, root}, []string{path}, false},
		"at the root":                     {"Bearer", []string{root}, []string{path, root}, false},
		"nowhere":                         {"Bearer", nil, []string{path, root}, true},
		"not where the challenge says":    {"", []string{root}, []string{path}, true},
		"a challenge that can't be read":  {`Bearer scope="`, []string{path}, []string{path}, false},
		"a challenge of another scheme":   {`Basic realm="x"`, []string{path}, []string{path}, false},
		"401 without a challenge at root": {" ", []string{root}, []string{path, root}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.challenge = c.challenge
			r.documents = map[string]bool{}
			for _, at := range c.documents {
				r.documents[at] = true
			}
			_, err := post(t, r.client(), r.url(), "x")
			if (err != nil) != c.fails || c.fails && !errors.Is(err, ErrDiscovery) {
				t.Fatalf("got %v", err)
			}
			got := slices.DeleteFunc(slices.Clone(r.asked), func(p string) bool { return p == "/mcp" })
			if !slices.Equal(got, c.want) {
				t.Errorf("asked %v, want %v", got, c.want)
			}
		})
	}
}

func TestMC02_I02_Binding(t *testing.T) {
	const called = "https://a.example/x/mcp?session=1"
	for identifier, good := range map[string]bool{
		"https://a.example/x/mcp": true, "https://A.example/x/mcp": true, "https://a.example:443/x/mcp": true,
		"https://a.example": true, "https://a.example/": true,
		"https://a.example/x": false, "https://a.example/x/": false, "https://a.example/x/mc": false, "https://a.example/x/mcp/": false,
		"https://a.example/x/mcp/y": false, "https://a.example/X/mcp": false, "https://a.example//": false,
		"https://evil.example/x/mcp": false, "https://a.example.evil.example/x/mcp": false, "http://a.example/x/mcp": false,
		"https://a.example:8443/x/mcp": false, "https://u@a.example/x/mcp": false, "https://a.example/x/mcp#f": false,
		"https://a.example/x/mcp?a": false, "https://a.example/x/%6dcp": false, "": false, "x": false, "%": false,
	} {
		server, _ := url.Parse(called)
		if err := bind(identifier, server, "https://a.example"+resourcePath); (err == nil) != good || err != nil && !errors.Is(err, ErrResource) {
			t.Errorf("%q: got %v", identifier, err)
		}
	}
}

// Nothing is registered, and nobody asked, on the word of another server.
func TestMC02_I02_StopsBeforeRegistration(t *testing.T) {
	for _, resource := range []string{"https://evil.example/mcp", "/mc", "/mcp/"} {
		r := newRig(t)
		if r.resource = resource; resource[0] == '/' {
			r.resource = r.rs.URL + resource
		}
		_, err := post(t, r.client(), r.url(), "x")
		registrations, authorizations, tokens := r.as.count()
		if !errors.Is(err, ErrResource) || registrations+authorizations+tokens != 0 {
			t.Errorf("%s: got %v after %d registrations, %d authorizations", resource, err, registrations, authorizations)
		}
	}
}

func TestMC03_WhereTheServersMetadataStands(t *testing.T) {
	for issuer, want := range map[string][]string{
		"https://a.example":       {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example/":      {"https://a.example/.well-known/oauth-authorization-server", "https://a.example/.well-known/openid-configuration"},
		"https://a.example/t/one": {"https://a.example/.well-known/oauth-authorization-server/t/one", "https://a.example/.well-known/openid-configuration/t/one", "https://a.example/t/one/.well-known/openid-configuration"},
		"https://a.example/?x":    nil, "https://a.example/#x": nil, "https://a.example/?": nil, "a.example": nil, "": nil, "%": nil,
	} {
		got, err := authorizationServerLocations(issuer)
		if !slices.Equal(got, want) || (err != nil) != (want == nil) {
			t.Errorf("%q: got %v, %v", issuer, got, err)
		}
	}
}

// A document of another issuer ends the search: there is no second place that
// would do.
func TestMC03_I03_AnotherIssuer(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"an honest one": func(string) string { return "https://honest.example" },
		"a slash more":  func(s string) string { return s + "/" },
		"another case":  func(s string) string { return "HTTP" + s[4:] },
		"missing":       func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.metadata = map[string]any{"issuer": change(r.as.URL)}
			_, err := post(t, r.client(), r.url(), "x")
			if want := map[bool]error{true: ErrDiscovery, false: ErrIssuer}[name == "missing"]; !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
			if registrations, authorizations, _ := r.as.count(); registrations+authorizations != 0 {
				t.Error("it went on")
			}
		})
	}
}

func TestMC07_I07_WithoutS256ItStops(t *testing.T) {
	for name, methods := range map[string]any{"not said": nil, "plain": []string{"plain"}, "none": []string{}, "another case": []string{"s256"}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.metadata = map[string]any{"code_challenge_methods_supported": methods}
			_, err := post(t, r.client(), r.url(), "x")
			if registrations, authorizations, _ := r.as.count(); !errors.Is(err, ErrPKCE) || registrations+authorizations != 0 {
				t.Errorf("got %v after %d registrations, %d authorizations", err, registrations, authorizations)
			}
		})
	}
}

// Endpoints that the metadata names are checked like every URL of a stranger.
func TestMC13_I08_HostileEndpoints(t *testing.T) {
	trap := newTrap(t)
	for _, endpoint := range []string{
		"javascript:alert(1)", "file:///etc/passwd", "http://evil.example/authorize", "https://evil.example/$(id) x", "\"&calc",
		"data:text/html,x", "https://user@evil.example/", "ftp://evil.example/", "//evil.example/", "https://evil.example/#x",
		"http://①②⑦.⓪.⓪.①/", "http://2130706433/", strings.Replace(trap.URL, "http:", "gopher:", 1),
	} {
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "registration_endpoint"} {
			t.Run(name+" "+endpoint, func(t *testing.T) {
				r := newRig(t)
				r.as.metadata = map[string]any{name: endpoint}
				agent := &user{}
				_, err := post(t, r.client(func(c *Config) { c.Agent = agent }), r.url(), "x")
				if registrations, _, _ := r.as.count(); !errors.Is(err, ErrURL) || registrations != 0 || agent.opened.Load() != 0 {
					t.Errorf("got %v after %d registrations", err, registrations)
				}
			})
		}
	}
}

// answering is the part of the network that answers as a public server would;
// everything else goes the real way.
type answering struct {
	next    http.RoundTripper
	answers map[string]string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if body, ok := a.answers[r.URL.String()]; ok {
		recorder := httptest.NewRecorder()
		recorder.WriteString(body)
		return recorder.Result(), nil
	}
	return a.next.RoundTrip(r)
}

// A server on the internet can't make the client ask the user's own network,
// whether it names an address, or a name that leads there.
func TestI01_MC13_NothingInsideIsAsked(t *testing.T) {
	trap := newTrap(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(trap.URL, "http://"), ":")
	const server = "https://mcp.example/mcp"
	const wellKnown = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
	for _, issuer := range []string{
		"http://127.0.0.1:" + port, "https://127.0.0.1:" + port, "https://localhost:" + port, "https://[::1]:" + port,
		"https://rebound.example:" + port, "https://10.0.0.1", "https://169.254.169.254", "https://[::ffff:127.0.0.1]:" + port,
		"https://[64:ff9b::7f00:1]:" + port, "http://mcp.example", "file:///etc", "https://2130706433:" + port, "https://0x7f.1:" + port,
	} {
		t.Run(issuer, func(t *testing.T) {
			c, err := New(Config{
				ResourceURL: server, Agent: &user{},
				Base: roundTrip(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody}, nil
				}),
				Resolver: func(context.Context, string) ([]netip.Addr, error) {
					return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			c.fetch.client.Transport = answering{c.fetch.client.Transport, map[string]string{
				wellKnown: fmt.Sprintf(`{"resource": %q, "authorization_servers": [%q]}`, server, issuer),
			}}
			if _, err := post(t, c, server, "x"); err == nil {
				t.Error("it went on")
			}
		})
	}
	t.Run("its own name leads inside", func(t *testing.T) {
		c, err := New(Config{
			ResourceURL: "https://mcp.example:" + port + "/mcp", Agent: &user{},
			Base: roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 401, Header: http.Header{}, Body: http.NoBody}, nil
			}),
			Resolver: func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := post(t, c, "https://mcp.example:"+port+"/mcp", "x"); !errors.Is(err, ErrDiscovery) {
			t.Errorf("got %v", err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return f(r)
}

// A redirect of a metadata document is not followed.
func TestI01_RedirectedMetadata(t *testing.T) {
	trap := newTrap(t)
	r := newRig(t)
	mux := http.NewServeMux()
	mux.Handle("GET /", http.RedirectHandler(trap.URL, http.StatusFound))
	mux.HandleFunc("POST /mcp", r.serve)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c, err := New(Config{ResourceURL: server.URL + "/mcp", Agent: &user{}})
	if err != nil {
		t.Fatal(err)
	}
	r.challenge = "Bearer"
	if _, err := post(t, c, server.URL+"/mcp", "x"); !errors.Is(err, ErrDiscovery) {
		t.Errorf("got %v", err)
	}
}

func TestMC13_TheUsersOwnURL(t *testing.T) {
	for server, good := range map[string]bool{
		"https://a.example/mcp": true, "http://localhost:9000/mcp": true, "http://127.0.0.1:9000": true, "http://[::1]/": true,
		"http://a.example/mcp": false, "http://10.0.0.1/mcp": false, "ftp://a.example": false, "a.example/mcp": false, "": false,
		"https://u:p@a.example/": false, "https://a.example/#x": false, "http://localhost.evil.example/": false, "https://a.example:/": false,
	} {
		if _, err := New(Config{ResourceURL: server, Agent: &user{}}); (err == nil) != good {
			t.Errorf("%q: got %v", server, err)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"resource":"https://a.example/mcp","authorization_servers":["https://b.example"],"scopes_supported":["a"]}`))
	f.Add([]byte(`{"issuer":"https://b.example","code_challenge_methods_supported":["S256"]}`))
	f.Add([]byte(`{"client_id":"x","client_secret_expires_at":1}`))
	f.Add([]byte(`{"resource":1,"RESOURCE":"x"}`))
	server, _ := url.Parse("https://a.example/mcp")
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := parseResource(body); err == nil {
			if r.ID == "" || len(r.AuthorizationServers) == 0 {
				t.Fatalf("%q: %+v", body, r)
			}
			if bind(r.ID, server, "https://a.example"+resourcePath) == nil {
				if u, err := url.Parse(r.ID); err != nil || u.Scheme != "https" || !strings.EqualFold(u.Hostname(), "a.example") {
					t.Fatalf("%q was bound", r.ID)
				}
			}
		}
		if s, err := parseAuthorizationServer(body); err == nil && s.Issuer == "" {
			t.Fatalf("%q: %+v", body, s)
		}
		if r, err := parseRegistration(body); err == nil && (r.ClientID == "" || r.Kind != DynamicRegistration) {
			t.Fatalf("%q: %+v", body, r)
		}
	})
}
