package mcpauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mcp-auth-step-by-step/internal/oauth/pkce"
)

func TestMC15_HowTheClientProvesItself(t *testing.T) {
	secret := Registration{ClientID: "a b:c", ClientSecret: "d%e+f"}
	for name, c := range map[string]struct {
		client    Registration
		supported []string
		basic     string
		form      url.Values
	}{
		"nothing to prove":        {Registration{ClientID: "x"}, []string{"none"}, "", url.Values{"client_id": {"x"}}},
		"post first":              {secret, []string{"client_secret_basic", "client_secret_post"}, "", url.Values{"client_id": {"a b:c"}, "client_secret": {"d%e+f"}}},
		"Basic if it is the only": {secret, []string{"client_secret_basic"}, "a+b%3Ac:d%25e%2Bf", url.Values{}},
		"Basic if nothing said":   {secret, nil, "a+b%3Ac:d%25e%2Bf", url.Values{}},
		"post":                    {secret, []string{"client_secret_post"}, "", url.Values{"client_id": {"a b:c"}, "client_secret": {"d%e+f"}}},
		"a secret nobody wants":   {secret, []string{"none"}, "", url.Values{"client_id": {"a b:c"}}},
		"as it was registered":    {Registration{ClientID: "x", ClientSecret: "y", AuthMethod: "client_secret_post"}, []string{"client_secret_basic"}, "", url.Values{"client_id": {"x"}, "client_secret": {"y"}}},
		"registered without one":  {Registration{ClientID: "x", ClientSecret: "y", AuthMethod: "none"}, []string{"client_secret_basic"}, "", url.Values{"client_id": {"x"}}},
		"as an unknown method is": {Registration{ClientID: "x", AuthMethod: "tls_client_auth"}, nil, "", nil},
		"with a key it has not":   {Registration{ClientID: "x", AuthMethod: "private_key_jwt"}, nil, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			form, header := url.Values{}, http.Header{}
			err := c.client.authenticate(c.supported, "https://as.example", form, header, time.Now())
			if (err != nil) != (c.form == nil) {
				t.Fatalf("got %v", err)
			}
			basic, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(header.Get("Authorization"), "Basic "))
			if c.form != nil && (form.Encode() != c.form.Encode() || string(basic) != c.basic) {
				t.Errorf("got %v and %q", form, basic)
			}
		})
	}
}

func testKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	ec, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ed, edKey, err2 := ed25519.GenerateKey(rand.Reader)
	rs, err3 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3); err != nil || ed == nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"ES256": ec, "EdDSA": edKey, "RS256": rs}
}

func TestMC15_PrivateKeyJWT(t *testing.T) {
	for algorithm, key := range testKeys(t) {
		t.Run(algorithm, func(t *testing.T) {
			r := newRig(t)
			r.as.metadata = map[string]any{
				"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}, "authorization_endpoint": nil,
				"code_challenge_methods_supported": nil, "grant_types_supported": []string{"client_credentials"},
			}
			c := r.client(func(c *Config) {
				c.PreRegistered = &PreRegistered{ClientID: "machine", Key: key, KeyID: "k1"}
				c.Grant, c.Agent = ClientCredentials{}, nil
			})
			r.mustPost(c, "x")
			r.mustPost(c, "tools/call") // a step-up without a user
			seen := map[string]bool{}
			for _, form := range r.as.tokenForms {
				if form.Get("grant_type") != "client_credentials" || form.Get("resource") != r.url() ||
					form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
					t.Errorf("got %v", form)
				}
				var claims jwt.MapClaims
				token, err := jwt.ParseWithClaims(form.Get("client_assertion"), &claims, func(*jwt.Token) (any, error) { return key.Public(), nil },
					jwt.WithValidMethods([]string{algorithm}), jwt.WithAudience(r.as.URL), jwt.WithExpirationRequired(), jwt.WithIssuer("machine"), jwt.WithSubject("machine"))
				if err != nil || token.Header["kid"] != "k1" {
					t.Fatalf("the assertion is not good: %v", err)
				}
				if _, single := claims["aud"].(string); !single {
					t.Errorf("aud is %v", claims["aud"])
				}
				seen[claims["jti"].(string)] = true
			}
			if len(r.as.tokenForms) != 2 || len(seen) != 2 {
				t.Errorf("%d requests with %d different assertions", len(r.as.tokenForms), len(seen))
			}
			if got := r.as.tokenForms[1].Get("scope"); got != "mcp:read mcp:tools" {
				t.Errorf("asked for %q", got)
			}
		})
	}
}

// A server without users leaves a client with credentials one grant.
func TestMC15_ClientCredentialsWhereThereIsNothingElse(t *testing.T) {
	r := newRig(t)
	r.as.metadata = map[string]any{"grant_types_supported": []string{"client_credentials"}, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}
	agent := &user{}
	r.mustPost(r.client(func(c *Config) {
		c.Agent = agent
		c.PreRegistered = &PreRegistered{ClientID: "machine", ClientSecret: "secret-of-the-machine"}
	}), "x")
	if agent.opened.Load() != 0 || r.as.tokenForms[0].Get("grant_type") != "client_credentials" || !strings.HasPrefix(r.as.tokenHeaders[0].Get("Authorization"), "Basic ") {
		t.Errorf("got %v", r.as.tokenForms)
	}
}

func TestMC15_WorkloadIdentity(t *testing.T) {
	r := newRig(t)
	var audience string
	config := func(c *Config) {
		c.PreRegistered = &PreRegistered{ClientID: "workload"}
		c.Grant = JWTBearer{Assertion: func(_ context.Context, issuer string) (string, error) {
			audience = issuer
			return "the.workloads.jwt", nil
		}}
	}
	r.mustPost(r.client(config), "x")
	form := r.as.tokenForms[0]
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || form.Get("assertion") != "the.workloads.jwt" ||
		form.Get("client_id") != "workload" || form.Get("resource") != r.url() || audience != r.as.URL {
		t.Errorf("got %v for %s", form, audience)
	}
	// A refusal is final: no other try, no other grant.
	r = newRig(t)
	r.as.refuse = func(url.Values) error { return &ServerError{Code: "invalid_grant"} }
	c := r.client(config)
	var refused *ServerError
	for range 2 {
		if _, err := post(t, c, r.url(), "x"); !errors.As(err, &refused) || refused.Code != "invalid_grant" {
			t.Errorf("got %v", err)
		}
	}
	if registrations, authorizations, tokens := r.as.count(); registrations+authorizations != 0 || tokens != 1 {
		t.Errorf("%d token requests", tokens)
	}
}

func TestMC15_EnterpriseManaged(t *testing.T) {
	for name, c := range map[string]struct {
		answer map[string]any
		status int
		fails  bool
	}{
		"as it should be":          {map[string]any{"access_token": "the.id.jag", "issued_token_type": idJAG, "token_type": "N_A"}, 200, false},
		"another kind of token":    {map[string]any{"access_token": "the.id.jag", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer"}, 200, true},
		"no token":                 {map[string]any{"issued_token_type": idJAG}, 200, true},
		"the organization forbids": {map[string]any{"error": "access_denied"}, 403, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			var asked url.Values
			idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				_ = request.ParseForm()
				asked = request.PostForm
				writeJSON(w, c.status, c.answer)
			}))
			t.Cleanup(idp.Close)
			r.as.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}
			transport := r.client(func(config *Config) {
				config.PreRegistered = &PreRegistered{ClientID: "app", ClientSecret: "secret-of-the-app"}
				config.Grant = EnterpriseManaged{TokenEndpoint: idp.URL, ClientID: "app-at-idp", IDToken: "the.id.token"}
			})
			_, err := post(t, transport, r.url(), "x")
			want := url.Values{
				"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "requested_token_type": {idJAG}, "audience": {r.as.URL},
				"resource": {r.url()}, "scope": {"mcp:read"}, "subject_token": {"the.id.token"}, "subject_token_type": {idToken}, "client_id": {"app-at-idp"},
			}
			if asked.Encode() != want.Encode() {
				t.Errorf("the identity provider was asked %v", asked)
			}
			if (err != nil) != c.fails || c.fails && len(r.as.tokenForms) != 0 {
				t.Fatalf("got %v after %d token requests", err, len(r.as.tokenForms))
			}
			if form := r.as.tokenForms; !c.fails && (form[0].Get("assertion") != "the.id.jag" || form[0].Get("grant_type") != jwtBearer || form[0].Has("subject_token")) {
				t.Errorf("got %v", form)
			}
		})
	}
}

func TestMC15_DPoP(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	r.as.metadata = map[string]any{"dpop_signing_alg_values_supported": []string{"RS256", "ES256"}}
	r.as.nonce, r.dpopNonce = "nonce-of-the-as", "nonce-of-the-rs"
	c := r.client(func(config *Config) { config.Store = store; config.DPoP = DPoPAlways })
	r.mustPost(c, "x")
	r.mustPost(c, "x")
	jkt := r.as.requests[0].Get("dpop_jkt")
	if jkt == "" || jkt != c.session.proofs.thumbprint() {
		t.Errorf("dpop_jkt %q", jkt)
	}
	for _, header := range r.authorization[1:] {
		if !strings.HasPrefix(header, "DPoP access-") {
			t.Errorf("got %q", header)
		}
	}
	seen := map[string]bool{}
	check := func(proof, htm, htu, token string) string {
		t.Helper()
		var claims jwt.MapClaims
		parsed, err := jwt.ParseWithClaims(proof, &claims, func(p *jwt.Token) (any, error) {
			if p.Header["typ"] != "dpop+jwt" {
				t.Errorf("typ %v", p.Header["typ"])
			}
			jwk, _ := p.Header["jwk"].(map[string]any)
			if len(jwk) != 4 || jwk["d"] != nil {
				t.Errorf("jwk %v", jwk)
			}
			return publicOf(jwk)
		}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuedAt())
		if err != nil || !parsed.Valid || claims["htm"] != htm || claims["htu"] != htu {
			t.Errorf("proof %v, %v", claims, err)
		}
		if ath, _ := claims["ath"].(string); (token == "") != (ath == "") || token != "" && ath != pkce.Challenge(token) {
			t.Errorf("ath %q", ath)
		}
		if jti, _ := claims["jti"].(string); jti == "" || seen[jti] {
			t.Errorf("jti %q is not new", jti)
		} else {
			seen[jti] = true
		}
		nonce, _ := claims["nonce"].(string)
		return nonce
	}
	var nonces []string
	for _, header := range r.as.tokenHeaders {
		nonces = append(nonces, check(header.Get("DPoP"), "POST", r.as.URL+"/token", ""))
	}
	_, token, _ := strings.Cut(r.authorization[1], " ")
	for _, proof := range r.proofs {
		nonces = append(nonces, check(proof, "POST", r.url(), token))
	}
	// Each server's nonce goes to that server alone, and is kept.
	if got, want := strings.Join(nonces, " "), " nonce-of-the-as  nonce-of-the-rs nonce-of-the-rs"; got != want {
		t.Errorf("nonces %q, want %q", got, want)
	}
	// The next run has the same key, which the token is bound to.
	again := r.client(func(config *Config) { config.Store = store; config.DPoP = DPoPAlways })
	r.mustPost(again, "x")
	if again.session.proofs.thumbprint() != jkt {
		t.Error("the key was lost")
	}
}

func publicOf(jwk map[string]any) (*ecdsa.PublicKey, error) {
	point := []byte{4}
	for _, name := range []string{"x", "y"} {
		text, _ := jwk[name].(string)
		bytes, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		point = append(point, bytes...)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

func TestMC15_DPoPModes(t *testing.T) {
	offered := map[string]any{"dpop_signing_alg_values_supported": []string{"ES256"}}
	for name, c := range map[string]struct {
		mode     DPoPMode
		metadata map[string]any
		token    string // the type that the server gives out
		bearer   bool   // the MCP server knows nothing of DPoP
		want     string // of the Authorization header; empty: refused
	}{
		"where it is offered":            {DPoPWhenOffered, offered, "", false, "DPoP"},
		"not where the MCP server can't": {DPoPWhenOffered, offered, "", true, "Bearer"},
		"not where it isn't":             {DPoPWhenOffered, nil, "", false, "Bearer"},
		"not with another algorithm":     {DPoPWhenOffered, map[string]any{"dpop_signing_alg_values_supported": []string{"none", "RS256"}}, "", false, "Bearer"},
		"never":                          {DPoPNever, offered, "", false, "Bearer"},
		"always":                         {DPoPAlways, offered, "", true, "DPoP"},
		"always, and not offered":        {DPoPAlways, nil, "", false, ""},
		"offered, and not bound at all":  {DPoPWhenOffered, offered, "Bearer", false, ""},
		"bound, and nobody asked":        {DPoPNever, offered, "DPoP", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.as.metadata = c.metadata
			if !c.bearer {
				r.challenge = `Bearer, DPoP algs="ES256"`
			}
			r.as.token = func(response map[string]any) {
				if c.token != "" {
					response["token_type"] = c.token
				}
			}
			_, err := post(t, r.client(func(config *Config) { config.DPoP = c.mode }), r.url(), "x")
			last := r.authorization[len(r.authorization)-1]
			if (err != nil) != (c.want == "") || c.want != "" && !strings.HasPrefix(last, c.want+" ") {
				t.Errorf("sent %q, %v", last, err)
			}
		})
	}
}

// The metadata of the MCP server can say so, too.
func TestMC15_DPoPByMetadata(t *testing.T) {
	for document, want := range map[string]bool{
		`"dpop_bound_access_tokens_required":true`: true, `"dpop_signing_alg_values_supported":["ES256"]`: true,
		`"dpop_signing_alg_values_supported":["RS256"]`: false, `"x":1`: false,
	} {
		r, err := parseResource([]byte(`{"resource":"r","authorization_servers":["a"],` + document + `}`))
		if err != nil || r.takesDPoP() != want {
			t.Errorf("%s: got %v, %v", document, r, err)
		}
	}
}

// RFC 7638, section 3, in the form that RFC 9449 shows for an EC key.
func TestMC15_Thumbprint(t *testing.T) {
	p := &prover{jwk: map[string]string{
		"kty": "EC", "crv": "P-256", "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
	}}
	if got := p.thumbprint(); got != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("got %s", got)
	}
}

// Nothing that is shown holds a secret: not the events, not the errors, not a
// token that is printed by mistake.
func TestMC14_J01_NothingShownHoldsASecret(t *testing.T) {
	r := newRig(t)
	r.as.metadata = map[string]any{
		"token_endpoint_auth_methods_supported": []string{"client_secret_post"}, "dpop_signing_alg_values_supported": []string{"ES256"},
	}
	r.as.nonce = "n"
	r.challenge = `DPoP algs="ES256", scope="mcp:read"`
	var shown strings.Builder
	c := r.client(func(config *Config) {
		config.Trace = func(e Event) {
			text, err := json.Marshal(e)
			if err != nil {
				t.Error(err)
			}
			shown.Write(text)
		}
	})
	r.mustPost(c, "tools/list")
	r.mustPost(c, "tools/call")
	r.as.mu.Lock()
	r.as.issued = map[string]string{}
	r.as.mu.Unlock()
	r.mustPost(c, "tools/list")
	token := c.session.token()
	shown.WriteString(token.String())
	shown.WriteString(strings.Join([]string{token.GoString()}, ""))
	if _, err := c.Forget(t.Context()); err != nil {
		t.Error(err)
	}
	secrets := []string{token.Access, token.Refresh, "secret-of-the-client-0123456789", "management-token-0123456789"}
	for _, form := range append(r.as.tokenForms, r.as.revoked...) {
		for _, name := range []string{"code", "code_verifier", "refresh_token", "client_secret", "token"} {
			secrets = append(secrets, form.Get(name))
		}
	}
	for _, header := range r.as.tokenHeaders {
		secrets = append(secrets, header.Get("DPoP"))
	}
	for _, header := range r.authorization {
		_, secret, _ := strings.Cut(header, " ")
		secrets = append(secrets, secret)
	}
	tried := 0
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		if tried++; strings.Contains(shown.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	if tried < 15 {
		t.Errorf("only %d secrets were looked for", tried)
	}
}

func TestMC14_Shorten(t *testing.T) {
	jws := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
	for in, want := range map[string]string{"": "…", "short-secret": "…", "a-rather-long-secret-value": "a-ra…"} {
		if got := Redact(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	for in, want := range map[string]string{
		"a=b&code=0123456789012345678901&x=%20": "a=b&code=0123…&x=%20", "CODE=short": "CODE=…", "%63ode=short": "%63ode=…", "x=" + jws: "x=eyJh…", "": "",
	} {
		if got := redactQuery(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
	for _, c := range []struct{ kind, in, lacks string }{
		{"application/json", `{"access_token":"0123456789012345678901","n":1}`, "56789"},
		{"application/json", `{"a":[{"refresh_token":"0123456789012345678901"}]}`, "56789"},
		{"application/json", `{"deep":"` + jws + `"}`, "c2lnbm"},
		{"application/json", "{\"a\":\"\u202e\u009b\"}", "\u202e"},
		{"application/json", `{"access_token":"0123456789`, "56789"},
		{"text/plain", "token " + jws, "c2lnbm"},
		{"text/html", "<p>0123456789", "0123"},
		{"application/x-www-form-urlencoded", "client_secret=0123456789012345678901", "56789"},
	} {
		if got := redactBody(c.kind, []byte(c.in)); strings.Contains(got, c.lacks) {
			t.Errorf("%s %s: got %q", c.kind, c.in, got)
		}
	}
}
