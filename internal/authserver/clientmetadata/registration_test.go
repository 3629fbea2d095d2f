package clientmetadata

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/clientauth"
)

// register parses a registration that has one good redirect URI and more.
func register(more string) (*Metadata, error) {
	if more != "" {
		more = "," + more
	}
	return ParseRegistration([]byte(`{"redirect_uris":["http://localhost:3000/cb"]` + more + `}`))
}

func code(err error) string {
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Description == "" {
		return fmt.Sprintf("no *Error: %v", err)
	}
	return refusal.Code
}

// key is a public key as a JWK, with more members behind.
func key(kid, more string) string {
	x := must(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).PublicKey.Bytes()) // 4, x, y
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q,"kid":%q%s}`, encode(x[1:33]), encode(x[33:]), kid, more)
}

func jwksOf(keys ...string) string {
	return `"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[` + strings.Join(keys, ",") + `]}`
}

func TestAS08_WhatIsReturnedIsGranted(t *testing.T) {
	const redirects = `"redirect_uris":["http://localhost:3000/cb"],`
	good := jwksOf(key("a", ""))
	for more, want := range map[string]string{
		// Defaults (RFC 7591, section 2)
		``: `{` + redirects + `"token_endpoint_auth_method":"client_secret_basic","grant_types":["authorization_code"],"response_types":["code"],"application_type":"native"}`,
		// MCP's clients
		`"token_endpoint_auth_method":"none","application_type":"native","client_name":" Inspector ","client_uri":"https://example.com","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":"mcp:read mcp:tools"`: `{` + redirects + `"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"application_type":"native","client_name":"Inspector","client_uri":"https://example.com","scope":"mcp:read mcp:tools"}`,
		// More grants than there are: those that there are
		`"token_endpoint_auth_method":"none","grant_types":["refresh_token","authorization_code","urn:ietf:params:oauth:grant-type:device_code","implicit","password","client_credentials"],"response_types":["code","token"]`: `{` + redirects + `"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"],"application_type":"native"}`,
		// Without redirects
		`"grant_types":["client_credentials"]`: `{"token_endpoint_auth_method":"client_secret_basic","grant_types":["client_credentials"],"response_types":[],"application_type":"web"}`,
		// Chosen by the server, not by the client
		`"token_endpoint_auth_method":"none","client_id":"mcp-test-client","client_secret":"x","client_id_issued_at":1,"client_secret_expires_at":0,"registration_access_token":"x","software_statement":"x","x":{"y":[1]}`: `{` + redirects + `"token_endpoint_auth_method":"none","grant_types":["authorization_code"],"response_types":["code"],"application_type":"native"}`,
		// null stands for nothing
		`"client_name":null,"grant_types":null,"jwks":null,"scope":null,"application_type":null,"token_endpoint_auth_method":"none"`: `{` + redirects + `"token_endpoint_auth_method":"none","grant_types":["authorization_code"],"response_types":["code"],"application_type":"native"}`,
		// Names are compared to the letter
		`"GRANT_TYPES":["client_credentials"],"Client_Name":"x","token_endpoint_auth_method":"none"`: `{` + redirects + `"token_endpoint_auth_method":"none","grant_types":["authorization_code"],"response_types":["code"],"application_type":"native"}`,
		// Keys by value, for those who use them alone
		good: `{` + redirects + `"token_endpoint_auth_method":"private_key_jwt","grant_types":["authorization_code"],"response_types":["code"],"application_type":"native",` + strings.SplitN(good, ",", 2)[1] + `}`,
		`"token_endpoint_auth_method":"none","jwks":{"keys":[]}`: `{` + redirects + `"token_endpoint_auth_method":"none","grant_types":["authorization_code"],"response_types":["code"],"application_type":"native"}`,
	} {
		m, err := register(more)
		if err != nil {
			t.Errorf("%.80s: %v", more, err)
			continue
		}
		if got := string(must(json.Marshal(m))); got != want {
			t.Errorf("%.80s:\n got %s\nwant %s", more, got, want)
		}
	}
}

func TestAS08_ApplicationType(t *testing.T) {
	for _, c := range []struct{ uri, asked, want string }{
		{"https://app.example.com/cb", "", Web},
		{"https://app.example.com/cb", "web", Web},
		{"https://app.example.com/cb", "native", Native},
		{"http://127.0.0.1/cb", "", Native},
		{"http://127.0.0.1/cb", "native", Native},
		{"http://127.0.0.1/cb", "web", InvalidRedirectURI},
		{"com.example.app:/cb", "", Native},
		{"com.example.app:/cb", "web", InvalidRedirectURI},
		{"https://app.example.com/cb", "service", InvalidClientMetadata},
	} {
		m, err := ParseRegistration([]byte(fmt.Sprintf(`{"redirect_uris":[%q],"application_type":%q,"token_endpoint_auth_method":"none"}`, c.uri, c.asked)))
		if err == nil && m.ApplicationType != c.want || err != nil && code(err) != c.want {
			t.Errorf("%s, %q: %v, %v, want %s", c.uri, c.asked, m, err, c.want)
		}
	}
}

func TestH01_AS08_DangerousRedirects(t *testing.T) {
	for _, uri := range badRedirects {
		for _, list := range [][]string{{uri}, {"http://localhost/cb", uri}, {uri, "https://app.example.com/cb"}} {
			body := must(json.Marshal(map[string]any{"redirect_uris": list, "token_endpoint_auth_method": "none"}))
			if m, err := ParseRegistration(body); m != nil || code(err) != InvalidRedirectURI {
				t.Errorf("%.80q: %v, %v", list, m, err)
			}
		}
	}
	thousand := must(json.Marshal(map[string]any{"redirect_uris": slices.Repeat([]string{"http://localhost:3000/callback"}, 1000)}))
	for name, body := range map[string]string{
		"no list":     `{}`,
		"null":        `{"redirect_uris":null}`,
		"empty list":  `{"redirect_uris":[]}`,
		"1000":        string(thousand),
		"21":          `{"redirect_uris":[` + strings.Repeat(`"http://localhost/cb",`, 20) + `"http://localhost/cb"]}`,
		"no array":    `{"redirect_uris":"http://localhost/cb"}`,
		"object":      `{"redirect_uris":{"0":"http://localhost/cb"}}`,
		"with null":   `{"redirect_uris":["http://localhost/cb",null]}`,
		"with number": `{"redirect_uris":["http://localhost/cb",1]}`,
		"nested":      `{"redirect_uris":[["http://localhost/cb"]]}`,
	} {
		if m, err := ParseRegistration([]byte(body)); m != nil || code(err) != InvalidRedirectURI {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

func TestAS08_BadMetadata(t *testing.T) {
	weak := `{"kty":"RSA","kid":"b","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(append([]byte{0x80}, make([]byte, 127)...)) + `"}`
	six := make([]string, 6)
	for i := range six {
		six[i] = key(fmt.Sprint(i), "")
	}
	one := key("a", "")
	for name, more := range map[string]string{
		"method":                   `"token_endpoint_auth_method":"client_secret_jwt"`,
		"symmetric JWT":            `"token_endpoint_auth_method":"client_secret_jwt"`,
		"method in capitals":       `"token_endpoint_auth_method":"NONE"`,
		"method is a number":       `"token_endpoint_auth_method":1`,
		"only implicit":            `"grant_types":["implicit"]`,
		"only password":            `"grant_types":["password"]`,
		"no grant":                 `"grant_types":[]`,
		"only refresh":             `"grant_types":["refresh_token"]`,
		"refresh without code":     `"grant_types":["refresh_token","client_credentials"]`,
		"credentials, public":      `"grant_types":["client_credentials"],"token_endpoint_auth_method":"none"`,
		"grants are no list":       `"grant_types":"authorization_code"`,
		"only token":               `"response_types":["token"]`,
		"no response":              `"response_types":[]`,
		"name is a number":         `"client_name":1`,
		"scope is a list":          `"scope":["mcp:read"]`,
		"scope with a quote":       `"scope":"mcp:read\""`,
		"scope with a line":        `"scope":"mcp:read\nmcp:tools"`,
		"huge scope":               `"scope":"` + strings.Repeat("x ", maxScope) + `"`,
		"keys elsewhere":           `"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://example.com/jwks"`,
		"keys here and there":      jwksOf(one) + `,"jwks_uri":"https://example.com/jwks"`,
		"no keys":                  `"token_endpoint_auth_method":"private_key_jwt"`,
		"empty key set":            jwksOf(),
		"six keys":                 jwksOf(six...),
		"key without id":           jwksOf(strings.Replace(one, `"kid":"a"`, `"x":"a"`, 1)),
		"two keys with one id":     jwksOf(one, one),
		"private key":              jwksOf(key("a", `,"d":"AAAA"`)),
		"weak key beside a good":   jwksOf(one, weak),
		"symmetric key":            jwksOf(`{"kty":"oct","kid":"a","k":"AAAA"}`),
		"encryption key":           jwksOf(key("a", `,"use":"enc"`)),
		"huge key set":             jwksOf(key("a", `,"x-y":"`+strings.Repeat("x", maxJWKS)+`"`)),
		"key set is a list":        `"token_endpoint_auth_method":"private_key_jwt","jwks":[` + one + `]`,
		"key set in a string":      `"token_endpoint_auth_method":"private_key_jwt","jwks":"{}"`,
		"member twice":             `"client_name":"a","client_name":"b"`,
		"redirects twice":          `"redirect_uris":["http://localhost/cb"]`,
		"member in two cases":      `"client_name":"a","CLIENT_NAME":"b"`,
		"application type unknown": `"application_type":"browser"`,
	} {
		if m, err := register(more); m != nil || code(err) != InvalidClientMetadata {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	for name, body := range map[string]string{
		"empty": "", "null": "null", "list": "[]", "text": `"x"`, "trailing": `{"redirect_uris":["http://localhost/cb"]}{}`, "broken": `{"redirect_uris":`,
		"BOM": "\ufeff{}", "deep": `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		"huge": `{"redirect_uris":["http://localhost/cb"],"x":"` + strings.Repeat("x", MaxRegistration) + `"}`,
	} {
		if m, err := ParseRegistration([]byte(body)); m != nil || code(err) != InvalidClientMetadata {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// Names are what the user decides by: nothing in them may hide or turn text.
// What HTML makes of them is for the page to prevent.
func TestF13_AS08_Names(t *testing.T) {
	for name, ok := range map[string]bool{
		"Claude Code": true, "Bücher & Söhne": true, "应用": true, "עברית": true, "App 🚀": true,
		"<script>alert(1)</script>": true, `"><img onerror=x>`: true, strings.Repeat("x", maxName): true, strings.Repeat("é", maxName): true, "": true,
		strings.Repeat("x", maxName+1): false, strings.Repeat("x", 10<<10): false,
		"a\u202eb": false, "a\u2066b": false, "a\u200fb": false, "a\u200bb": false, "a\ufeffb": false, "a\u00adb": false, "a\U000e0041b": false,
		"a\x00b": false, "a\nb": false, "a\x1bb": false, "a\u0085b": false, "a\u2028b": false, "a\u00a0b": false, "a\ue000b": false, "a\uffffb": false,
	} {
		body := must(json.Marshal(map[string]any{"redirect_uris": []string{"http://localhost/cb"}, "client_name": name}))
		m, err := ParseRegistration(body)
		if ok && (err != nil || m.ClientName != name) || !ok && code(err) != InvalidClientMetadata {
			t.Errorf("%.40q: %v, %v", name, m, err)
		}
	}
}

func TestF13_AS08_LinksArePlainHTTPS(t *testing.T) {
	for uri, want := range map[string]string{
		"https://example.com/logo.png?x=1": "https://example.com/logo.png?x=1",
		"javascript:alert(1)":              "", "JAVASCRIPT:alert(1)": "", "data:image/svg+xml,x": "", "http://example.com/": "", "//example.com": "", "/x": "", "": "",
		"https://user:pw@example.com/": "", "https://exämple.com/": "", `https://example.com/">`: "", "https://example.com/'x": "", "https://127.0.0.1/x": "", "https://example.com/\nx": "",
	} {
		body := must(json.Marshal(map[string]any{"redirect_uris": []string{"http://localhost/cb"}, "client_uri": uri, "logo_uri": uri}))
		if m, err := ParseRegistration(body); err != nil || m.ClientURI != want || m.LogoURI != want {
			t.Errorf("%q: %v, %v", uri, m, err)
		}
	}
}

// Nothing that a registration names is fetched.
func TestH04_AS08_NothingIsFetched(t *testing.T) {
	var hits atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer trap.Close()
	for _, method := range []string{clientauth.None, clientauth.Basic, clientauth.PrivateKeyJWT} {
		m, err := register(fmt.Sprintf(`"token_endpoint_auth_method":%q,"jwks_uri":%[2]q,"logo_uri":%[2]q,"client_uri":%[2]q,"policy_uri":%[2]q,"tos_uri":%[2]q,
			"sector_identifier_uri":%[2]q,"request_uris":[%[2]q],"initiate_login_uri":%[2]q,"backchannel_logout_uri":%[2]q,"software_statement":"eyJhbGciOiJSUzI1NiIsImprdSI6Imh0dHA6Ly8xMjcuMC4wLjEifQ.e30.x"`, method, trap.URL))
		if (err == nil) == (method == clientauth.PrivateKeyJWT) {
			t.Errorf("%s: %v", method, err)
		}
		if m != nil && strings.Contains(string(must(json.Marshal(m))), trap.URL) {
			t.Errorf("%s: granted %+v", method, m)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("the trap was hit %d times", hits.Load())
	}
}

// FuzzParseRegistration: what is granted stays the same when it is asked for
// again, and is within bounds.
func FuzzParseRegistration(f *testing.F) {
	f.Add(`{"redirect_uris":["http://localhost:3000/cb"]}`)
	f.Add(`{"redirect_uris":["http://localhost:3000/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"client_name":"x","scope":"a b","client_uri":"https://example.com"}`)
	f.Add(`{"redirect_uris":["https://app.example.com/cb"],` + jwksOf(key("a", "")) + `}`)
	f.Add(`{"grant_types":["client_credentials"]}`)
	f.Fuzz(func(t *testing.T, body string) {
		m, err := ParseRegistration([]byte(body))
		if err != nil {
			if code(err) != InvalidClientMetadata && code(err) != InvalidRedirectURI {
				t.Fatal(err)
			}
			return
		}
		for _, uri := range m.RedirectURIs {
			if !allows(t, m, uri.String()) {
				t.Fatalf("%q is not allowed", uri)
			}
		}
		if m.ClientID != "" || m.ClientSecret != "" || m.JWKSURI != "" || m.AllowsGrant(GrantCode) != (len(m.RedirectURIs) > 0) || m.AllowsGrant(GrantClientCredentials) && !m.Confidential() {
			t.Fatalf("granted %+v", m)
		}
		granted := must(json.Marshal(m))
		again, err := ParseRegistration(granted)
		if err != nil || string(must(json.Marshal(again))) != string(granted) {
			t.Fatalf("granted %s, then %v, %v", granted, again, err)
		}
	})
}

// WD21: a client's RSA key may cost so much and no more to verify with.
func TestWD21_HugeKeys(t *testing.T) {
	for bits, good := range map[int]bool{2048: true, 8192: true, 8193: false, 40_001: false} {
		n := make([]byte, (bits+7)/8)
		n[0], n[len(n)-1] = 1<<((bits-1)%8), 1
		rsaKey := fmt.Sprintf(`{"kty":"RSA","alg":"RS256","kid":"a","e":"AQAB","n":%q}`, base64.RawURLEncoding.EncodeToString(n))
		body := `{"redirect_uris":["http://localhost/cb"],` + jwksOf(rsaKey) + `}`
		if _, err := ParseRegistration([]byte(body)); (err == nil) != good || !good && code(err) != InvalidClientMetadata {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
}
