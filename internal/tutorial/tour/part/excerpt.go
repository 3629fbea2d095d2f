package part

import (
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/tour/markdown"
)

// Excerpt is a part of a source file.
type Excerpt struct {
	Where string // file:line
	Link  string
	Lines []ExcerptLine
}

// ExcerptLine is one line of it.
type ExcerptLine struct {
	Number int
	HTML   template.HTML
	Mark   bool // it is what the excerpt is about
	Out    bool // it is taken out
}

// Read reads the lines from first to last of a file of the repository at root, and marks
// one. Lines beyond the end are left out.
func Read(root, file string, first, last, mark int) (*Excerpt, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		return nil, err
	}
	shown := markdown.Lines("go", strings.TrimSuffix(string(text), "\n"))
	e := &Excerpt{Where: fmt.Sprintf("%s:%d", file, mark), Link: Link(file, mark)}
	for i := max(first, 1); i <= min(last, len(shown)); i++ {
		e.Lines = append(e.Lines, ExcerptLine{Number: i, HTML: shown[i-1], Mark: i == mark})
	}
	if len(e.Lines) == 0 {
		return nil, fmt.Errorf("the file has no such lines: %s, %d to %d", file, first, last)
	}
	return e, nil
}

// Link is where a line of a file of the repository is shown.
func Link(file string, line int) string { return fmt.Sprintf("/source/%s#L%d", file, line) }
