// Package part is what the live parts of the tour have in common: how they make a
// page, an excerpt of the source, and a link to a section of a standard.
//
//	var templates = part.Templates(text)
//	content, err := part.Content("The token bench", templates, "bench", view)
//	site.Render(w, r, content, err)
//
// A part is a model without HTTP, handlers on top of it, and a template. Each form
// works without JavaScript. The module live.js sends a form that has data-live
// without leaving the page, and replaces the element that the attribute names.
package part

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/tour"
)

//go:embed assets
var files embed.FS

// Site is the tour around a part.
type Site struct {
	Root string // folder of the repository
	// Render answers with a page in the tour's layout, or with what went wrong.
	Render func(http.ResponseWriter, *http.Request, tour.Content, error)
}

// Shared is the part that brings what the pages of the other parts load.
func Shared() tour.Part {
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return tour.Part{Name: "source", Assets: assets}
}

// live is the module that all pages of the parts load.
const live = "live.js"

// Content fills a template in. modules are further scripts of /assets/.
func Content(title string, from *template.Template, name string, view any, modules ...string) (tour.Content, error) {
	var body bytes.Buffer
	if err := from.ExecuteTemplate(&body, name, view); err != nil {
		return tour.Content{}, err
	}
	return tour.Content{
		Title: title, Body: template.HTML(body.String()), Scripts: append([]string{live}, modules...), Wide: true,
	}, nil
}

// Patient gives an answer more time than the server gives others: a program may have to
// be built first.
func Patient(w http.ResponseWriter, patience time.Duration) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // when it passes, the request's context is cancelled
	_ = control.SetWriteDeadline(time.Now().Add(patience))
}

// Templates reads the templates of a part.
func Templates(text string) *template.Template {
	functions := template.FuncMap{"linked": Linked, "plain": Plain}
	shared := template.Must(template.New("part").Funcs(functions).ParseFS(files, "assets/shared.tmpl"))
	return template.Must(shared.Parse(text))
}
