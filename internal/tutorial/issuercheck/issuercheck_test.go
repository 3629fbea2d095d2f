package issuercheck

import (
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/authserver"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/providershapes"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

var update = flag.Bool("update", false, "write the reports of the fixtures anew")

// Each provider's document gives its report.
func TestFixtures(t *testing.T) {
	t.Parallel()
	all, err := providershapes.Documents()
	if err != nil {
		t.Fatal(err)
	}
	for name := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := RunFixture(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(report.Text()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || report.Text() != string(want) {
				t.Errorf("%v\n%s", err, report.Text())
			}
			text, err := json.Marshal(report)
			if err != nil || !strings.Contains(string(text), `"outcome":"`+string(report.Outcome)+`"`) {
				t.Errorf("%s, %v", text, err)
			}
		})
	}
}

// place serves documents by path, in which BASE stands for where they are served.
func place(t *testing.T, documents map[string]string) string {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := documents[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(text, "BASE", server.URL)))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const (
	inserted = "/.well-known/oauth-authorization-server/a"
	openID   = "/.well-known/openid-configuration/a"
	appended = "/a/.well-known/openid-configuration"
	good     = `{"issuer":"BASE/a","authorization_endpoint":"BASE/auth","token_endpoint":"BASE/token","jwks_uri":"BASE/keys",` +
		`"code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true}`
)

func keySet(jwks ...string) string { return `{"keys":[` + strings.Join(jwks, ",") + `]}` }

// An issuer's metadata must name it to the letter, at whichever place is read
// first, and the report says what to do where it doesn't.
func TestIdentity(t *testing.T) {
	t.Parallel()
	keys := keySet(stubprovider.Keys()["rs256"].JWK)
	for name, c := range map[string]struct {
		documents map[string]string
		issuer    string
		outcome   Outcome
		says      string
	}{
		"first place":         {map[string]string{inserted: good}, "/a", Usable, ""},
		"second place":        {map[string]string{openID: good}, "/a", Usable, ""},
		"third place":         {map[string]string{appended: good}, "/a", Usable, ""},
		"a page before":       {map[string]string{inserted: "<html>", appended: good}, "/a", Usable, "not the metadata of an issuer"},
		"slash asked":         {map[string]string{inserted: good}, "/a/", Obstacle, "only in their form"},
		"slash in metadata":   {map[string]string{inserted: strings.Replace(good, `/a"`, `/a/"`, 1)}, "/a", Obstacle, "only in their form"},
		"another issuer":      {map[string]string{inserted: strings.Replace(good, "/a", "/b", 1)}, "/a", Obstacle, "JWT_ISSUER_ADDRESS=BASE/a"},
		"another one first":   {map[string]string{inserted: strings.Replace(good, "/a", "/b", 1), appended: good}, "/a", Obstacle, "must not be used"},
		"another one last":    {map[string]string{inserted: good, appended: strings.Replace(good, "/a", "/b", 1)}, "/a", Usable, "names another issuer"},
		"nothing":             {nil, "/a", NotFound, "no metadata was found"},
		"no PKCE":             {map[string]string{inserted: strings.Replace(good, `"code_challenge_methods_supported":["S256"],`, "", 1)}, "/a", Obstacle, "--assume-pkce BASE/a"},
		"plain PKCE":          {map[string]string{inserted: strings.Replace(good, `S256`, "plain", 1)}, "/a", Obstacle, "S256 is missing"},
		"keys over http":      {map[string]string{inserted: strings.Replace(good, `BASE/keys`, "http://id.example/keys", 1)}, "/a", NotFound, "jwks_uri"},
		"endpoint elsewhere":  {map[string]string{inserted: strings.NewReplacer(`BASE/auth`, "https://login.example/auth", `supported":true`, `supported":false`).Replace(good)}, "/a", Obstacle, "--authorization-origin https://login.example:443"},
		"steers the terminal": {map[string]string{inserted: strings.Replace(good, `"S256"`, `"S256","\u001b[2J\u202e"`, 1)}, "/a", Usable, "S256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			documents := map[string]string{"/keys": keys}
			maps.Copy(documents, c.documents)
			base := place(t, documents)
			report := Run(t.Context(), base+c.issuer, safefetch.Policy{})
			text := report.Text()
			if report.Outcome != c.outcome || !strings.Contains(text, strings.ReplaceAll(c.says, "BASE", base)) {
				t.Errorf("%s, want %s and %q\n%s", report.Outcome, c.outcome, c.says, text)
			}
			if strings.ContainsAny(text, "\x1b\u202e") {
				t.Errorf("the report steers the terminal: %q", text)
			}
			if (report.Server.OK && report.Client.OK) != (report.Outcome == Usable) || !report.Identity.OK && report.Server.OK {
				t.Errorf("%+v", report)
			}
		})
	}
}

// What is odd in a key set is said, each with what it does.
func TestKeyHealth(t *testing.T) {
	t.Parallel()
	key := func(name string) string { return stubprovider.Keys()[name].JWK }
	without := func(name, member string) string { return strings.Replace(key(name), member, "", 1) }
	const weak = `{"kty":"RSA","kid":"weak","alg":"RS256","use":"sig","e":"AQAB","n":"AKDUy1KDFI0gQnc8nWNT9-IeLgZJp8aVrTPU4ZPXnNI1"}`
	for name, c := range map[string]struct {
		keys    string
		outcome Outcome
		says    string
	}{
		"good":           {keySet(key("rs256"), key("es256")), Usable, "2 usable (RS256, ES256)"},
		"no alg":         {keySet(without("rs256", `"alg":"RS256",`)), Usable, `"rs256" states no alg`},
		"for encryption": {keySet(key("rs256"), key("enc")), Usable, "want sig"},
		"weak":           {keySet(key("rs256"), weak), Usable, "too small"},
		"weak alone":     {keySet(weak), Obstacle, "none of its keys can be used"},
		"no kid":         {keySet(without("rs256", `"kid":"rs256",`)), Obstacle, "no key has a kid"},
		"one id for two": {keySet(key("rs256"), strings.Replace(key("next"), `"kid":"next"`, `"kid":"rs256"`, 1)), Usable, "different keys for RS256"},
		"the same twice": {keySet(key("rs256"), key("rs256")), Usable, "1 usable"},
		"private":        {keySet(key("es256"), strings.Replace(key("rs256"), `"e":`, `"d":"AQ","e":`, 1)), Usable, "private members"},
		"a page":         {"<html>", Obstacle, "can't be read"},
		"settings":       {keySet(key("es256")), Usable, "JWT_ALGORITHMS=ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := Run(t.Context(), place(t, map[string]string{inserted: good, "/keys": c.keys})+"/a", safefetch.Policy{})
			if report.Outcome != c.outcome || !strings.Contains(report.Text(), c.says) {
				t.Errorf("%s, want %s and %q\n%s", report.Outcome, c.outcome, c.says, report.Text())
			}
		})
	}
}

// A public issuer can't lead the check to this machine, nor to other private
// addresses than those that the user named.
func TestWhereItGoes(t *testing.T) {
	t.Parallel()
	asked := 0
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer inside.Close()
	document := strings.NewReplacer("BASE/keys", inside.URL, "BASE", "https://id.example").Replace(good)
	web := startWeb(map[string]string{"https://id.example" + inserted: document})
	defer web.close()
	report := Run(t.Context(), "https://id.example/a", safefetch.Policy{Proxy: web.chosen, RootCAs: web.trusted()})
	if report.Server.OK || asked > 0 || !strings.Contains(report.Text(), "begin with https") {
		t.Errorf("%d requests\n%s", asked, report.Text())
	}
	untrusted := Run(t.Context(), "https://id.example/a", safefetch.Policy{Proxy: web.chosen})
	if untrusted.Outcome != NotFound || !strings.Contains(untrusted.Text(), "certificate") {
		t.Errorf("%s", untrusted.Text())
	}
}

// The embedded authorization server is one that both steps can use.
func TestEmbeddedServer(t *testing.T) {
	t.Parallel()
	ring, err := authserver.GenerateKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(nil)
	server, err := authserver.New(authserver.Config{Issuer: "http://" + web.Listener.Addr().String() + "/realms/mcp-realm", Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = server
	web.Start()
	defer web.Close()
	report := Run(t.Context(), web.URL+"/realms/mcp-realm", safefetch.Policy{})
	if report.Outcome != Usable || report.Dialects[0] != "keycloak" || report.Keys.Usable != 1 || len(report.Keys.Problems) > 0 {
		t.Errorf("%s", report.Text())
	}
	want := map[string]string{"PKCE": yes, "RFC 8414": yes, "OpenID": yes, "RFC 7591": yes, "RFC 9207": yes, "public clients": yes, "RFC 7662": yes, "RFC 8707": unknown}
	for _, f := range report.Row {
		if value, ok := want[f.Column]; ok && f.Value != value {
			t.Errorf("%s: %s, want %s", f.Column, f.Value, value)
		}
	}
}
