package stubprovider

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// Login is a provider at which users log in (OpenID Connect Core 1.0, section 3.1).
// It answers at the addresses that its metadata names and nowhere else, supports
// what the metadata says and no more, and refuses the parameter resource.
type Login struct {
	base     string
	document json.RawMessage
	metadata struct { // what document says
		Issuer        string   `json:"issuer"`
		Authorization string   `json:"authorization_endpoint"`
		Token         string   `json:"token_endpoint"`
		Keys          string   `json:"jwks_uri"`
		Scopes        []string `json:"scopes_supported"`
		Methods       []string `json:"token_endpoint_auth_methods_supported"`
		NamesItself   bool     `json:"authorization_response_iss_parameter_supported"`
	}
	server *http.Server

	guarded
	now      func() time.Time
	client   Registered
	user     map[string]any // claims of who logs in
	silent   bool           // the user has logged in before
	change   func(header, claims map[string]any)
	refuse   string
	instead  http.HandlerFunc
	codes    map[string]url.Values // authorization requests by their codes
	refused  []string
	visits   int // of the authorization endpoint
	redeemed int
}

// Registered is the one client of a [Login].
type Registered struct{ ID, Secret, Redirect string }

// Password is that of every user.
const Password = "password"

// OpenID is the metadata of a plain OpenID provider, for [StartLogin].
const OpenID = `{
	"issuer": "https://op.example", "authorization_endpoint": "https://op.example/auth",
	"token_endpoint": "https://op.example/token", "jwks_uri": "https://op.example/keys",
	"scopes_supported": ["openid", "profile", "email"], "id_token_signing_alg_values_supported": ["RS256"],
	"token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
	"code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true}`

var host = regexp.MustCompile(`https://([^/"]+)`)

// StartLogin serves a provider with a metadata document. Each URL in it that
// begins with https://HOST is served at HOST below an address of this machine.
func StartLogin(document []byte) (*Login, error) {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	l := &Login{
		base: fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port), now: time.Now, codes: map[string]url.Values{},
		user: map[string]any{"sub": "1001", "preferred_username": "alice"},
	}
	l.document = host.ReplaceAll(document, []byte(l.base+"/$1"))
	if err := json.Unmarshal(l.document, &l.metadata); err != nil {
		return nil, err
	}
	Keys() // they take a while, during which the first request would wait
	l.server = &http.Server{Handler: l}
	go func() { _ = l.server.Serve(listener) }()
	return l, nil
}

// Close ends it.
func (l *Login) Close() { _ = l.server.Close() }

// Issuer is its name, as a client has it in its settings. Entra's metadata for
// several tenants names a template in its place.
func (l *Login) Issuer() string {
	return strings.Replace(l.metadata.Issuer, "{tenantid}", "organizations", 1)
}

// Register makes a client known, and forgets the one before.
func (l *Login) Register(client Registered) { l.do(func() { l.client = client }) }

// SetClock sets by which clock ID tokens are dated.
func (l *Login) SetClock(now func() time.Time) { l.do(func() { l.now = now }) }

// SetUser sets who logs in, by the claims of the ID token.
func (l *Login) SetUser(claims map[string]any) { l.do(func() { l.user = claims }) }

// SetSilent says whether the user has a session, so that no form is shown.
func (l *Login) SetSilent(silent bool) { l.do(func() { l.silent = silent }) }

// Refuse answers every login with an error of OAuth; empty ends that.
func (l *Login) Refuse(code string) { l.do(func() { l.refuse = code }) }

// Change changes ID tokens before they are signed; nil ends that.
func (l *Login) Change(change func(header, claims map[string]any)) {
	l.do(func() { l.change = change })
}

// Answer lets something else answer the token endpoint; nil ends that.
func (l *Login) Answer(instead http.HandlerFunc) { l.do(func() { l.instead = instead }) }

// Visits is how often a browser came to log in.
func (l *Login) Visits() (n int) { l.do(func() { n = l.visits }); return n }

// Redeemed is how many codes were redeemed.
func (l *Login) Redeemed() (n int) { l.do(func() { n = l.redeemed }); return n }

// Refused are the requests that the provider doesn't support.
func (l *Login) Refused() (all []string) { l.do(func() { all = slices.Clone(l.refused) }); return all }

// ServeHTTP answers where the metadata says, and remembers who came elsewhere.
func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.base + r.URL.Path {
	case l.Issuer() + "/.well-known/openid-configuration":
		jsonreply.Write(w, http.StatusOK, l.document)
	case l.metadata.Keys:
		_, _ = w.Write([]byte(`{"keys":[` + Keys()["rs256"].JWK + `]}`))
	case l.metadata.Authorization:
		l.authorize(w, r)
	case l.metadata.Token:
		if l.instead != nil {
			l.instead(w, r)
			return
		}
		l.token(w, r)
	default:
		if !strings.Contains(r.URL.Path, "/.well-known/") { // where metadata is looked for
			l.refused = append(l.refused, r.Method+" "+r.URL.Path)
		}
		http.NotFound(w, r)
	}
}

// unsupported says what the metadata doesn't promise.
func (l *Login) unsupported(ask url.Values) string {
	scopes := l.metadata.Scopes
	switch {
	case ask.Get("client_id") != l.client.ID || ask.Get("redirect_uri") != l.client.Redirect:
		return "client or redirect URI unknown"
	case ask.Has("resource"):
		return "resource"
	case ask.Get("response_type") != "code" || ask.Get("code_challenge_method") != "S256" || len(ask.Get("code_challenge")) != 43:
		return "no code flow with PKCE"
	case l.client.ID == "" || ask.Get("state") == "" || ask.Get("nonce") == "":
		return "state or nonce missing"
	}
	for _, scope := range strings.Fields(ask.Get("scope")) {
		if scopes != nil && !slices.Contains(scopes, scope) {
			return "scope " + scope
		}
	}
	// Google's documentation has no prompt=login.
	if strings.Contains(l.metadata.Issuer, "accounts.google.com") && ask.Get("prompt") == "login" {
		return "prompt=login"
	}
	return ""
}

var loginForm = template.Must(template.New("").Parse(`<!DOCTYPE html><title>Provider</title><h1>Log in at the provider</h1>
<form method="post" action="?{{.}}"><label>User <input name="username"></label>
<label>Password <input name="password" type="password"></label>
<button>Log in</button></form>`))

// authorize logs the user in, who then comes back with a code.
func (l *Login) authorize(w http.ResponseWriter, r *http.Request) {
	ask := r.URL.Query()
	if why := l.unsupported(ask); why != "" {
		l.refused = append(l.refused, why)
		http.Error(w, "refused: "+why, http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": ask["state"]}
	switch {
	case l.refuse != "":
		answer.Set("error", l.refuse)
	case r.Method == http.MethodPost && r.FormValue("password") != Password, r.Method != http.MethodPost && !l.silent:
		l.visits++
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = loginForm.Execute(w, template.URL(r.URL.RawQuery))
		return
	default:
		l.visits++
		code := rand.Text()
		l.codes[code] = ask
		answer.Set("code", code)
	}
	if l.metadata.NamesItself {
		answer.Set("iss", l.metadata.Issuer)
	}
	w.Header().Set("Location", ask.Get("redirect_uri")+"?"+answer.Encode())
	w.WriteHeader(http.StatusFound)
}

// authenticated reports whether the client proved itself by a method of the metadata.
func (l *Login) authenticated(r *http.Request) bool {
	method, id, secret := "client_secret_post", r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		method, id, secret = "client_secret_basic", user, password
	}
	return slices.Contains(l.metadata.Methods, method) && id == l.client.ID && secret == l.client.Secret
}

// token exchanges a code, once.
func (l *Login) token(w http.ResponseWriter, r *http.Request) {
	code, challenge := r.PostFormValue("code"), pkce.Challenge(r.PostFormValue("code_verifier"))
	ask, known := l.codes[code]
	delete(l.codes, code)
	switch {
	case !l.authenticated(r):
		jsonreply.Write(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	case r.Form.Has("resource"):
		l.refused = append(l.refused, "resource")
		jsonreply.Write(w, http.StatusBadRequest, map[string]string{"error": "invalid_target"})
		return
	case !known || r.PostFormValue("redirect_uri") != ask.Get("redirect_uri") || challenge != ask.Get("code_challenge"):
		jsonreply.Write(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	l.redeemed++
	jsonreply.Write(w, http.StatusOK, map[string]any{
		"access_token": "opaque-" + rand.Text(), "refresh_token": "opaque-" + rand.Text(), "token_type": "Bearer", "expires_in": 3600,
		"scope": ask.Get("scope"), "id_token": l.idToken(ask.Get("nonce")),
	})
}

func (l *Login) idToken(nonce string) string {
	key := Keys()["rs256"]
	header := map[string]any{"alg": "RS256", "kid": key.ID}
	claims := map[string]any{
		"iss": l.metadata.Issuer, "aud": l.client.ID, "iat": l.now().Unix(), "exp": l.now().Add(time.Hour).Unix(), "nonce": nonce,
	}
	maps.Copy(claims, l.user)
	if l.change != nil {
		l.change(header, claims)
	}
	return SignToken(key, header, claims)
}

// SignToken writes a JWT in its compact form.
func SignToken(key Key, header, claims map[string]any) string {
	input := encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(claims)))
	return input + "." + encode(must(key.Sign([]byte(input))))
}
