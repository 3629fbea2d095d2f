package pages

import (
	"errors"
	"fmt"
	"html"
	"slices"

	"mcp-auth-step-by-step/internal/tutorial/pictures"
)

// picture shows a picture by its name, light or dark as the reader's page is: in
// the middle, or beside the text that follows, where the page is wide enough.
func (w *Writer) picture(page, name string, beside bool) (string, error) {
	drawn, err := pictures.All(w.root)
	if err != nil {
		return "", err
	}
	index := slices.IndexFunc(drawn, func(p pictures.Picture) bool { return p.Name == name })
	if index < 0 {
		return "", errors.New("no such picture; see internal/tutorial/pictures")
	}
	p := drawn[index]
	before, after, attributes := `<p align="center">`, "</p>", fmt.Sprintf("width=\"%d\"", pictures.Width)
	if beside {
		before, after, attributes = "", "", `align="right" width="400"`
	}
	return fmt.Sprintf("%s<picture>\n<source media=\"(prefers-color-scheme: dark)\" srcset=%q>\n<img src=%q %s alt=\"%s\">\n</picture>%s\n",
		before, link(page, p.Dark()), link(page, p.Light()), attributes, html.EscapeString(p.Says), after), nil
}
