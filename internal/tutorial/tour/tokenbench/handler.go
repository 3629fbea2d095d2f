package tokenbench

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

//go:embed tokenbench.html
var text string

var templates = part.Templates(text)

// Path is where the bench stands in the tour.
const Path = "/token/"

// maxForm bounds a form: the parts of a token as JSON, and the token, in bytes.
const maxForm = 8 * jws.MaxSize

// Part is the bench in the tour. Tokens come by POST alone, so that none is in a URL
// or in the history.
func Part(bench *Bench, site part.Site) tour.Part {
	h := &handler{bench, site}
	return tour.Part{
		Name: "token", Menu: "Token bench", Main: h.first,
		Tab: func(step int) string {
			if step >= 6 && step != 9 && step != 11 { // those that read tokens
				return "Token bench"
			}
			return ""
		},
		Step:   func(r *http.Request, _ int) (tour.Content, error) { return h.first(r) },
		Routes: func(mux *http.ServeMux) { mux.HandleFunc("POST "+Path+"{$}", h.changed) },
	}
}

// handler answers with the bench.
type handler struct {
	bench *Bench
	site  part.Site
}

// first shows a good token.
func (h *handler) first(r *http.Request) (tour.Content, error) {
	return h.content(r, func(s *state) (err error) {
		s.Note = "This is a good token of gentoken. Change it, or choose a flaw."
		s.Token, err = h.bench.Good()
		return err
	})
}

// changed shows what a form asks for.
func (h *handler) changed(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		problem := tour.Problemf(http.StatusBadRequest, "The form could not be read. It may have %d bytes at most.", maxForm)
		h.site.Render(w, r, tour.Content{}, problem)
		return
	}
	content, err := h.content(r, func(s *state) error { return h.choose(s, r) })
	h.site.Render(w, r, content, err)
}

// state is what the page shows.
type state struct {
	Token             string
	Rules             Rules
	Chosen            string // flaw or shape
	IsShape, IsPasted bool
	Note              string // a sentence about the token
	Attack            string // of the catalogue, that it belongs to; may be empty
	Problem           string
}

// choose reads the form: a pasted token, edited parts, a flaw or a shape.
func (h *handler) choose(s *state, r *http.Request) (err error) {
	form := r.PostForm
	switch {
	case form.Has("flaw"):
		s.Chosen = form.Get("flaw")
		flaw, _ := mint.FlawByName(s.Chosen)
		s.Note, s.Attack = fmt.Sprintf("This token %s.", flaw.Explain), flaw.Attack
		s.Token, err = h.bench.Flawed(s.Chosen)
	case form.Has("shape"):
		s.Chosen, s.IsShape = form.Get("shape"), true
		s.Token, s.Rules, err = h.bench.Shape(s.Chosen)
		s.Note = "This is the token as the provider documents it, signed with the key of this bench. " +
			"The rules are those of RFC 9068 for this issuer; choose the provider's dialect to see the difference."
	case form.Has("token"):
		s.IsPasted = true
		s.Token, err = pasted(form.Get("token"))
		if issuer, claimedErr := accesstoken.ClaimedIssuer(s.Token); claimedErr != nil || issuer != Issuer {
			s.Rules.Offline = true
			s.Note = "The keys of this issuer are not here, so the key and the signature are not checked. Nothing is sent anywhere."
		}
	default:
		s.Rules = Rules{
			Issuer: form.Get("issuer"), Audience: form.Get("audience"), Dialect: form.Get("dialect"), Offline: form.Has("offline"),
		}
		if s.Token = form.Get("opaque"); s.Token != "" {
			return nil
		}
		s.Token, err = h.bench.Sign(Parts{form.Get("header"), form.Get("claims"), form.Get("signature")}, Signer(form.Get("sign")))
	}
	return err
}

var errNoToken = errors.New("there is not one token in the field: paste a single word, or a line with Authorization: Bearer before it")

// pasted is the token in a text, as people have it at hand. No error holds a part of it.
func pasted(text string) (string, error) {
	words := slices.DeleteFunc(strings.Fields(text), func(word string) bool {
		return strings.EqualFold(word, "Authorization:") || strings.EqualFold(word, "Bearer")
	})
	if len(words) != 1 || len(words[0]) > jws.MaxSize {
		return "", errNoToken
	}
	return strings.Trim(words[0], `"'`), nil
}

// view is the page.
type view struct {
	Path string
	state
	Parts
	IsJWT    bool
	Encoded  [3]string // the token's parts, for the colours
	Verdict  Verdict
	Checks   []shown
	Refusal  *shown
	Signers  []signer
	Dialects []dialect.Dialect
	Flaws    []mint.Flaw
	Shapes   []shape
}

// shown is a check with the excerpt of its line.
type shown struct {
	Check
	Link    string // of the line
	Excerpt *part.Excerpt
}

type signer struct {
	Value Signer
	Says  string
}

type shape struct{ Name, Says string }

var signers = []signer{
	{Kept, "Keep the signature and check"}, {ByIssuer, "Sign with the issuer's key"}, {ByOther, "Sign with an unknown key"},
	{ByNobody, "Take the signature away"},
}

// content is the page about a token, or the reason why there is none, above a good one.
func (h *handler) content(r *http.Request, fill func(*state) error) (tour.Content, error) {
	s := state{Rules: Strict()}
	if err := fill(&s); err != nil {
		s = state{Rules: Strict(), Problem: err.Error()}
		if s.Token, err = h.bench.Good(); err != nil {
			return tour.Content{}, err
		}
	}
	v, err := h.view(r, s)
	if err != nil {
		return tour.Content{}, err
	}
	return part.Content("The token bench", templates, "bench", v)
}

func (h *handler) view(r *http.Request, s state) (*view, error) {
	v := &view{Path: Path, state: s, Signers: signers, Dialects: dialect.All(), Flaws: mint.Flaws}
	v.Parts, v.IsJWT = Take(s.Token)
	if v.IsJWT {
		copy(v.Encoded[:], strings.SplitN(s.Token, ".", 3))
	}
	for _, name := range h.bench.Shapes() {
		v.Shapes = append(v.Shapes, shape{name, h.bench.Expected(name).Note + h.bench.Expected(name).Why})
	}
	var err error
	if v.Verdict, err = h.bench.Judge(r.Context(), s.Token, s.Rules); err != nil {
		return nil, &tour.Problem{Status: http.StatusBadRequest, Text: err.Error()}
	}
	for _, check := range v.Verdict.Checks {
		c := shown{Check: check, Link: part.Link(check.Line.File, check.Line.Line)}
		if check.Refuses {
			if c.Excerpt, err = part.Read(h.site.Root, check.Line.File, check.Line.First, check.Line.Last, check.Line.Line); err != nil {
				return nil, err
			}
			v.Refusal = &c
		}
		v.Checks = append(v.Checks, c)
	}
	return v, nil
}
