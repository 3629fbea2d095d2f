package part

import (
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
		"(RFC 9068, section 4; RFC 8707, section 2).": `<a href="https://www.rfc-editor.org/rfc/rfc8707#section-2" rel="noreferrer">RFC 8707, section 2</a>`,
		"no document": "no document",
	} {
		if got := string(Linked(sentence)); !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", sentence, got)
		}
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one\ntwo <\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := Read(root, "a.go", 2, 9, 2)
	if err != nil || len(e.Lines) != 2 || e.Lines[0].HTML != "two &lt;" || !e.Lines[0].Mark || e.Lines[1].Mark || e.Where != "a.go:2" || e.Link != "/source/a.go#L2" {
		t.Errorf("%+v, %v", e, err)
	}
	for _, c := range []struct {
		file  string
		first int
	}{{"a.go", 7}, {"b.go", 1}} {
		if _, err := Read(root, c.file, c.first, 9, 9); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

// A template that fails is an error, and text is escaped.
func TestContent(t *testing.T) {
	t.Parallel()
	from := Templates(`{{define "good"}}{{linked .}}{{end}}{{define "bad"}}{{.Missing}}{{end}}`)
	content, err := Content("x", from, "good", "RFC 6750 <", "flow.js")
	if err != nil || content.Title != "x" || !strings.Contains(string(content.Body), "</a> &lt;") || len(content.Scripts) != 2 {
		t.Errorf("%+v, %v", content, err)
	}
	if _, err := Content("x", from, "bad", ""); err == nil {
		t.Error("no error")
	}
}
