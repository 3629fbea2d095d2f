package markdown

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

func TestPagesBecomeHTML(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if len(pages) < 20 {
		t.Fatalf("only %d pages", len(pages))
	}
	bad := regexp.MustCompile(`(href|src|srcset)="([^/"h][^":]*\.md["#]|\.\./)|style="|<script|gen: neighbours|href=""`)
	for _, page := range pages {
		document, err := Page(root, "docs/"+filepath.Base(page))
		if err != nil {
			t.Fatal(err)
		}
		if document.Title == "" || len(document.HTML) < 200 {
			t.Errorf("%s: title %q, %d bytes", page, document.Title, len(document.HTML))
		}
		if found := bad.FindString(string(document.HTML)); found != "" {
			t.Errorf("%s: %s", page, found)
		}
	}
}

func TestALesson(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	document, err := Page(root, "docs/step6.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`srcset="/pictures/layers-6-dark.svg"`, `class="beside"`, `href="/docs/glossary#access-token"`, `href="/docs/matrix#token-good"`,
		`href="/source/internal/oauth/jws/jws.go"`, `<span class="keyword">func</span>`, `<h2 id="the-attack">`,
	} {
		if !strings.Contains(string(document.HTML), part) {
			t.Errorf("it lacks %s", part)
		}
	}
	if document.Title != "Step 6: access tokens" || len(document.Headings) < 5 || document.Headings[0] != (Heading{"the-attack", "The attack"}) {
		t.Errorf("title %q, headings %q", document.Title, document.Headings)
	}
}

func TestLines(t *testing.T) {
	lines := Lines("go", "// why\nreturn \"<a>\"\n")
	if len(lines) != 2 || lines[0] != `<span class="comment">// why</span>` ||
		lines[1] != `<span class="keyword">return</span> <span class="string">&#34;&lt;a&gt;&#34;</span>` {
		t.Errorf("%q", lines)
	}
	if lines := Lines("no-such-language", "a<b\n"); len(lines) != 1 || lines[0] != "a&lt;b" {
		t.Errorf("%q", lines)
	}
}
