package envfile

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/oauth/syntax"
)

// readDialect reads how the issuer writes its tokens: a preset, and what single
// variables change in it.
func (v *settings) readDialect() (dialect.Dialect, error) {
	d, err := dialect.Named(v.dialectName())
	if err != nil {
		return d, v.Wrong("JWT_DIALECT", err)
	}
	for _, read := range []func(*dialect.Dialect) error{
		v.readTypes, v.readProof, v.readClaims, v.readRoles, v.readMayLack, v.readLifetime,
	} {
		if err := read(&d); err != nil {
			return d, err
		}
	}
	if err := d.Check(); err != nil {
		name := "JWT_TYPES"
		if _, where := v.Find(name); where == "" {
			name = "JWT_PROOF"
		}
		return d, v.Wrong(name, fmt.Errorf("%w: set JWT_DIALECT, or JWT_PROOF", err))
	}
	return d, nil
}

// dialectName is the strictest dialect unless another is named, or a Keycloak is.
func (v *settings) dialectName() string {
	if name := v.Get("JWT_DIALECT"); name != "" {
		return name
	}
	issuer := v.Get("JWT_ISSUER")
	if issuer == "" {
		return "keycloak"
	}
	const strict = "rfc9068"
	if fit := dialect.ForIssuer(issuer); len(fit) > 0 && fit[0].Name != strict {
		v.log.Warn("JWT_DIALECT is not set, so tokens must follow RFC 9068; this issuer has perhaps another dialect",
			"issuer", issuer, "JWT_DIALECT", fit[0].Name)
	}
	return strict
}

// types are the values of the header typ that can be allowed.
var types = []string{"at+jwt", "JWT", dialect.NoType}

func (v *settings) readTypes(d *dialect.Dialect) (err error) {
	if v.Get("JWT_TYPES") != "" {
		d.Types, err = v.Subset("JWT_TYPES", types)
	}
	return err
}

func (v *settings) readProof(d *dialect.Dialect) error {
	text := v.Get("JWT_PROOF")
	if text == "" {
		return nil
	}
	d.Proof = nil
	for part := range strings.SplitSeq(text, ",") {
		condition, err := dialect.ParseCondition(strings.TrimSpace(part))
		if err != nil {
			return v.Wrong("JWT_PROOF", err)
		}
		d.Proof = append(d.Proof, condition)
	}
	return nil
}

// readClaims reads which claims hold what.
func (v *settings) readClaims(d *dialect.Dialect) error {
	for name, target := range map[string]*[]string{"JWT_CLIENT_CLAIMS": &d.Client, "JWT_SCOPE_CLAIMS": &d.Scopes} {
		if text := v.Get(name); text != "" {
			*target = nil
			for claim := range strings.SplitSeq(text, ",") {
				*target = append(*target, strings.TrimSpace(claim))
			}
		}
		for _, claim := range *target {
			if !claimName(strings.TrimSuffix(claim, "[]")) {
				return v.Wrong(name, fmt.Errorf("%q is not the name of a claim: write names with commas between", claim))
			}
		}
	}
	for name, target := range map[string]*string{
		"JWT_AUDIENCE_CLAIM": &d.Audience, "JWT_ID_CLAIM": &d.ID, "JWT_SUBJECT_CLAIM": &d.Subject, "JWT_USERNAME_CLAIM": &d.Username,
	} {
		claim := v.Get(name)
		if claim == "" {
			continue
		}
		if !claimName(claim) {
			return v.Wrong(name, fmt.Errorf("%q is not the name of a claim: write one name", claim))
		}
		*target = claim
	}
	return nil
}

func claimName(name string) bool { return name != "" && !strings.ContainsAny(name, " ,\t") }

// readRoles reads where the user's roles are: a claim, a path, or the roles of a
// client of a Keycloak.
func (v *settings) readRoles(d *dialect.Dialect) (err error) {
	claim, client := v.Get("JWT_ROLES_CLAIM"), v.Get("JWT_ROLES_CLIENT")
	switch {
	case claim != "" && client != "":
		return v.Wrong("JWT_ROLES_CLIENT", errors.New("JWT_ROLES_CLAIM is set too, and only one can say where roles are: remove one"))
	case claim != "":
		if d.Roles, err = dialect.ParsePath(claim); err != nil {
			return v.Wrong("JWT_ROLES_CLAIM", err)
		}
	case client != "":
		d.Roles = dialect.ClientRoles(client)
	}
	return nil
}

// nothing is a list without a word in it, where no value means the preset's.
const nothing = "nothing"

func (v *settings) readMayLack(d *dialect.Dialect) (err error) {
	switch v.Get("JWT_MAY_LACK") {
	case "":
	case nothing:
		d.MayLack = nil
	default:
		d.MayLack, err = v.Subset("JWT_MAY_LACK", []string{"iat", "sub", "jti"})
	}
	return err
}

func (v *settings) readLifetime(d *dialect.Dialect) (err error) {
	const least, most = time.Minute, 30 * 24 * time.Hour
	text := v.Get("JWT_MAX_LIFETIME")
	if text == "" {
		return nil
	}
	if d.MaxLifetime, err = time.ParseDuration(text); err != nil || d.MaxLifetime < least || d.MaxLifetime > most {
		return v.Wrong("JWT_MAX_LIFETIME", fmt.Errorf("%q is not a duration from %s to %s: write it like 28h", text, least, most))
	}
	return nil
}

// readScopeNames reads what the issuer calls the scopes of this server.
func (v *settings) readScopeNames(d dialect.Dialect) (principal.ScopeNames, error) {
	names := principal.ScopeNames{}
	for entry := range strings.FieldsSeq(v.Get("JWT_SCOPE_NAMES")) {
		own, asked, _ := strings.Cut(entry, "=")
		if !syntax.ScopeToken(own) || !syntax.ScopeToken(asked) || d.Granted(asked) == "" {
			return nil, v.Wrong("JWT_SCOPE_NAMES", fmt.Errorf("%q is not NAME-HERE=NAME-THERE: write entries with blanks between", entry))
		}
		if _, twice := names[own]; twice {
			return nil, v.Wrong("JWT_SCOPE_NAMES", fmt.Errorf("%q has two names; write one", own))
		}
		names[own] = principal.ScopeName{Asked: asked, Granted: d.Granted(asked)}
	}
	if len(names) == 0 {
		return nil, nil
	}
	return names, nil
}
