package markdown

import (
	"html/template"
	"strings"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// Lines colours a text of a language and returns it line by line, as HTML whose
// classes the style sheet of the tour knows. An unknown language has no colours.
func Lines(language, text string) []template.HTML {
	lexer := lexers.Get(language)
	if lexer == nil {
		lexer = lexers.Fallback
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, text)
	if err != nil {
		return plain(text)
	}
	var lines []template.HTML
	for _, line := range chroma.SplitTokensIntoLines(tokens.Tokens()) {
		var b strings.Builder
		for _, token := range line {
			value := template.HTMLEscapeString(strings.TrimSuffix(token.Value, "\n"))
			if class := classOf(token.Type); class != "" && value != "" {
				value = `<span class="` + class + `">` + value + `</span>`
			}
			b.WriteString(value)
		}
		lines = append(lines, template.HTML(b.String()))
	}
	return lines
}

func plain(text string) []template.HTML {
	var lines []template.HTML
	for line := range strings.Lines(text) {
		lines = append(lines, template.HTML(template.HTMLEscapeString(strings.TrimSuffix(line, "\n"))))
	}
	return lines
}

// classOf is the class of a kind of token: few kinds, so that a page stays calm.
func classOf(kind chroma.TokenType) string {
	switch {
	case kind == chroma.GenericInserted:
		return "inserted"
	case kind == chroma.GenericDeleted:
		return "deleted"
	case kind == chroma.GenericSubheading || kind == chroma.GenericHeading || kind.InCategory(chroma.Comment):
		return "comment"
	case kind.InCategory(chroma.Keyword):
		return "keyword"
	case kind == chroma.NameFunction || kind == chroma.NameTag || kind == chroma.NameAttribute:
		return "name"
	case kind.InSubCategory(chroma.LiteralString):
		return "string"
	case kind.InCategory(chroma.Literal):
		return "number"
	}
	return ""
}

// fences renders code with colours.
type fences struct{}

// RegisterFuncs is for goldmark.
func (f fences) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, f.render)
}

func (fences) render(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := n.(*ast.FencedCodeBlock)
	language := string(block.Language(source))
	_, _ = w.WriteString(`<pre tabindex="0"><code class="code">`)
	for _, line := range Lines(language, string(block.Lines().Value(source))) {
		_, _ = w.WriteString(string(line) + "\n")
	}
	_, err := w.WriteString("</code></pre>\n")
	return ast.WalkSkipChildren, err
}
