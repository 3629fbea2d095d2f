package upstream

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/localfile/variables"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/oauth/syntax"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

// Dialects say how a provider differs from OpenID Connect.
const (
	OpenID = "openid" // it doesn't
	Google = "google" // no prompt=login; it serves everybody
	Entra  = "entra"  // users are oid in a tenant, tid
)

// Settings are what a server must know of a provider.
type Settings struct {
	Issuer     string // to the letter
	Name       string // for people
	Dialect    string
	Client     clientauth.Credentials
	Method     string   // of client authentication, by its name in package clientauth
	Scopes     []string // that are asked for, openid among them
	Algorithms []string // by which ID tokens may be signed

	// Who may log in: each list that isn't empty must hold. With all of them empty,
	// everybody may if Everybody says so, and otherwise nobody.
	Tenants, Domains, Groups, Subjects []string
	Everybody                          bool

	GroupsClaim, RolesClaim []string // paths
	Roles                   []Mapping

	// Lifetime is how long a login counts. After it, the provider is asked again.
	Lifetime time.Duration
}

// Mapping gives a role to users who have a value in the claim for roles.
type Mapping struct{ Value, Role string }

// defaults are the variables, with their values where nobody sets them.
var defaults = map[string]string{
	"UPSTREAM_ISSUER": "", "UPSTREAM_NAME": "", "UPSTREAM_DIALECT": "",
	"UPSTREAM_CLIENT_ID": "", "UPSTREAM_CLIENT_SECRET": "", "UPSTREAM_CLIENT_KEY": "", "UPSTREAM_KEY_ID": "",
	"UPSTREAM_CLIENT_METHOD": clientauth.Basic,
	"UPSTREAM_SCOPES":        "openid profile email",
	"UPSTREAM_ALGORITHMS":    "RS256",
	"UPSTREAM_TENANTS":       "", "UPSTREAM_HOSTED_DOMAINS": "", "UPSTREAM_GROUPS": "", "UPSTREAM_SUBJECTS": "", everybody: "",
	"UPSTREAM_GROUPS_CLAIM": "groups", "UPSTREAM_ROLES_CLAIM": "", "UPSTREAM_ROLES": "",
	"UPSTREAM_GRANT_LIFETIME": "24h",
}

const everybody = "UPSTREAM_EVERYBODY"

// reader reads the variables.
type reader struct {
	*variables.Set
	settings *Settings
}

// Read reads the settings from a file and the environment, which wins. The error
// names the variable, and says what to do.
func Read(file string, getenv func(string) string, log *slog.Logger) (*Settings, error) {
	set, err := variables.Load(file, defaults, getenv, log)
	if err != nil {
		return nil, err
	}
	r := &reader{set, &Settings{}}
	for _, read := range []func() error{r.readIssuer, r.readClient, r.readRequest, r.readWho, r.readRoles, r.readLifetime} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	if len(r.settings.Roles) == 0 {
		log.Warn("UPSTREAM_ROLES is not set, so no user has a role", "file", file)
	}
	return r.settings, nil
}

// missing says that a variable must be set.
func missing(name, what string) error { return fmt.Errorf("%s is not set: it must be %s", name, what) }

// entraTenant finds the tenant in an issuer of Entra.
var entraTenant = regexp.MustCompile(`^(https?://[^/]+/(?:[^/]+/)?)([^/]+)(/v2\.0)$`)

// publicHosts are providers at which everybody can have an account. The list can't
// be complete.
var publicHosts = []string{
	"accounts.google.com", "appleid.apple.com", "gitlab.com", "slack.com", "www.facebook.com", "www.linkedin.com", "id.twitch.tv",
}

// personalAccounts is Entra's tenant of personal Microsoft accounts.
const personalAccounts = "9188040d-6c67-4c5b-b112-36a304b66dad"

func (r *reader) readIssuer() error {
	s := r.settings
	if s.Issuer = r.Get("UPSTREAM_ISSUER"); s.Issuer == "" {
		return missing("UPSTREAM_ISSUER", "the provider's issuer, to the letter")
	}
	u, err := url.Parse(s.Issuer)
	if err == nil {
		err = issuerkeys.CheckURL(s.Issuer)
	}
	if err == nil && strings.ContainsAny(s.Issuer, "?#") {
		err = fmt.Errorf("%q has a query or a fragment: write it as the provider's metadata does", s.Issuer)
	}
	if err != nil {
		return r.Wrong("UPSTREAM_ISSUER", err)
	}
	s.Name = plaintext.Line(cmp.Or(r.Get("UPSTREAM_NAME"), u.Host))
	needed := dialectOf(u.Hostname())
	s.Dialect = cmp.Or(r.Get("UPSTREAM_DIALECT"), needed, OpenID)
	switch {
	case !slices.Contains([]string{OpenID, Google, Entra}, s.Dialect):
		return r.Wrong("UPSTREAM_DIALECT", fmt.Errorf("%q is not one of %s, %s, %s", s.Dialect, OpenID, Google, Entra))
	case needed != "" && s.Dialect != needed:
		return r.Wrong("UPSTREAM_DIALECT", fmt.Errorf("the issuer needs %s; remove this", needed))
	case s.Dialect != Entra:
		return nil
	}
	match := entraTenant.FindStringSubmatch(s.Issuer)
	if match == nil {
		return r.Wrong("UPSTREAM_ISSUER", errors.New("the issuer of Entra ends with the tenant and /v2.0"))
	}
	if match[2] == "consumers" {
		return r.Wrong("UPSTREAM_ISSUER", errors.New("write the id of that tenant in place of consumers: "+personalAccounts))
	}
	return nil
}

// dialectOf is the dialect of a provider that is known by its host.
func dialectOf(host string) string {
	switch host {
	case "accounts.google.com":
		return Google
	case "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn":
		return Entra
	}
	return ""
}

// public reports whether everybody can have an account at the issuer.
func (s *Settings) public() bool {
	u, err := url.Parse(s.Issuer)
	return err != nil || s.Dialect == Google || slices.Contains(publicHosts, u.Hostname()) || s.severalTenants() ||
		s.tenant() == personalAccounts
}

func (r *reader) readClient() (err error) {
	s := r.settings
	if s.Client.ID = r.Get("UPSTREAM_CLIENT_ID"); s.Client.ID == "" {
		return missing("UPSTREAM_CLIENT_ID", "the id of this server's registration at the provider")
	}
	s.Method, err = s.Client.Read(r.Set, clientauth.Variables{
		Method: "UPSTREAM_CLIENT_METHOD", Secret: "UPSTREAM_CLIENT_SECRET", Key: "UPSTREAM_CLIENT_KEY", KeyID: "UPSTREAM_KEY_ID",
	})
	return err
}

func (r *reader) readRequest() (err error) {
	s := r.settings
	s.Scopes = strings.Fields(r.Get("UPSTREAM_SCOPES"))
	if !syntax.Scope(strings.Join(s.Scopes, " ")) || !slices.Contains(s.Scopes, "openid") {
		return r.Wrong("UPSTREAM_SCOPES", errors.New("want scopes with blanks between, and openid among them"))
	}
	s.Algorithms, err = r.Subset("UPSTREAM_ALGORITHMS", []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"})
	return err
}

// list reads a list with commas between.
func (r *reader) list(name string) ([]string, error) {
	if r.Get(name) == "" {
		return nil, nil
	}
	words := variables.Words(r.Get(name))
	if slices.Contains(words, "") {
		return nil, r.Wrong(name, errors.New("an entry is empty: write entries with commas between"))
	}
	return words, nil
}

func (r *reader) readWho() (err error) {
	s := r.settings
	named := false
	for name, into := range map[string]*[]string{
		"UPSTREAM_TENANTS": &s.Tenants, "UPSTREAM_HOSTED_DOMAINS": &s.Domains, "UPSTREAM_GROUPS": &s.Groups, "UPSTREAM_SUBJECTS": &s.Subjects,
	} {
		if *into, err = r.list(name); err != nil {
			return err
		}
		named = named || len(*into) > 0
	}
	if s.GroupsClaim, err = dialect.ParsePath(r.Get("UPSTREAM_GROUPS_CLAIM")); err != nil {
		return r.Wrong("UPSTREAM_GROUPS_CLAIM", err)
	}
	word := r.Get(everybody)
	s.Everybody = word == "yes"
	const who = "UPSTREAM_TENANTS, UPSTREAM_HOSTED_DOMAINS, UPSTREAM_GROUPS or UPSTREAM_SUBJECTS"
	switch {
	case word != "" && word != "yes":
		return r.Wrong(everybody, errors.New("write yes, or remove this"))
	case s.Everybody && named:
		return r.Wrong(everybody, errors.New("another variable says who may log in; remove one of them"))
	case s.Everybody && s.public():
		return r.Wrong(everybody, fmt.Errorf("everybody can have an account at %s: set %s in its place", s.Issuer, who))
	case !s.Everybody && !named:
		return fmt.Errorf("nobody may log in: set %s; or %s=yes, if everybody with an account at the provider may", who, everybody)
	case s.severalTenants() && len(s.Tenants) == 0:
		return missing("UPSTREAM_TENANTS", "the tenants whose users may log in, since the issuer serves all of them")
	}
	return nil
}

// changeable are claims that can become another person's, or that users set
// themselves.
var changeable = []string{"email", "preferred_username", "upn", "unique_name", "name", "given_name", "family_name", "nickname"}

func (r *reader) readRoles() (err error) {
	s := r.settings
	s.RolesClaim = s.GroupsClaim
	if claim := r.Get("UPSTREAM_ROLES_CLAIM"); claim != "" {
		if s.RolesClaim, err = dialect.ParsePath(claim); err != nil {
			return r.Wrong("UPSTREAM_ROLES_CLAIM", err)
		}
	}
	for name, path := range map[string][]string{"UPSTREAM_ROLES_CLAIM": s.RolesClaim, "UPSTREAM_GROUPS_CLAIM": s.GroupsClaim} {
		if slices.Contains(changeable, path[0]) {
			return r.Wrong(name, fmt.Errorf("%s can become another person's: take groups, or sub", path[0]))
		}
	}
	entries, err := r.list("UPSTREAM_ROLES")
	for _, entry := range entries {
		at := strings.LastIndexByte(entry, '=')
		if at < 1 || at == len(entry)-1 {
			return r.Wrong("UPSTREAM_ROLES", fmt.Errorf("%q is not VALUE=ROLE: write entries with commas between", entry))
		}
		s.Roles = append(s.Roles, Mapping{strings.TrimSpace(entry[:at]), strings.TrimSpace(entry[at+1:])})
	}
	return err
}

func (r *reader) readLifetime() (err error) {
	const name, least, most = "UPSTREAM_GRANT_LIFETIME", time.Minute, 30 * 24 * time.Hour
	s := r.settings
	if s.Lifetime, err = time.ParseDuration(r.Get(name)); err != nil || s.Lifetime < least || s.Lifetime > most {
		return r.Wrong(name, fmt.Errorf("%q is not a duration from %s to %s: write it like 24h", r.Get(name), least, most))
	}
	return nil
}

// Policy is the same for settings that let the same users in with the same roles.
// What was decided by another policy doesn't count any more.
func (s *Settings) Policy() string {
	text, _ := json.Marshal([]any{ // strings always have a JSON form
		s.Issuer, s.Dialect, s.Client.ID, s.Tenants, s.Domains, s.Groups, s.Subjects, s.Everybody, s.GroupsClaim, s.RolesClaim, s.Roles,
	})
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
