package bearerauth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/logbuffer"
	"mcp-auth-step-by-step/internal/web/serve"
)

// J01, RS14: whatever becomes of a token, no part of it is in the log.
func TestJ01_NoTokenInTheLog(t *testing.T) {
	t.Parallel()
	var log logbuffer.Buffer
	options := serve.Options{
		Addr: "localhost:0", Limits: serve.DefaultLimits,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwks.New(&private.PublicKey, "RS256")
	if err != nil {
		t.Fatal(err)
	}
	running, err := serve.Start(options, func(_ context.Context, site serve.Site) (http.Handler, error) {
		verifier := &accesstoken.Verifier{Issuer: site.URL, Audience: site.Resource(), Keys: jwks.Set{key}, Algorithms: []string{"RS256"}}
		return bearerauth.Require(verifier, bearerauth.Challenge{Realm: "mcp"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				panic("a handler went wrong for " + principal.FromContext(r.Context()).Subject)
			}
			_, _ = io.WriteString(w, "inside")
		})), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()

	// signed returns a token for this server, wrong in one way or, with no flaw, good.
	signed := func(flaw mint.Flaw) string {
		draft := mint.New(private, key.ID, mint.Grant{
			Issuer: running.Site.URL, Audience: running.Site.Resource(), Username: "alice", ClientID: "test",
			Scopes: []string{"mcp:read"}, Lifetime: time.Hour, Now: time.Now(),
		})
		draft.Claims["canary"] = "CANARYCANARYCANARY" // makes each payload one of its kind
		if flaw.Spoil != nil {
			if err := flaw.Spoil(draft); err != nil {
				t.Fatal(err)
			}
		}
		token, err := draft.Token()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	var secrets []string
	try := func(name, path string, want int, headers ...string) {
		t.Helper()
		r, _ := http.NewRequest("POST", running.Site.URL+path, nil)
		r.Header["Authorization"] = headers
		answer, err := client.Do(r)
		if want == 0 {
			if err == nil {
				t.Errorf("%s: answered with %d", name, answer.StatusCode)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: status %d, want %d", name, answer.StatusCode, want)
		}
		for _, s := range secrets {
			if strings.Contains(fmt.Sprint(answer.Header, string(body)), s) {
				t.Errorf("%s: the answer repeats a part of the token", name)
			}
		}
	}
	for _, flaw := range append([]mint.Flaw{{Name: "no flaw"}}, mint.Flaws...) {
		token, want := signed(flaw), http.StatusUnauthorized
		if flaw.Spoil == nil {
			want = http.StatusOK
		}
		for _, part := range append(strings.Split(token, "."), token) {
			if len(part) > 12 { // "[]" is a payload too
				secrets = append(secrets, part)
			}
		}
		try(flaw.Name, "/mcp", want, "Bearer "+token)
	}
	token := signed(mint.Flaw{})
	secrets = append(secrets, token, token[strings.LastIndex(token, ".")+1:], "CANARY")
	try("panic", "/panic", 0, "Bearer "+token)
	try("twice", "/mcp", 400, "Bearer "+token, "Bearer "+token)
	try("joined", "/mcp", 400, "Bearer "+token+", Bearer "+token)
	try("two words", "/mcp", 401, "Bearer "+token+" x")
	try("other scheme", "/mcp", 401, "Basic "+token)
	try("too long", "/mcp", 401, "Bearer "+token+strings.Repeat("A", 20<<10))
	try("too long for the server", "/mcp", 431, "Bearer "+token+strings.Repeat("A", 40<<10))
	try("query", "/mcp?access_token="+token, 401)
	if err := running.Shutdown(t.Context()); err != nil { // lines are written after the answer
		t.Fatal(err)
	}

	text := log.String()
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%.16s… is in the log", secret)
		}
	}
	if refused := strings.Count(text, `msg="token refused"`); refused < len(mint.Flaws) {
		t.Errorf("only %d refusals are in the log: it is not the one that was written to", refused)
	}
	if !strings.Contains(text, "more than one Authorization header or credential") {
		t.Error("the reason for refusing two credentials is not in the log")
	}
	if !strings.Contains(text, "a handler went wrong for alice") {
		t.Error("the panic is not in the log")
	}
}
