package naive

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// victim is who is logged in at the authorization server.
const victim = "alice"

// maxCodes bounds the memory: it is wrong, not endless.
const maxCodes = 1000

// authorizationServer issues tokens for its one user, who is always logged in.
func (l *Lab) authorizationServer() http.Handler {
	codes := &codeBook{issued: map[string]string{}}
	issuer := l.AuthorizationServer
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		// fault no-iss: it doesn't name itself in its answers, and doesn't promise to (RFC
		// 9207; modelcontextprotocol, issue 1721).
		jsonreply.Write(w, http.StatusOK, map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
			"registration_endpoint": issuer + "/register", "jwks_uri": issuer + "/jwks.json",
			"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
			"token_endpoint_auth_methods_supported": []string{"none"},
		})
	})
	mux.Handle("GET /jwks.json", jwks.Handler(l.ownKey()))
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, _ *http.Request) {
		jsonreply.Write(w, http.StatusCreated, map[string]any{
			"client_id": rand.Text(), "token_endpoint_auth_method": "none", "redirect_uris": []string{"http://localhost/callback"},
		})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		// fault any-redirect-uri: the code goes wherever the link says (CVE-2025-4143,
		// Cloudflare's workers-oauth-provider).
		back, err := url.Parse(r.URL.Query().Get("redirect_uri"))
		if err != nil || back.Host == "" {
			jsonreply.Error(w, http.StatusBadRequest, "invalid_request", "redirect_uri is not a URL.")
			return
		}
		query := back.Query()
		query.Set("code", codes.issue(r.URL.Query().Get("resource")))
		query.Set("state", r.URL.Query().Get("state"))
		back.RawQuery = query.Encode()
		http.Redirect(w, r, back.String(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		resource, known := codes.find(r.PostFormValue("code"))
		if !known {
			jsonreply.Error(w, http.StatusBadRequest, "invalid_grant", "The code is unknown.")
			return
		}
		// fault no-pkce: the challenge was offered, and nobody asks for the verifier
		// (CVE-2025-4144, Cloudflare's workers-oauth-provider).
		token, err := l.token(resource)
		if err != nil {
			jsonreply.Error(w, http.StatusInternalServerError, "server_error", "The token could not be signed.")
			return
		}
		jsonreply.Write(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600})
	})
	return mux
}

// token is an access token of the victim.
func (l *Lab) token(resource string) (string, error) {
	kid := l.ownKey()[0].ID
	return mint.New(l.key, kid, mint.Grant{
		Issuer: l.AuthorizationServer, Audience: resource, Username: victim, ClientID: "naive",
		Scopes: []string{"mcp:read", "mcp:tools"}, Roles: []string{"user"}, Lifetime: time.Hour, Now: time.Now(),
	}).Token()
}

// codeBook keeps the codes, with the resource that each is for.
type codeBook struct {
	mu     sync.Mutex
	issued map[string]string
}

func (c *codeBook) issue(resource string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.issued) >= maxCodes {
		clear(c.issued)
	}
	code := rand.Text()
	c.issued[code] = resource
	return code
}

func (c *codeBook) find(code string) (resource string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// fault code-twice: it is found, and stays (highflame-ai/zeroid, issue 15).
	resource, known = c.issued[code]
	return resource, known
}
