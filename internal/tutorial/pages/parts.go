package pages

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/providertest"
)

// link is the way from a page to a file, both relative to the root.
func link(page, file string) string {
	if rest, ok := strings.CutPrefix(file, path.Dir(page)+"/"); ok {
		return rest
	}
	return strings.Repeat("../", strings.Count(page, "/")) + file
}

func (w *Writer) stepTable(page string) string {
	var b strings.Builder
	b.WriteString("| step | what it adds | read | run | see it tested |\n|---|---|---|---|---|\n")
	for _, s := range manifest.Steps {
		fmt.Fprintf(&b, "| %d | [%s](%s) | [main.go](%s) | `go run ./%s` | `bash %s` |\n",
			s.Number, s.Name, link(page, s.Page()), link(page, s.Folder()+"/main.go"), s.Folder(), s.Script())
	}
	return b.String()
}

func (w *Writer) diff(number int) (string, error) {
	lines, err := manifest.Changes(w.root, number)
	if err != nil {
		return "", err
	}
	if step := manifest.Steps[number-1]; step.After == 0 {
		source, err := step.Source(w.root)
		return folded("go", strings.Join(source, "\n"), step.Folder()+"/main.go"), err
	}
	var b strings.Builder
	skipped := false
	for i, line := range lines {
		if !manifest.IsNear(lines, i) {
			skipped = true
			continue
		}
		if skipped {
			b.WriteString("@@\n")
			skipped = false
		}
		b.WriteString(strings.TrimRight(string(line.Op)+line.Text, " \t") + "\n")
	}
	return folded("diff", b.String(), fmt.Sprintf("What <code>%s/main.go</code> adds", manifest.Steps[number-1].Folder())), nil
}

func fence(language, text string) string {
	return "```" + language + "\n" + strings.TrimSuffix(text, "\n") + "\n```\n"
}

// longest is how many lines a page shows unfolded: of code, and of an answer, whose
// outcome is in its summary.
var longest = map[string]int{"go": 10, "diff": 24, "http": 10}

// folded is a fence that a reader opens by its summary, where it is long.
func folded(language, text, summary string) string {
	if strings.Count(strings.TrimSuffix(text, "\n"), "\n") < longest[language] {
		return open(language, text, summary)
	}
	return "<details><summary>" + summary + "</summary>\n\n" + fence(language, text) + "\n</details>\n"
}

// open is a fence below a line that says what it is.
func open(language, text, summary string) string { return summary + "\n\n" + fence(language, text) }

// code shows a declaration with its comment. name is Function or Type.Method; show
// is folded, or open for what every reader should see.
func (w *Writer) code(page, folder, name string, show func(language, text, summary string) string) (string, error) {
	files := token.NewFileSet()
	var found string
	err := filepath.WalkDir(filepath.Join(w.root, folder), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(files, file, text, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, declaration := range parsed.Decls {
			doc, ok := declares(declaration, name)
			if !ok {
				continue
			}
			begin, end := declaration.Pos(), declaration.End()
			if doc != nil {
				begin = doc.Pos()
			}
			where := path.Join(folder, filepath.Base(file))
			found = show("go", string(text[files.Position(begin).Offset:files.Position(end).Offset]),
				fmt.Sprintf("<a href=%q><code>%s</code></a> in %s", link(page, where), name, where))
		}
		return nil
	})
	if err == nil && found == "" {
		err = fmt.Errorf("%s has no declaration %s", folder, name)
	}
	return found, err
}

// declares tells whether a declaration is that of a name, and which comment it has.
func declares(declaration ast.Decl, name string) (doc *ast.CommentGroup, ok bool) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return d.Doc, d.Name.Name == name
		}
		receiver := d.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		ident, ok := receiver.(*ast.Ident)
		return d.Doc, ok && ident.Name+"."+d.Name.Name == name
	case *ast.GenDecl:
		return d.Doc, slices.ContainsFunc(d.Specs, func(spec ast.Spec) bool {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				return s.Name.Name == name
			case *ast.ValueSpec:
				return s.Names[0].Name == name
			}
			return false
		})
	}
	return nil, false
}

var breakable = regexp.MustCompile(`[_/@.:]+`)

// narrow is a cell whose long words may be broken, so that the columns fit on a
// phone.
func narrow(text string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if words[i] = cell(word); len(word) > 12 {
			words[i] = cell(breakable.ReplaceAllString(word, "$0\x00"))
		}
	}
	return strings.ReplaceAll(strings.Join(words, " "), "\x00", "<wbr>")
}

// course lists the steps with the time that their pages say they take.
func (w *Writer) course(page string) (string, error) {
	var b strings.Builder
	b.WriteString("| | step | minutes |\n|---|---|---|\n")
	total := 0
	for _, s := range manifest.Steps {
		n, err := s.Minutes(w.root)
		if err != nil {
			return "", err
		}
		total += n
		fmt.Fprintf(&b, "| %d | [%s](%s) | %d |\n", s.Number, s.Name, link(page, s.Page()), n)
	}
	fmt.Fprintf(&b, "\nTogether about %d hours.\n", (total+30)/60)
	return b.String(), nil
}

// most is how many rows of the table a page shows.
const most = 6

// telling shows some rows of a layer: what the step before answers, and what this
// one does. The first step has none before it.
func telling(page string, number int, ids []string) (string, error) {
	if len(ids) > most {
		return "", fmt.Errorf("at most %d rows; all are in docs/matrix.md", most)
	}
	step := manifest.Steps[number-1]
	var b strings.Builder
	b.WriteString("| what is tried |")
	if step.After > 0 {
		fmt.Fprintf(&b, " before, at step %d |", step.After)
	}
	fmt.Fprintf(&b, " now, at step %d |\n|---|", number)
	b.WriteString(strings.Repeat("---|", min(step.After, 1)+1) + "\n")
	for _, id := range ids {
		row, ok := matrix.Find(id)
		if !ok || row.Layer != number {
			return "", fmt.Errorf("layer %d has no row %s", number, id)
		}
		fmt.Fprintf(&b, "| [%s](%s#%s) |", narrow(row.Title), link(page, "docs/matrix.md"), id)
		if step.After > 0 {
			b.WriteString(" " + narrow(firstOutcome(row, step.After)) + " |")
		}
		b.WriteString(" " + narrow(firstOutcome(row, number)) + " |\n")
	}
	return b.String(), nil
}

// neighbours link to the pages before and after, and to the course.
func neighbours(page string, number int) string {
	var links []string
	if number > 1 {
		before := manifest.Steps[number-2]
		links = append(links, fmt.Sprintf("← [Step %d: %s](%s)", before.Number, before.Name, link(page, before.Page())))
	}
	links = append(links, fmt.Sprintf("[All steps](%s)", link(page, "docs/README.md")))
	if number < len(manifest.Steps) {
		after := manifest.Steps[number]
		links = append(links, fmt.Sprintf("[Step %d: %s](%s) →", after.Number, after.Name, link(page, after.Page())))
	}
	return strings.Join(links, " · ") + "\n"
}

// rowTable shows the rows of one layer, wholeTable all of them.
func rowTable(layer int) string {
	var b bytes.Buffer
	b.WriteString("| what is tried | shows |")
	servers := manifest.Servers()
	for _, s := range servers {
		fmt.Fprintf(&b, " %d |", s.Number)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(servers)) + "\n")
	for _, row := range matrix.Rows {
		if row.Layer != layer {
			continue
		}
		title := row.Title
		if row.Attack {
			title = "⚔ " + title
		}
		fmt.Fprintf(&b, "| <a id=%q></a>%s | %s |", row.ID, cell(title), refs(row.Refs))
		before := ""
		for _, s := range servers {
			word := outcome(row, s.Number)
			if word == before {
				b.WriteString(" · |")
				continue
			}
			b.WriteString(" " + cell(word) + " |")
			before = word
		}
		b.WriteString("\n")
	}
	return b.String()
}

// refs link ids to the catalogue, which stands beside every page that has rows.
func refs(ids []string) string {
	links := make([]string, len(ids))
	for i, id := range ids {
		links[i] = fmt.Sprintf("[%s](catalogue.md#%s)", id, id)
	}
	return strings.Join(links, " ")
}

// firstOutcome is what a step answers, in the era that the pages of the steps show.
func firstOutcome(row matrix.Row, step int) string { return outcomeIn(row, step, row.Eras()[0]) }

func outcomeIn(row matrix.Row, step int, era matrix.Era) string {
	want := row.At(step, era)
	if want.Works {
		return "**works** " + want.Says()
	}
	return want.Says()
}

// outcome is what a step answers, in both eras where they differ.
func outcome(row matrix.Row, step int) string {
	var words []string
	for _, era := range row.Eras() {
		word := outcomeIn(row, step, era)
		if len(words) == 0 || words[0] != word {
			words = append(words, word)
		}
	}
	return strings.Join(words, " / ")
}

func wholeTable() string {
	var b strings.Builder
	for _, s := range manifest.Servers() {
		fmt.Fprintf(&b, "## Layer %d: %s\n\n%s\n", s.Number, s.Name, rowTable(s.Number))
	}
	return b.String()
}

// differenceTable shows where the embedded authorization server and Keycloak
// differ, and why that is all right.
func differenceTable() string {
	var b strings.Builder
	b.WriteString("| what is tried | embedded | Keycloak | why |\n|---|---|---|---|\n")
	for _, d := range providertest.Differences {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(d.What), cell(d.Embedded), cell(d.Keycloak), cell(d.Why))
	}
	return b.String()
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "__", `\_\_`, "<", "&lt;", "@", "&#64;").Replace(text)
}
