package pictures

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// rings are the names of what wraps requests, by the call in main.go. A new layer
// needs a line here.
var rings = map[string]string{
	"originguard.Protect":     "Which Host, which Origin?",
	"scopepolicy.SmallBodies": "May it be a large message?",
	"cors.Expose":             "May this page read the answer?",
	"report.Need":             "Are the provider's keys here?",
	"bearerauth.Require":      "Whose token is it? Is it good?",
	"mcpendpoint.Decode":      "One message, read in one way",
	"scopepolicy.Require":     "Do scope and role allow it?",
	"mcpendpoint.Handler":     "MCP endpoint",
	"features.List":           "tools and prompts: listed",
	"features.Dispatch":       "tools and prompts: listed and run",
}

// ring is one thing that a request passes.
type ring struct {
	call string
	step int  // that brought it
	all  bool // every route is behind it, and not the MCP endpoint alone
}

// program is what a picture shows of a step's main.go.
type program struct {
	rings []ring // the outermost first
	tools *ring  // the innermost, from step 3
	open  []ring // what is served without a token: the paths
}

var inStep = regexp.MustCompile(`^// step (\d+)`)

// readProgram finds the layers of a step's main.go: each wraps the handlers above
// it, so the last one is met first.
func readProgram(root string, step manifest.Step) (*program, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, filepath.Join(root, step.Folder(), "main.go"), nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	by := map[int]int{} // the step of a line
	for _, group := range file.Comments {
		if match := inStep.FindStringSubmatch(group.List[0].Text); match != nil {
			by[files.Position(group.End()).Line+1], _ = strconv.Atoi(match[1])
		}
	}
	p, current := &program{}, 0
	for _, declaration := range file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Name.Name != "newHandler" {
			continue
		}
		for _, statement := range function.Body.List {
			if number, begins := by[files.Position(statement.Pos()).Line]; begins {
				current = number
			}
			p.note(statement, current)
		}
	}
	slices.Reverse(p.rings)
	if len(p.rings) == 0 {
		return nil, errors.New("no layer was found in newHandler")
	}
	return p, nil
}

// note adds what a statement does to the picture.
func (p *program) note(statement ast.Stmt, step int) {
	name, call := callOf(statement)
	switch {
	case call == nil:
	case name == "features.List" || name == "features.Dispatch":
		p.tools = &ring{call: name, step: step}
	case name == "mux.Handle":
		if path := openPath(call); path != "" && !slices.ContainsFunc(p.open, func(r ring) bool { return strings.HasPrefix(path, r.call) }) {
			p.open = append(p.open, ring{call: path, step: step})
		}
	default:
		if handler := wrapped(statement); handler != "" {
			p.rings = append(p.rings, ring{name, step, handler == "handler"})
		}
	}
}

// callOf is the call that a statement makes, and its name.
func callOf(statement ast.Stmt) (string, *ast.CallExpr) {
	var expression ast.Expr
	switch s := statement.(type) {
	case *ast.ExprStmt:
		expression = s.X
	case *ast.AssignStmt:
		expression = s.Rhs[0]
	case *ast.DeclStmt:
		if spec, ok := s.Decl.(*ast.GenDecl).Specs[0].(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			expression = spec.Values[0]
		}
	}
	call, ok := expression.(*ast.CallExpr)
	if !ok {
		return "", nil
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", nil
	}
	return fmt.Sprint(selector.X) + "." + selector.Sel.Name, call
}

// wrapped is the handler that a statement gives a new value: mcp = …(…, mcp). It is empty
// where the statement does something else.
func wrapped(statement ast.Stmt) string {
	target := ""
	switch s := statement.(type) {
	case *ast.AssignStmt:
		target = fmt.Sprint(s.Lhs[0])
	case *ast.DeclStmt:
		if spec, ok := s.Decl.(*ast.GenDecl).Specs[0].(*ast.ValueSpec); ok {
			target = spec.Names[0].Name
		}
	}
	if target != "mcp" && target != "handler" {
		return ""
	}
	return target
}

// openPath is the path of a route that anybody may read.
func openPath(call *ast.CallExpr) string {
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return ""
	}
	pattern, _ := strconv.Unquote(literal.Value)
	path, ok := strings.CutPrefix(pattern, "GET ")
	if !ok || strings.HasSuffix(path, "/") {
		return ""
	}
	return path
}
