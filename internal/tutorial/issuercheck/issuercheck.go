// Package issuercheck reads what an issuer publishes, as the server of step 10 and
// the client of step 11 read it, and says what it means for both.
//
//	report := issuercheck.Run(ctx, "https://id.example/realms/mcp", safefetch.Policy{})
//	fmt.Print(report.Text())
package issuercheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// Outcome is what came of a check.
type Outcome string

// The outcomes, from the best to the worst.
const (
	Usable   Outcome = "usable"    // by the server and by the client, as it is
	Obstacle Outcome = "obstacle"  // one of the two refuses it, or needs a setting that permits something
	NotFound Outcome = "not found" // no metadata of any issuer was found
)

// algorithms are those that step 10 can be told to allow.
var algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}

const (
	timeout  = 20 * time.Second // of one request
	maxBytes = 256 << 10        // of one document
)

// Place is one of the addresses at which metadata may be.
type Place struct {
	Form    string `json:"form"` // "RFC 8414", "OpenID, inserted" or "OpenID, appended"
	URL     string `json:"url"`
	Found   bool   `json:"found"`
	Problem string `json:"problem,omitempty"` // why it doesn't count
}

// Verdict says whether something works as it is, and why not.
type Verdict struct {
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	Do      string `json:"do,omitempty"`
}

// Report is what was found.
type Report struct {
	Issuer   string    `json:"issuer"` // that was asked for
	Outcome  Outcome   `json:"outcome"`
	Identity Verdict   `json:"identity"` // whether the metadata names this issuer
	Places   []Place   `json:"places"`
	Row      []Feature `json:"row,omitempty"` // of the table of providers
	Keys     *Keys     `json:"keys,omitempty"`
	Server   Verdict   `json:"server"` // what step 10 makes of it
	Client   Verdict   `json:"client"` // what step 11 makes of it
	Settings []string  `json:"settings,omitempty"`
	Dialects []string  `json:"dialects,omitempty"` // to try, the likeliest first
}

// ParseIssuer reads the URL of an issuer: https, or http on this machine (RFC 8414,
// section 2). The error never shows a password.
func ParseIssuer(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("the issuer is not a URL: want https://host[:port][/path]")
	case u.User != nil:
		return nil, errors.New("the issuer must not have a user name or password; remove what stands before the @")
	case strings.Contains(u.Path, "/.well-known/"):
		return nil, fmt.Errorf("%.200q is the address of metadata: give the issuer, as the member \"issuer\" has it there", raw)
	case strings.ContainsAny(raw, "?#"):
		return nil, fmt.Errorf("the issuer %.200q must not have a query or a fragment; remove it", raw)
	}
	if _, err := safefetch.CheckURL(raw, safefetch.Policy{Loopback: true, Private: []string{baseurl.Origin(u)}}); err != nil {
		return nil, fmt.Errorf("the issuer can't be asked: %w", err)
	}
	return u, nil
}

// checker is one check on its way.
type checker struct {
	client *http.Client
	policy safefetch.Policy
	report *Report
	found  *issuerkeys.Metadata
	server mcpauth.AuthorizationServer // what found says
}

// Run asks for the metadata at all its places, and for the keys. issuer is one that
// [ParseIssuer] accepts. policy permits private origins and a proxy, beyond the issuer's
// own origin and public addresses over https.
func Run(ctx context.Context, issuer string, policy safefetch.Policy) *Report {
	u, err := ParseIssuer(issuer)
	if err != nil {
		return &Report{Issuer: issuer, Outcome: NotFound, Identity: Verdict{Problem: err.Error()}}
	}
	policy.Timeout, policy.MaxBytes = timeout, maxBytes
	// The rules of step 11: the origin that the user typed, and public ones.
	policy.Loopback = loopback.URL(u)
	policy.Private = append([]string{baseurl.Origin(u)}, policy.Private...)
	client := safefetch.NewClient(policy)
	defer client.CloseIdleConnections()
	return run(ctx, issuer, client, policy)
}

func run(ctx context.Context, issuer string, client *http.Client, policy safefetch.Policy) *Report {
	c := &checker{client: client, policy: policy, report: &Report{Issuer: issuer, Outcome: NotFound}}
	c.lookEverywhere(ctx)
	c.askForKeys(ctx)
	c.askAsClient(ctx)
	if c.found == nil {
		return c.report
	}
	c.report.Outcome = Obstacle
	c.report.Row = c.row()
	c.suggest()
	if c.report.Server.OK && c.report.Client.OK {
		c.report.Outcome = Usable
	}
	return c.report
}

// forms are the names of the places, for an issuer with a path and without one.
var forms = map[int][]string{
	2: {"RFC 8414", "OpenID"},
	3: {"RFC 8414", "OpenID, inserted", "OpenID, appended"},
}

// lookEverywhere reads the metadata at each place. What step 10 takes is the first
// that it finds there.
func (c *checker) lookEverywhere(ctx context.Context) {
	reader := issuerkeys.NewReader(issuerkeys.Config{Issuer: c.report.Issuer, Algorithms: algorithms}, c.client)
	ended := false // one of another issuer ends the search of both steps
	for i, address := range reader.Locations() {
		place := Place{Form: forms[len(reader.Locations())][i], URL: address}
		metadata, err := reader.Metadata(ctx, address)
		var other *issuerkeys.IssuerError
		switch {
		case err == nil:
			place.Found = true
			if c.found == nil && !ended {
				c.found, c.report.Identity = metadata, Verdict{OK: true}
			}
		case errors.As(err, &other):
			place.Problem = fmt.Sprintf("names another issuer: %.200q", other.Issuer)
			if c.found == nil && !ended {
				c.takeForOther(ctx, other)
			}
			ended = true
		default:
			place.Problem = short(err, address)
		}
		c.report.Places = append(c.report.Places, place)
	}
	if c.found == nil && c.report.Identity.Problem == "" {
		c.report.Identity = Verdict{
			Problem: "no metadata was found, so it is not known whether there is such an issuer",
			Do:      "check the URL against the provider's documentation: upper and lower case, the path, and the slash at its end",
		}
	}
	if c.found != nil {
		_ = json.Unmarshal(c.found.Body, &c.server) // it is an object; members of other types count as missing
	}
}

// takeForOther reads the metadata of another issuer for what it says about that one,
// and says what can be done.
func (c *checker) takeForOther(ctx context.Context, other *issuerkeys.IssuerError) {
	c.report.Identity = Verdict{Problem: fmt.Sprintf("the metadata of %s is that of the issuer %.200q, and must not be used for another "+
		"(RFC 8414, section 3.3)", other.Want, other.Issuer)}
	config := issuerkeys.Config{Issuer: other.Issuer, Address: other.Want, Algorithms: algorithms}
	if metadata, err := issuerkeys.NewReader(config, c.client).Metadata(ctx, other.Address); err == nil {
		c.found = metadata
	}
	switch {
	case strings.Contains(other.Issuer, "{"):
		c.report.Identity.Do = "the issuer is a template for many tenants: name one tenant instead"
	case sameButForm(other.Issuer, other.Want):
		c.report.Identity.Do = "the two differ only in their form: use the issuer to the letter as the metadata has it, and check that one"
	default:
		c.report.Identity.Do = fmt.Sprintf("check %s; if you know that both belong together, step 10 can be told so: "+
			"JWT_ISSUER=%s and JWT_ISSUER_ADDRESS=%s. Clients can't be told", other.Issuer, other.Issuer, other.Want)
	}
}

// sameButForm reports whether two issuers differ in a slash at the end, in a port
// that is the default, or in upper and lower case.
func sameButForm(a, b string) bool {
	form := func(raw string) string {
		u, err := url.Parse(strings.ToLower(raw))
		if err != nil {
			return raw
		}
		return strings.TrimSuffix(baseurl.Canonical(u), "/")
	}
	return form(a) == form(b)
}

// askForKeys does what step 10 does once it has the metadata.
func (c *checker) askForKeys(ctx context.Context) {
	verdict := &c.report.Server
	switch {
	case c.found == nil:
		*verdict = Verdict{Problem: "it finds no metadata, so it lets nobody in (503)", Do: c.report.Identity.Do}
		return
	case !c.report.Identity.OK:
		*verdict = Verdict{Problem: c.report.Identity.Problem, Do: c.report.Identity.Do}
	}
	reader := issuerkeys.NewReader(issuerkeys.Config{Algorithms: algorithms}, c.client)
	set, leftOut, err := reader.Keys(ctx, c.found)
	c.report.Keys = keyHealth(c.found.Keys, set, leftOut, err)
	switch {
	case !c.report.Identity.OK:
	case err != nil && !errors.Is(err, jwks.ErrUnusable):
		*verdict = Verdict{Problem: "its keys can't be read: " + short(err, c.found.Keys), Do: "step 10 lets nobody in (503) until they can"}
	case len(set) == 0:
		*verdict = Verdict{Problem: "none of its keys can be used", Do: "have the issuer sign with RS256, PS256, ES256 or EdDSA"}
	case !slices.ContainsFunc(set, func(key jwks.Key) bool { return key.ID != "" }):
		*verdict = Verdict{Problem: "no key has a kid, so no token can name its key", Do: "have the issuer add key ids"}
	default:
		*verdict = Verdict{OK: true}
	}
}

// askAsClient does what step 11 does before it sends a user there.
func (c *checker) askAsClient(ctx context.Context) {
	server, err := mcpauth.ReadAuthorizationServer(ctx, c.client, c.policy, c.report.Issuer)
	if err == nil {
		err = server.CheckUsable()
	}
	verdict := Verdict{OK: err == nil}
	switch {
	case err == nil:
	case c.found == nil:
		verdict.Problem = "it finds no metadata"
	case errors.Is(err, mcpauth.ErrIssuer):
		verdict.Problem = "the metadata is that of another issuer, so it stops"
	default:
		verdict.Problem = strings.ReplaceAll(err.Error(), "\n", "; ")
		verdict.Do = c.wayAround(err)
	}
	c.report.Client = verdict
}

// wayAround names the flags of step 11 that permit what it refuses.
func (c *checker) wayAround(err error) string {
	var ways []string
	if errors.Is(err, mcpauth.ErrPKCE) && c.server.CodeChallengeMethods == nil {
		ways = append(ways, "--assume-pkce "+c.report.Issuer+", if the provider documents that it supports S256")
	}
	if endpoint, parseErr := url.Parse(c.server.AuthorizationEndpoint); parseErr == nil && errors.Is(err, mcpauth.ErrEndpoint) {
		ways = append(ways, "--authorization-origin "+baseurl.Origin(endpoint)+", if it belongs to the issuer")
	}
	return strings.Join(ways, "; ")
}

// short is an error without the URL that stands beside it.
func short(err error, address string) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	text := strings.TrimPrefix(err.Error(), address+": ")
	return strings.TrimPrefix(strings.TrimSuffix(text, ": "+issuerkeys.ErrNoDocument.Error()), address+" ")
}
