// Package tokencheck says what a server of step 10 makes of an access token, and
// under which settings it would take it. It works offline: nothing is sent, and
// the signature is not checked.
//
//	report := tokencheck.Run(ctx, settings, token, time.Now())
//	fmt.Print(report.Text())
//
// The checks are those of accesstoken, in the same order and by the same code. A
// report has neither the token nor a secret.
package tokencheck

import (
	"context"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/envfile"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/dialect"
)

// Report is what there is to say about a token.
type Report struct {
	// Issuer is the issuer that the token names; empty: it names none. Trusted says
	// that the settings trust it.
	Issuer  string
	Trusted bool
	Dialect string // of which the token seems to be; empty: of none that is known
	Rules   string // the issuer by whose rules the token was checked
	Checks  []accesstoken.Check
	// Lines are settings under which the token would pass. They are empty where it
	// passes as it is, and where none can; Why says which.
	Lines []Line
	Why   []string // sentences: why no setting helps, or what the lines don't change
}

// Line is one setting.
type Line struct {
	Name, Value string
	Remark      string // what it opens, or what would be better; empty: nothing
}

// Passes reports whether no check failed.
func (r *Report) Passes() bool {
	return !slices.ContainsFunc(r.Checks, func(c accesstoken.Check) bool { return c.Outcome == accesstoken.Failed })
}

// Run checks a token by the rules of the issuer that it names, or by those of the
// first one where none of the settings' issuers is meant.
func Run(ctx context.Context, settings *envfile.Settings, token string, now time.Time) *Report {
	clock := func() time.Time { return now }
	rules := settings.Issuers[0].Rules
	r := &Report{}
	if name, err := accesstoken.ClaimedIssuer(token); err == nil {
		r.Issuer = name
	}
	for _, issuer := range settings.Issuers {
		if issuer.Rules.Issuer == r.Issuer {
			rules, r.Trusted = issuer.Rules, true
		}
	}
	rules.Now, rules.Keys = clock, nil
	r.Rules, r.Checks = rules.Issuer, rules.Explain(ctx, token)
	s := search{ctx: ctx, token: token, base: rules, own: settings.ServerURL + "/mcp", now: now}
	if r.Passes() {
		r.Dialect = rules.Dialect.Name
		r.Why = []string{"It passes with the settings as they are, if the key and the signature are right."}
		return r
	}
	if !r.Trusted {
		// What else the settings say is about another issuer.
		s.base = accesstoken.Verifier{Audience: s.own, Algorithms: []string{"RS256"}, Now: clock}
	}
	if r.Why = s.hopeless(); r.Why != nil {
		return r
	}
	found := s.best(r.Issuer)
	if found == nil {
		r.Why = []string{unproven}
		return r
	}
	r.Dialect, r.Lines, r.Why = found.rules.Dialect.Name, found.lines, found.remarks
	return r
}

const unproven = "No known dialect shows that this is an access token, and an ID token must not be taken for one. " +
	"If the provider's documentation names a claim that only its access tokens have, say it in JWT_PROOF, and the header's type in JWT_TYPES."

// candidates are the dialects that the token may be of: the one that is set, those
// that fit the issuer's address, and if none fits, the strictest for a token whose
// header is that of RFC 9068, and all for others.
func (s *search) candidates(issuer string, typed bool) []dialect.Dialect {
	var list []dialect.Dialect
	if s.base.Dialect.Name != "" {
		list = append(list, s.base.Dialect)
	}
	fit := dialect.ForIssuer(issuer)
	if s.known = len(fit) > 0; !s.known && !typed {
		fit = dialect.All()
	} else if strict, err := dialect.Named("rfc9068"); err == nil {
		fit = append(fit, strict)
	}
	for _, d := range fit {
		if d.Name != s.base.Dialect.Name {
			list = append(list, d)
		}
	}
	return list
}
