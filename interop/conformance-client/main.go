// Command conformance-client is what MCP's conformance suite runs as the client
// under test: mcp-go as the MCP client, internal/mcpclient/mcpauth as its authorization.
//
// It knows no scenario by name. What the suite hands over in
// MCP_CONFORMANCE_CONTEXT decides what the client has; the servers decide the
// rest. Then it does what a plain client does: connect, list the tools, call
// each.
package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
)

// metadataURL is the Client ID Metadata Document that the suite expects its
// clients to name.
const metadataURL = "https://conformance-test.local/client-metadata.json"

// handed is what the suite gives to a client: any of it, or nothing.
type handed struct {
	ClientID         string `json:"client_id"`
	ClientSecret     string `json:"client_secret"`
	PrivateKey       string `json:"private_key_pem"`
	Issuer           string `json:"issuer"`
	ValidJWT         string `json:"valid_jwt"`
	IDPClientID      string `json:"idp_client_id"`
	IDPIDToken       string `json:"idp_id_token"`
	IDPTokenEndpoint string `json:"idp_token_endpoint"`
	ToolCalls        []struct {
		Name      string         `json:"name"`
		Arguments map[string]any `json:"arguments"`
	} `json:"toolCalls"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance-client:", err)
		os.Exit(1)
	}
	fmt.Println("done")
}

func run(ctx context.Context, serverURL string) error {
	var given handed
	if text := os.Getenv("MCP_CONFORMANCE_CONTEXT"); text != "" {
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			return err
		}
	}
	config, err := given.config(serverURL)
	if err != nil {
		return err
	}
	authorization, err := mcpauth.New(config)
	if err != nil {
		return err
	}
	if err := use(ctx, serverURL, authorization, given); err != nil {
		if why := authorization.Err(); why != nil {
			return why
		}
		return err
	}
	return nil
}

// use does what a plain MCP client does.
func use(ctx context.Context, serverURL string, authorization *mcpauth.Transport, given handed) error {
	version := os.Getenv("MCP_CONFORMANCE_PROTOCOL_VERSION")
	options := []transport.StreamableHTTPCOption{transport.WithHTTPBasicClient(&http.Client{Transport: authorization})}
	if !mcp.IsModernProtocol(version) {
		// Up to 2025-11-25 a server may ask the client back, on a stream.
		//lint:ignore SA1019 for this revision there is nothing else
		options = append(options, transport.WithContinuousListening())
	}
	wire, err := transport.NewStreamableHTTP(serverURL, options...)
	if err != nil {
		return err
	}
	c := client.NewClient(wire, client.WithProtocolVersion(version),
		client.WithDiscoverTimeout(-1), client.WithElicitationHandler(acceptDefaults{}))
	if err := c.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	var hello mcp.InitializeRequest
	hello.Params.ClientInfo = mcp.Implementation{Name: "auth-step-by-step", Version: "1"}
	hello.Params.ProtocolVersion = version
	if _, err := c.Initialize(ctx, hello); err != nil {
		return err
	}
	listed, err := c.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return err
	}
	return callAll(ctx, c, listed.Tools, given)
}

// config makes of what was handed over what a user would have configured.
func (h handed) config(serverURL string) (mcpauth.Config, error) {
	config := mcpauth.Config{
		ResourceURL: serverURL, Name: "Auth Step By Step", MetadataURL: metadataURL, OfflineAccess: true, Agent: follower{},
		Trace: func(e mcpauth.Event) {
			if e.Note != "" {
				fmt.Fprintln(os.Stderr, e.Note)
			} else {
				fmt.Fprintln(os.Stderr, e.Exchange.Method, e.Exchange.URL, e.Exchange.Status)
			}
		},
	}
	if h.ClientID != "" {
		key, err := h.key()
		if err != nil {
			return config, err
		}
		config.PreRegistered = &mcpauth.PreRegistered{ClientID: h.ClientID, ClientSecret: h.ClientSecret, Key: key, Issuer: h.Issuer}
	}
	switch {
	case h.IDPIDToken != "":
		config.Grant = mcpauth.EnterpriseManaged{TokenEndpoint: h.IDPTokenEndpoint, ClientID: h.IDPClientID, IDToken: h.IDPIDToken}
	case h.ValidJWT != "":
		config.Grant = mcpauth.JWTBearer{Assertion: func(context.Context, string) (string, error) { return h.ValidJWT, nil }}
	}
	return config, nil
}

func (h handed) key() (crypto.Signer, error) {
	if h.PrivateKey == "" {
		return nil, nil
	}
	block, _ := pem.Decode([]byte(h.PrivateKey))
	if block == nil {
		return nil, errors.New("private_key_pem is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T can't sign", parsed)
	}
	return key, nil
}

// callAll calls the tools that the suite names, or else each once.
func callAll(ctx context.Context, c *client.Client, tools []mcp.Tool, given handed) error {
	var problems error
	call := func(name string, arguments map[string]any) {
		var request mcp.CallToolRequest
		request.Params.Name = name
		request.Params.Arguments = arguments
		if _, err := c.CallTool(ctx, request); err != nil {
			problems = errors.Join(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	if len(given.ToolCalls) > 0 {
		for _, wanted := range given.ToolCalls {
			call(wanted.Name, wanted.Arguments)
		}
		return problems
	}
	for _, tool := range tools {
		call(tool.Name, example(tool.InputSchema, tools[0].InputSchema))
	}
	return problems
}

// example makes arguments that a schema accepts. Where an object is wanted, it
// is the schema of another tool, as it was received.
func example(schema mcp.ToolInputSchema, other any) map[string]any {
	arguments := map[string]any{}
	for name, property := range schema.Properties {
		described, _ := property.(map[string]any)
		switch described["type"] {
		case "number", "integer":
			arguments[name] = 1
		case "boolean":
			arguments[name] = true
		case "string":
			arguments[name] = "example"
		case "object":
			arguments[name] = other
		}
	}
	return arguments
}

// follower is a user who agrees to everything: it follows the authorization
// server's redirects to the callback.
type follower struct{}

func (follower) Open(ctx context.Context, authorizationURL, _ string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizationURL, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.Body.Close()
}

// acceptDefaults accepts what the server suggests.
type acceptDefaults struct{}

func (acceptDefaults) Elicit(_ context.Context, request mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	content := map[string]any{}
	schema, _ := request.Params.RequestedSchema.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		described, _ := property.(map[string]any)
		if value, ok := described["default"]; ok {
			content[name] = value
		}
	}
	accepted := mcp.ElicitationResponse{Action: mcp.ElicitationResponseActionAccept, Content: content}
	return &mcp.ElicitationResult{ElicitationResponse: accepted}, nil
}
