package tour

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Part is something that a visitor can do: pages, and the routes behind them. All
// requests have passed access.go before they reach it.
type Part struct {
	// Name is the segment of its paths: /NAME, /step/6/NAME, /assets/NAME.js.
	Name string
	// Menu is its label in the main menu, which leads to Main; empty: none.
	Menu string
	// Main makes its page at /NAME; nil: there is none.
	Main func(*http.Request) (Content, error)
	// Tab is its label on the pages of a step; empty: it has nothing for that step.
	// nil: it has nothing for any.
	Tab func(step int) string
	// Step makes its page at /step/N/NAME, for steps that have a tab.
	Step func(r *http.Request, step int) (Content, error)
	// Routes adds further routes, below /NAME/. A pattern has a method: GET for what
	// only reads, POST for the rest.
	Routes func(*http.ServeMux)
	// Assets are files for /assets/. A file NAME.css becomes a part of the one style
	// sheet.
	Assets fs.FS
}

func (p Part) path() string {
	if p.Name == "" {
		return "/"
	}
	return "/" + p.Name + "/"
}

// Content is what stands on a page.
type Content struct {
	Title   string
	Body    template.HTML
	Scripts []string // modules of /assets/, such as "run.js"
	Wide    bool     // it needs all the width there is

	bare bool // without menus
}

// Problem is an error that is shown to the visitor as it stands.
type Problem struct {
	Status int // of HTTP
	Text   string
}

// Error is the text.
func (p *Problem) Error() string { return p.Text }

// Problemf makes a problem.
func Problemf(status int, format string, args ...any) error {
	return &Problem{status, fmt.Sprintf(format, args...)}
}

// asProblem is what a visitor may know of an error. The tour is its visitor's own
// program, so that is all of it.
func asProblem(err error) *Problem {
	if problem := (*Problem)(nil); errors.As(err, &problem) {
		return problem
	}
	return &Problem{http.StatusInternalServerError, err.Error()}
}

// Reply answers a script with v as JSON, or with {"problem": "…"} and the status of
// the error.
func Reply(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err == nil {
		jsonreply.Write(w, http.StatusOK, v)
		return
	}
	problem := asProblem(err)
	if problem.Status >= http.StatusInternalServerError {
		logging.FromContext(r.Context()).Warn("a request to the tour failed", logging.Error(err))
	}
	jsonreply.Write(w, problem.Status, map[string]string{"problem": problem.Text})
}

// StepOf is the step that a path names, as /step/{step}.
func StepOf(r *http.Request) (int, error) {
	step, err := strconv.Atoi(r.PathValue("step"))
	if err != nil || step < 1 || step > len(manifest.Steps) {
		return 0, Problemf(http.StatusNotFound, "There is no step %.20q. The steps are 1 to %d.", r.PathValue("step"), len(manifest.Steps))
	}
	return step, nil
}

// Stream sends events to a script (HTML, "Server-sent events") until next reports
// that there are no more. next waits for one; its context ends when the page is left,
// or the tour ends.
func (s *Server) Stream(w http.ResponseWriter, r *http.Request, next func(context.Context) (event string, data any, more bool)) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ended, cancel)()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a page may stay open for hours
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	for control.Flush() == nil {
		event, data, more := next(ctx)
		if !more || ctx.Err() != nil {
			return
		}
		text, err := json.Marshal(data)
		if err != nil {
			return
		}
		_ = control.SetWriteDeadline(time.Now().Add(streamPatience))
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text); err != nil {
			return
		}
	}
}

// streamPatience is how long a browser may take to accept one event.
const streamPatience = 10 * time.Second
