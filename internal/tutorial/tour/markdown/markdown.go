// Package markdown makes HTML of the pages of docs/, for the tour: with coloured code,
// and with links that lead to the tour's own pages.
//
//	page, err := markdown.Page(root, "docs/step6.md")
//	fmt.Println(page.Title, page.HTML, page.Headings)
package markdown

import (
	"bytes"
	"html/template"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
	xhtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// Document is a page as HTML.
type Document struct {
	Title    string // its heading of the first level, which HTML doesn't have
	HTML     template.HTML
	Headings []Heading // of the second level
}

// Heading is a place of a page.
type Heading struct{ ID, Text string }

// The repository's own pages are trusted, and have HTML in them.
var converter = goldmark.New(
	goldmark.WithExtensions(
		extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), extension.Strikethrough),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(html.WithUnsafe(), renderer.WithNodeRenderers(util.Prioritized(fences{}, 1))),
)

var (
	// neighbours are links that the tour has in its own place.
	neighbours = regexp.MustCompile(`(?s)<!-- gen: neighbours [^\n]*-->.*?<!-- end -->`)
	comment    = regexp.MustCompile(`(?s)<!-- .*? -->\n?`)
	title      = regexp.MustCompile(`(?m)^# (.*)\n`)
)

// Page reads a page of the repository at root.
func Page(root, page string) (*Document, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		return nil, err
	}
	text = comment.ReplaceAll(neighbours.ReplaceAll(text, nil), nil)
	d := &Document{}
	if match := title.FindSubmatch(text); match != nil {
		d.Title = string(match[1])
		text = bytes.Replace(text, match[0], nil, 1)
	}
	var b bytes.Buffer
	if err := converter.Convert(text, &b); err != nil {
		return nil, err
	}
	made, err := d.finish(&b, path.Dir(page))
	d.HTML = template.HTML(made)
	return d, err
}

// finish adapts the links and pictures of a page to the tour, and notes the headings.
func (d *Document) finish(in io.Reader, folder string) (string, error) {
	var b strings.Builder
	inHeading, inSummary, linked := false, false, ""
	for z := xhtml.NewTokenizer(in); ; {
		if z.Next() == xhtml.ErrorToken {
			if z.Err() == io.EOF {
				return b.String(), nil
			}
			return "", z.Err()
		}
		raw := string(z.Raw()) // Token changes it
		token := z.Token()
		switch {
		case token.Type == xhtml.TextToken:
			if inHeading {
				d.Headings[len(d.Headings)-1].Text += token.Data
			}
		case token.DataAtom == atom.H2:
			if inHeading = token.Type == xhtml.StartTagToken; inHeading {
				d.Headings = append(d.Headings, Heading{ID: attribute(token, "id")})
			}
		case token.DataAtom == atom.Summary:
			if inSummary = token.Type == xhtml.StartTagToken; !inSummary && linked != "" {
				raw += `<p class="where"><a href="` + linked + `">Open the file</a></p>`
				linked = ""
			}
		case inSummary && token.DataAtom == atom.A: // what opens and closes can't hold a link
			if raw = ""; token.Type == xhtml.StartTagToken && adapt(&token, folder) {
				linked = template.HTMLEscapeString(attribute(token, "href"))
			}
		case token.Type == xhtml.StartTagToken || token.Type == xhtml.SelfClosingTagToken:
			if adapt(&token, folder) {
				raw = token.String()
			}
		}
		b.WriteString(raw)
	}
}

func attribute(token xhtml.Token, name string) string {
	for _, a := range token.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// adapt changes a tag for the tour, and tells whether it did.
func adapt(token *xhtml.Token, folder string) (changed bool) {
	if token.DataAtom == atom.Table { // it may be too wide, and is scrolled then
		token.Attr, changed = append(token.Attr, xhtml.Attribute{Key: "tabindex", Val: "0"}), true
	}
	for i, a := range token.Attr {
		switch a.Key {
		case "href":
			token.Attr[i].Val, changed = link(a.Val, folder), true
		case "src", "srcset":
			token.Attr[i].Val, changed = "/pictures/"+path.Base(a.Val), true
		case "align":
			if token.DataAtom == atom.Img { // the style sheet floats what stands beside a text
				token.Attr[i], changed = xhtml.Attribute{Key: "class", Val: "beside"}, true
			}
		}
	}
	return changed
}

var stepPage = regexp.MustCompile(`^docs/step(\d+)\.md$`)

// link is where a link of a page leads in the tour. Files of the repository are shown
// by the tour itself.
func link(to, folder string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path == "" {
		return to
	}
	target := path.Join(folder, u.Path)
	fragment := ""
	if u.Fragment != "" {
		fragment = "#" + u.Fragment
	}
	if match := stepPage.FindStringSubmatch(target); match != nil {
		return "/step/" + match[1] + fragment
	}
	if name, ok := strings.CutPrefix(target, "docs/"); ok && strings.HasSuffix(name, ".md") {
		return "/docs/" + strings.TrimSuffix(name, ".md") + fragment
	}
	return "/source/" + target + fragment
}
