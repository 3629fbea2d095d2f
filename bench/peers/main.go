// Command peers is an MCP server with one tool, echo, as people write it with
// other libraries: what the steps are timed beside.
//
//	peers -kind gosdk -guard jwt -key keys/public.pem -addr localhost:9001
//
// The kinds are floor (net/http alone, which answers every message alike), mcpgo
// and gosdk. The guards are none, jwt (golang-jwt verifies each token) and cached
// (a token counts for as long as it is valid, once it was verified).
package main

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	mcpgo "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var (
	addr     = flag.String("addr", "localhost:9001", "`host:port` to listen on")
	kind     = flag.String("kind", "floor", "floor, mcpgo or gosdk")
	guard    = flag.String("guard", "none", "none, jwt or cached")
	key      = flag.String("key", "", "`file` with the public key of the issuer, in PEM")
	issuer   = flag.String("issuer", "", "`URL` of the issuer")
	audience = flag.String("audience", "", "`URL` for which tokens must be meant")
)

func main() {
	flag.Parse()
	handler, err := build()
	if err == nil {
		mux := http.NewServeMux()
		mux.Handle("/mcp", handler)
		err = (&http.Server{Addr: *addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}).ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, "peers:", err)
	os.Exit(1)
}

func build() (http.Handler, error) {
	v, err := newVerifier()
	if err != nil {
		return nil, err
	}
	switch *kind {
	case "floor":
		return v.protect(http.HandlerFunc(floor)), nil
	case "mcpgo":
		return v.protect(newMCPGo()), nil
	case "gosdk":
		if *guard == "none" {
			return newGoSDK(), nil
		}
		return auth.RequireBearerToken(v.tokenInfo, &auth.RequireBearerTokenOptions{Scopes: []string{"mcp:tools"}})(newGoSDK()), nil
	}
	return nil, fmt.Errorf("there is no kind %q: take floor, mcpgo or gosdk", *kind)
}

// floor answers what the load generator expects and looks at nothing.
func floor(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, rest, _ := strings.Cut(string(body), `"message":"`)
	message, _, _ := strings.Cut(rest, `"`)
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":%q}]}}`, message)
}

func newMCPGo() http.Handler {
	s := server.NewMCPServer("mcp-go", "1", server.WithToolCapabilities(false))
	s.AddTool(mcpgo.NewTool("echo", mcpgo.WithDescription("says it again"), mcpgo.WithString("message", mcpgo.Required())),
		func(_ context.Context, r mcpgo.CallToolRequest) (*mcpgo.CallToolResult, error) {
			message, err := r.RequireString("message")
			if err != nil {
				return mcpgo.NewToolResultError(err.Error()), nil
			}
			return mcpgo.NewToolResultText(message), nil
		})
	return server.NewStreamableHTTPServer(s, server.WithStateLess(true))
}

type message struct {
	Message string `json:"message"`
}

func newGoSDK() http.Handler {
	s := mcp.NewServer(&mcp.Implementation{Name: "go-sdk", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "echo", Description: "says it again"},
		func(_ context.Context, _ *mcp.CallToolRequest, in message) (*mcp.CallToolResult, any, error) {
			return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: in.Message}}}, nil, nil
		})
	return mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s },
		&mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
}

type claims struct {
	jwt.RegisteredClaims
	Scope    string `json:"scope"`
	ClientID string `json:"client_id"`
}

// verifier does what the documentation of golang-jwt asks for, and the check of
// the header's type that tells an access token from an ID token (RFC 9068).
type verifier struct {
	key    *rsa.PublicKey
	parser *jwt.Parser
	// known is the cache; it is unbounded, since the load has few tokens.
	known sync.Map
}

func newVerifier() (*verifier, error) {
	if *guard == "none" {
		return nil, nil
	}
	if *guard != "jwt" && *guard != "cached" {
		return nil, fmt.Errorf("there is no guard %q: take none, jwt or cached", *guard)
	}
	pem, err := os.ReadFile(*key)
	if err != nil {
		return nil, err
	}
	public, err := jwt.ParseRSAPublicKeyFromPEM(pem)
	return &verifier{key: public, parser: jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(*issuer),
		jwt.WithAudience(*audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(10*time.Second))}, err
}

func (v *verifier) verify(token string) (*claims, error) {
	hash := sha256.Sum256([]byte(token))
	if found, ok := v.known.Load(hash); ok && *guard == "cached" {
		if c := found.(*claims); time.Now().Before(c.ExpiresAt.Time) {
			return c, nil
		}
	}
	c := &claims{}
	parsed, err := v.parser.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return v.key, nil })
	switch {
	case err != nil:
		return nil, err
	case parsed.Header["typ"] != "at+jwt" || c.Subject == "" || c.ClientID == "":
		return nil, errors.New("not an access token")
	}
	v.known.Store(hash, c)
	return c, nil
}

// protect is the guard for libraries without one of their own.
func (v *verifier) protect(next http.Handler) http.Handler {
	if v == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			http.Error(w, "a token is missing", http.StatusUnauthorized)
			return
		}
		c, err := v.verify(token)
		if err != nil || !slices.Contains(strings.Fields(c.Scope), "mcp:tools") {
			http.Error(w, "the token is not good", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (v *verifier) tokenInfo(_ context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
	c, err := v.verify(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", auth.ErrInvalidToken, err)
	}
	return &auth.TokenInfo{Scopes: strings.Fields(c.Scope), Expiration: c.ExpiresAt.Time, UserID: c.Subject}, nil
}
