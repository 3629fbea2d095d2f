package main

import (
	"path/filepath"
	"strings"
)

// counterpart is a server, and who gives out tokens for it.
type counterpart struct {
	name, version, provider string
	both                    bool // it speaks both revisions
	legacy                  bool // the older revision is used
	user                    string
	start                   func(*place) error
	steps                   []step
}

const (
	node    = "interop/node_modules/.bin/node"
	example = "interop/node_modules/@modelcontextprotocol/sdk/dist/esm/examples/server/simpleStreamableHttp.js"
	venv    = "interop/venv/bin/python"
	venv1   = "interop/venv-mcp1/bin/python"

	embedded = "step 9"
	demoUser = "mcp-user:user123" // of step 9
)

// counterparts are all servers; those that speak both revisions come twice.
func counterparts() []counterpart {
	var all []counterpart
	for _, c := range append(ownProviders(), behindOthers()...) {
		if c.both {
			all = append(all, c)
		}
		c.legacy = true
		all = append(all, c)
	}
	return all
}

// ownProviders are servers that bring their authorization server along.
func ownProviders() []counterpart {
	add := []string{"--call", "add", "--arg", "a=2", "--arg", "b=40"}
	greet := []string{"--call", "greet", "--arg", "name=Ada"}
	return []counterpart{
		{
			name: "FastMCP", version: python("interop/requirements.txt", "fastmcp"), provider: "its InMemoryOAuthProvider",
			both: true, user: "any:any",
			start: func(p *place) error {
				return p.start(p.addr, nil, venv, "interop/servers/fastmcp_own.py", "--addr", p.addr, "--url", p.url)
			},
			steps: []step{logIn("add"), call("42", add), refresh("42", add), forget(1)},
		},
		{
			name: "Python SDK", version: python("interop/requirements.txt", "mcp"), provider: "its example",
			both: true, user: "demo_user:demo_password",
			start: pythonSDK(venv),
			steps: []step{logIn("add"), call("42", add), logInAgain("42", add), forget(0)},
		},
		{
			name: "Python SDK 1", version: python("interop/requirements-mcp1.txt", "mcp"), provider: "its example",
			user:  "demo_user:demo_password",
			start: pythonSDK(venv1),
			steps: []step{logIn("add"), call("42", add), logInAgain("42", add), forget(0)},
		},
		{
			name: "TypeScript SDK 1", version: npm("@modelcontextprotocol/sdk"), provider: "its example",
			user: "any:any",
			start: func(p *place) error {
				_, port, _ := strings.Cut(p.addr, ":")
				_, authPort, _ := strings.Cut(freeAddress(), ":")
				env := []string{"MCP_PORT=" + port, "MCP_AUTH_PORT=" + authPort}
				return p.start(p.addr, env, node, example, "--oauth", "--oauth-strict")
			},
			steps: []step{logIn("greet"), call("Hello, Ada!", greet), logInAgain("Hello, Ada!", greet), forget(0)},
		},
		{
			name: "Cloudflare Workers", version: npm("@cloudflare/workers-oauth-provider"), provider: "its workers-oauth-provider",
			both: true, user: "any:any",
			start: func(p *place) error {
				return p.start(p.addr, nil, node, "interop/servers/cloudflare.mjs", "--addr", p.addr, "--url", p.url)
			},
			steps: []step{
				logIn("add"), call("user-123", []string{"--call", "user"}), stepUp("42", add), call("42", add), refresh("42", add), forget(1),
			},
		},
	}
}

func pythonSDK(interpreter string) func(*place) error {
	return func(p *place) error {
		auth := freeAddress()
		return p.start(p.addr, nil, interpreter, "interop/servers/python_sdk.py", "--addr", p.addr, "--url", p.url, "--auth-addr", auth)
	}
}

// behindOthers are servers that take tokens of an authorization server
// elsewhere: of oidc-provider, or of step 9.
func behindOthers() []counterpart {
	add := []string{"--call", "add", "--arg", "a=2", "--arg", "b=40"}
	user := []string{"--call", "user"}
	full := []step{
		logIn("add"), call("mcp-user", user), stepUp("42", add), call("42", add), tampered(), refresh("42", add),
		forget(2), refused(2, "mcp:tools", add),
	}
	return []counterpart{
		{
			name: "TypeScript SDK", version: npm("@modelcontextprotocol/server"),
			provider: "oidc-provider " + npm("oidc-provider"),
			both:     true, user: "ada:any",
			start: func(p *place) error {
				addr := freeAddress()
				err := p.start(addr, nil, node, "interop/servers/oidc_provider.mjs", "--addr", addr, "--resource", p.url+"/mcp")
				if err != nil {
					return err
				}
				return p.typescript("http://" + addr)
			},
			steps: []step{
				logIn("add", "--offline"), call("ada", user), stepUp("42", append(add, "--offline")), call("42", add), tampered(),
				refresh("42", add), forget(2),
			},
		},
		{
			name: "TypeScript SDK", version: npm("@modelcontextprotocol/server"), provider: embedded,
			both: true, user: demoUser,
			start: func(p *place) error {
				issuer, err := p.step9()
				if err != nil {
					return err
				}
				return p.typescript(issuer)
			},
			steps: full,
		},
		{
			name: "FastMCP RemoteAuthProvider", version: python("interop/requirements.txt", "fastmcp"), provider: embedded,
			both: true, user: demoUser,
			start: func(p *place) error {
				issuer, err := p.step9()
				if err != nil {
					return err
				}
				return p.start(p.addr, nil, venv, "interop/servers/fastmcp_remote.py", "--addr", p.addr, "--url", p.url, "--issuer", issuer)
			},
			steps: []step{logIn("add"), call("mcp-user", user), call("42", add), tampered(), refresh("42", add), forget(2)},
		},
		{
			name: "mcp-go", version: module("go.mod", "github.com/mark3labs/mcp-go"), provider: embedded,
			both: true, user: demoUser, start: goServer("mcpgo"), steps: full,
		},
		{
			// It asks for all scopes at the start, and for no more later: its 403
			// has no error code. It asks the authorization server about each token.
			name: "go-sdk", version: module("interop/servers/gosdk/go.mod", "github.com/modelcontextprotocol/go-sdk"), provider: embedded,
			both: true, user: demoUser, start: goServer("gosdk"),
			steps: []step{logIn("add"), call("42", add), tampered(), refresh("42", add), revoked(2), refused(1, "the server denies this", add)},
		},
	}
}

func (p *place) typescript(issuer string) error {
	return p.start(p.addr, nil, node, "interop/servers/typescript.mjs", "--addr", p.addr, "--url", p.url, "--issuer", issuer)
}

func goServer(name string) func(*place) error {
	return func(p *place) error {
		issuer, err := p.step9()
		if err != nil {
			return err
		}
		env := []string{"ECHO_MCP_SERVER_SECRET=demo-secret-change-me"} // for introspection
		return p.start(p.addr, env, filepath.Join(*bin, name), "--addr", p.addr, "--url", p.url, "--issuer", issuer)
	}
}
