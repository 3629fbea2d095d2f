// Package counterparts knows the clients that nobody here wrote, what each of
// them has to do at our servers, and what came of it in the last run.
//
//	cases := counterparts.Cases()
//	…
//	table, err := counterparts.ClientTable(root)
package counterparts

import "slices"

// The revisions of MCP.
const (
	Handshake = "2025-11-25" // with initialize
	Stateless = "2026-07-28" // each request says its version
)

// How a client comes to be known to the authorization server. Bearer is none: it
// presents a token that it was given.
const (
	Dynamic    = "dynamic"
	SecretPost = "client_secret_post"
	Document   = "document"
	Bearer     = "bearer"
)

// Where a client is run.
const (
	StepNineLeast = "step 9, least" // the first challenge names the least scope, as is the default
	StepNineWide  = "step 9, wide"  // it names what keycloak_direct.env says
	Keycloak      = "Keycloak"      // with the same file
	StepEight     = "step 8"        // which takes tokens of gentoken
)

// Providers are all places, in the order of the table.
var Providers = []string{StepNineLeast, StepNineWide, Keycloak, StepEight}

// Client is a client that nobody here wrote.
type Client struct {
	Name string
	// Pin names the file of interop/ with its version, and Package its name there.
	Pin, Package string
	// Program is the driver below interop/clients, and Interpreter what runs it,
	// below interop; a Go driver has none.
	Interpreter, Program string
	// Revisions that it speaks. The first is its default.
	Revisions     []string
	Registrations []string
	// Point is how a user points it at a server.
	Point string
}

const (
	npm     = "package-lock.json"
	pypi    = "requirements.txt"
	pypiOne = "requirements-mcp1.txt"
	gomod   = "clients/go/go.mod"

	node    = "node_modules/.bin/node"
	venv    = "venv/bin/python"
	venvOne = "venv-mcp1/bin/python"
)

var (
	allRegistrations = []string{Dynamic, SecretPost, Document, Bearer}
	noSecret         = []string{Dynamic, Document, Bearer}
	bearerOnly       = []string{Bearer}
)

// Clients are all of them.
var Clients = []Client{
	{
		Name: "Python SDK 2", Pin: pypi, Package: "mcp", Interpreter: venv, Program: "python/mcp2.py",
		Revisions: []string{Stateless, Handshake}, Registrations: allRegistrations,
		Point: "`OAuthClientProvider(\"http://localhost:9000/mcp\", …)` as `auth` of its HTTP client",
	},
	{
		Name: "Python SDK 1", Pin: pypiOne, Package: "mcp", Interpreter: venvOne, Program: "python/mcp1.py",
		Revisions: []string{Handshake}, Registrations: allRegistrations,
		Point: "`OAuthClientProvider(\"http://localhost:9000/mcp\", …)` as `auth` of its HTTP client",
	},
	{
		Name: "FastMCP", Pin: pypi, Package: "fastmcp", Interpreter: venv, Program: "python/fastmcp_client.py",
		Revisions: []string{Stateless, Handshake}, Registrations: allRegistrations,
		Point: "`Client(\"http://localhost:9000/mcp\", auth=\"oauth\")`",
	},
	{
		Name: "TypeScript SDK 1", Pin: npm, Package: "@modelcontextprotocol/sdk", Interpreter: node, Program: "typescript/sdk1.mjs",
		Revisions: []string{Handshake}, Registrations: allRegistrations,
		Point: "`new StreamableHTTPClientTransport(new URL(\"http://localhost:9000/mcp\"), { authProvider })`",
	},
	{
		Name: "TypeScript client 2", Pin: npm, Package: "@modelcontextprotocol/client", Interpreter: node, Program: "typescript/client2.mjs",
		Revisions: []string{Handshake, Stateless}, Registrations: allRegistrations,
		Point: "`new StreamableHTTPClientTransport(new URL(\"http://localhost:9000/mcp\"), { authProvider })`",
	},
	{
		Name: "Go SDK", Pin: gomod, Package: "github.com/modelcontextprotocol/go-sdk", Program: "go/gosdk",
		Revisions: []string{Stateless, Handshake}, Registrations: allRegistrations,
		Point: "`&mcp.StreamableClientTransport{Endpoint: \"http://localhost:9000/mcp\", OAuthHandler: handler}`",
	},
	{
		Name: "mcp-go", Pin: gomod, Package: "github.com/mark3labs/mcp-go", Program: "go/mcpgo",
		Revisions: []string{Stateless, Handshake}, Registrations: noSecret,
		Point: "`client.NewOAuthStreamableHttpClient(\"http://localhost:9000/mcp\", config)`, " +
			"with `Scopes: []string{\"mcp:read\", \"mcp:tools\"}`",
	},
	{
		Name: "mcp-remote", Pin: npm, Package: "mcp-remote", Interpreter: node, Program: "typescript/mcp-remote.mjs",
		Revisions: []string{Handshake, Stateless}, Registrations: allRegistrations,
		Point: "`npx mcp-remote http://localhost:9000/mcp`",
	},
	{
		Name: "MCP Inspector", Pin: npm, Package: "@modelcontextprotocol/inspector", Interpreter: node, Program: "typescript/inspector.mjs",
		Revisions: []string{Handshake, Stateless}, Registrations: noSecret,
		Point: "`npx @modelcontextprotocol/inspector --cli http://localhost:9000/mcp --method tools/list`",
	},
	{
		Name: "LangChain MCP adapters", Pin: pypiOne, Package: "langchain-mcp-adapters", Interpreter: venvOne, Program: "python/langchain.py",
		Revisions: []string{Handshake}, Registrations: bearerOnly,
		Point: "`MultiServerMCPClient({\"it\": {\"transport\": \"streamable_http\", \"url\": …, \"headers\": {\"Authorization\": …}}})`",
	},
	{
		Name: "openai-agents", Pin: pypi, Package: "openai-agents", Interpreter: venv, Program: "python/openai_agents.py",
		Revisions: []string{Handshake}, Registrations: bearerOnly,
		Point: "`MCPServerStreamableHttp({\"url\": …, \"headers\": {\"Authorization\": …}})`",
	},
	{
		Name: "pydantic-ai", Pin: pypi, Package: "pydantic-ai-slim", Interpreter: venv, Program: "python/pydantic_ai_toolset.py",
		Revisions: []string{Stateless}, Registrations: bearerOnly,
		Point: "`MCPToolset(\"http://localhost:9000/mcp\", headers={\"Authorization\": …})`",
	},
}

// Case is one client at one place, in one revision.
type Case struct {
	Client                           *Client
	Provider, Registration, Revision string
}

// Cases are all that have to run. Registrations other than the usual one are
// tried in the client's default revision alone, and where the first challenge is
// wide.
func Cases() []Case {
	var all []Case
	for i := range Clients {
		client := &Clients[i]
		for _, provider := range Providers {
			for _, registration := range client.Registrations {
				for _, revision := range client.Revisions {
					c := Case{client, provider, registration, revision}
					if c.isWanted() {
						all = append(all, c)
					}
				}
			}
		}
	}
	return all
}

func (c Case) isWanted() bool {
	switch c.Registration {
	case Bearer:
		return c.Provider == StepEight
	case Dynamic:
		return c.Provider != StepEight
	}
	return (c.Provider == StepNineWide || c.Provider == Keycloak) && c.Revision == c.Client.Revisions[0]
}

// Steps are what the case has to do, in order.
func (c Case) Steps() []string {
	all := []string{"list", "echo", "prompt", "echo again", "refresh", "refusal"}
	if c.Registration == Bearer {
		return slices.DeleteFunc(all, func(step string) bool { return step == "refresh" })
	}
	return all
}
