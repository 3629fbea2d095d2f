// Package envfile reads from a file, and from the environment, whom the server
// trusts and what it is called. The environment wins over the file, and a flag
// over both. What is missing has a default, and what is malformed ends the
// start: a server that guesses whom to trust is worse than none.
package envfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/mcpserver/introspection"
	"mcp-auth-step-by-step/internal/mcpserver/issuerkeys"
	"mcp-auth-step-by-step/internal/mcpserver/trust"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/syntax"
	"mcp-auth-step-by-step/internal/web/serve"
)

// Default is the file that is read where none is named.
const Default = "keycloak_direct.env"

// Settings are what a server needs to know of its identity providers.
type Settings struct {
	ServerURL string // MCP_SERVER_URL: base of what the server states about itself
	// Issuers are those whose tokens are taken, each with its rules: one that this file
	// describes, or those of the files in JWT_ISSUERS.
	Issuers     []trust.Issuer
	FirstScopes string // MCP_CHALLENGE_SCOPES: what clients are told to ask for first, with blanks between
}

// serverWide are the variables that are not about an issuer.
var serverWide = []string{"JWT_ISSUERS", "MCP_CHALLENGE_SCOPES", "MCP_SERVER_URL"}

// defaults are the values of variables that are nowhere set. Others follow from
// the rest, as JWT_ISSUER, JWT_AUDIENCE and JWT_DIALECT do.
var defaults = map[string]string{
	"KEYCLOAK_URL":      "http://localhost:8080",
	"KEYCLOAK_REALM":    "mcp-realm",
	"JWT_ALGORITHMS":    "RS256",
	"JWKS_MIN_INTERVAL": issuerkeys.DefaultMinInterval.String(),
	// The least. Clients ask the user for more when they need it.
	"MCP_CHALLENGE_SCOPES": "mcp:read",
	"INTROSPECTION_METHOD": clientauth.Basic,
	"INTROSPECTION_KEEP":   introspection.DefaultKeep.String(),
}

// derived are the variables that have no default, or one that follows from others.
var derived = []string{
	"JWT_AUDIENCE", "JWT_ISSUER", "JWT_ISSUER_ADDRESS", "JWT_ISSUERS", "JWT_SCOPE_NAMES", "MCP_SERVER_URL",
	"JWT_DIALECT", "JWT_TYPES", "JWT_PROOF", "JWT_AUDIENCE_CLAIM", "JWT_CLIENT_CLAIMS", "JWT_SCOPE_CLAIMS", "JWT_ID_CLAIM",
	"JWT_SUBJECT_CLAIM", "JWT_USERNAME_CLAIM", "JWT_ROLES_CLAIM", "JWT_ROLES_CLIENT", "JWT_MAY_LACK", "JWT_MAX_LIFETIME",
	"INTROSPECTION_CLIENT_ID", "INTROSPECTION_CLIENT_SECRET", "INTROSPECTION_CLIENT_KEY", "INTROSPECTION_KEY_ID",
	"INTROSPECTION_ENDPOINT", "INTROSPECTION_MAY_OMIT",
}

// Read reads the settings of a site, and gives the site its URL. file is what the
// user named, or empty for [Default], which may be missing. The error names the
// file or the environment, the variable, and what to do.
func Read(file string, site *serve.Site) (*Settings, error) {
	s, err := read(file, os.Getenv, *site)
	if err == nil {
		site.URL = s.ServerURL
	}
	return s, err
}

func read(file string, getenv func(string) string, site serve.Site) (*Settings, error) {
	v, err := load(file, getenv, site.Log)
	if err != nil && file != "" {
		return nil, fmt.Errorf("-env %w", err)
	}
	if err != nil {
		return nil, err
	}
	s := &Settings{}
	if err := s.readServerURL(v, site); err != nil {
		return nil, err
	}
	if err := s.readFirstScopes(v); err != nil {
		return nil, err
	}
	if err := s.readIssuers(v, site.Log); err != nil {
		return nil, err
	}
	for _, issuer := range s.Issuers {
		rules := issuer.Rules
		site.Log.Info("settings", "url", s.ServerURL, "issuer", rules.Issuer, "dialect", rules.Dialect.Name,
			"audience", append([]string{rules.Audience}, rules.Audiences...), "algorithms", rules.Algorithms,
			"roles", rules.Dialect.Filled().Roles, "introspection", issuer.Introspection != nil)
	}
	return s, nil
}

// readServerURL reads what the server is called. A flag wins: it was typed
// last.
func (s *Settings) readServerURL(v *variables, site serve.Site) error {
	s.ServerURL = site.URL
	if set := v.get("MCP_SERVER_URL"); set != "" {
		set, err := serve.ParseURL("the URL", set)
		if err != nil {
			return v.wrong("MCP_SERVER_URL", err)
		}
		switch {
		case !site.Stated:
			s.ServerURL = set
			if u, _ := url.Parse(set); u.Hostname() == "localhost" && u.Port() != fmt.Sprint(site.Port) {
				site.Log.Warn("MCP_SERVER_URL has another port than -addr", "MCP_SERVER_URL", set, "port", site.Port)
			}
		case set != site.URL:
			site.Log.Warn("MCP_SERVER_URL ignored, because -url is set", "url", site.URL, "MCP_SERVER_URL", set)
		}
	}
	return nil
}

// readFirstScopes reads the scopes of a first challenge (RFC 6750, section 3).
func (s *Settings) readFirstScopes(v *variables) error {
	s.FirstScopes = strings.Join(strings.Fields(v.get("MCP_CHALLENGE_SCOPES")), " ")
	if !syntax.Scope(s.FirstScopes) {
		return v.wrong("MCP_CHALLENGE_SCOPES", fmt.Errorf("%q is not a list of scopes with blanks between", s.FirstScopes))
	}
	return nil
}

// variables are what is set, and where.
type variables struct {
	file   string // that was read; empty: none
	set    map[string]string
	getenv func(string) string
	log    *slog.Logger
}

// maxFile is more than an environment file needs, in bytes.
const maxFile = 64 << 10

// load reads the file.
func load(file string, getenv func(string) string, log *slog.Logger) (*variables, error) {
	named := file != ""
	if !named {
		file = Default
	}
	text, err := localfile.ReadConfiguration(file, maxFile)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && !named:
		log.Info("file not found; variables that the environment doesn't set have their defaults", "file", Default, "flag", "-env")
		return &variables{getenv: getenv, log: log}, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: file not found: name an existing file, such as %s", file, Default)
	default:
		return nil, fmt.Errorf("%s can't be read: %w", file, err)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("%s is not UTF-8, but perhaps UTF-16: save it as UTF-8", file)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the byte order mark of some editors
	seen := map[string]int{}
	set, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%s, line %d: want NAME=value, one a line, and # before a comment", file, badLine(string(text)))
	}
	for _, match := range assignment.FindAllSubmatch(text, -1) {
		name := string(match[1])
		if seen[name]++; seen[name] == 2 {
			log.Warn("variable set twice; the last value counts", "file", file, "variable", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if _, known := defaults[name]; !known && !slices.Contains(derived, name) {
			log.Warn("unknown variable ignored; check its spelling", "file", file, "variable", name)
		}
	}
	return &variables{file: file, set: set, getenv: getenv, log: log}, nil
}

// assignment is a line that sets a variable.
var assignment = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*[=:]`)

// badLine is the number of the first line that can't be read. What stands in
// it may be a secret in the wrong place, and isn't shown.
func badLine(text string) int {
	lines := strings.SplitAfter(text, "\n")
	for i := range lines {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:i+1], "")); err != nil {
			return i + 1
		}
	}
	return len(lines)
}

// get returns a variable, or its default. Set to nothing is not set.
func (v *variables) get(name string) string {
	if value, where := v.find(name); where != "" {
		return value
	}
	return defaults[name]
}

// find returns a variable and where it is set, if it is.
func (v *variables) find(name string) (value, where string) {
	if value = strings.TrimSpace(v.getenv(name)); value != "" {
		return value, "the environment"
	}
	if value = strings.TrimSpace(v.set[name]); value != "" {
		return value, v.file
	}
	return "", ""
}

// wrong says where a variable is wrong, and how.
func (v *variables) wrong(name string, err error) error {
	_, where := v.find(name)
	return fmt.Errorf("%s: %s: %w", where, name, err)
}

// subset reads a list with commas between, of allowed words.
func (v *variables) subset(name string, allowed []string) ([]string, error) {
	var list []string
	for word := range strings.SplitSeq(v.get(name), ",") {
		word = strings.TrimSpace(word)
		if !slices.Contains(allowed, word) {
			return nil, v.wrong(name, fmt.Errorf("%q is not one of %s: write some of them, with commas between", word, strings.Join(allowed, ", ")))
		}
		if !slices.Contains(list, word) {
			list = append(list, word)
		}
	}
	return list, nil
}

// sayDefaults tells which variables nobody has set, of those that matter.
func (v *variables) sayDefaults() {
	_, issuer := v.find("JWT_ISSUER")
	_, asked := v.find("INTROSPECTION_CLIENT_ID")
	var left []string
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		idle := issuer != "" && strings.HasPrefix(name, "KEYCLOAK_") || asked == "" && strings.HasPrefix(name, introspectionPrefix)
		if _, where := v.find(name); where == "" && !idle {
			left = append(left, name+"="+defaults[name])
		}
	}
	if len(left) > 0 {
		v.log.Info("defaults used", "variables", left)
	}
}
