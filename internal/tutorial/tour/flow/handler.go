package flow

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/breakit"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

var (
	//go:embed flow.html
	text string
	//go:embed assets
	files embed.FS

	templates = part.Templates(text)
)

// steps are those that the flow is about.
var steps = []int{9, 10, 11}

const title = "Follow the flow"

// Part is the page /flow/, and the tab of steps 9 to 11 that shows the same. bench takes
// checks away.
func Part(server *tour.Server, work *Work, bench *breakit.Work) tour.Part {
	h := &handler{server, work, &taken{work: bench, root: server.Root, runs: map[string]lab.Run{}}}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return tour.Part{
		Name: "flow", Menu: title, Main: func(*http.Request) (tour.Content, error) { return h.content() },
		Tab: func(step int) string {
			if slices.Contains(steps, step) {
				return title
			}
			return ""
		},
		Step: func(*http.Request, int) (tour.Content, error) { return h.content() },
		Routes: func(mux *http.ServeMux) {
			mux.HandleFunc("POST /flow/do", h.do)
			mux.HandleFunc("GET /flow/stream", h.stream)
			mux.HandleFunc("POST /flow/check", h.takeAway)
		},
		Assets: assets,
	}
}

type handler struct {
	server *tour.Server
	work   *Work
	taken  *taken
}

func (h *handler) content() (tour.Content, error) {
	cards, err := h.taken.cards()
	if err != nil {
		return tour.Content{}, err
	}
	now, _ := h.work.Now()
	return part.Content(title, templates, "page", map[string]any{"Now": now, "Checks": cards}, "flow.js")
}

// do is what a button asks for. The page then shows what came of it.
func (h *handler) do(w http.ResponseWriter, r *http.Request) {
	if err := h.did(r); err != nil {
		h.server.Render(w, r, tour.Content{}, err)
		return
	}
	http.Redirect(w, r, "/flow/#flow-state", http.StatusSeeOther)
}

func (h *handler) did(r *http.Request) (err error) {
	switch r.FormValue("do") {
	case "connect":
		h.work.Connect(tour.Revision(r), r.FormValue("stepwise") == "yes")
	case "next", "on":
		err = h.work.Next(r.FormValue("do") == "on")
	case "call":
		err = h.work.Call()
	case "end":
		err = h.work.Finish()
	default:
		return tour.Problemf(http.StatusBadRequest, "The form asks for nothing that can be done. Press one of the buttons of the page.")
	}
	return err
}

// stream sends the flow each time that it has changed.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) {
	var changed <-chan struct{}
	h.server.Stream(w, r, func(ctx context.Context) (string, any, bool) {
		if changed != nil {
			select {
			case <-changed:
			case <-ctx.Done():
				return "", nil, false
			}
		}
		var now Now
		now, changed = h.work.Now()
		var html strings.Builder
		if err := templates.ExecuteTemplate(&html, "flow", now); err != nil {
			return "", nil, false
		}
		return "flow", template.HTML(html.String()), true
	})
}
