package envfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/trust"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/web/baseurl"
)

// readIssuers reads the one issuer that the variables describe, or those of the
// files that JWT_ISSUERS names.
func (s *Settings) readIssuers(v *settings, log *slog.Logger) error {
	list := v.Get("JWT_ISSUERS")
	if list == "" {
		v.sayDefaults()
		issuer, err := v.readIssuer(s.ServerURL)
		s.Issuers = []trust.Issuer{issuer}
		return err
	}
	if err := v.checkServerWide(); err != nil {
		return err
	}
	for file := range strings.SplitSeq(list, ",") {
		issuer, err := readIssuerFile(strings.TrimSpace(file), s.ServerURL, log)
		if err != nil {
			return v.Wrong("JWT_ISSUERS", err)
		}
		if slices.ContainsFunc(s.Issuers, func(other trust.Issuer) bool { return other.Rules.Issuer == issuer.Rules.Issuer }) {
			return v.Wrong("JWT_ISSUERS", fmt.Errorf("two files describe the issuer %q; remove one", issuer.Rules.Issuer))
		}
		s.Issuers = append(s.Issuers, issuer)
	}
	if trust.Ask(s.Issuers, s.FirstScopes) == "" {
		log.Warn("the issuers have different names for the scopes to ask for first, so clients are told none at first; "+
			"a client learns its issuer's names when a call needs more", "MCP_CHALLENGE_SCOPES", s.FirstScopes)
	}
	return nil
}

// checkServerWide sees that nothing about an issuer stands beside JWT_ISSUERS: it
// would be about none of them, or about all.
func (v *settings) checkServerWide() error {
	for _, name := range append(slices.Sorted(maps.Keys(defaults)), derived...) {
		if _, where := v.Find(name); where != "" && !slices.Contains(serverWide, name) {
			return v.Wrong(name, errors.New("JWT_ISSUERS is set too: write this into the file of the issuer that it is about"))
		}
	}
	return nil
}

// readIssuerFile reads the issuer that a file of JWT_ISSUERS describes. The
// environment doesn't count: it couldn't say which issuer is meant.
func readIssuerFile(file, serverURL string, log *slog.Logger) (trust.Issuer, error) {
	if file == "" {
		return trust.Issuer{}, errors.New("write names of files with commas between")
	}
	v, err := load(file, func(string) string { return "" }, log)
	if err != nil {
		return trust.Issuer{}, err
	}
	if _, where := v.Find("JWT_ISSUERS"); where != "" {
		return trust.Issuer{}, v.Wrong("JWT_ISSUERS", errors.New("a file that JWT_ISSUERS names describes one issuer; remove this"))
	}
	for _, name := range serverWide {
		if _, where := v.Find(name); where != "" {
			log.Info("variable ignored: it is about the server, and this file is read for its issuer", "file", file, "variable", name)
		}
	}
	return v.readIssuer(serverURL)
}

// readIssuer reads whom to trust, and by which rules.
func (v *settings) readIssuer(serverURL string) (issuer trust.Issuer, err error) {
	rules := &issuer.Rules
	if rules.Issuer, err = v.readIssuerName(); err != nil {
		return issuer, err
	}
	if rules.Algorithms, err = v.Subset("JWT_ALGORITHMS", algorithms); err != nil {
		return issuer, err
	}
	if rules.Dialect, err = v.readDialect(); err != nil {
		return issuer, err
	}
	if err := v.readAudiences(rules, serverURL+"/mcp"); err != nil {
		return issuer, err
	}
	if rules.ScopeNames, err = v.readScopeNames(rules.Dialect); err != nil {
		return issuer, err
	}
	if issuer.Keys, err = v.readKeys(rules); err != nil {
		return issuer, err
	}
	issuer.Introspection, err = v.readIntrospection()
	issuer.Keys.NoKeys = issuer.Introspection != nil
	return issuer, err
}

// realmName is what a realm's name may look like: it becomes a part of a path.
var realmName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (v *settings) readIssuerName() (string, error) {
	if issuer := v.Get("JWT_ISSUER"); issuer != "" {
		if err := issuerkeys.CheckURL(issuer); err != nil {
			return "", v.Wrong("JWT_ISSUER", err)
		}
		// RFC 8414, section 2: an issuer has no query and no fragment.
		if strings.ContainsAny(issuer, "?#") {
			return "", v.Wrong("JWT_ISSUER", fmt.Errorf("%q has a query or a fragment: write it as the provider's metadata does", issuer))
		}
		return issuer, nil
	}
	base, realm := strings.TrimSuffix(v.Get("KEYCLOAK_URL"), "/"), v.Get("KEYCLOAK_REALM")
	if err := issuerkeys.CheckURL(base); err != nil {
		return "", v.Wrong("KEYCLOAK_URL", err)
	}
	if strings.ContainsAny(base, "?#") {
		return "", v.Wrong("KEYCLOAK_URL", fmt.Errorf("%q must not have a query or fragment; remove it", base))
	}
	if !realmName.MatchString(realm) {
		return "", v.Wrong("KEYCLOAK_REALM", fmt.Errorf("%q is not the name of a realm: use letters, digits and . _ -", realm))
	}
	return base + "/realms/" + realm, nil
}

// readAudiences reads whom tokens must be meant for: this server, own, or whatever
// the issuer calls it. An audience needn't be a URL; it is compared to the letter.
func (v *settings) readAudiences(rules *accesstoken.Verifier, own string) error {
	rules.Audience = own
	if text := v.Get("JWT_AUDIENCE"); text != "" {
		var all []string
		for audience := range strings.SplitSeq(text, ",") {
			audience = strings.TrimSpace(audience)
			if audience == "" || strings.ContainsAny(audience, " \t") {
				return v.Wrong("JWT_AUDIENCE", fmt.Errorf("%q has a blank or is empty: write one audience, or several with commas between",
					audience))
			}
			all = append(all, audience)
		}
		rules.Audience = all[0]
		if len(all) > 1 {
			rules.Audiences = all[1:]
		}
	}
	if claim := rules.Dialect.Audience; claim != "" && claim != "aud" {
		v.log.Warn("tokens are not asked whom they are for: a token opens every server that looks at the same claim",
			"JWT_AUDIENCE_CLAIM", claim, "JWT_AUDIENCE", rules.Audience)
		return nil
	}
	if rules.Audience == own || slices.Contains(rules.Audiences, own) {
		return nil
	}
	level := slog.LevelWarn
	if _, where := v.Find("JWT_DIALECT"); where != "" {
		level = slog.LevelInfo // as it must be with some providers
	}
	v.log.Log(context.Background(), level, "JWT_AUDIENCE is not this server's resource identifier: tokens that a client requests "+
		"for this server (RFC 8707) are refused, unless the issuer also adds JWT_AUDIENCE to them; "+
		"such tokens also open whatever else takes that audience",
		"JWT_AUDIENCE", rules.Audience, "resource", own)
	return nil
}

// algorithms are those that jwks knows.
var algorithms = []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"}

func (v *settings) readKeys(rules *accesstoken.Verifier) (keys issuerkeys.Config, err error) {
	keys = issuerkeys.Config{Issuer: rules.Issuer, Address: v.Get("JWT_ISSUER_ADDRESS"), Algorithms: rules.Algorithms}
	if keys.Address != "" {
		u, err := baseurl.Parse("the address", keys.Address)
		if err != nil {
			return keys, v.Wrong("JWT_ISSUER_ADDRESS", err)
		}
		if !baseurl.Secure(u) {
			v.log.Warn("keys are fetched over plain http from another machine: whoever controls that network can sign tokens",
				"JWT_ISSUER_ADDRESS", keys.Address)
		}
	}
	const least, most = 100 * time.Millisecond, time.Hour
	keys.MinInterval, err = time.ParseDuration(v.Get("JWKS_MIN_INTERVAL"))
	if err != nil || keys.MinInterval < least || keys.MinInterval > most {
		return keys, v.Wrong("JWKS_MIN_INTERVAL", fmt.Errorf("%q is not a duration from %s to %s: write it like 5s",
			v.Get("JWKS_MIN_INTERVAL"), least, most))
	}
	return keys, nil
}
