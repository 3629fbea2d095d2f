// Package mutation takes statements out of a package, one at a time, and sees
// its tests fail: a statement that no test misses is one that the next change can
// lose.
//
//	make mutation                   # every statement of the packages in the table
//	make mutation MUTATION=sample   # a fixed part of them, as in CI
//
// All mutants of a package are compiled into one test binary: each statement
// stands behind a question to [keeps], which says no to the one whose number is
// in the environment. The build's overlay takes the changed files, so nothing in
// the repository is touched.
package mutation

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// Variable names the environment variable that holds the number of the
// statement that is taken out.
const Variable = "STATEMENT_TAKEN_OUT"

// keeps is the function that the changed sources ask, and keepsAll the one for the
// elements of a table.
const keeps, keepsAll = "keepsStatement", "keepsElements"

// helper is the file that a changed package gets beside its own.
func helper(pkg string) string {
	return "package " + pkg + `

import "os"

var statementTakenOut = os.Getenv("` + Variable + `")

func ` + keeps + `(number string) bool { return number != statementTakenOut }

func ` + keepsAll + `[T any](list []T, numbers ...string) []T {
	for i, number := range numbers {
		if !` + keeps + `(number) {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}
`
}

// Mutant is a statement, a part of a condition, or an element of a table, that can be
// taken out.
type Mutant struct {
	Number string
	// Key names it whatever lines stand around: function, kind and text, and
	// #2, #3 … where a function has the same text more than once.
	Key  string
	File string // relative to the root
	Line int
}

// insertion is text that goes into a source.
type insertion struct {
	offset int
	text   string
}

// instrumenter walks through one file.
type instrumenter struct {
	source   []byte
	files    *token.FileSet
	function string
	seen     map[string]int
	opening  []insertion // in front of a node, the first one first
	closing  []insertion // behind a node, the last one first
	mutants  []Mutant
	next     func() string
}

// instrument returns the source of a file with every statement of its functions
// behind a question, and the mutants that this makes. next numbers them.
func instrument(source []byte, next func() string) ([]byte, []Mutant, error) {
	w := &instrumenter{source: source, files: token.NewFileSet(), seen: map[string]int{}, next: next}
	file, err := parser.ParseFile(w.files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	for _, declaration := range file.Decls {
		if table, ok := declaration.(*ast.GenDecl); ok && table.Tok == token.VAR {
			w.tables(table)
		}
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Body != nil {
			w.function = nameOf(f)
			ast.Inspect(f.Body, w.visit)
		}
	}
	return w.changed(), w.mutants, nil
}

// tables makes mutants of the elements of tables: variables of the package that are
// lists of structs, such as the checks of a token.
func (w *instrumenter) tables(declaration *ast.GenDecl) {
	for _, spec := range declaration.Specs {
		value, ok := spec.(*ast.ValueSpec)
		if !ok || len(value.Values) != 1 {
			continue
		}
		list, ok := value.Values[0].(*ast.CompositeLit)
		if !ok || !isListOfStructs(list) {
			continue
		}
		w.function = value.Names[0].Name
		var numbers strings.Builder
		for _, element := range list.Elts {
			numbers.WriteString(`, "` + w.add("", element) + `"`)
		}
		w.insert(list, keepsAll+"(", numbers.String()+")")
	}
}

func isListOfStructs(list *ast.CompositeLit) bool {
	array, ok := list.Type.(*ast.ArrayType)
	return ok && array.Len == nil && len(list.Elts) > 1 && !slices.ContainsFunc(list.Elts, func(e ast.Expr) bool {
		_, ok := e.(*ast.CompositeLit)
		return !ok
	})
}

// nameOf is Name, or Type.Name for a method.
func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	receiver, _, _ := strings.Cut(types.ExprString(f.Recv.List[0].Type), "[") // without type parameters
	return strings.TrimPrefix(receiver, "*") + "." + f.Name.Name
}

func (w *instrumenter) visit(n ast.Node) bool {
	switch s := n.(type) {
	case *ast.BlockStmt:
		w.statements(s.List)
	case *ast.CommClause:
		w.statements(s.Body)
	case *ast.CaseClause:
		w.statements(s.Body)
	case *ast.SwitchStmt:
		if s.Tag == nil {
			w.cases(s)
		}
	}
	return true
}

// cases makes mutants of the cases of a switch without a tag, which are
// conditions.
func (w *instrumenter) cases(s *ast.SwitchStmt) {
	for _, clause := range s.Body.List {
		for _, condition := range clause.(*ast.CaseClause).List {
			w.condition("case", condition)
		}
	}
}

func (w *instrumenter) statements(list []ast.Stmt) {
	for _, statement := range list {
		w.statement(statement)
	}
}

func (w *instrumenter) statement(statement ast.Stmt) {
	switch s := statement.(type) {
	case *ast.IfStmt:
		w.condition("if", s.Cond)
		if next, ok := s.Else.(*ast.IfStmt); ok {
			w.statement(next)
		}
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok {
			if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "panic" {
				return // the compiler may need it at the end of a function
			}
		}
		w.wrap(s)
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE && !blank(s.Lhs) {
			w.wrap(s)
		}
	case *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt, *ast.BranchStmt:
		w.wrap(s)
	case *ast.ReturnStmt:
		for _, result := range s.Results {
			w.operands(result)
		}
	}
}

// blank tells whether all of an assignment is thrown away.
func blank(targets []ast.Expr) bool {
	return !slices.ContainsFunc(targets, func(e ast.Expr) bool {
		name, ok := e.(*ast.Ident)
		return !ok || name.Name != "_"
	})
}

// operands makes mutants of the parts of a returned condition.
func (w *instrumenter) operands(e ast.Expr) {
	binary, ok := e.(*ast.BinaryExpr)
	if !ok || binary.Op != token.LAND && binary.Op != token.LOR {
		return
	}
	for _, operand := range []ast.Expr{binary.X, binary.Y} {
		inner, nested := operand.(*ast.BinaryExpr)
		switch {
		case nested && (inner.Op == token.LAND || inner.Op == token.LOR):
			w.operands(operand)
		case binary.Op == token.LAND: // without it, nothing is asked
			w.insert(operand, "((", ") || !"+keeps+`("`+w.add("&&", operand)+`"))`)
		default:
			w.condition("||", operand)
		}
	}
}

// condition takes a condition out by making it false.
func (w *instrumenter) condition(kind string, condition ast.Expr) {
	w.insert(condition, "((", ") && "+keeps+`("`+w.add(kind, condition)+`"))`)
}

// wrap takes a statement out by not running it.
func (w *instrumenter) wrap(s ast.Stmt) {
	w.insert(s, "if "+keeps+`("`+w.add("", s)+`") { `, " }")
}

func (w *instrumenter) insert(n ast.Node, before, after string) {
	w.opening = append(w.opening, insertion{w.offset(n.Pos()), before})
	w.closing = append([]insertion{{w.offset(n.End()), after}}, w.closing...)
}

func (w *instrumenter) offset(p token.Pos) int { return w.files.Position(p).Offset }

// add numbers a mutant and names it.
func (w *instrumenter) add(kind string, n ast.Node) string {
	text := strings.Join(strings.Fields(string(w.source[w.offset(n.Pos()):w.offset(n.End())])), " ")
	if runes := []rune(text); len(runes) > 90 {
		text = string(runes[:90]) + "…"
	}
	key := strings.TrimSpace(w.function+": "+kind) + " " + text
	w.seen[key]++
	if count := w.seen[key]; count > 1 {
		key += fmt.Sprintf(" #%d", count)
	}
	m := Mutant{Number: w.next(), Key: key, Line: w.files.Position(n.Pos()).Line}
	w.mutants = append(w.mutants, m)
	return m.Number
}

// changed is the source with all that is inserted. Where an inner part ends
// together with an outer one, the inner one is closed first; where they begin
// together, the outer one is opened first.
func (w *instrumenter) changed() []byte {
	all := append(w.closing, w.opening...)
	slices.SortStableFunc(all, func(a, b insertion) int { return a.offset - b.offset })
	var out bytes.Buffer
	at := 0
	for _, in := range all {
		out.Write(w.source[at:in.offset])
		out.WriteString(in.text)
		at = in.offset
	}
	out.Write(w.source[at:])
	return out.Bytes()
}
