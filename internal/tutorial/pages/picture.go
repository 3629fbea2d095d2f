package pages

import (
	"errors"
	"fmt"
	"html"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/pictures"
)

// picture shows a picture by its name, light or dark as the reader's page is.
func (w *Writer) picture(page, name string) (string, error) {
	drawn, err := pictures.All(w.root)
	if err != nil {
		return "", err
	}
	index := slices.IndexFunc(drawn, func(p pictures.Picture) bool { return p.Name == name })
	if index < 0 {
		return "", errors.New("no such picture; see internal/tutorial/pictures")
	}
	p := drawn[index]
	var b strings.Builder
	b.WriteString("<p align=\"center\"><picture>\n")
	fmt.Fprintf(&b, "<source media=\"(prefers-color-scheme: dark)\" srcset=%q>\n", link(page, p.Dark()))
	fmt.Fprintf(&b, "<img src=%q width=\"%d\" alt=\"%s\">\n</picture></p>\n", link(page, p.Light()), pictures.Width, html.EscapeString(p.Says))
	return b.String(), nil
}
