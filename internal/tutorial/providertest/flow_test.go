package providertest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

const (
	testClient   = "mcp-test-client"
	callback     = "http://127.0.0.1:7777/callback"
	serverClient = "echo-mcp-server"
	serverSecret = "demo-secret-change-me"
	allScopes    = "mcp:read mcp:tools mcp:prompts"

	pathAuthorize  = "/protocol/openid-connect/auth"
	pathToken      = "/protocol/openid-connect/token"
	pathRevoke     = "/protocol/openid-connect/revoke"
	pathIntrospect = "/protocol/openid-connect/token/introspect"
	pathUserinfo   = "/protocol/openid-connect/userinfo"
	pathKeys       = "/protocol/openid-connect/certs"
	pathRegister   = "/clients-registrations/openid-connect"
)

// The users of the realm file, with their demo passwords.
var (
	mcpAdmin    = formlogin.User{Name: "mcp-admin", Password: "admin123"}
	mcpUser     = formlogin.User{Name: "mcp-user", Password: "user123"}
	mcpReadonly = formlogin.User{Name: "mcp-readonly", Password: "readonly123"}
)

// verifier is a PKCE verifier, and challenge its S256 challenge.
const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

var challenge = func() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}()

// change applies "name=value" to a form, and takes out what stands as "name=".
func change(form url.Values, changes []string) url.Values {
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		if value == "" {
			form.Del(name)
		} else {
			form.Set(name, value)
		}
	}
	return form
}

// ask is a good authorization request, with changes.
func (p *provider) ask(changes ...string) string {
	return p.issuer + pathAuthorize + "?" + change(url.Values{
		"response_type": {"code"}, "client_id": {testClient}, "redirect_uri": {callback}, "state": {"st-1"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
		"scope": {allScopes}, "resource": {resource},
	}, changes).Encode()
}

// answer is an HTTP answer that was read to its end.
type answer struct {
	*http.Response
	text string
	json map[string]any // where it is JSON
}

func (a answer) get(name string) string { s, _ := a.json[name].(string); return s }

// code is the status, and the error code if there is one.
func (a answer) code() string {
	return strings.TrimSpace(fmt.Sprint(a.StatusCode, " ", a.get("error")))
}

// want compares status and error code.
func (a answer) want(t *testing.T, code string) {
	t.Helper()
	if a.code() != code {
		t.Errorf("got %s, want %s: %.300s", a.code(), code, a.text)
	}
}

func send(t *testing.T, request *http.Request) answer {
	t.Helper()
	response, text, err := exchange(request)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Response: response, text: string(text)}
	_ = json.Unmarshal(text, &a.json)
	return a
}

func get(t *testing.T, address string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, request)
}

// post sends a form to a path of the realm, with headers as name, value, ….
func (p *provider) post(t *testing.T, path string, form url.Values, headers ...string) answer {
	t.Helper()
	return p.send(t, path, "application/x-www-form-urlencoded", form.Encode(), headers...)
}

func (p *provider) send(t *testing.T, path, contentType, body string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.issuer+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return send(t, request)
}

// basic is the header of a client that authenticates with a secret.
func basic(id, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))}
}

// logIn goes through the pages and returns the authorization response.
func (p *provider) logIn(t *testing.T, user formlogin.User, changes ...string) url.Values {
	t.Helper()
	request := p.ask(changes...)
	u, err := url.Parse(request)
	if err != nil {
		t.Fatal(err)
	}
	back, err := formlogin.Run(t.Context(), request, u.Query().Get("redirect_uri"), user)
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

// authorize gets a code.
func (p *provider) authorize(t *testing.T, user formlogin.User, changes ...string) string {
	t.Helper()
	said := p.logIn(t, user, changes...)
	if said.Get("code") == "" {
		t.Fatalf("no code: %v", said)
	}
	return said.Get("code")
}

// redeem sends the token request for a code, with changes.
func (p *provider) redeem(t *testing.T, code string, changes ...string) answer {
	t.Helper()
	return p.post(t, pathToken, change(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {testClient}, "code": {code},
		"redirect_uri": {callback}, "code_verifier": {verifier}, "resource": {resource},
	}, changes))
}

// tokens is a whole code flow of mcp-test-client.
func (p *provider) tokens(t *testing.T, user formlogin.User, changes ...string) answer {
	t.Helper()
	got := p.redeem(t, p.authorize(t, user, changes...))
	if got.StatusCode != http.StatusOK {
		t.Fatalf("code flow: %s", got.text)
	}
	return got
}

func (p *provider) refresh(t *testing.T, token string, changes ...string) answer {
	t.Helper()
	return p.post(t, pathToken, change(url.Values{"grant_type": {"refresh_token"}, "client_id": {testClient}, "refresh_token": {token}}, changes))
}

// password gets a token by the password grant.
func (p *provider) password(t *testing.T, user formlogin.User, changes ...string) answer {
	t.Helper()
	return p.post(t, pathToken, change(url.Values{
		"grant_type": {"password"}, "client_id": {testClient}, "username": {user.Name}, "password": {user.Password}, "scope": {allScopes},
	}, changes))
}

// active asks introspection about a token.
func (p *provider) active(t *testing.T, token string) bool {
	t.Helper()
	got := p.post(t, pathIntrospect, url.Values{"token": {token}}, basic(serverClient, serverSecret)...)
	active, ok := got.json["active"].(bool)
	if got.StatusCode != http.StatusOK || !ok {
		t.Fatalf("introspection: %s %s", got.Status, got.text)
	}
	return active
}

// register registers a client.
func (p *provider) register(t *testing.T, metadata map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(metadata)
	if err != nil {
		t.Fatal(err)
	}
	return p.send(t, pathRegister, "application/json", string(body))
}

// verified checks a token's signature with the keys that the provider shows,
// and returns what it says.
func (p *provider) verified(t *testing.T, token string) (header map[string]any, claims jwt.MapClaims) {
	t.Helper()
	keys, err := jwks.Parse([]byte(get(t, p.issuer+pathKeys).text))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
		id, _ := token.Header["kid"].(string)
		at := slices.IndexFunc(keys, func(k jwks.Key) bool { return k.ID == id })
		if at < 0 {
			return nil, errors.New("the key is not among those shown")
		}
		return keys[at].Public, nil
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(p.issuer), jwt.WithExpirationRequired())
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header, parsed.Claims.(jwt.MapClaims)
}

// words sorts what stands in a list or in a text with spaces.
func words(value any) string {
	var list []string
	switch v := value.(type) {
	case string:
		list = strings.Fields(v)
	case []any:
		for _, item := range v {
			list = append(list, fmt.Sprint(item))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
