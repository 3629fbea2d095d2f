package main

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/web/serve"
)

// keep is how long an answer about a token counts in these tests.
const keep = 2 * time.Second

// A token of step 9 is accepted, revoked, and refused within the stated time; and
// while step 9 is away, nobody's token is called bad. All three ways to
// authenticate of which step 9's realm has the credentials.
func TestRevokedTokenIsRefusedInTime(t *testing.T) {
	as := build(t)
	as.start(t, filepath.Join(t.TempDir(), "keys"))
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		t.Run(method, func(t *testing.T) {
			base := askingServer(t, as.issuer, "INTROSPECTION_METHOD="+method)
			token := as.logIn(t)
			want := func(want int) {
				t.Helper()
				if status, err := call(t.Context(), base, token); err != nil || status != want {
					t.Errorf("status %d, %v, want %d", status, err, want)
				}
			}
			want(http.StatusOK)
			as.revoke(t, token)
			revoked := time.Now()
			soon(t, func() error {
				asked := time.Since(revoked)
				status, err := call(t.Context(), base, token)
				if err == nil && status != http.StatusUnauthorized {
					err = fmt.Errorf("status %d %s after it was revoked", status, asked.Round(time.Millisecond))
					if asked > keep { // what was known before has expired, however busy the machine is
						t.Fatal(err)
					}
				}
				return err
			})
		})
	}

	t.Run("outage", func(t *testing.T) {
		base := askingServer(t, as.issuer)
		known, fresh := as.logIn(t), as.logIn(t)
		if status, err := call(t.Context(), base, known); err != nil || status != http.StatusOK {
			t.Fatalf("status %d, %v", status, err)
		}
		as.kill()
		if status, err := call(t.Context(), base, fresh); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("a token that was not asked about: status %d, %v", status, err)
		}
		soon(t, func() error {
			status, err := call(t.Context(), base, known)
			if err == nil && status != http.StatusServiceUnavailable {
				err = fmt.Errorf("an answer that has ended: status %d", status)
			}
			return err
		})
	})
}

// A guest stays a guest where the issuer is asked, and an ID or refresh token
// opens nothing.
func TestIntrospectionKeepsRoles(t *testing.T) {
	as := build(t)
	as.start(t, filepath.Join(t.TempDir(), "keys"))
	base := askingServer(t, as.issuer)
	response, err := http.PostForm(as.issuer+"/protocol/openid-connect/token", url.Values{
		"grant_type": {"password"}, "client_id": {"mcp-test-client"},
		"username": {"mcp-readonly"}, "password": {"readonly123"}, "scope": {"openid mcp:read"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := decode(t, response)
	if status, err := call(t.Context(), base, tokens["access_token"].(string)); err != nil || status != http.StatusForbidden {
		t.Errorf("too little scope: status %d, %v", status, err)
	}
	for _, other := range []string{"refresh_token", "id_token"} {
		token, ok := tokens[other].(string)
		if !ok {
			t.Errorf("no %s", other)
			continue
		}
		if status, err := call(t.Context(), base, token); err != nil || status != http.StatusUnauthorized {
			t.Errorf("%s: status %d, %v", other, status, err)
		}
	}
}

// askingServer starts step 10 so that it asks an issuer about each token.
func askingServer(t *testing.T, issuer string, settings ...string) string {
	t.Helper()
	for _, variable := range append([]string{
		"JWT_ISSUER=" + issuer, "JWT_AUDIENCE=http://localhost:9000/mcp", "JWKS_MIN_INTERVAL=100ms", "MCP_SERVER_URL=", "INTROSPECTION_KEEP=" + keep.String(),
		"INTROSPECTION_CLIENT_ID=echo-mcp-server", "INTROSPECTION_CLIENT_SECRET=demo-secret-change-me",
	}, settings...) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	running, err := serve.Start(serve.Options{Addr: "localhost:0", Limits: serve.DefaultLimits}, newHandler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = running.Close() })
	return running.Site.URL
}

// revoke gives a token back (RFC 7009).
func (as *authorizationServer) revoke(t *testing.T, token string) {
	t.Helper()
	response, err := http.PostForm(as.issuer+"/protocol/openid-connect/revoke", url.Values{"client_id": {"mcp-test-client"}, "token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("revocation: status %d", response.StatusCode)
	}
}
