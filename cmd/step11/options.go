package main

import (
	"context"
	"crypto"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

// errFlags says that package flag has already told what is wrong.
var errFlags = errors.New("flags")

type options struct {
	server, tool                              string
	list                                      bool
	arguments                                 arguments
	clientID, clientSecret, clientKey, keyID  string
	metadataURL, issuer, callback, scope      string
	grant, assertion, idToken                 string
	idpEndpoint, idpClientID, idpClientSecret string
	store, login, report                      string
	dpop, offline, forget, noBrowser          bool
	verbose, quiet, json, demo                bool
	timeout                                   time.Duration
}

// arguments are those of a tool: name=value, as often as wanted.
type arguments map[string]any

func (a arguments) String() string { return "" }

func (a arguments) Set(text string) error {
	name, value, found := strings.Cut(text, "=")
	if !found || name == "" {
		return errors.New("give it as name=value")
	}
	a[name] = value
	return nil
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{arguments: arguments{}}
	flags := flag.NewFlagSet("step11", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.server, "server", "http://localhost:9000/mcp", "`URL` of the MCP server")
	flags.BoolVar(&o.list, "list", false, "list the tools; this is what happens when nothing is said")
	flags.StringVar(&o.tool, "call", "", "call a `tool`")
	flags.Var(o.arguments, "arg", "argument of the tool, as `name=value`; may be repeated")

	flags.StringVar(&o.clientID, "client-id", "", "`id` of a client that the authorization server knows already")
	flags.StringVar(&o.clientSecret, "client-secret", os.Getenv("STEP11_CLIENT_SECRET"), "its `secret`; better given as STEP11_CLIENT_SECRET, where other users can't read it")
	flags.StringVar(&o.clientKey, "client-key", "", "`file` with its private key in PEM, in place of a secret")
	flags.StringVar(&o.keyID, "client-key-id", "", "`kid` of that key, where the authorization server needs it")
	flags.StringVar(&o.issuer, "issuer", "", "the only `issuer` that is shown these credentials")
	flags.StringVar(&o.metadataURL, "client-metadata-url", "", "https `URL` of the client's own metadata document")
	flags.StringVar(&o.callback, "callback", "", "redirect `URI` on loopback, where one is registered (default: a free port)")
	flags.StringVar(&o.scope, "scope", "", "`scopes` to ask for at first, besides what the server says")
	flags.BoolVar(&o.offline, "offline", false, "ask for offline_access where the authorization server lists it")
	flags.BoolVar(&o.dpop, "dpop", false, "insist on tokens that are bound to a key; without it they are where both servers say that they can")

	flags.StringVar(&o.grant, "grant", "", "a `grant` without a user: client-credentials, jwt-bearer or enterprise")
	flags.StringVar(&o.assertion, "assertion", "", "for jwt-bearer: `file` with the JWT of the workload")
	flags.StringVar(&o.idToken, "id-token", "", "for enterprise: `file` with the user's ID token")
	flags.StringVar(&o.idpEndpoint, "idp-token-endpoint", "", "for enterprise: token endpoint `URL` of the identity provider")
	flags.StringVar(&o.idpClientID, "idp-client-id", "", "for enterprise: the client's `id` there")
	flags.StringVar(&o.idpClientSecret, "idp-client-secret", os.Getenv("STEP11_IDP_CLIENT_SECRET"), "for enterprise: its `secret` there, or STEP11_IDP_CLIENT_SECRET")

	flags.StringVar(&o.store, "store", "", "`folder` for credentials and tokens; 'none' keeps nothing (default: in the user's configuration folder)")
	flags.BoolVar(&o.forget, "forget", false, "revoke and remove what is kept for the server")
	flags.BoolVar(&o.noBrowser, "no-browser", false, "print the authorization URL, and also take the redirect URL pasted in")
	flags.StringVar(&o.login, "login", "", "`user:password` for the login form of a provider on loopback: for demos and tests")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long the user has")

	flags.StringVar(&o.report, "report", "", "`file` for the flow as a page")
	flags.BoolVar(&o.verbose, "v", false, "show whole requests and answers")
	flags.BoolVar(&o.quiet, "quiet", false, "show the result alone")
	flags.BoolVar(&o.json, "json", false, "show events and result as lines of JSON")
	flags.BoolVar(&o.demo, "demo", false, "start an authorization server and an MCP server, and go through all of it with a demo user")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "%s\nFlags:\n", lesson(source))
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errFlags, err)
	}
	return o, o.check(flags.Args())
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.list && o.tool != "":
		return errors.New("--list and --call are two things: say one")
	case len(o.arguments) > 0 && o.tool == "":
		return errors.New("--arg is for a tool: say which with --call")
	case o.clientID == "" && (o.clientSecret != "" || o.clientKey != ""):
		return errors.New("a secret or a key belongs to a client: say which with --client-id")
	case o.clientSecret != "" && o.clientKey != "":
		return errors.New("--client-secret and --client-key are two ways to prove the same: say one")
	case o.login != "" && !strings.Contains(o.login, ":"):
		return errors.New("--login wants user:password")
	case o.login != "" && o.noBrowser:
		return errors.New("--login and --no-browser are two ways to answer: say one")
	case o.grant != "" && o.clientID == "":
		return errors.New("a grant without a user needs --client-id")
	case o.quiet && o.verbose:
		return errors.New("--quiet and -v contradict each other")
	}
	return nil
}

// config makes of the flags what the library wants.
func (o *options) config(_ context.Context, stdin io.Reader, stdout io.Writer) (mcpauth.Config, error) {
	c := mcpauth.Config{
		Server: o.server, Name: "Auth Step By Step, step 11", MetadataURL: o.metadataURL, Callback: o.callback,
		Scope: o.scope, OfflineAccess: o.offline, Timeout: o.timeout,
	}
	if o.dpop {
		c.DPoP = mcpauth.DPoPAlways
	}
	var err error
	if c.Agent, err = o.agent(stdin, stdout); err != nil {
		return c, err
	}
	if c.Store, err = o.keeper(); err != nil {
		return c, err
	}
	if c.PreRegistered, err = o.preRegistered(); err != nil {
		return c, err
	}
	c.Grant, err = o.grantOf()
	return c, err
}

func (o *options) agent(stdin io.Reader, stdout io.Writer) (mcpauth.UserAgent, error) {
	switch {
	case o.login != "":
		name, password, _ := strings.Cut(o.login, ":")
		return formAgent{formlogin.User{Name: name, Password: password}}, nil
	case o.noBrowser:
		return newPasteAgent(stdin, stdout), nil
	}
	return browserAgent{}, nil
}

func (o *options) keeper() (mcpauth.Store, error) {
	switch o.store {
	case "none":
		return nil, nil
	case "":
		return mcpauth.DefaultStore()
	}
	return &mcpauth.FileStore{Dir: o.store}, nil
}

func (o *options) preRegistered() (*mcpauth.PreRegistered, error) {
	if o.clientID == "" {
		return nil, nil
	}
	known := &mcpauth.PreRegistered{ClientID: o.clientID, ClientSecret: o.clientSecret, KeyID: o.keyID, Issuer: o.issuer}
	if o.clientKey == "" {
		return known, nil
	}
	key, err := readKey(o.clientKey)
	known.Key = key
	return known, err
}

// maxFile is how much of a file is read, in bytes.
const maxFile = 64 << 10

func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// readKey reads a private key: PKCS #8, or the older forms of RSA and EC.
func readKey(path string) (crypto.Signer, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block; make a key with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", path)
	}
	var parsed any
	switch block.Type {
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s holds no private key that can be read: %w", path, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that can't sign", path)
	}
	return key, nil
}

func (o *options) grantOf() (mcpauth.Grant, error) {
	switch o.grant {
	case "":
		return nil, nil
	case "client-credentials":
		return mcpauth.ClientCredentials{}, nil
	case "jwt-bearer":
		if o.assertion == "" {
			return nil, errors.New("jwt-bearer needs --assertion: the file with the workload's JWT")
		}
		// Read at each use: platforms replace it before it ends.
		return mcpauth.JWTBearer{Assertion: func(context.Context, string) (string, error) {
			text, err := readSmall(o.assertion)
			return strings.TrimSpace(string(text)), err
		}}, nil
	case "enterprise":
		if o.idToken == "" || o.idpEndpoint == "" || o.idpClientID == "" {
			return nil, errors.New("enterprise needs --id-token, --idp-token-endpoint and --idp-client-id")
		}
		text, err := readSmall(o.idToken)
		return mcpauth.EnterpriseManaged{
			TokenEndpoint: o.idpEndpoint, ClientID: o.idpClientID, ClientSecret: o.idpClientSecret, IDToken: strings.TrimSpace(string(text)),
		}, err
	}
	return nil, fmt.Errorf("there is no grant %q: say client-credentials, jwt-bearer or enterprise", o.grant)
}

//go:embed main.go
var source string

// lesson is the package comment of the program.
func lesson(source string) string {
	comment, _, _ := strings.Cut(source, "\npackage main")
	var b strings.Builder
	for line := range strings.Lines(comment) {
		b.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "//"), " "))
	}
	return b.String() + "\n"
}
