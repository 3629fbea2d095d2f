package tour

import (
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// lessonPart is the part whose page stands at the URL of a step itself.
const lessonPart = "lesson"

// own are the parts of the tour itself.
func (s *Server) own() []Part {
	return []Part{
		{Menu: "Overview", Main: s.overview},
		{Name: lessonPart, Tab: func(int) string { return "Lesson" }, Step: s.lesson},
	}
}

func (s *Server) overview(*http.Request) (Content, error) {
	return Content{Title: "Auth Step By Step", Body: execute("overview.html", manifest.Steps)}, nil
}

// lesson is the page of docs/ about a step.
func (s *Server) lesson(_ *http.Request, step int) (Content, error) {
	text, err := os.ReadFile(filepath.Join(s.Root, manifest.Steps[step-1].Page()))
	if err != nil {
		return Content{}, err
	}
	return Content{Title: manifest.Steps[step-1].Name, Body: template.HTML("<pre>" + template.HTMLEscapeString(string(text)) + "</pre>")}, nil
}

// picture serves a file of docs/pictures.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, filepath.Join(s.Root, "docs", "pictures", name))
}
