// Package switcher shows what changes with the provider: the same user, another token,
// and which check of a strict server refuses it.
//
//	rows, err := switcher.Table(ctx, bench, "okta")
//
// The tokens are those of providershapes, the rules the presets of package dialect, the
// checks those of the servers.
package switcher

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
	"mcp-auth-step-by-step/internal/tutorial/tour/tokenbench"
)

//go:embed switcher.html
var text string

var templates = part.Templates(text)

// strict is the preset of RFC 9068 to the letter.
const strict = "rfc9068"

// Outcome is what one server makes of one token.
type Outcome struct {
	Accepted bool
	Check    string // that refuses
	Number   int    // of that check
	Says     string // why
	Line     int
	Link     string
}

// Row is one provider's token.
type Row struct {
	Name   string
	Strict Outcome
	Chosen Outcome // by the preset that was chosen
	// By are the presets by which it is accepted.
	By []string
	// Note is what the provider's documentation says about the token.
	Note string
}

// Table is what a strict server and one with a preset make of each provider's token. Each
// server trusts the issuer of the token.
func Table(ctx context.Context, bench *tokenbench.Bench, preset string) ([]Row, error) {
	var rows []Row
	for _, name := range bench.Shapes() {
		token, rules, err := bench.Shape(name)
		if err != nil {
			return nil, err
		}
		expected := bench.Expected(name)
		row := Row{Name: name, Note: expected.Note + expected.Why}
		for _, d := range dialect.All() {
			rules.Dialect = d.Name
			verdict, err := bench.Judge(ctx, token, rules)
			if err != nil {
				return nil, err
			}
			if verdict.Accepted() {
				row.By = append(row.By, d.Name)
			}
			if d.Name == strict {
				row.Strict = outcome(verdict)
			}
			if d.Name == preset {
				row.Chosen = outcome(verdict)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func outcome(v tokenbench.Verdict) Outcome {
	if v.Stop == nil {
		return Outcome{Accepted: v.Accepted()}
	}
	return Outcome{
		Check: v.Stop.Name, Number: v.Stop.Number, Says: v.Stop.Refusal.Error(), Line: v.Stop.Line.Line,
		Link: part.Link(v.Stop.Line.File, v.Stop.Line.Line),
	}
}

// Change is one way in which a preset differs from RFC 9068.
type Change struct{ What, Strict, Preset string }

// Changes are all ways.
func Changes(of dialect.Dialect) []Change {
	plain, err := dialect.Named(strict)
	if err != nil {
		return nil
	}
	a, b := plain.Filled(), of.Filled()
	var changes []Change
	for _, c := range []Change{
		{"type in the header", list(a.Types), list(b.Types)},
		{"proof that it is an access token", proof(a), proof(b)},
		{"claim with the audience", a.Audience, b.Audience},
		{"claims that name the client", list(a.Client), list(b.Client)},
		{"claims with the scopes", list(a.Scopes), list(b.Scopes)},
		{"path to the roles", list(a.Roles), list(b.Roles)},
		{"claim with the token's id", a.ID, b.ID},
		{"claim with the user's id", a.Subject, b.Subject},
		{"claim with a name to show", a.Username, b.Username},
		{"claim that must be in the issuer", a.Tenant, b.Tenant},
		{"claims that may be missing", list(a.MayLack), list(b.MayLack)},
		{"longest lifetime", a.MaxLifetime.String(), b.MaxLifetime.String()},
	} {
		if c.Strict != c.Preset {
			changes = append(changes, c)
		}
	}
	return changes
}

func list(names []string) string { return strings.Join(names, ", ") }

func proof(d dialect.Dialect) string {
	if len(d.Proof) == 0 {
		return "the type in the header"
	}
	var conditions []string
	for _, condition := range d.Proof {
		conditions = append(conditions, condition.String())
	}
	return list(conditions)
}

// Path is where the table stands in the tour.
const Path = "/providers/"

// Part is the table in the tour. The preset is a part of the URL: ?dialect=okta.
func Part(bench *tokenbench.Bench) tour.Part {
	show := func(r *http.Request) (tour.Content, error) { return content(r, bench) }
	return tour.Part{
		Name: "providers", Menu: "Providers", Main: show,
		Tab: func(step int) string {
			if step == 10 { // the step that trusts a provider
				return "Switch provider"
			}
			return ""
		},
		Step: func(r *http.Request, _ int) (tour.Content, error) { return show(r) },
	}
}

type view struct {
	Path     string
	Dialects []dialect.Dialect
	Chosen   dialect.Dialect
	Changes  []Change
	Rows     []Row
	Accepted int
}

func content(r *http.Request, bench *tokenbench.Bench) (tour.Content, error) {
	name := r.URL.Query().Get("dialect")
	if name == "" {
		name = "keycloak"
	}
	chosen, err := dialect.Named(name)
	if err != nil {
		return tour.Content{}, tour.Problemf(http.StatusNotFound, "There is no dialect %.40q. Choose one on the page of providers.", name)
	}
	v := view{Path: Path, Dialects: dialect.All(), Chosen: chosen, Changes: Changes(chosen)}
	if v.Rows, err = Table(r.Context(), bench, name); err != nil {
		return tour.Content{}, fmt.Errorf("the table could not be made: %w", err)
	}
	for _, row := range v.Rows {
		if row.Chosen.Accepted {
			v.Accepted++
		}
	}
	return part.Content("Switch the provider", templates, "providers", v)
}
