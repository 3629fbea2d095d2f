// Command gosdk drives the Go SDK.
package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"mcp-auth-step-by-step/interop/clients/go/steps"
)

func main() { steps.Run(connect) }

func connect(ctx context.Context) (steps.Client, error) {
	tokens := &tokens{}
	transport := &mcp.StreamableClientTransport{Endpoint: steps.URL}
	if steps.Registration == "bearer" {
		transport.HTTPClient = &http.Client{Transport: steps.Bearer{}}
	} else {
		handler, err := auth.NewAuthorizationCodeHandler(config(tokens))
		if err != nil {
			return nil, err
		}
		transport.OAuthHandler = handler
	}
	options := &mcp.ClientSessionOptions{}
	if steps.Revision != "2026-07-28" { // which is the default
		options.ProtocolVersion = steps.Revision
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "interop", Version: "1"}, nil).Connect(ctx, transport, options)
	if err != nil {
		return nil, err
	}
	return &client{session, tokens}, nil
}

func config(tokens *tokens) *auth.AuthorizationCodeHandlerConfig {
	c := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL:    steps.Redirect,
		NewTokenSource: tokens.source,
		AuthorizationCodeFetcher: func(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
			answer, err := steps.Login(ctx, args.URL)
			if err != nil {
				return nil, err
			}
			return &auth.AuthorizationResult{Code: answer.Get("code"), State: answer.Get("state"), Iss: answer.Get("iss")}, nil
		},
	}
	if steps.Registration == "document" {
		c.ClientIDMetadataDocumentConfig = &auth.ClientIDMetadataDocumentConfig{URL: steps.Document}
		return c
	}
	metadata := &oauthex.ClientRegistrationMetadata{
		ClientName:   "Go SDK",
		RedirectURIs: []string{steps.Redirect},
		GrantTypes:   []string{"authorization_code", "refresh_token"},
	}
	if steps.Registration == "client_secret_post" {
		metadata.TokenEndpointAuthMethod = "client_secret_post"
	}
	c.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: metadata}
	return c
}

// tokens is the SDK's own source of tokens, whose token can be made old.
type tokens struct {
	mu      sync.Mutex
	ctx     context.Context
	config  *oauth2.Config
	current oauth2.TokenSource
}

func (t *tokens) source(ctx context.Context, config *oauth2.Config, token *oauth2.Token) (oauth2.TokenSource, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx, t.config, t.current = ctx, config, config.TokenSource(ctx, token)
	return t, nil
}

func (t *tokens) Token() (*oauth2.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current.Token()
}

func (t *tokens) expire() error {
	token, err := t.Token()
	if err != nil {
		return err
	}
	old := *token
	old.Expiry = time.Now().Add(-time.Minute)
	_, err = t.source(t.ctx, t.config, &old)
	return err
}

type client struct {
	session *mcp.ClientSession
	tokens  *tokens
}

func (c *client) Tools(ctx context.Context) (string, error) {
	result, err := c.session.ListTools(ctx, nil)
	if err != nil {
		return "", err
	}
	var names []string
	for _, tool := range result.Tools {
		names = append(names, tool.Name)
	}
	return strings.Join(names, ", "), nil
}

func (c *client) Call(ctx context.Context, name string, arguments map[string]any) (string, error) {
	result, err := c.session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		return "", err
	}
	text := ""
	if result.IsError {
		text = "error: "
	}
	for _, part := range result.Content {
		if t, ok := part.(*mcp.TextContent); ok {
			text += t.Text
		}
	}
	return text, nil
}

func (c *client) Prompt(ctx context.Context, name string, arguments map[string]string) (string, error) {
	result, err := c.session.GetPrompt(ctx, &mcp.GetPromptParams{Name: name, Arguments: arguments})
	if err != nil {
		return "", err
	}
	text := ""
	for _, message := range result.Messages {
		if t, ok := message.Content.(*mcp.TextContent); ok {
			text += t.Text
		}
	}
	return text, nil
}

func (c *client) Expire(context.Context) error { return c.tokens.expire() }
