package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/version"
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

// all are all servers; those that speak both revisions come twice.
func all() (all []counterpart) {
	for _, c := range slices.Concat(ownProviders(), behindOthers(), askedAbout()) {
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
			start: behindStep9((*place).typescript),
			steps: full,
		},
		{
			name: "FastMCP RemoteAuthProvider", version: python("interop/requirements.txt", "fastmcp"), provider: embedded,
			both: true, user: demoUser,
			start: behindStep9(func(p *place, issuer string) error {
				return p.start(p.addr, nil, venv, "interop/servers/fastmcp_remote.py", "--addr", p.addr, "--url", p.url, "--issuer", issuer)
			}),
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

// askedAbout are issuers of opaque access tokens, with step 10, which asks them
// about each token (RFC 7662).
func askedAbout() []counterpart {
	echo := []string{"--call", "echo", "--arg", "message=hi"}
	return []counterpart{
		{
			name: "step 10", version: version.Number, provider: "oidc-provider " + npm("oidc-provider") + ", opaque tokens",
			both: true, user: "ada:any",
			start: func(p *place) error {
				addr := freeAddress()
				key, jwk, err := p.newKey()
				if err != nil {
					return err
				}
				err = p.start(addr, nil, node, "interop/servers/oidc_provider.mjs", "--addr", addr, "--resource", p.url+"/mcp", "--asker", jwk)
				if err != nil {
					return err
				}
				return p.step10("JWT_ISSUER=http://"+addr, "INTROSPECTION_CLIENT_ID=asker", "INTROSPECTION_METHOD=private_key_jwt",
					"INTROSPECTION_CLIENT_KEY="+key, "INTROSPECTION_KEY_ID=asker")
			},
			steps: []step{
				logIn("echo", "--offline"), stepUp("hi", append(echo, "--offline")), call("hi", echo), refresh("hi", echo), refusedInTime(2),
			},
		},
		{
			// Its tokens are for the client that got them, and only that client may ask;
			// its answers have no iss, aud and token_type. It knows one scope.
			name: "step 10", version: version.Number,
			provider: "the example of zitadel's oidc " + module("interop/servers/zitadel/go.mod", "github.com/zitadel/oidc/v3"),
			both:     true, user: "test-user@localhost:verysecure",
			start: func(p *place) error {
				addr := freeAddress()
				p.client = []string{
					"--client-id", "api", "--client-secret", "secret", "--callback", "http://" + freeAddress() + "/callback",
					"--scope", "openid custom_scope",
				}
				if err := p.start(addr, nil, filepath.Join(*bin, "zitadel"), "--addr", addr, "--redirect", p.client[5]); err != nil {
					return err
				}
				return p.step10("JWT_ISSUER=http://"+addr+"/", "JWT_SCOPE_NAMES=mcp:read=custom_scope mcp:tools=custom_scope",
					"INTROSPECTION_CLIENT_ID=api", "INTROSPECTION_CLIENT_SECRET=secret", "INTROSPECTION_MAY_OMIT=iss,aud,token_type")
			},
			steps: []step{knownClient("echo"), call("hi", echo), refusedInTime(1)},
		},
	}
}

// step10 starts the server of step 10, which trusts an answer for two seconds.
func (p *place) step10(settings ...string) error {
	env := append([]string{
		"MCP_SERVER_URL=" + p.url, "JWT_AUDIENCE=" + p.url + "/mcp", "INTROSPECTION_KEEP=" + answerKept.String(),
	}, settings...)
	empty := filepath.Join(p.home, "empty.env")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return err
	}
	return p.start(p.addr, env, filepath.Join(*bin, "step10"), "-addr", p.addr, "-env", empty)
}

// newKey makes a key pair: the private one in a file, the public one as a JWK.
func (p *place) newKey() (file, jwk string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return "", "", err
	}
	file = filepath.Join(p.home, "asker.pem")
	jwk = fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"asker","alg":"ES256","use":"sig","x":%q,"y":%q}`,
		base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:]))
	return file, jwk, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func (p *place) typescript(issuer string) error {
	return p.start(p.addr, nil, node, "interop/servers/typescript.mjs", "--addr", p.addr, "--url", p.url, "--issuer", issuer)
}

func goServer(name string) func(*place) error {
	return behindStep9(func(p *place, issuer string) error {
		env := []string{"ECHO_MCP_SERVER_SECRET=demo-secret-change-me"} // for introspection
		return p.start(p.addr, env, filepath.Join(*bin, name), "--addr", p.addr, "--url", p.url, "--issuer", issuer)
	})
}

// behindStep9 starts step 9, and then a server that takes its tokens.
func behindStep9(start func(p *place, issuer string) error) func(*place) error {
	return func(p *place) error {
		issuer, err := p.step9()
		if err != nil {
			return err
		}
		return start(p, issuer)
	}
}
