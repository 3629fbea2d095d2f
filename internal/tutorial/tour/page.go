package tour

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
)

//go:embed templates assets
var files embed.FS

var templates = template.Must(template.New("").
	Funcs(template.FuncMap{"inc": func(i int) int { return i + 1 }, "odd": func(i int) bool { return i%2 == 1 }}).
	ParseFS(files, "templates/*.html"))

// page is what the layout is filled with.
type page struct {
	Content
	Bare      bool
	Menu      []link
	Steps     []link
	Tabs      []link
	Step      *manifest.Step // nil on a page that belongs to no step
	Before    *link
	After     *link
	Revisions []link
}

// link is one place of a menu.
type link struct {
	URL, Label string
	Number     int
	Here       bool
}

// Render answers with a page in the layout of the tour, or with what went wrong.
func (s *Server) Render(w http.ResponseWriter, r *http.Request, content Content, err error) {
	status := http.StatusOK
	if err != nil {
		problem := asProblem(err)
		status = problem.Status
		content = Content{Title: "That did not work", Body: execute("problem.html", problem.Text)}
	}
	s.show(w, r, status, content)
}

func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, content Content) {
	p := page{Content: content, Bare: content.bare}
	if !p.Bare {
		s.navigate(&p, r)
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "layout.html", p); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// navigate fills in the menus.
func (s *Server) navigate(p *page, r *http.Request) {
	here := strings.TrimSuffix(r.URL.Path, "/")
	for _, part := range s.parts {
		if part.Menu != "" {
			url := strings.TrimSuffix(part.path(), "/")
			p.Menu = append(p.Menu, link{URL: url + strings.Repeat("/", max(0, 1-len(url))), Label: part.Menu, Here: here == url})
		}
	}
	number, err := StepOf(r)
	onStep := err == nil
	for _, step := range manifest.Steps {
		p.Steps = append(p.Steps, link{URL: stepURL(step.Number, ""), Label: step.Name, Number: step.Number,
			Here: onStep && step.Number == number})
	}
	if onStep {
		p.Step = &manifest.Steps[number-1]
		p.Tabs = s.tabs(number, r.PathValue("part"))
		if number > 1 {
			p.Before = &p.Steps[number-2]
		}
		if number < len(p.Steps) {
			p.After = &p.Steps[number]
		}
	}
	for _, era := range []matrix.Era{matrix.Legacy, matrix.Modern} {
		p.Revisions = append(p.Revisions, link{URL: "?rev=" + string(era), Label: string(era), Here: Revision(r) == era})
	}
}

func (s *Server) tabs(step int, here string) []link {
	var tabs []link
	for _, part := range s.parts {
		if label := part.tab(step); label != "" {
			name := part.Name
			if name == lessonPart {
				name = ""
			}
			tabs = append(tabs, link{URL: stepURL(step, name), Label: label, Here: name == here})
		}
	}
	return tabs
}

func (p Part) tab(step int) string {
	if p.Tab == nil {
		return ""
	}
	return p.Tab(step)
}

// stepURL is the path of a page of a step; without a part, that of its lesson.
func stepURL(step int, part string) string {
	if part == "" {
		return fmt.Sprintf("/step/%d", step)
	}
	return fmt.Sprintf("/step/%d/%s", step, part)
}

// stepPage is the page of a part about a step.
func (s *Server) stepPage(w http.ResponseWriter, r *http.Request) {
	step, err := StepOf(r)
	if err != nil {
		s.Render(w, r, Content{}, err)
		return
	}
	s.keepRevision(w, r)
	name := r.PathValue("part")
	for _, part := range s.parts {
		if (part.Name == name && name != lessonPart || name == "" && part.Name == lessonPart) && part.tab(step) != "" {
			_, cancel := slowly(w, r) // go may have to compile what the page shows
			defer cancel()
			content, err := part.Step(r, step)
			s.Render(w, r, content, err)
			return
		}
	}
	s.Render(w, r, Content{}, Problemf(http.StatusNotFound, "Step %d has no page %.40q.", step, name))
}

func (s *Server) mainPage(part Part) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.keepRevision(w, r)
		content, err := part.Main(r)
		s.Render(w, r, content, err)
	}
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	s.Render(w, r, Content{}, Problemf(http.StatusNotFound, "The tour has no page here. Choose one from the menu."))
}

const revisionCookie = "tour-revision"

// Revision is the revision of MCP that the visitor has chosen: by ?rev= in the URL,
// or earlier.
func Revision(r *http.Request) matrix.Era {
	chosen := r.URL.Query().Get("rev")
	if chosen == "" {
		if cookie, err := r.Cookie(revisionCookie); err == nil {
			chosen = cookie.Value
		}
	}
	if matrix.Era(chosen) == matrix.Modern {
		return matrix.Modern
	}
	return matrix.Legacy
}

// keepRevision remembers the revision that a link has chosen.
func (s *Server) keepRevision(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("rev") {
		http.SetCookie(w, &http.Cookie{
			Name: revisionCookie, Value: string(Revision(r)), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
}

// assets serves the files of all parts, and their style sheets as one.
func (s *Server) assets() (http.Handler, error) {
	own, err := fs.Sub(files, "assets")
	if err != nil {
		return nil, err
	}
	contents := map[string][]byte{}
	style, err := fs.ReadFile(own, "style.css")
	if err != nil {
		return nil, err
	}
	for _, part := range append([]Part{{Name: "style", Assets: own}}, s.parts...) {
		if part.Assets == nil {
			continue
		}
		entries, err := fs.ReadDir(part.Assets, ".")
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			content, err := fs.ReadFile(part.Assets, entry.Name())
			switch {
			case err != nil: // a folder
			case entry.Name() == part.Name+".css" && part.Name != "style":
				style = append(style, content...)
			default:
				contents[entry.Name()] = content
			}
		}
	}
	contents["style.css"] = style
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(r.URL.Path)
		content, known := contents[name]
		if !known || r.URL.Path != "/assets/"+name {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
	}), nil
}
