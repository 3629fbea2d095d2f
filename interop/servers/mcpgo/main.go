// Command mcpgo is an MCP server as people write it with mcp-go: mcp-go's own
// handler for the protected resource metadata (RFC 9728), and a small check of
// bearer tokens by the keys that the authorization server publishes. Nothing of
// it is this project's, so that the client of step 11 meets a stranger.
//
// Listing needs the scope mcp:read; calling the tool add needs mcp:tools too.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

var (
	addr   = flag.String("addr", "localhost:0", "`host:port` to listen on")
	base   = flag.String("url", "", "`URL` by which clients reach it, without a path")
	issuer = flag.String("issuer", "", "`URL` of the authorization server")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mcpgo:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	keys, err := jwk.Fetch(ctx, *issuer+"/protocol/openid-connect/certs")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	metadata := server.ProtectedResourceMetadataConfig{
		Resource: *base + "/mcp", AuthorizationServers: []string{*issuer},
		ScopesSupported: []string{"mcp:read", "mcp:tools"}, BearerMethodsSupported: []string{"header"},
	}
	path := server.ProtectedResourceMetadataPath(metadata.Resource)
	mux := http.NewServeMux()
	mux.Handle(path, server.NewProtectedResourceMetadataHandler(metadata))
	mux.Handle("/mcp", &gate{
		keys: keys, issuer: *issuer, resource: metadata.Resource, metadata: *base + path,
		next: server.NewStreamableHTTPServer(newServer()),
	})
	fmt.Fprintln(os.Stderr, "listening on "+*base)
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}).Serve(listener)
}

type userKey struct{}

func newServer() *server.MCPServer {
	s := server.NewMCPServer("mcp-go", "1")
	s.AddTool(mcp.NewTool("add", mcp.WithDescription("adds two numbers"),
		mcp.WithNumber("a", mcp.Required()), mcp.WithNumber("b", mcp.Required()),
	), func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		a, err := r.RequireFloat("a")
		b, errB := r.RequireFloat("b")
		if err := errors.Join(err, errB); err != nil {
			return mcp.NewToolResultError(err.Error()), nil
		}
		return mcp.NewToolResultText(fmt.Sprint(a + b)), nil
	})
	s.AddTool(mcp.NewTool("user", mcp.WithDescription("says who is logged in")),
		func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			name, _ := ctx.Value(userKey{}).(string)
			return mcp.NewToolResultText(name), nil
		})
	return s
}

// gate lets requests with a good token through.
type gate struct {
	keys                       jwk.Set
	issuer, resource, metadata string
	next                       http.Handler
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		g.refuse(w, http.StatusUnauthorized, "", "mcp:read")
		return
	}
	var said claims
	if _, err := jwt.ParseWithClaims(text, &said, g.key, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(),
		jwt.WithIssuer(g.issuer), jwt.WithAudience(g.resource)); err != nil {
		g.refuse(w, http.StatusUnauthorized, "invalid_token", "")
		return
	}
	need, err := needed(r)
	switch {
	case err != nil:
		http.Error(w, "the message can't be read", http.StatusBadRequest)
	case !slices.Contains(strings.Fields(said.Scope), need):
		g.refuse(w, http.StatusForbidden, "insufficient_scope", need)
	default:
		g.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, said.Username)))
	}
}

type claims struct {
	jwt.RegisteredClaims
	Scope    string `json:"scope"`
	Username string `json:"preferred_username"`
}

func (g *gate) key(token *jwt.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	key, found := g.keys.LookupKeyID(id)
	if !found {
		return nil, errors.New("no such key")
	}
	return jwk.PublicRawKeyOf(key)
}

func (g *gate) refuse(w http.ResponseWriter, status int, code, scope string) {
	challenge := fmt.Sprintf("Bearer resource_metadata=%q", g.metadata)
	if code != "" {
		challenge += fmt.Sprintf(", error=%q", code)
	}
	if scope != "" {
		challenge += fmt.Sprintf(", scope=%q", scope)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(status)
}

// needed is the scope that a message needs. It reads the body, and puts it back.
func needed(r *http.Request) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil || r.Method != http.MethodPost {
		return "mcp:read", err
	}
	var message struct {
		Method string
		Params struct{ Name string }
	}
	if err := json.Unmarshal(body, &message); err != nil {
		return "", err
	}
	if message.Method == "tools/call" && message.Params.Name == "add" {
		return "mcp:tools", nil
	}
	return "mcp:read", nil
}
