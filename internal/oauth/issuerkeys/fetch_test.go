package issuerkeys

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
)

func TestMC03_WellKnown(t *testing.T) {
	for issuer, want := range map[string][]string{
		"https://as.example":       {"https://as.example/.well-known/oauth-authorization-server", "https://as.example/.well-known/openid-configuration"},
		"https://as.example/":      {"https://as.example/.well-known/oauth-authorization-server", "https://as.example/.well-known/openid-configuration"},
		"https://as.example:8/a/b": {"https://as.example:8/.well-known/oauth-authorization-server/a/b", "https://as.example:8/.well-known/openid-configuration/a/b", "https://as.example:8/a/b/.well-known/openid-configuration"},
		"https://as.example/a/":    {"https://as.example/.well-known/oauth-authorization-server/a", "https://as.example/.well-known/openid-configuration/a", "https://as.example/a/.well-known/openid-configuration"},
	} {
		if got := wellKnown(issuer); !slices.Equal(got, want) {
			t.Errorf("%s: %q", issuer, got)
		}
	}
}

// MC03: the forms are tried in their order, and the first document decides.
func TestMC03_Discovery(t *testing.T) {
	const issuer = "http://localhost:8080/realms/test"
	const good = `{"issuer":"` + issuer + `","jwks_uri":"http://localhost:8080/keys"}`
	inserted, insertedOpenID, appended := "/.well-known/oauth-authorization-server/realms/test", "/.well-known/openid-configuration/realms/test", "/realms/test/.well-known/openid-configuration"
	for name, c := range map[string]struct {
		documents map[string]string // by path; "" is a redirect
		ok        bool
		asked     int
	}{
		"first form":          {map[string]string{inserted: good}, true, 1},
		"second form":         {map[string]string{insertedOpenID: good}, true, 2},
		"third form":          {map[string]string{appended: good}, true, 3},
		"a website before":    {map[string]string{inserted: "<html>", appended: good}, true, 3},
		"a login before":      {map[string]string{inserted: "", appended: good}, true, 3},
		"WB5 an empty object": {map[string]string{inserted: "{}", appended: good}, true, 3},
		"WB5 an error":        {map[string]string{inserted: `{"error":"x"}`, insertedOpenID: "500", appended: good}, true, 3},
		"nowhere":             {nil, false, 3},
		"only redirects":      {map[string]string{inserted: "", insertedOpenID: "", appended: ""}, false, 3},
		"other issuer":        {map[string]string{inserted: strings.Replace(good, "realms/test", "realms/evil", 1), appended: good}, false, 1},
		"issuer with slash":   {map[string]string{inserted: strings.Replace(good, `test"`, `test/"`, 1), appended: good}, false, 1},
		"issuer in capitals":  {map[string]string{inserted: strings.Replace(good, "localhost", "LOCALHOST", 1)}, false, 1},
		"no issuer":           {map[string]string{inserted: `{"jwks_uri":"http://localhost:8080/keys"}`}, false, 3},
		"issuer is an array":  {map[string]string{inserted: `{"issuer":["` + issuer + `"],"jwks_uri":"http://localhost:8080/keys"}`}, false, 3},
		"issuer twice":        {map[string]string{inserted: `{"issuer":"x",` + good[1:]}, false, 3},
		"no jwks_uri":         {map[string]string{inserted: `{"issuer":"` + issuer + `"}`}, false, 1},
		"jwks_uri over http":  {map[string]string{inserted: strings.Replace(good, "http://localhost:8080/keys", "http://keys.example/", 1)}, false, 1},
		"jwks_uri is a file":  {map[string]string{inserted: strings.Replace(good, "http://localhost:8080/keys", "file:///etc/passwd", 1)}, false, 1},
		"jwks_uri #fragment":  {map[string]string{inserted: strings.Replace(good, "8080/keys", "8080/realms/test/keys#x", 1)}, false, 1},
		"jwks_uri with login": {map[string]string{inserted: strings.Replace(good, "http://localhost", "http://a:b@localhost", 1)}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := &Reader{config: Config{Issuer: issuer, Address: issuer}, client: newClient(roundTrip(func(w http.ResponseWriter, r *http.Request) {
				asked++
				document, ok := c.documents[r.URL.Path]
				switch {
				case !ok:
					http.NotFound(w, r)
				case document == "500":
					w.WriteHeader(http.StatusInternalServerError)
				case document == "":
					http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
				default:
					_, _ = w.Write([]byte(document))
				}
			}))}
			address, err := keysOf(s.discover(t.Context()))
			if (err == nil) != c.ok || c.ok && address != "http://localhost:8080/keys" || asked != c.asked {
				t.Errorf("%q, %v after %d requests, want %d", address, err, asked, c.asked)
			}
		})
	}
}

// WC10, WA15: an issuer that is reached at another address, and where its metadata
// was found.
func TestWC10_WA15_Address(t *testing.T) {
	const issuer, address = "http://localhost:8080/realms/test", "http://keycloak:8080/realms/test"
	for keys, want := range map[string]string{
		issuer + "/certs":             address + "/certs",
		address + "/certs":            address + "/certs",
		"http://keycloak:8080/other":  "http://keycloak:8080/other",
		"https://cdn.example/keys":    "https://cdn.example/keys",
		"http://elsewhere:8080/certs": "",
	} {
		s := &Reader{config: Config{Issuer: issuer, Address: address}, client: newClient(roundTrip(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Host != "keycloak:8080" || r.URL.Path != "/realms/test/.well-known/openid-configuration" {
				http.NotFound(w, r)
				return
			}
			_, _ = w.Write([]byte(`{"issuer":"` + issuer + `","jwks_uri":"` + keys + `"}`))
		}))}
		metadata, err := s.discover(t.Context())
		if (err == nil) != (want != "") || err == nil && (metadata.Keys != want || metadata.Address != address+"/.well-known/openid-configuration") {
			t.Errorf("%s: %+v, %v", keys, metadata, err)
		}
	}
	if got := (&Source{Reader: Reader{config: Config{Issuer: issuer}}}).MetadataURL(); got != "http://localhost:8080/.well-known/oauth-authorization-server/realms/test" {
		t.Errorf("before it is found: %s", got)
	}
}

// An introspection endpoint that is not safe matters only to whoever asks there (RFC
// 7662, section 4).
func TestD02_IntrospectionEndpointIsSafe(t *testing.T) {
	const issuer = "http://localhost:8080"
	for _, c := range []struct {
		endpoint string
		noKeys   bool
		want     string // in the error; empty: there is none
	}{
		{"http://localhost:8080/introspect", true, ""},
		{"http://as.example/introspect", true, "introspection_endpoint"},
		{"http://as.example/introspect", false, ""},
	} {
		reader := NewReader(Config{Issuer: issuer, NoKeys: c.noKeys}, newClient(roundTrip(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/keys","introspection_endpoint":"` + c.endpoint + `"}`))
		})))
		metadata, err := reader.Metadata(t.Context(), reader.Locations()[0])
		if c.want == "" && (err != nil || metadata.Introspection != c.endpoint) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %+v, %v", c, metadata, err)
		}
	}
}

// keysOf is the jwks_uri that discovery found.
func keysOf(metadata *Metadata, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return metadata.Keys, nil
}

type roundTrip http.HandlerFunc

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f(w, r)
	return w.Result(), nil
}

func TestCheckURL(t *testing.T) {
	for raw, ok := range map[string]bool{
		"https://as.example/keys": true, "http://localhost:8080/x": true, "http://127.0.0.1/x": true, "http://[::1]:1/x": true, "https://10.0.0.1/keys": true,
		"": false, "keys": false, "//as.example/keys": false, "http://as.example/": false, "http://localhost.evil.example/": false, "http://10.0.0.1/": false,
		"http://localhost@evil.example/": false, "https://a:b@as.example/": false, "https://as.example/#x": false, "file:///etc/passwd": false,
		"https:as.example": false, "https://": false, "http://①②⑦.⓪.⓪.①/": false, "ftp://localhost/": false, "https://as.example/\n": false,
	} {
		if err := CheckURL(raw); (err == nil) != ok {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

// A redirect of the key set is not followed, over a real connection.
func TestNoRedirectIsFollowed(t *testing.T) {
	trap, err := stubprovider.Start(key("next"))
	if err != nil {
		t.Fatal(err)
	}
	defer trap.Close()
	p, err := stubprovider.Start(key("rs256"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := Start(t.Context(), configFor(p, time.Nanosecond))
	p.Answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, trap.Issuer()+"/certs", http.StatusTemporaryRedirect)
	})
	if has(s, "next") || !has(s, "rs256") || len(trap.Seen()) > 0 {
		t.Errorf("the redirect was followed: %d requests", len(trap.Seen()))
	}
}

// E07: what is asked of the provider is this server's own business.
func TestE07_NothingOfTheCallerIsSent(t *testing.T) {
	p, err := stubprovider.Start(key("rs256"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := Start(t.Context(), configFor(p, time.Nanosecond))
	has(s, "made-up")
	for _, header := range p.Seen() {
		for name := range header {
			if !slices.Contains([]string{"Accept", "Accept-Encoding", "User-Agent"}, name) {
				t.Errorf("sent %s: %q", name, header[name])
			}
		}
	}
	if len(p.Seen()) < 4 {
		t.Errorf("only %d requests", len(p.Seen()))
	}
}

// MC03: whatever a document says, an address that is taken from it is safe,
// and the document was about this issuer for every reader.
func FuzzDiscover(f *testing.F) {
	const issuer = "http://localhost:8080/realms/test"
	for _, seed := range []string{
		`{"issuer":"` + issuer + `","jwks_uri":"http://localhost:8080/keys"}`, `{"issuer":"` + issuer + `","jwks_uri":"http://evil.example/"}`,
		`{"issuer":"x","issuer":"` + issuer + `","jwks_uri":"https://a"}`, `{"Issuer":"` + issuer + `"}`, `[]`, `<html>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		s := &Reader{config: Config{Issuer: issuer, Address: issuer}, client: newClient(roundTrip(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document) }))}
		address, err := keysOf(s.discover(t.Context()))
		if err != nil {
			return
		}
		var other struct {
			Issuer string
			Keys   string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(document, &other); err != nil || other.Issuer != issuer || other.Keys != address || CheckURL(address) != nil {
			t.Errorf("%q was taken from %s", address, document)
		}
	})
}

func FuzzLifetime(f *testing.F) {
	for _, seed := range []string{"", "max-age=1", "max-age=\"5\", no-cache", ",,=,", "max-age"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, control string) {
		if got := lifetimeOf(http.Header{"Cache-Control": {control}}); got < shortest || got > longest {
			t.Errorf("%q: %s", control, got)
		}
	})
}
