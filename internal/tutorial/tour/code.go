package tour

import (
	"fmt"
	"html/template"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/tour/explain"
	"mcp-auth-step-by-step/internal/tutorial/tour/markdown"
)

// code shows what a step adds to the one before it, with what the comments of the
// source say about each line.
type code struct {
	root string

	mu   sync.Mutex
	read map[string]*explained // by folder
}

// explained is a program at a time.
type explained struct {
	file    *explain.File
	changed time.Time
}

// codeLine is a line of the difference.
type codeLine struct {
	Number int // in the program; 0 for a line that is gone
	Op     string
	HTML   template.HTML
	Notes  []explain.Note
}

// codeBlock is a run of lines. One of unchanged lines is folded.
type codeBlock struct {
	Same  bool
	Lines []codeLine
}

// page is the Code page of a step.
func (c *code) page(_ *http.Request, number int) (Content, error) {
	step := manifest.Steps[number-1]
	changes, err := manifest.Changes(c.root, number)
	if err != nil {
		return Content{}, err
	}
	lines, failed := c.lines(step, changes)
	added, gone := 0, 0
	for _, line := range lines {
		switch {
		case line.Op == "+" && line.HTML != "":
			added++
		case line.Op == "-" && line.HTML != "":
			gone++
		}
	}
	body := execute("code.html", map[string]any{
		"Step": step, "Blocks": blocks(lines, changes), "Added": added, "Gone": gone, "Failed": failed, "File": step.Folder() + "/main.go",
	})
	return Content{Title: "What step " + fmt.Sprint(number) + " adds", Body: body, Scripts: []string{"code.js"}, Wide: true}, nil
}

// lines colours and explains the lines of a difference. Where the program can't be
// explained, since it doesn't compile, it says why.
func (c *code) lines(step manifest.Step, changes []manifest.Line) (lines []codeLine, failed error) {
	newer, failed := c.explain(step.Folder())
	var older *explain.File
	if step.After > 0 && failed == nil {
		older, failed = c.explain(manifest.Steps[step.After-1].Folder())
	}
	var text [2][]string // of the older, and of the newer program
	for _, change := range changes {
		if change.Op != '+' {
			text[0] = append(text[0], change.Text)
		}
		if change.Op != '-' {
			text[1] = append(text[1], change.Text)
		}
	}
	coloured := [2][]template.HTML{markdown.Lines("go", strings.Join(text[0], "\n")), markdown.Lines("go", strings.Join(text[1], "\n"))}
	at := [2]int{}
	for _, change := range changes {
		side, file := 1, newer
		if change.Op == '-' {
			side, file = 0, older
		}
		line := codeLine{Op: string(change.Op), Number: at[1] + 1}
		if at[side] < len(coloured[side]) {
			line.HTML = coloured[side][at[side]]
		}
		if file != nil && failed == nil && strings.TrimSpace(change.Text) != "" && at[side] < len(file.Lines) {
			line.Notes = file.Notes[at[side]]
		}
		if change.Op == '-' {
			line.Number = 0
		}
		if change.Op != '+' {
			at[0]++
		}
		if change.Op != '-' {
			at[1]++
		}
		lines = append(lines, line)
	}
	return lines, failed
}

// explain reads a program, again if it has changed.
func (c *code) explain(folder string) (*explain.File, error) {
	info, err := os.Stat(filepath.Join(c.root, folder, "main.go"))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.read[folder]; known != nil && known.changed.Equal(info.ModTime()) {
		return known.file, nil
	}
	file, err := explain.Read(c.root, folder)
	if err != nil {
		return nil, err
	}
	if c.read == nil {
		c.read = map[string]*explained{}
	}
	c.read[folder] = &explained{file, info.ModTime()}
	return file, nil
}

// blocks folds what is unchanged.
func blocks(lines []codeLine, changes []manifest.Line) []codeBlock {
	var all []codeBlock
	for i, line := range lines {
		if same := !manifest.IsNear(changes, i); len(all) == 0 || all[len(all)-1].Same != same {
			all = append(all, codeBlock{Same: same})
		}
		last := &all[len(all)-1]
		last.Lines = append(last.Lines, line)
	}
	return all
}
