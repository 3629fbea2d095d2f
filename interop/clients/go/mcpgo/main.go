// Command mcpgo drives mcp-go.
package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/interop/clients/go/steps"
)

func main() { steps.Run(connect) }

func connect(ctx context.Context) (steps.Client, error) {
	store := client.NewMemoryTokenStore()
	option := transport.WithHTTPOAuth(transport.OAuthConfig{
		ClientID:    steps.Document, // none, but for the registration of that name
		RedirectURI: steps.Redirect,
		// It takes no scope from the server, so a program names them, as its
		// example does.
		Scopes:      []string{"mcp:read", "mcp:tools"},
		TokenStore:  store,
		PKCEEnabled: true,
	})
	if steps.Registration == "bearer" {
		option = transport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + os.Getenv("TOKEN")})
	}
	http, err := transport.NewStreamableHTTP(steps.URL, option)
	if err != nil {
		return nil, err
	}
	var options []client.ClientOption
	if steps.Revision != "2026-07-28" { // which is the default
		options = append(options, client.WithProtocolVersion(steps.Revision))
	}
	d := &driven{client: client.NewClient(http, options...), store: store}
	if err := d.client.Start(ctx); err != nil {
		return nil, err
	}
	return d, d.retry(ctx, func() error {
		request := mcp.InitializeRequest{}
		request.Params.ClientInfo = mcp.Implementation{Name: "interop", Version: "1"}
		request.Params.ProtocolVersion = steps.Revision
		_, err := d.client.Initialize(ctx, request)
		return err
	})
}

type driven struct {
	client *client.Client
	store  client.TokenStore
}

// retry does the work, and once more after a login where mcp-go asks for one. The
// login is the one of mcp-go's example.
func (d *driven) retry(ctx context.Context, work func() error) error {
	err := work()
	if !client.IsOAuthAuthorizationRequiredError(err) {
		return err
	}
	handler := client.GetOAuthHandler(err)
	verifier, err := client.GenerateCodeVerifier()
	if err != nil {
		return err
	}
	state, err := client.GenerateState()
	if err != nil {
		return err
	}
	if handler.GetClientID() == "" {
		if err := handler.RegisterClient(ctx, "mcp-go"); err != nil {
			return err
		}
	}
	address, err := handler.GetAuthorizationURL(ctx, state, client.GenerateCodeChallenge(verifier))
	if err != nil {
		return err
	}
	answer, err := steps.Login(ctx, address)
	if err != nil {
		return err
	}
	if err := handler.ProcessAuthorizationResponse(ctx, answer.Get("code"), answer.Get("state"), verifier); err != nil {
		return err
	}
	return work()
}

func (d *driven) Tools(ctx context.Context) (string, error) {
	var names []string
	err := d.retry(ctx, func() error {
		result, err := d.client.ListTools(ctx, mcp.ListToolsRequest{})
		if err != nil {
			return err
		}
		for _, tool := range result.Tools {
			names = append(names, tool.Name)
		}
		return nil
	})
	return strings.Join(names, ", "), err
}

func (d *driven) Call(ctx context.Context, name string, arguments map[string]any) (string, error) {
	var text string
	err := d.retry(ctx, func() error {
		request := mcp.CallToolRequest{}
		request.Params.Name, request.Params.Arguments = name, arguments
		result, err := d.client.CallTool(ctx, request)
		if err != nil {
			return err
		}
		if result.IsError {
			text = "error: "
		}
		for _, part := range result.Content {
			if t, ok := part.(mcp.TextContent); ok {
				text += t.Text
			}
		}
		return nil
	})
	return text, err
}

func (d *driven) Prompt(ctx context.Context, name string, arguments map[string]string) (string, error) {
	var text string
	err := d.retry(ctx, func() error {
		request := mcp.GetPromptRequest{}
		request.Params.Name, request.Params.Arguments = name, arguments
		result, err := d.client.GetPrompt(ctx, request)
		if err != nil {
			return err
		}
		for _, message := range result.Messages {
			if t, ok := message.Content.(mcp.TextContent); ok {
				text += t.Text
			}
		}
		return nil
	})
	return text, err
}

func (d *driven) Expire(ctx context.Context) error {
	token, err := d.store.GetToken(ctx)
	if err != nil {
		return err
	}
	if token.RefreshToken == "" {
		return errors.New("it got no refresh token")
	}
	old := *token
	old.ExpiresAt = time.Now().Add(-time.Minute)
	return d.store.SaveToken(ctx, &old)
}
