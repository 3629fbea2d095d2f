package part

import (
	"html/template"
	"regexp"
	"strings"
)

// reference is a document that a sentence names, with its section where there is one.
var reference = regexp.MustCompile(`RFC (\d{3,5})(?:, sections? (\d+(?:\.\d+)*))?|CVE-\d{4}-\d{4,7}|GHSA(?:-[0-9a-z]{4}){3}`)

// more is a further section of the same document.
var more = regexp.MustCompile(`^( and |, )(\d+(?:\.\d+)*)`)

// urlOf is where a document stands.
func urlOf(name, rfc, section string) string {
	switch {
	case rfc != "" && section != "":
		return "https://www.rfc-editor.org/rfc/rfc" + rfc + "#section-" + section
	case rfc != "":
		return "https://www.rfc-editor.org/rfc/rfc" + rfc
	case strings.HasPrefix(name, "CVE-"):
		return "https://www.cve.org/CVERecord?id=" + name
	}
	return "https://github.com/advisories/" + name
}

// Linked is a sentence in which the documents are links.
func Linked(sentence string) template.HTML {
	var b strings.Builder
	for rest := sentence; ; {
		at := reference.FindStringSubmatchIndex(rest)
		if at == nil {
			b.WriteString(template.HTMLEscapeString(rest))
			return template.HTML(b.String()) //nolint:gosec // all of it is escaped
		}
		match := reference.FindStringSubmatch(rest)
		b.WriteString(template.HTMLEscapeString(rest[:at[0]]))
		writeLink(&b, urlOf(match[0], match[1], match[2]), match[0])
		rest = rest[at[1]:]
		for also := more.FindStringSubmatch(rest); also != nil && match[2] != ""; also = more.FindStringSubmatch(rest) {
			b.WriteString(also[1])
			writeLink(&b, urlOf("", match[1], also[2]), also[2])
			rest = rest[len(also[0]):]
		}
	}
}

func writeLink(b *strings.Builder, url, text string) {
	b.WriteString(`<a href="` + template.HTMLEscapeString(url) + `" rel="noreferrer">` + template.HTMLEscapeString(text) + `</a>`)
}

// Plain is Markdown of the lab without its marks for code.
func Plain(text string) string { return strings.ReplaceAll(text, "`", "") }
