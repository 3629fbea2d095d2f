package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/lesson"
)

type options struct {
	server, tool                              string
	list                                      bool
	arguments                                 map[string]any // of the tool: strings
	clientID, clientSecret, clientKey, keyID  string
	mountedKeys                               bool
	metadataURL, issuer, callback, scope      string
	grant, assertion, idToken                 string
	idpEndpoint, idpClientID, idpClientSecret string
	assumePKCE, authorizationOrigin           string
	privateOrigins                            []string
	store, login, report                      string
	dpop, offline, forget, noBrowser          bool
	throughProxy                              bool
	verbose, quiet, json, demo, version       bool
	timeout                                   time.Duration
}

func (o *options) addArgument(text string) error {
	name, value, found := strings.Cut(text, "=")
	if !found || name == "" {
		return errors.New("want name=value")
	}
	o.arguments[name] = value
	return nil
}

func (o *options) addPrivateOrigin(text string) error {
	u, err := baseurl.ParseOrigin("it", text)
	if err == nil {
		o.privateOrigins = append(o.privateOrigins, baseurl.Origin(u))
	}
	return err
}

// flagGroup is a heading in the usage text, with the flags below it.
type flagGroup struct {
	title string
	flags *flag.FlagSet
}

func (o *options) groups() []flagGroup {
	group := func(title string, define func(*flag.FlagSet)) flagGroup {
		flags := flag.NewFlagSet(title, flag.ContinueOnError)
		define(flags)
		return flagGroup{title, flags}
	}
	return []flagGroup{
		group("What to do", o.defineTask),
		group("What is shown", o.defineOutput),
		group("How the user logs in", o.defineUser),
		group("Who the client is (default: it registers itself)", o.defineClient),
		group("Tokens without a user", o.defineGrants),
		group("Exceptions, each for one server that you know", o.defineExceptions),
	}
}

func (o *options) defineTask(f *flag.FlagSet) {
	f.StringVar(&o.server, "server", "http://localhost:9000/mcp", "`URL` of the MCP server")
	f.BoolVar(&o.list, "list", false, "list the tools (the default)")
	f.StringVar(&o.tool, "call", "", "call a `tool`")
	f.Func("arg", "argument of the tool, as `name=value`; may be repeated", o.addArgument)
	f.BoolVar(&o.forget, "forget", false, "revoke and remove what is stored for the server")
	f.BoolVar(&o.demo, "demo", false, "start an authorization server and an MCP server, and show the whole flow with a demo user")
	f.StringVar(&o.store, "store", "", "`folder` for credentials and tokens; none: not stored (default: in your configuration folder)")
}

func (o *options) defineOutput(f *flag.FlagSet) {
	f.StringVar(&o.report, "report", "", "write the flow as a page into `file`")
	f.BoolVar(&o.verbose, "v", false, "show whole requests and answers")
	f.BoolVar(&o.quiet, "quiet", false, "show the result, and what the user has to do")
	f.BoolVar(&o.json, "json", false, "show events and result as lines of JSON")
	f.BoolVar(&o.version, "version", false, "print the version and exit")
}

func (o *options) defineUser(f *flag.FlagSet) {
	f.BoolVar(&o.noBrowser, "no-browser", false, "don't open a browser; read the address that it ends at from standard input")
	f.StringVar(&o.login, "login", "", "`user:password` of a demo user, for the login form of a provider on this machine")
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait for the user, and for each answer of the server")
	f.StringVar(&o.scope, "scope", "", "`scopes` to ask for at first, besides those that the server names")
	f.BoolVar(&o.offline, "offline", false, "ask for offline_access where the authorization server lists it")
	f.BoolVar(&o.dpop, "dpop", false, "insist on tokens that are bound to a key (default: where both servers offer it)")
}

func (o *options) defineClient(f *flag.FlagSet) {
	f.StringVar(&o.clientID, "client-id", "", "`id` of a client that the authorization server knows already")
	f.StringVar(&o.clientSecret, "client-secret", "", "its `secret`; better in STEP11_CLIENT_SECRET, where other users can't read it")
	f.BoolVar(&o.mountedKeys, "mounted-key", false, "accept a --client-key that its group can read, and a symbolic link to it: "+
		"as container platforms mount secrets")
	f.StringVar(&o.clientKey, "client-key", "", "`file` with its private key in PEM, in place of a secret")
	f.StringVar(&o.keyID, "client-key-id", "", "`kid` of that key, where the authorization server needs it")
	f.StringVar(&o.issuer, "issuer", "", "the only `issuer` that these credentials are sent to")
	f.StringVar(&o.metadataURL, "client-metadata-url", "", "https `URL` of the client's own metadata document")
	f.StringVar(&o.callback, "callback", "", "redirect `URI` on loopback, where one is registered (default: a free port)")
}

func (o *options) defineGrants(f *flag.FlagSet) {
	f.StringVar(&o.grant, "grant", "", "a `grant`: client-credentials, jwt-bearer or enterprise")
	f.StringVar(&o.assertion, "assertion", "", "for jwt-bearer: `file` with the JWT of the workload")
	f.StringVar(&o.idToken, "id-token", "", "for enterprise: `file` with the user's ID token")
	f.StringVar(&o.idpEndpoint, "idp-token-endpoint", "", "for enterprise: token endpoint `URL` of the identity provider")
	f.StringVar(&o.idpClientID, "idp-client-id", "", "for enterprise: the client's `id` there")
	f.StringVar(&o.idpClientSecret, "idp-client-secret", "", "for enterprise: its `secret` there; better in STEP11_IDP_CLIENT_SECRET")
}

func (o *options) defineExceptions(f *flag.FlagSet) {
	f.Func("private-origin", "`origin` of an authorization server on a private address, such as\n"+
		"https://login.corp.example; may be repeated. The MCP server's own origin needs no flag", o.addPrivateOrigin)
	f.StringVar(&o.assumePKCE, "assume-pkce", "", "`issuer` that supports PKCE with S256 although its metadata doesn't say so")
	f.StringVar(&o.authorizationOrigin, "authorization-origin", "", "`origin` of an authorization endpoint that differs from its issuer's")
	f.BoolVar(&o.throughProxy, "through-proxy", false, "send discovery and token requests through HTTPS_PROXY too. By default only\n"+
		"requests to the MCP server use it: a proxy chooses the address itself, so\n"+
		"addresses can't be checked. With this flag only https is possible")
}

// parse reads the flags, and then the environment: what stands there never
// becomes a default, which -h would print.
func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{arguments: map[string]any{}}
	groups := o.groups()
	flags := flag.NewFlagSet("step11", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // a wrong flag gets one line, from run
	for _, group := range groups {
		group.flags.VisitAll(func(f *flag.Flag) { flags.Var(f.Value, f.Name, f.Usage) })
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			usage(stderr, groups)
		}
		return nil, err
	}
	o.clientSecret = cmp.Or(o.clientSecret, os.Getenv("STEP11_CLIENT_SECRET"))
	o.idpClientSecret = cmp.Or(o.idpClientSecret, os.Getenv("STEP11_IDP_CLIENT_SECRET"))
	if u, err := url.Parse(o.authorizationOrigin); err == nil && o.authorizationOrigin != "" {
		o.authorizationOrigin = baseurl.Origin(u)
	}
	return o, o.check(flags.Args())
}

func usage(w io.Writer, groups []flagGroup) {
	fmt.Fprint(w, lesson.Of(source))
	for _, group := range groups {
		fmt.Fprintf(w, "\n%s:\n", group.title)
		group.flags.SetOutput(w)
		group.flags.PrintDefaults()
	}
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case o.list && o.tool != "":
		return errors.New("--list and --call exclude each other; give one")
	case len(o.arguments) > 0 && o.tool == "":
		return errors.New("--arg needs --call")
	case o.clientID == "" && (o.clientSecret != "" || o.clientKey != ""):
		return errors.New("--client-secret and --client-key need --client-id")
	case o.clientSecret != "" && o.clientKey != "":
		return errors.New("--client-secret and --client-key exclude each other; give one")
	case o.login != "" && !strings.Contains(o.login, ":"):
		return errors.New("--login: want user:password")
	case o.login != "" && o.noBrowser:
		return errors.New("--login and --no-browser exclude each other; give one")
	case o.grant != "" && o.clientID == "":
		return errors.New("--grant needs --client-id")
	case o.quiet && o.verbose:
		return errors.New("--quiet and -v exclude each other; give one")
	}
	return nil
}

// config makes of the flags what the library wants. What the user has to do is
// written to stderr.
func (o *options) config(trace mcpauth.Trace, stdin io.Reader, stderr io.Writer) (mcpauth.Config, error) {
	c := mcpauth.Config{
		ResourceURL: o.server, Name: "Auth Step By Step, step 11", MetadataURL: o.metadataURL, Callback: o.callback,
		Scope: o.scope, OfflineAccess: o.offline, Timeout: o.timeout, AnswerTimeout: o.timeout, PrivateOrigins: o.privateOrigins,
		AssumePKCE: o.assumePKCE, AuthorizationOrigin: o.authorizationOrigin, Agent: o.agent(trace, stdin, stderr), Trace: trace,
	}
	if o.dpop {
		c.DPoP = mcpauth.DPoPAlways
	}
	if o.throughProxy {
		c.Proxy = http.ProxyFromEnvironment
	}
	var err error
	if c.Store, err = o.keeper(); err != nil {
		return c, err
	}
	if c.PreRegistered, err = o.preRegistered(); err != nil {
		return c, err
	}
	c.Grant, err = o.grantOf()
	return c, err
}

func (o *options) agent(trace mcpauth.Trace, stdin io.Reader, stderr io.Writer) mcpauth.UserAgent {
	switch {
	case o.login != "":
		name, password, _ := strings.Cut(o.login, ":")
		return formAgent{formlogin.User{Name: name, Password: password}, trace}
	case o.noBrowser:
		return newPasteAgent(stdin, stderr)
	}
	return newBrowserAgent(stderr, o.timeout)
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
	access := localfile.OwnerOnly
	if o.mountedKeys {
		access = localfile.Mounted
	}
	key, err := clientauth.ReadKey(o.clientKey, access)
	known.Key = key
	return known, err
}

// maxFile is how much of a file is read, in bytes.
const maxFile = 64 << 10

// readToken reads a JWT from a file, without the line break at its end.
func readToken(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	return strings.TrimSpace(string(text)), err
}

func (o *options) grantOf() (mcpauth.Grant, error) {
	switch o.grant {
	case "":
		return nil, nil
	case "client-credentials":
		return mcpauth.ClientCredentials{}, nil
	case "jwt-bearer":
		if o.assertion == "" {
			return nil, errors.New("--grant jwt-bearer needs --assertion, the file with the workload's JWT")
		}
		// Read at each use: platforms replace it before it ends.
		return mcpauth.JWTBearer{Assertion: func(context.Context, string) (string, error) { return readToken(o.assertion) }}, nil
	case "enterprise":
		if o.idToken == "" || o.idpEndpoint == "" || o.idpClientID == "" {
			return nil, errors.New("--grant enterprise needs --id-token, --idp-token-endpoint and --idp-client-id")
		}
		token, err := readToken(o.idToken)
		return mcpauth.EnterpriseManaged{
			TokenEndpoint: o.idpEndpoint, ClientID: o.idpClientID, ClientSecret: o.idpClientSecret, IDToken: token,
		}, err
	}
	return nil, fmt.Errorf("--grant %q: want client-credentials, jwt-bearer or enterprise", o.grant)
}

//go:embed main.go
var source string
