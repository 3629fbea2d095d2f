// Command gentoken signs access tokens for tests and lessons.
//
//	TOKEN=$(go run ./cmd/gentoken --username alice --scopes mcp:read,mcp:tools)
//	curl -H "Authorization: Bearer $TOKEN" …
//
// It prints the token alone on standard output, and what the token says on
// standard error. It uses the private key that steps 5 to 8 verify with, and
// makes the pair if there is none. With --as-provider it uses the private key of
// step 9, and so makes tokens that step 10 takes. In production an authorization
// server does this, after it has made sure who the user is; whoever holds the
// private key can be anybody.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/web/version"
)

const maxLifetime = 24 * time.Hour

// usageError is a mistake in the flags: exit status 2, as flag itself uses.
type usageError struct{ error }

func usage(format string, args ...any) error {
	return usageError{fmt.Errorf(format+"; see gentoken -h", args...)}
}

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintf(os.Stderr, "gentoken: %v\n", err)
	if errors.As(err, &usageError{}) {
		os.Exit(2)
	}
	os.Exit(1)
}

type options struct {
	username, scopes, role, audience, issuer, expires, keys, out, flaw string
	header, claims, attacker                                           string
	generate, demo, asJSON, asProvider, version                        bool
	roleGiven                                                          bool
}

// provider is step 9 with its demo realm, whose place --as-provider takes.
var provider = struct{ issuer, keys, audience, rolesClient string }{
	"http://localhost:8080/realms/mcp-realm", "keys/authorization-server", "http://localhost:9000/mcp", "echo-mcp-server",
}

func run(args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	switch {
	case o.version:
		_, err := fmt.Fprintln(stdout, "gentoken", version.Number)
		return err
	case o.flaw == "list":
		return listFlaws(stdout)
	case o.generate:
		return generateKeys(o, stderr)
	case o.demo:
		return demo(o, stdout, stderr)
	case o.username == "":
		return usage("--username is missing: name the user of the token, as in --username alice")
	}
	lifetime, err := parseLifetime(o.expires)
	if err != nil {
		return err
	}
	token, err := o.mint(o.username, o.scopes, lifetime)
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := localfile.Write(o.out, []byte(token+"\n"), 0o600); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		fmt.Fprintf(stderr, "Written to %s.\n", o.out)
	} else {
		fmt.Fprintln(stdout, token)
	}
	o.explain(stderr, lifetime)
	return nil
}

func parse(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("gentoken", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // after a mistake, it would print all flags
	flags.StringVar(&o.username, "username", "", "`name` of the user; becomes sub and preferred_username")
	flags.StringVar(&o.scopes, "scopes", "mcp:read,mcp:tools", `scopes, with commas between; "" for none`)
	flags.StringVar(&o.role, "role", "", "roles, with commas between "+
		"(default by name: admin and administrator are user and admin, guest is guest, all others are user)")
	flags.StringVar(&o.audience, "audience", "", "resource identifier of the `server` that the token is for (default: the issuer with /mcp)")
	flags.StringVar(&o.issuer, "issuer", "", "issuer that the servers trust: their -url (default http://localhost:9000)")
	flags.StringVar(&o.expires, "expires", "1", "lifetime: hours, or a duration such as 90s; at most 24h")
	flags.StringVar(&o.keys, "keys", "", "`folder` of the key pair, which is made on first use (default keys)")
	flags.StringVar(&o.out, "out", "", "write the token to a `file` (mode 0600) instead of standard output")
	flags.StringVar(&o.flaw, "flaw", "", "make the token wrong in one way, by `name`; 'list' explains them all")
	flags.StringVar(&o.header, "header", "", "members of the token's header to set, as a `JSON` object; null takes one away")
	flags.StringVar(&o.claims, "claims", "", "the same for its claims; in both, {issuer} and {resource} stand for these `URLs`")
	flags.StringVar(&o.attacker, "attacker", mint.Attacker, "base `URL` of the site of an attacker, for the flaw key-url")
	flags.BoolVar(&o.asProvider, "as-provider", false, "sign with the key of step 9, for step 10, with the roles where Keycloak writes them")
	flags.BoolVar(&o.generate, "generate-keys", false, "make a new key pair and keep the old one beside it")
	flags.BoolVar(&o.demo, "demo", false, "tokens of alice, bob, admin and guest, as a table")
	flags.BoolVar(&o.asJSON, "json", false, "with --demo: as JSON")
	flags.BoolVar(&o.version, "version", false, "print the version and exit")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, "Usage of gentoken:")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return nil, err
	} else if err != nil {
		return nil, usage("%w", err)
	}
	if flags.NArg() > 0 {
		return nil, usage("unexpected argument %q", flags.Arg(0))
	}
	flags.Visit(func(f *flag.Flag) { o.roleGiven = o.roleGiven || f.Name == "role" })
	if o.flaw != "" && o.flaw != "list" {
		if _, ok := mint.FlawByName(o.flaw); !ok {
			return nil, usage("unknown flaw %q: --flaw list prints all of them", o.flaw)
		}
	}
	if o.asProvider {
		o.issuer, o.keys = cmp.Or(o.issuer, provider.issuer), cmp.Or(o.keys, provider.keys)
		o.audience = cmp.Or(o.audience, provider.audience)
	}
	o.issuer, o.keys = cmp.Or(o.issuer, "http://localhost:9000"), cmp.Or(o.keys, "keys")
	o.audience = cmp.Or(o.audience, o.issuer+"/mcp")
	if o.asJSON && !o.demo {
		return nil, usage("--json goes with --demo")
	}
	return o, nil
}

// parseLifetime reads hours (1, 0.5) or a Go duration (90s).
func parseLifetime(text string) (time.Duration, error) {
	lifetime, err := time.ParseDuration(text)
	if hours, hoursErr := strconv.ParseFloat(text, 64); hoursErr == nil && hours > -1e6 && hours < 1e6 {
		lifetime, err = time.Duration(hours*float64(time.Hour)), nil
	}
	if err != nil || lifetime < time.Second || lifetime > maxLifetime {
		return 0, usage("--expires %q is not a lifetime: want hours, or a duration such as 90s, from 1s to 24h", text)
	}
	return lifetime, nil
}

func (o *options) roles(username string) []string {
	if o.roleGiven {
		return split(o.role)
	}
	return mint.RolesOf(username)
}

// mint signs a token for a user, with the flaw that was asked for.
func (o *options) mint(username, scopes string, lifetime time.Duration) (string, error) {
	private, err := keys.Private(o.keys, localfile.OwnerOnly)
	if err != nil {
		return "", err
	}
	public, err := jwks.New(&private.PublicKey, keys.Algorithm)
	if err != nil {
		return "", err
	}
	grant := mint.Grant{
		Issuer: o.issuer, Audience: o.audience, Username: username, ClientID: "gentoken",
		Scopes: split(scopes), Roles: o.roles(username), Lifetime: lifetime, Now: time.Now(), Attacker: o.attacker,
	}
	if o.asProvider {
		grant.RolesClient = provider.rolesClient
	}
	draft := mint.New(private, public.ID, grant)
	if flaw, ok := mint.FlawByName(o.flaw); ok {
		if err := flaw.Spoil(draft); err != nil {
			return "", err
		}
	}
	if err := draft.Replace(o.header, o.claims); err != nil {
		return "", usage("%w", err)
	}
	return draft.Token()
}

func (o *options) explain(w io.Writer, lifetime time.Duration) {
	fmt.Fprintf(w, "For %s (roles: %s), through the client gentoken, for %s.\nScopes: %s. Issuer: %s. Valid for %s.\n",
		o.username, orNone(o.roles(o.username)), o.audience, orNone(split(o.scopes)), o.issuer, lifetime)
	if flaw, ok := mint.FlawByName(o.flaw); ok {
		fmt.Fprintf(w, "With a flaw, so servers must refuse it: it %s.\n", flaw.Explain)
	}
}

func generateKeys(o *options, stderr io.Writer) error {
	kept, err := keys.Replace(o.keys)
	for _, file := range kept {
		fmt.Fprintf(stderr, "The old key is kept as %s.\n", file)
	}
	if err != nil {
		return err
	}
	public, err := keys.Public(o.keys)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "New key pair in %s, key id %s.\n"+
		"After their next start, the servers refuse tokens of the old key.\n", o.keys, public.ID)
	return nil
}

// demoUsers are who --demo makes tokens for.
var demoUsers = []struct{ name, scopes, shows string }{
	{"alice", "mcp:read,mcp:tools", "lists and calls tools"},
	{"bob", "mcp:read,mcp:prompts", "lists tools and gets prompts; a call asks for mcp:tools"},
	{"admin", "mcp:read,mcp:tools,mcp:prompts", "may do everything, also read the audit log"},
	{"guest", "", "may only introduce itself: everything else asks for a scope"},
}

func demo(o *options, stdout, stderr io.Writer) error {
	lifetime, err := parseLifetime(o.expires)
	if err != nil {
		return err
	}
	type entry struct {
		Username string   `json:"username"`
		Scopes   []string `json:"scopes"`
		Roles    []string `json:"roles"`
		Shows    string   `json:"shows"`
		Token    string   `json:"token"`
	}
	var entries []entry
	for _, user := range demoUsers {
		token, err := o.mint(user.name, user.scopes, lifetime)
		if err != nil {
			return err
		}
		entries = append(entries, entry{user.name, split(user.scopes), o.roles(user.name), user.shows, token})
	}
	if o.asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(entries)
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "USER\tSCOPES\tROLES\tSHOWS\tTOKEN")
	for _, e := range entries {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", e.Username, orNone(e.Scopes), orNone(e.Roles), e.Shows, e.Token)
	}
	fmt.Fprintf(stderr, "All for %s, from %s, valid for %s.\n", o.audience, o.issuer, lifetime)
	return table.Flush()
}

func listFlaws(stdout io.Writer) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FLAW\tATTACK\tTHE TOKEN …")
	for _, flaw := range mint.Flaws {
		fmt.Fprintf(table, "%s\t%s\t%s\n", flaw.Name, flaw.Attack, flaw.Explain)
	}
	return table.Flush()
}

// split reads words with commas or blanks between.
func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}
