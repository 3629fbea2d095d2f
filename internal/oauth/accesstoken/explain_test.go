package accesstoken

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/mint"
)

// outcomes are the names of the checks with an outcome.
func outcomes(report []Check, outcome Outcome) (names []string) {
	for _, check := range report {
		if check.Outcome == outcome {
			names = append(names, check.Name)
		}
	}
	return names
}

// A report and a verification are made by the same checks: a good token passes all,
// and of a bad one the first that fails is the reason that Verify gives.
func TestWC17_ExplainSaysWhatVerifyDoes(t *testing.T) {
	t.Parallel()
	v := verifier()
	good := v.Explain(t.Context(), token(draft()))
	if passed := outcomes(good, Passed); len(passed) != len(checks) {
		t.Errorf("of a good token passed %q alone", passed)
	}
	for _, flaw := range mint.Flaws {
		d := draft()
		if err := flaw.Spoil(d); err != nil {
			t.Fatal(err)
		}
		text := token(d)
		_, err := v.Verify(t.Context(), text)
		report := v.Explain(t.Context(), text)
		if len(report) != len(checks) {
			t.Fatalf("%s: %d checks", flaw.Name, len(report))
		}
		var first *Refusal
		for _, check := range report {
			if check.Rule == "" || (check.Outcome == Failed) != (check.Refusal != nil) || check.Outcome == NotChecked && check.Detail == "" {
				t.Errorf("%s: %+v", flaw.Name, check)
			}
			if first == nil && check.Outcome == Failed {
				first = check.Refusal
			}
		}
		if first == nil || err == nil || !strings.HasPrefix(first.Error(), err.Error()) {
			t.Errorf("%s: Verify says %q, the report %v", flaw.Name, err, first)
		}
	}
}

// Offline, what needs the issuer's keys is not checked, and everything else is.
func TestWC17_ExplainOffline(t *testing.T) {
	t.Parallel()
	v := verifier()
	v.Keys = nil
	report := v.Explain(t.Context(), token(with(draft(), claim("aud", "other"))))
	if not := outcomes(report, NotChecked); strings.Join(not, " ") != "key signature" {
		t.Errorf("not checked: %q", not)
	}
	if failed := outcomes(report, Failed); strings.Join(failed, " ") != "audience" {
		t.Errorf("failed: %q", failed)
	}
	// What depends on something that is missing isn't checked either.
	for name, c := range map[string]struct {
		spoil       change
		not, failed string
	}{
		"no kid":      {noHeader("kid"), "signature", "key"},
		"no exp":      {noClaim("exp"), "key signature lifetime", "expiry"},
		"an iat of a": {claim("iat", "a"), "key signature lifetime", "issue"},
	} {
		report := v.Explain(t.Context(), token(with(draft(), c.spoil)))
		if not, failed := strings.Join(outcomes(report, NotChecked), " "), strings.Join(outcomes(report, Failed), " "); not != c.not || failed != c.failed {
			t.Errorf("%s: not checked: %q, failed: %q", name, not, failed)
		}
	}
	report = (&Verifier{}).Explain(t.Context(), token(draft()))
	if not := outcomes(report, NotChecked); strings.Join(not, " ") != "algorithm key signature issuer audience" {
		t.Errorf("with nothing configured, not checked: %q", not)
	}
	// What can't be made must not count as passed.
	report = v.Explain(t.Context(), "ya29.opaque")
	if passed := outcomes(report, Passed); passed != nil || report[0].Outcome != Failed || !strings.Contains(report[0].Refusal.Error(), "opaque") {
		t.Errorf("%q, %+v", passed, report[0])
	}
	if report = v.Explain(t.Context(), "a.b.c.d.e"); !strings.Contains(report[0].Refusal.Error(), "encrypted") {
		t.Errorf("%+v", report[0])
	}
}

// A check that passed says what the token has.
func TestExplainDetails(t *testing.T) {
	t.Parallel()
	details := func(v *Verifier, c change) string {
		var all []string
		for _, check := range v.Explain(t.Context(), token(with(draft(), c))) {
			all = append(all, check.Detail)
		}
		return strings.ReplaceAll(strings.Join(all, "|"), published().ID, "KID")
	}
	id := claim("jti", "J")
	const good = `|RS256||"KID"||"at+jwt"||the header says so|"http://localhost:9000"|"http://localhost:9000/mcp"|until 2026-06-01T13:00:00Z|` +
		`|iat 2026-06-01T12:00:00Z|1h0m0s||"client"|"alice"|"J"|"mcp:read mcp:tools"|"user"`
	if got := details(verifier(), id); got != good {
		t.Errorf("%s\nwant %s", got, good)
	}
	plain := details(provider(keycloak), all(id, header("typ", "JWT"), claim("typ", "Bearer"), noClaim("scope"), claim("nbf", now.Unix())))
	for _, says := range []string{`"JWT"`, "typ=Bearer", "nbf 2026-06-01T12:00:00Z", "it has none|it has none"} {
		if !strings.Contains(plain, says) {
			t.Errorf("%s doesn't say %s", plain, says)
		}
	}
	if got := details(provider(must(dialect.Named("pingone"))), all(id, noHeader("typ"))); !strings.Contains(got, "there is none") {
		t.Error(got)
	}
	v := verifier()
	v.Keys, v.Algorithms, v.Issuer, v.Audience = nil, nil, "", ""
	got := details(v, id)
	for _, says := range []string{"no algorithms are configured; the token says \"RS256\"", "no issuer is configured; the token says \"http", "no audience is configured; the token says \"http", "there is no key"} {
		if !strings.Contains(got, says) {
			t.Errorf("%s doesn't say %s", got, says)
		}
	}
}

// Claims that the issuer states itself are held to the same rules.
func TestVerifyClaims(t *testing.T) {
	t.Parallel()
	v := verifier()
	v.Keys = nil
	d := draft()
	payload := func(c change) []byte {
		with(d, c)
		return decoded(strings.Split(token(d), ".")[1])
	}
	who, err := v.VerifyClaims(payload(all()))
	if err != nil || who.Subject != "alice" || !who.HasScope("mcp:tools") {
		t.Errorf("%+v, %v", who, err)
	}
	for want, spoil := range map[error]change{
		ErrAudience: claim("aud", "other"), ErrIssuer: claim("iss", "https://other"), ErrExpired: claim("exp", 1), ErrBound: claim("cnf", 1),
		ErrMissingClaim: noClaim("client_id"), ErrScopes: claim("scope", []string{"a"}),
	} {
		d = draft()
		if who, err := v.VerifyClaims(payload(spoil)); !errors.Is(err, want) || who != nil {
			t.Errorf("%v, %v, want %v", who, err, want)
		}
	}
	if _, err := v.VerifyClaims([]byte("[]")); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, err := (&Verifier{}).VerifyClaims(payload(all())); !errors.Is(err, ErrUnconfigured) {
		t.Error(err)
	}
	if _, err := (&Verifier{}).Verify(context.Background(), token(draft())); !errors.Is(err, ErrUnconfigured) {
		t.Error(err)
	}
}
