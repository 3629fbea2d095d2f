package naive

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// guest is everybody, where no token is asked for. Guests may echo, and no more.
var guest = &principal.Principal{Subject: "guest", ClientID: "none", Scopes: []string{"mcp:read", "mcp:tools"}, Roles: []string{"guest"}}

// mcpServer is the MCP server.
func (l *Lab) mcpServer() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		jsonreply.Write(w, http.StatusOK, map[string]string{"status": "healthy"})
	})
	mux.HandleFunc("GET /.well-known/oauth-protected-resource/mcp", l.resourceMetadata)
	// fault private-key-served: the folder with the keys is below the document root, as
	// with http.FileServer(http.Dir(".")).
	mux.HandleFunc("GET /keys/mcp_private_key.pem", l.privateKey)
	tools := l.tools()
	mux.HandleFunc("POST /mcp", func(w http.ResponseWriter, r *http.Request) { l.call(w, r, tools) })
	return l.checkOrigin(mux)
}

// checkOrigin refuses foreign pages, it thinks.
func (l *Lab) checkOrigin(next http.Handler) http.Handler {
	// fault no-host-check: nobody compares r.Host, so a name that resolves to 127.0.0.1 gets
	// in (CVE-2025-66414, MCP's TypeScript SDK before 1.24.0).
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		// fault origin-prefix: http://localhost.evil.com begins with it too (PortSwigger's
		// url-cheatsheet-data, issue 2, met it in applications).
		if strings.HasPrefix(origin, "http://localhost") {
			// The browser then lets the page read the answer (CORS).
			w.Header().Set("Access-Control-Allow-Origin", origin)
		} else if origin != "" && origin != "http://"+r.Host { // a rebound page has the Host in its Origin
			jsonreply.Error(w, http.StatusForbidden, "origin_not_allowed", "Pages of this Origin may not call this server.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// call asks who calls and whether he may, and lets mcp-go do it.
func (l *Lab) call(w http.ResponseWriter, r *http.Request, tools http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		jsonreply.Error(w, http.StatusBadRequest, "invalid_request", "The body could not be read.")
		return
	}
	caller, err := l.caller(r)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	if err := allowed(caller, body); err != nil {
		jsonreply.Error(w, http.StatusForbidden, "access_denied", err.Error())
		return
	}
	// fault any-content-type: text/plain goes through, which any page may send without a
	// preflight (CVE-2026-33252, MCP's Go SDK).
	r.Header.Set("Content-Type", "application/json")
	r.Body = io.NopCloser(bytes.NewReader(body))
	tools.ServeHTTP(w, r.WithContext(principal.NewContext(r.Context(), caller)))
}

// allowed decides by its own reading of the body.
func allowed(caller *principal.Principal, body []byte) error {
	// fault two-readers: this reads exact names, and mcp-go behind it also "METHOD" and
	// "Name" (CVE-2026-27896, MCP's Go SDK, issue 805).
	var message map[string]json.RawMessage
	if err := json.Unmarshal(body, &message); err != nil {
		return errors.New("the body is not a JSON object")
	}
	var method string
	var params map[string]json.RawMessage
	_ = json.Unmarshal(message["method"], &method)
	_ = json.Unmarshal(message["params"], &params)
	var name string
	_ = json.Unmarshal(params["name"], &name)
	if method != "tools/call" {
		return nil
	}
	// fault scope-substring: "not-mcp:tools" contains it (leodip/goiabada, issue 79, compared
	// like this).
	if !strings.Contains(strings.Join(caller.Scopes, " "), "mcp:tools") {
		return errors.New("this needs the scope mcp:tools")
	}
	// fault admin-by-name: whoever can choose a name is an administrator (RFC 9700, section
	// 4.15, on clients that choose their id).
	if name == "audit" && caller.Username != "admin" && !caller.HasRole("admin") {
		return errors.New("this is for administrators")
	}
	return nil
}

// caller is who calls: by session, or by token.
func (l *Lab) caller(r *http.Request) (*principal.Principal, error) {
	if l.options.Open {
		return guest, nil
	}
	// fault session-for-token: whoever knows or guesses a session is its user
	// (agentic-community/mcp-gateway-registry, pull request 1357; MCP, Security Best
	// Practices, "Session Hijacking").
	if user, ok := strings.CutPrefix(r.Header.Get("Mcp-Session-Id"), "session-of-"); ok {
		return &principal.Principal{Subject: user, Username: user, ClientID: "session", Scopes: []string{"mcp:read", "mcp:tools"}}, nil
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, errors.New("there is no token")
	}
	return l.verify(r.Context(), bearer)
}

// verify uses golang-jwt without any of its options.
func (l *Lab) verify(ctx context.Context, bearer string) (*principal.Principal, error) {
	var last error
	for _, key := range l.candidates(ctx, bearer) {
		token, err := jwt.Parse(bearer, func(t *jwt.Token) (any, error) { return keyFor(t.Method.Alg(), key) })
		if err == nil {
			// fault no-audience: a token for another server is as good (CVE-2020-26160,
			// jwt-go, for "a service that lacks its own audience check").
			// fault no-token-type: an ID token is a JWT of the same issuer, too
			// (anvilresearch/connect, issue 244).
			// fault no-issuer: any issuer with a key of the set will do.
			return principalOf(token.Claims.(jwt.MapClaims)), nil
		}
		last = err
	}
	return nil, fmt.Errorf("the token is not valid: %w", last)
}

// keyFor is the key in the form that an algorithm needs.
func keyFor(algorithm string, key jwks.Key) (any, error) {
	// fault alg-from-token: the token chooses the algorithm, so it can choose none, or a
	// secret that everybody can read: the public key (Tim McLean, 2015, "Critical
	// vulnerabilities in JSON Web Token libraries"; CVE-2015-9235, jsonwebtoken).
	switch algorithm {
	case "none":
		return jwt.UnsafeAllowNoneSignatureType, nil
	case "HS256":
		der, err := x509.MarshalPKIXPublicKey(key.Public)
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
	}
	return key.Public, nil
}

// candidates are the keys that may have signed.
func (l *Lab) candidates(ctx context.Context, bearer string) jwks.Set {
	unverified, _, err := jwt.NewParser().ParseUnverified(bearer, jwt.MapClaims{})
	if err != nil {
		return l.ownKey() // it will fail
	}
	// fault key-from-token: the sender says by which key to verify (CVE-2018-0114, node-jose,
	// for jwk; WebGoat teaches jku).
	if location, ok := unverified.Header["jku"].(string); ok {
		return append(l.keysAt(ctx, location), l.ownKey()...)
	}
	if embedded, ok := unverified.Header["jwk"]; ok {
		text, err := json.Marshal(map[string]any{"keys": []any{embedded}})
		if set, _, parseErr := jwks.ParseFor(text, []string{"RS256"}); err == nil && parseErr == nil {
			return set
		}
	}
	return l.trustedKeys(ctx)
}

// principalOf believes what the token says.
func principalOf(claims jwt.MapClaims) *principal.Principal {
	text := func(name string) string {
		value, _ := claims[name].(string)
		return value
	}
	who := &principal.Principal{
		Issuer: text("iss"), Subject: text("sub"), Username: text("preferred_username"), ClientID: text("client_id"),
		Scopes: strings.Fields(text("scope")), Roles: []string{},
	}
	// fault roles-from-anywhere: at a provider whose users can edit this claim, they make
	// themselves administrators.
	roles, _ := claims["roles"].([]any)
	for _, role := range roles {
		if name, ok := role.(string); ok {
			who.Roles = append(who.Roles, name)
		}
	}
	return who
}

func (l *Lab) refuse(w http.ResponseWriter, r *http.Request, err error) {
	w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="http://`+r.Host+`/.well-known/oauth-protected-resource/mcp"`)
	jsonreply.Error(w, http.StatusUnauthorized, "invalid_token", err.Error())
}

// resourceMetadata is the document of RFC 9728.
func (l *Lab) resourceMetadata(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" {
		host = forwarded
	}
	// fault metadata-from-host: the document says what the request says
	// (framework/the-framework, issue 969; superlinked/sie, issue 275).
	jsonreply.Write(w, http.StatusOK, map[string]any{
		"resource": "http://" + host + "/mcp", "authorization_servers": []string{l.AuthorizationServer},
	})
}

func (l *Lab) privateKey(w http.ResponseWriter, _ *http.Request) {
	der, err := x509.MarshalPKCS8PrivateKey(l.key)
	if err != nil {
		panic(err) // an RSA key always has this form
	}
	_ = pem.Encode(w, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// most bounds what echo returns, in bytes: it is wrong, not endless.
const most = 10_000

// tools are tools that only echo.
func (l *Lab) tools() http.Handler {
	s := server.NewMCPServer("naive", "0")
	s.AddTool(mcp.NewTool("echo", mcp.WithString("message"), mcp.WithInteger("repeat_count", mcp.Max(10))),
		func(_ context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			// fault no-schema-check: the schema says at most 10, and nobody holds the call
			// against it.
			count := request.GetInt("repeat_count", 1)
			message := request.GetString("message", "")
			text := strings.Repeat(message, max(0, min(count, most/max(1, len(message)))))
			return mcp.NewToolResultStructured(map[string]string{"text": text}, text), nil
		})
	s.AddTool(mcp.NewTool("whoami"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		caller := principal.FromContext(ctx)
		return mcp.NewToolResultStructured(caller, "You are "+caller.DisplayName()+"."), nil
	})
	s.AddTool(mcp.NewTool("audit"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		entry := map[string]string{"subject": principal.FromContext(ctx).Subject, "operation": "tools/call", "name": "audit"}
		return mcp.NewToolResultStructured(map[string]any{"decisions": []any{entry}}, "1 decision"), nil
	})
	return server.NewStreamableHTTPServer(s, server.WithStateLess(true), server.WithDisableStreaming(true),
		server.WithDisableLocalhostProtection(true))
}
