package pictures

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// policyStep is the step whose main.go has the policy.
const policyStep = "cmd/step8"

var scopeAndRole = description{
	name: "scope-and-role", title: "A call needs the scope and the role",
	says: "The policy of step 8 as a table: for each operation the scopes that the client needs, " +
		"and the roles of which the user needs one. A call needs both.",
	draw: func(c *canvas, root string) error {
		roles, rules, err := readPolicy(root)
		if err != nil {
			return err
		}
		drawPolicy(c, roles, rules)
		return nil
	},
}

// rule is a line of the policy.
type rule struct {
	operations []string
	scopes     []string // nil: none is needed
	any        bool     // one of the scopes is enough
	roles      []string // nil: none is needed
}

// readPolicy finds the policy in the source of its step.
func readPolicy(root string) (roles []string, rules []rule, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, policyStep, "main.go"), nil, 0)
	if err != nil {
		return nil, nil, err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, isName := pair.Key.(*ast.Ident)
		literal, isRules := pair.Value.(*ast.CompositeLit)
		switch {
		case isName && key.Name == "Roles" && roles == nil:
			roles = strings.Fields(text(pair.Value))
		case isName && key.Name == "Rules" && isRules:
			for _, element := range literal.Elts {
				rules = append(rules, ruleOf(element.(*ast.KeyValueExpr)))
			}
			return false
		}
		return true
	})
	if len(roles) == 0 || len(rules) == 0 {
		return nil, nil, errors.New("main.go has no policy")
	}
	return roles, together(rules), nil
}

// text is the value of a string literal.
func text(expression ast.Expr) string {
	literal, ok := expression.(*ast.BasicLit)
	if !ok {
		return ""
	}
	value, _ := strconv.Unquote(literal.Value)
	return value
}

func ruleOf(pair *ast.KeyValueExpr) rule {
	r := rule{operations: []string{text(pair.Key)}}
	for _, element := range pair.Value.(*ast.CompositeLit).Elts {
		member := element.(*ast.KeyValueExpr)
		words := strings.Fields(text(member.Value))
		switch member.Key.(*ast.Ident).Name {
		case "AllOf":
			r.scopes = words
		case "AnyOf":
			r.scopes, r.any = words, true
		case "Roles":
			r.roles = words
		}
	}
	return r
}

// together makes one line of rules that follow one another and need the same.
func together(rules []rule) (merged []rule) {
	for _, r := range rules {
		last := len(merged) - 1
		if last >= 0 && slices.Equal(merged[last].scopes, r.scopes) && slices.Equal(merged[last].roles, r.roles) && merged[last].any == r.any {
			merged[last].operations = append(merged[last].operations, r.operations...)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// The columns of the table.
const (
	scopeColumn = 186.0
	roleColumn  = 318.0
	roleWidth   = 44.0
)

func drawPolicy(c *canvas, roles []string, rules []rule) {
	y := margin + 14
	c.line(margin+12, y, "start", "small strong", "operation")
	c.line(scopeColumn, y, "start", "small strong", "scope of the client")
	for i, role := range roles {
		c.line(roleAt(i), y, "middle", "small strong", role)
	}
	y += 12
	for _, r := range rules {
		names := r.names()
		scopes := r.scopeLines()
		high := float64(max(len(names), len(scopes)))*leading + 13
		c.box(margin, y, Width-2*margin, high, "card")
		for i, name := range names {
			class := "code"
			if strings.HasPrefix(name, to) {
				class = "small muted"
			}
			c.line(margin+12, y+21+leading*float64(i), "start", class, strings.TrimPrefix(name, to))
		}
		c.lines(scopeColumn, y+21, "start", "small", strings.Join(scopes, "\n"))
		for i, role := range roles {
			mark, kind := "✓", "good strong"
			if r.roles != nil && !slices.Contains(r.roles, role) {
				mark, kind = "–", "muted"
			}
			c.line(roleAt(i), y+21, "middle", kind, mark)
		}
		y += high + 6
	}
	c.line(margin, y+14, "start", "small muted", "A call needs the scope and a role with ✓. Nothing else is allowed.")
}

func roleAt(i int) float64 { return roleColumn + roleWidth*(float64(i)+0.5) }

// to marks a line that says what the operation above it is applied to.
const to = "\t"

// names are the operations, a line each, and below them what they are applied to.
func (r rule) names() (lines []string) {
	for _, operation := range r.operations {
		method, rest, named := strings.Cut(operation, " ")
		lines = append(lines, method)
		if named && rest != "*" {
			lines = append(lines, to+strings.ReplaceAll(rest, " ", ", "))
		}
	}
	return lines
}

// scopeLines say which scopes are needed.
func (r rule) scopeLines() (lines []string) {
	if len(r.scopes) == 0 {
		return []string{"any valid token"}
	}
	for i, scope := range r.scopes {
		line := "`" + scope + "`"
		if i < len(r.scopes)-1 && r.any {
			line += " or"
		}
		lines = append(lines, line)
	}
	return lines
}
