// Package envfile reads from a file, and from the environment, whom the server
// trusts and what it is called. The environment wins over the file, and a flag
// over both. What is missing has a default, and what is malformed ends the
// start: a server that guesses whom to trust is worse than none.
package envfile

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/localfile/variables"
	"mcp-auth-step-by-step/internal/mcpserver/introspection"
	"mcp-auth-step-by-step/internal/mcpserver/trust"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
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
func (s *Settings) readServerURL(v *settings, site serve.Site) error {
	s.ServerURL = site.URL
	if set := v.Get("MCP_SERVER_URL"); set != "" {
		set, err := serve.ParseURL("the URL", set)
		if err != nil {
			return v.Wrong("MCP_SERVER_URL", err)
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
func (s *Settings) readFirstScopes(v *settings) error {
	s.FirstScopes = strings.Join(strings.Fields(v.Get("MCP_CHALLENGE_SCOPES")), " ")
	if !syntax.Scope(s.FirstScopes) {
		return v.Wrong("MCP_CHALLENGE_SCOPES", fmt.Errorf("%q is not a list of scopes with blanks between", s.FirstScopes))
	}
	return nil
}

// settings are the variables that are set, with the defaults of the others.
type settings struct {
	*variables.Set
	log *slog.Logger
}

// load reads the file.
func load(file string, getenv func(string) string, log *slog.Logger) (*settings, error) {
	known := maps.Clone(defaults)
	for _, name := range derived {
		known[name] = ""
	}
	set, err := variables.Load(cmp.Or(file, Default), known, getenv, log)
	if errors.Is(err, variables.ErrNotFound) && file == "" {
		log.Info("file not found; variables that the environment doesn't set have their defaults", "file", Default, "flag", "-env")
		set, err = variables.Load("", known, getenv, log)
	} else if errors.Is(err, variables.ErrNotFound) {
		err = fmt.Errorf("%w: name an existing file, such as %s", err, Default)
	}
	return &settings{set, log}, err
}

// sayDefaults tells which variables nobody has set, of those that matter.
func (v *settings) sayDefaults() {
	_, issuer := v.Find("JWT_ISSUER")
	_, asked := v.Find("INTROSPECTION_CLIENT_ID")
	var left []string
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		idle := issuer != "" && strings.HasPrefix(name, "KEYCLOAK_") || asked == "" && strings.HasPrefix(name, introspectionPrefix)
		if _, where := v.Find(name); where == "" && !idle {
			left = append(left, name+"="+defaults[name])
		}
	}
	if len(left) > 0 {
		v.log.Info("defaults used", "variables", left)
	}
}
