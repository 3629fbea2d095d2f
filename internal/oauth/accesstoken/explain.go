package accesstoken

import (
	"context"
	"errors"
	"fmt"
)

// Outcome is what came of one check.
type Outcome string

const (
	Passed     Outcome = "ok"
	Failed     Outcome = "failed"
	NotChecked Outcome = "not checked" // it can't be known here; see Check.Detail
)

// Check is one check of a token, as [Verifier.Explain] reports it.
type Check struct {
	Name    string   // one word: "signature", "audience"
	Rule    string   // what must hold
	Outcome Outcome  // of the three above
	Detail  string   // if Passed: what the token has, where that says something. If NotChecked: why
	Refusal *Refusal // if Failed
}

// Refusal is the error of a check that failed: what the token has, what is wanted,
// and how to go on. Its parts are for logs and for the operator, and not for callers;
// they are short, have no control characters, and hold no more of the token than
// one value. It wraps one of the errors of this package.
type Refusal struct {
	Err  error
	Has  string // what the token has
	Want string // what is wanted; empty where Err says it
	Do   string // how to go on; empty where nothing helps
}

func (r *Refusal) Error() string {
	text := r.Err.Error()
	if r.Has != "" {
		text += ": " + r.Has
	}
	if r.Want != "" {
		text += ", want " + r.Want
	}
	if r.Do != "" {
		text += "; " + r.Do
	}
	return text
}

func (r *Refusal) Unwrap() error { return r.Err }

// notChecked is the error of a check that can't be made here. [Verifier.Verify]
// refuses for it, as for any other.
type notChecked string

func (n notChecked) Error() string { return string(n) }

// Explain makes every check of [Verifier.Verify], in the same order and by the same
// code, and goes on after one that fails. It reports each. Nothing must be let in by
// its result.
//
// Explain works offline: without Keys, the key and the signature are [NotChecked].
// What is not configured (an empty Issuer, an empty Audience, no Algorithms) is
// NotChecked too, and so is all that can't be read since an earlier check failed. A
// token is good only if all checks have [Passed].
func (v *Verifier) Explain(ctx context.Context, token string) []Check {
	e := v.examine(ctx, &Unverified{Text: token})
	e.reports = true
	report := make([]Check, 0, len(checks))
	for _, check := range checks {
		report = append(report, check.explain(e))
	}
	return report
}

func (c check) explain(e *examination) Check {
	report := Check{Name: c.name, Rule: c.rule, Outcome: NotChecked}
	switch {
	case (c.reads == theHeader || c.reads == theBoth) && e.token.signed == nil:
		report.Detail = "the token could not be taken apart"
		return report
	case (c.reads == theClaims || c.reads == theBoth) && e.claims == nil:
		report.Detail = "the claims could not be read"
		return report
	}
	e.detail = ""
	err := c.run(e)
	report.Detail = e.detail
	var skipped notChecked
	switch {
	case err == nil:
		report.Outcome = Passed
	case errors.As(err, &skipped):
		report.Detail = string(skipped)
	default:
		report.Outcome, report.Detail = Failed, ""
		if !errors.As(err, &report.Refusal) {
			report.Refusal = &Refusal{Err: err}
		}
	}
	return report
}

// printable is an excerpt of a value, in quotes.
func printable(value string) string { return fmt.Sprintf("%.64q", value) }
