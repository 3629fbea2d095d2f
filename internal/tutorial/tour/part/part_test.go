package part

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sections that a sentence names lead to them.
func TestStandards(t *testing.T) {
	t.Parallel()
	for sentence, want := range map[string]string{
		"it (RFC 7519, section 4.1.4)":                `it (<a href="https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4" rel="noreferrer">RFC 7519, section 4.1.4</a>)`,
		"a <b> (RFC 6750)":                            `a &lt;b&gt; (<a href="https://www.rfc-editor.org/rfc/rfc6750" rel="noreferrer">RFC 6750</a>)`,
		"x (RFC 9728, sections 3.3 and 7.3).":         `#section-3.3" rel="noreferrer">RFC 9728, sections 3.3</a> and <a href="https://www.rfc-editor.org/rfc/rfc9728#section-7.3"`,
		"strictly (JSON-RPC 2.0; CVE-2026-27896)":     `<a href="https://www.cve.org/CVERecord?id=CVE-2026-27896" rel="noreferrer">`,
		"(RFC 9068, section 4; RFC 8707, section 2).": `<a href="https://www.rfc-editor.org/rfc/rfc8707#section-2" rel="noreferrer">`,
		"no document": "no document",
	} {
		if got := string(Linked(sentence)); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", sentence, got)
		}
	}
	if got := Standards("(RFC 9068, section 4; RFC 8707, section 2)"); len(got) != 2 || got[1].Name != "RFC 8707, section 2" {
		t.Errorf("%+v", got)
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one\ntwo <\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	site := Site{Source: func(file string, _ int) string { return "/source/" + file }}
	e, err := site.Excerpt(root, "a.go", 2, 9, 2)
	if err != nil || len(e.Lines) != 2 || e.Lines[0].HTML != "two &lt;" || !e.Lines[0].Mark || e.Lines[1].Mark || e.Where != "a.go:2" || e.Link != "/source/a.go" {
		t.Errorf("%+v, %v", e, err)
	}
	for _, c := range []struct {
		file  string
		first int
	}{{"a.go", 7}, {"b.go", 1}} {
		if _, err := site.Excerpt(root, c.file, c.first, 9, 9); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

// A page is not kept by the browser, and a template that fails is a page that says so.
func TestRender(t *testing.T) {
	t.Parallel()
	var shown Page
	site := Site{Show: func(_ http.ResponseWriter, _ *http.Request, p Page) { shown = p }}
	from := Templates(`{{define "good"}}{{linked .}}{{end}}{{define "bad"}}{{.Missing}}{{end}}`)
	w := httptest.NewRecorder()
	site.Render(w, nil, Page{Title: "x"}, from, "good", "RFC 6750 <")
	if shown.Title != "x" || !strings.Contains(string(shown.Body), "</a> &lt;") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%+v, %v", shown, w.Header())
	}
	site.Render(w, nil, Page{}, from, "bad", template.HTML(""))
	if shown.Status != http.StatusInternalServerError {
		t.Errorf("%+v", shown)
	}
}
