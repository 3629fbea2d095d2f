package tour

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/tour/markdown"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// lessonPart is the part whose page stands at the URL of a step itself.
const lessonPart = "lesson"

func always(label string) func(int) string { return func(int) string { return label } }

// own are the parts of the tour itself.
func (s *Server) own() []Part {
	code := &code{root: s.Root}
	return []Part{
		{Menu: "Overview", Main: s.overview},
		{Name: lessonPart, Tab: always("Lesson"), Step: s.lesson},
		{Name: "code", Tab: always("Code"), Step: code.page},
		s.runPart(),
		{Name: "docs", Routes: s.pageRoutes},
		s.checkPart(),
	}
}

// card is a step on the overview.
type card struct {
	manifest.Step
	Minutes int
	Attacks []lab.Attack
}

// overview has a card for each step, and the picture of its layers.
func (s *Server) overview(*http.Request) (Content, error) {
	cards := make([]card, len(manifest.Steps))
	total := 0
	for i, step := range manifest.Steps {
		length, err := step.Minutes(s.Root)
		if err != nil {
			return Content{}, err
		}
		cards[i] = card{Step: step, Attacks: lab.Of(step.Number), Minutes: length}
		total += length
	}
	body := execute("overview.html", map[string]any{"Cards": cards, "Hours": (total + 30) / 60})
	return Content{Title: "Protect an MCP server, one layer at a time", Body: body, Wide: true}, nil
}

// lesson is the page of docs/ about a step.
func (s *Server) lesson(_ *http.Request, step int) (Content, error) {
	document, err := markdown.Page(s.Root, manifest.Steps[step-1].Page())
	if err != nil {
		return Content{}, err
	}
	view := lesson{Document: document, Step: step, IsServer: programs.Server(step), Running: s.Programs.Get(programs.StepName(step))}
	return Content{Title: manifest.Steps[step-1].Name, Body: execute("lesson.html", view), Wide: true}, nil
}

// lesson is the page of a step, and its program where that runs here: at another port than
// the one that the commands of the page name.
type lesson struct {
	*markdown.Document
	Step     int
	IsServer bool
	Running  *programs.Running // nil: it doesn't run
}

// pageRoutes are the other pages of docs/, and the sources that pages name.
func (s *Server) pageRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /docs/{page...}", func(w http.ResponseWriter, r *http.Request) {
		content, err := s.document(r.PathValue("page"))
		s.Render(w, r, content, err)
	})
	mux.HandleFunc("GET /source/{path...}", func(w http.ResponseWriter, r *http.Request) {
		content, err := s.source(r.PathValue("path"))
		s.Render(w, r, content, err)
	})
}

func (s *Server) document(name string) (Content, error) {
	path := "docs/" + name + ".md"
	if !shown(path) {
		return Content{}, Problemf(http.StatusNotFound, "There is no page docs/%.80s.md.", name)
	}
	document, err := markdown.Page(s.Root, path)
	if os.IsNotExist(err) {
		return Content{}, Problemf(http.StatusNotFound, "There is no page docs/%.80s.md.", name)
	}
	if err != nil {
		return Content{}, err
	}
	return Content{Title: document.Title, Body: execute("document.html", document), Wide: true}, nil
}

// languages are the files that the tour shows, with the language of each.
var languages = map[string]string{
	".go": "go", ".md": "markdown", ".sh": "bash", ".html": "html", ".mjs": "javascript", ".json": "json", ".css": "css", ".yaml": "yaml",
	".yml": "yaml", ".txt": "", ".env": "", ".mod": "", ".cfg": "",
}

// folders are those whose files the tour shows. keys/ is not among them.
var folders = regexp.MustCompile(`^(cmd|docs|internal|interop|scripts|examples|providers|` +
	`keycloak|agentgateway|bench|container|\.github)(/|$)`)

// shown tells whether the tour shows a file or folder of the repository.
func shown(path string) bool {
	if !fs.ValidPath(path) || strings.Contains(path, "/.") || strings.HasPrefix(path, ".") && !strings.HasPrefix(path, ".github/") {
		return false
	}
	_, known := languages[filepath.Ext(path)]
	return (known || filepath.Ext(path) == "") && (folders.MatchString(path) || !strings.Contains(path, "/") && known)
}

// source shows a file or a folder of the repository.
func (s *Server) source(path string) (Content, error) {
	path = strings.TrimSuffix(path, "/")
	missing := Problemf(http.StatusNotFound, "The tour doesn't show %.120q.", path)
	if !shown(path) {
		return Content{}, missing
	}
	repository, err := os.OpenRoot(s.Root) // no symbolic link leads out of it
	if err != nil {
		return Content{}, err
	}
	defer func() { _ = repository.Close() }()
	info, err := repository.Stat(path)
	if err != nil {
		return Content{}, missing
	}
	if info.IsDir() {
		return s.folder(path)
	}
	text, err := repository.ReadFile(path)
	if err != nil {
		return Content{}, missing
	}
	return Content{Title: path, Body: execute("source.html", markdown.Lines(languages[filepath.Ext(path)], string(text))), Wide: true}, nil
}

func (s *Server) folder(path string) (Content, error) {
	entries, err := os.ReadDir(filepath.Join(s.Root, filepath.FromSlash(path)))
	if err != nil {
		return Content{}, err
	}
	var links []link
	for _, entry := range entries {
		if below := path + "/" + entry.Name(); shown(below) {
			links = append(links, link{URL: "/source/" + below, Label: entry.Name()})
		}
	}
	return Content{Title: path, Body: execute("folder.html", links)}, nil
}

// picture serves a file of docs/pictures.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", fmt.Sprintf("private, max-age=%d", 300)) // pictures hold nothing of the visitor
	http.ServeFile(w, r, filepath.Join(s.Root, "docs", "pictures", name))
}
