// Command gosdk is an MCP server as people write it with the official Go SDK:
// the SDK's own check of bearer tokens and its own handler for the protected
// resource metadata (RFC 9728), over a verifier that asks the authorization
// server about each token (RFC 7662).
//
// The SDK's check knows one set of scopes for all requests, so this server asks
// for mcp:read and mcp:tools from the start. Its refusals carry no error code,
// and so no client can tell that a step-up would help.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

var (
	addr   = flag.String("addr", "localhost:0", "`host:port` to listen on")
	base   = flag.String("url", "", "`URL` by which clients reach it, without a path")
	issuer = flag.String("issuer", "", "`URL` of the authorization server")
)

var client = &http.Client{Timeout: 10 * time.Second}

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gosdk:", err)
		os.Exit(1)
	}
}

func run() error {
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	path := "/.well-known/oauth-protected-resource/mcp"
	scopes := []string{"mcp:read", "mcp:tools"}
	v := &verifier{
		endpoint: *issuer + "/protocol/openid-connect/token/introspect", resource: *base + "/mcp",
		secret: os.Getenv("ECHO_MCP_SERVER_SECRET"),
	}
	protect := auth.RequireBearerToken(v.verify, &auth.RequireBearerTokenOptions{ResourceMetadataURL: *base + path, Scopes: scopes})
	mcpServer := newServer()
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return mcpServer }, &mcp.StreamableHTTPOptions{Stateless: true})
	mux := http.NewServeMux()
	mux.Handle("/mcp", protect(handler))
	mux.Handle(path, auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: v.resource, AuthorizationServers: []string{*issuer}, ScopesSupported: scopes,
	}))
	fmt.Fprintln(os.Stderr, "listening on "+*base)
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}).Serve(listener)
}

type summands struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

func newServer() *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "go-sdk", Version: "1"}, nil)
	mcp.AddTool(s, &mcp.Tool{Name: "add", Description: "adds two numbers"},
		func(_ context.Context, _ *mcp.CallToolRequest, in summands) (*mcp.CallToolResult, any, error) {
			return say(fmt.Sprint(in.A + in.B)), nil, nil
		})
	mcp.AddTool(s, &mcp.Tool{Name: "user", Description: "says who is logged in"},
		func(_ context.Context, r *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
			name, _ := r.Extra.TokenInfo.Extra["username"].(string)
			return say(name), nil, nil
		})
	return s
}

func say(text string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// verifier asks the authorization server whether a token is in force.
type verifier struct{ endpoint, resource, secret string }

func (v *verifier) verify(ctx context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
	form := url.Values{"token": {token}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth("echo-mcp-server", v.secret)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("introspection answered with status %d", response.StatusCode)
	}
	var said struct {
		Active                    bool
		Scope, Aud, Sub, Username string
		Expires                   int64 `json:"exp"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&said); err != nil {
		return nil, err
	}
	if !said.Active || said.Aud != v.resource {
		return nil, auth.ErrInvalidToken
	}
	return &auth.TokenInfo{
		Scopes: strings.Fields(said.Scope), Expiration: time.Unix(said.Expires, 0), UserID: said.Sub,
		Extra: map[string]any{"username": said.Username},
	}, nil
}
