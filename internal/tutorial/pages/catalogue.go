package pages

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/catalogue"
)

// mostRows is how many rows of the table the catalogue links to for one id.
const mostRows = 6

// catalogue lists all ids by their groups, with what shows that each holds.
func (w *Writer) catalogue(page string) (string, error) {
	groups, err := catalogue.Read()
	if err != nil {
		return "", err
	}
	shown, err := catalogue.Find(w.root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&b, "## %s: %s\n\n| id | meaning | source | shown by |\n|---|---|---|---|\n", group.Prefix, group.Title)
		for _, entry := range group.Entries {
			fmt.Fprintf(&b, "| <a id=%q></a>%s | %s | %s | %s |\n",
				entry.ID, entry.ID, cell(entry.Meaning), cell(entry.Source), showing(page, shown[entry.ID]))
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// showing links to rows, and to the packages of tests.
func showing(page string, shown *catalogue.Shown) string {
	if shown == nil {
		return ""
	}
	var links []string
	for i, row := range shown.Rows {
		if i == mostRows {
			links = append(links, fmt.Sprintf("%d more rows", len(shown.Rows)-mostRows))
			break
		}
		links = append(links, fmt.Sprintf("[%s](%s#%s)", row, link(page, "docs/matrix.md"), row))
	}
	var packages []string
	for _, file := range shown.Files {
		if folder := path.Dir(file); !slices.Contains(packages, folder) {
			packages = append(packages, folder)
			links = append(links, fmt.Sprintf("tests of [%s](%s)", path.Base(folder), link(page, folder)))
		}
	}
	return strings.Join(links, ", ")
}
