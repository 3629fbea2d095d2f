// Package part is what the live parts of the tour have in common: how they show a
// page, an excerpt of the source, and a section of a standard.
//
//	func (b *Bench) page(w http.ResponseWriter, r *http.Request) {
//		b.site.Render(w, r, part.Page{Title: "The token bench"}, templates, "bench", view)
//	}
//
// A part is a model without HTTP, handlers on top of it, and a template. Each form
// works without JavaScript; live.js sends the forms that have data-live without
// leaving the page, and puts the new content in the place of the old one.
package part

import (
	"bytes"
	"html/template"
	"net/http"
)

// Page is a page of the tour, without the layout around it.
type Page struct {
	Title  string
	Step   int    // whose page it is; 0: of no step
	Status int    // 0: 200
	Script string // name of a module besides live.js; empty: none
	Body   template.HTML
}

// Site is the tour around a part.
type Site struct {
	// Show writes a page in the tour's layout.
	Show func(w http.ResponseWriter, r *http.Request, p Page)
	// Colour makes lines of HTML of a source; nil: lines without colours.
	Colour func(file, source string) []template.HTML
	// Source is the URL of a line of a file of the repository; nil: no links.
	Source func(file string, line int) string
}

// Render shows a template's output as a page.
func (s Site) Render(w http.ResponseWriter, r *http.Request, p Page, from *template.Template, name string, view any) {
	var body bytes.Buffer
	if err := from.ExecuteTemplate(&body, name, view); err != nil {
		s.Fail(w, r, http.StatusInternalServerError, "The page could not be made: "+err.Error())
		return
	}
	p.Body = template.HTML(body.String()) //nolint:gosec // html/template escaped it
	// What a visitor pasted must not stay in the browser's cache.
	w.Header().Set("Cache-Control", "no-store")
	s.Show(w, r, p)
}

// Fail shows a sentence that says what is wrong and what to do.
func (s Site) Fail(w http.ResponseWriter, r *http.Request, status int, says string) {
	body := template.HTML(`<div data-part><p class="problem" role="alert">` + template.HTMLEscapeString(says) + `</p></div>`)
	s.Show(w, r, Page{Title: "That did not work", Status: status, Body: body})
}

// Functions are those that the templates of all parts use.
var Functions = template.FuncMap{"linked": Linked}

// Templates reads the templates of a part.
func Templates(text string) *template.Template {
	return template.Must(template.Must(template.New("part").Funcs(Functions).Parse(shared)).Parse(text))
}

// shared is what several parts show alike.
const shared = `
{{define "excerpt"}}<figure class="excerpt"><figcaption>{{if .Link}}<a href="{{.Link}}">{{.Where}}</a>{{else}}{{.Where}}{{end}}</figcaption>
<pre class="code" tabindex="0" aria-label="{{.Where}}"><code>{{range .Lines}}<span class="line{{if .Mark}} mark{{end}}{{if .Out}} out{{end}}">` +
	`<span class="number" aria-hidden="true">{{.Number}}</span>{{if .Out}}<del>{{.HTML}}</del>{{else}}{{.HTML}}{{end}}
</span>{{end}}</code></pre></figure>{{end}}
{{define "badge"}}<span class="badge {{if .}}in{{else}}refused{{end}}">{{if .}}gets in{{else}}refused{{end}}</span>{{end}}
`
