package tour

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/envfile"
	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/tutorial/issuercheck"
	"mcp-auth-step-by-step/internal/tutorial/tokencheck"
	"mcp-auth-step-by-step/internal/web/safefetch"
	"mcp-auth-step-by-step/internal/web/serve"
)

// checkPart points the read-only checks of check token and check issuer at what the
// visitor names. A token comes by POST alone, and is kept nowhere: no URL, log,
// history or file has it, and the answer doesn't repeat it.
func (s *Server) checkPart() Part {
	show := func(found checked) (Content, error) {
		return Content{Title: "Point it at your own", Body: execute("check.html", found), Scripts: []string{"tour.js"}}, nil
	}
	return Part{
		Name: "check", Menu: "Your own",
		Main: func(*http.Request) (Content, error) { return show(checked{}) },
		Routes: func(mux *http.ServeMux) {
			mux.HandleFunc("POST /check/token", func(w http.ResponseWriter, r *http.Request) {
				content, err := show(checkToken(r.Context(), r.PostFormValue("token"), time.Now()))
				s.Render(w, r, content, err)
			})
			mux.HandleFunc("POST /check/issuer", func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := slowly(w, r)
				defer cancel()
				content, err := show(checkIssuer(ctx, r.PostFormValue("issuer")))
				s.Render(w, r, content, err)
			})
		},
	}
}

// checked is what a check found.
type checked struct {
	Token, TokenProblem           string
	Issuer, Report, IssuerProblem string
	Good                          bool
}

// maxToken is how long a pasted text may be.
const maxToken = 2 * jws.MaxSize

// checkToken reads a token as step 10 would, with its default settings. It makes no
// request.
func checkToken(ctx context.Context, text string, now time.Time) checked {
	words := strings.Fields(text)
	for _, lead := range []string{"Authorization:", "Bearer"} {
		if len(words) > 1 && strings.EqualFold(words[0], lead) {
			words = words[1:]
		}
	}
	switch {
	case len(words) == 0:
		return checked{TokenProblem: "There is no token. Paste one into the field."}
	case len(words) > 1 || len(text) > maxToken:
		return checked{TokenProblem: "This is not one token. Paste a single word, or a line that begins with Authorization: Bearer."}
	}
	site := serve.Site{URL: "http://localhost:9000", Port: 9000, Log: slog.New(slog.DiscardHandler)}
	settings, err := envfile.Read("", &site)
	if err != nil {
		return checked{TokenProblem: err.Error()}
	}
	report := tokencheck.Run(ctx, settings, words[0], now)
	return checked{Token: report.Text(), Good: report.Passes()}
}

// checkIssuer reads what an issuer publishes, by the rules of package safefetch.
func checkIssuer(ctx context.Context, issuer string) checked {
	issuer = strings.TrimSpace(issuer)
	found := checked{Issuer: issuer}
	if _, err := issuercheck.ParseIssuer(issuer); err != nil {
		found.IssuerProblem = err.Error()
		return found
	}
	report := issuercheck.Run(ctx, issuer, safefetch.Policy{})
	found.Report, found.Good = report.Text(), report.Outcome == issuercheck.Usable
	return found
}
