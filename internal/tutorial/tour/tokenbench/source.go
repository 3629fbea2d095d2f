package tokenbench

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
)

// searched are the packages in whose source a refusal is found: that of the checks
// first, and then what it calls.
var searched = []string{"internal/oauth/accesstoken", "internal/oauth/jws", "internal/oauth/jwks", "internal/web/strictjson"}

// Place is a line of the source.
type Place struct {
	File        string // below the root of the repository
	Line        int
	First, Last int // of the excerpt that shows it
}

// Source finds the lines that refuse a token, by what the refusal says: the text
// stands in the source, in a function that the check reaches.
type Source struct {
	files     *token.FileSet
	root      string
	functions map[string][]*function // by name, methods too
	methods   map[string]string      // names of the checks to those of their methods
	sentinels map[string]string      // names of errors to their texts

	mu    sync.Mutex
	known map[string]Place // what was searched, by the check and its refusal
}

// mostKnown bounds what is kept of searches: refusals have parts of tokens in them.
const mostKnown = 1000

// function is one function of the searched packages.
type function struct {
	declared *ast.FuncDecl
	says     []phrase
	calls    []call
	refuses  bool // it never returns nil: its caller decides
}

type call struct {
	name string
	at   token.Pos
}

// phrase is a literal in the source, as a pattern of the texts that it makes.
type phrase struct {
	pattern *regexp.Regexp
	length  int // of its fixed parts
	at      token.Pos
}

// ReadSource reads the packages of the repository.
func ReadSource(root string) (*Source, error) {
	s := &Source{
		files: token.NewFileSet(), root: root, functions: map[string][]*function{}, methods: map[string]string{}, sentinels: map[string]string{},
	}
	for _, folder := range searched {
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(s.files, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			s.read(file)
		}
	}
	return s, nil
}

func (s *Source) read(file *ast.File) {
	for _, declared := range file.Decls {
		if f, ok := declared.(*ast.FuncDecl); ok && f.Body != nil {
			s.functions[f.Name.Name] = append(s.functions[f.Name.Name], newFunction(f))
			continue
		}
		ast.Inspect(declared, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				s.readCheck(n)
			case *ast.ValueSpec:
				s.readSentinel(n)
			}
			return true
		})
	}
}

// readCheck reads an entry of the list of checks: its first element is the name, its
// last the method.
func (s *Source) readCheck(entry *ast.CompositeLit) {
	if len(entry.Elts) != 4 {
		return
	}
	name, isText := entry.Elts[0].(*ast.BasicLit)
	method, isMethod := entry.Elts[3].(*ast.SelectorExpr)
	if !isText || !isMethod {
		return
	}
	if text, err := strconv.Unquote(name.Value); err == nil {
		s.methods[text] = method.Sel.Name
	}
}

// readSentinel reads ErrX = errors.New("text").
func (s *Source) readSentinel(spec *ast.ValueSpec) {
	for i, name := range spec.Names {
		if i >= len(spec.Values) || !strings.HasPrefix(name.Name, "Err") {
			continue
		}
		ast.Inspect(spec.Values[i], func(n ast.Node) bool {
			if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				s.sentinels[name.Name], _ = strconv.Unquote(literal.Value)
			}
			return true
		})
	}
}

func newFunction(declared *ast.FuncDecl) *function {
	f := &function{declared: declared, refuses: true}
	ast.Inspect(declared.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if p, ok := newPhrase(n); ok {
				f.says = append(f.says, p)
			}
		case *ast.CallExpr:
			switch called := n.Fun.(type) {
			case *ast.Ident:
				f.calls = append(f.calls, call{called.Name, n.Pos()})
			case *ast.SelectorExpr:
				f.calls = append(f.calls, call{called.Sel.Name, n.Pos()})
			}
		case *ast.ReturnStmt:
			if len(n.Results) == 0 {
				f.refuses = false
				return true
			}
			last, isName := n.Results[len(n.Results)-1].(*ast.Ident)
			f.refuses = f.refuses && (!isName || last.Name != "nil" && last.Name != "true" && last.Name != "false")
		}
		return true
	})
	return f
}

var verbs = regexp.MustCompile(`%[-+# 0-9.*]*[a-zA-Z]`)

// shortest is how many fixed characters a literal must have to say something.
const shortest = 6

func newPhrase(literal *ast.BasicLit) (phrase, bool) {
	text, err := strconv.Unquote(literal.Value)
	if literal.Kind != token.STRING || err != nil {
		return phrase{}, false
	}
	parts := verbs.Split(text, -1)
	length := len(strings.Join(parts, ""))
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return phrase{regexp.MustCompile("(?s)" + strings.Join(parts, ".*?")), length, literal.Pos()}, length >= shortest
}

// found is a place that may be the one, with what speaks for it.
type found struct {
	in     *function
	at     token.Pos
	length int
	direct bool // the function itself decides
}

// Line is the line that refuses, or the method of the check where no text is found.
// ok is false for a check that the source doesn't have.
func (s *Source) Line(name string, refusal *accesstoken.Refusal) (place Place, ok bool) {
	methods := s.functions[s.methods[name]]
	if len(methods) == 0 {
		return Place{}, false
	}
	best := found{in: methods[0], at: methods[0].declared.Pos()}
	if refusal == nil {
		return s.place(best.in, best.at), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := name + " " + refusal.Error()
	if place, ok = s.known[key]; ok {
		return place, true
	}
	if s.known == nil || len(s.known) >= mostKnown {
		s.known = map[string]Place{}
	}
	consider := func(f found) {
		if f.direct && !best.direct || f.direct == best.direct && f.length > best.length {
			best = f
		}
	}
	says := refusal.Err.Error() + ": " + refusal.Has // what to do about it may stand elsewhere
	s.walk(methods[0], func(f *function, caller *function, at token.Pos) {
		for _, p := range s.phrases(f, says) {
			if f.refuses && caller != nil {
				consider(found{caller, at, p.length, false})
				continue
			}
			consider(found{f, p.at, p.length, true})
		}
	})
	s.known[key] = s.place(best.in, best.at)
	return s.known[key], true
}

// phrases are those of a function that a refusal has. An error that only wraps
// another one is found by the name of the sentinel.
func (s *Source) phrases(f *function, text string) []phrase {
	var has []phrase
	for _, p := range f.says {
		if p.pattern.MatchString(text) {
			has = append(has, p)
		}
	}
	ast.Inspect(f.declared.Body, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && s.sentinels[name.Name] != "" && strings.HasPrefix(text, s.sentinels[name.Name]) {
			has = append(has, phrase{at: name.Pos(), length: 1})
		}
		return true
	})
	return has
}

// walk visits a function and all that it calls, the nearest first.
func (s *Source) walk(from *function, visit func(f, caller *function, at token.Pos)) {
	type step struct {
		f, caller *function
		at        token.Pos
	}
	seen := map[*function]bool{}
	for queue := []step{{f: from}}; len(queue) > 0; queue = queue[1:] {
		next := queue[0]
		if seen[next.f] {
			continue
		}
		seen[next.f] = true
		visit(next.f, next.caller, next.at)
		for _, c := range next.f.calls {
			for _, called := range s.functions[c.name] {
				queue = append(queue, step{called, next.f, c.at})
			}
		}
	}
}

// place is the line of the condition that decides at a position, with what it guards.
func (s *Source) place(f *function, at token.Pos) Place {
	around := deciding(f.declared, at)
	start, end := s.files.Position(around.Pos()), s.files.Position(max(around.End(), at))
	first := s.files.Position(f.declared.Pos()).Line
	name, err := filepath.Rel(s.root, start.Filename)
	if err != nil {
		name = path.Base(start.Filename)
	}
	return Place{
		File: filepath.ToSlash(name), Line: start.Line,
		First: max(first, start.Line-longestBefore), Last: min(end.Line, start.Line+longestAfter),
	}
}

// deciding is the innermost condition around a position. Where there is none, it is
// the last one before it that would have let the token pass.
func deciding(declared *ast.FuncDecl, at token.Pos) ast.Node {
	var around, before ast.Node
	ast.Inspect(declared, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt:
			if n.Pos() <= at && at < n.End() {
				around = n
			} else if n.End() <= at && passes(n.Body) {
				before = n
			}
		case *ast.CaseClause:
			if n.Pos() <= at && at < n.End() {
				around = n
			}
		}
		return true
	})
	switch {
	case around != nil:
		return around
	case before != nil:
		return before
	}
	return declared
}

// passes reports whether a block ends with return nil.
func passes(body *ast.BlockStmt) bool {
	end, ok := body.List[len(body.List)-1].(*ast.ReturnStmt)
	if !ok || len(end.Results) != 1 {
		return false
	}
	name, ok := end.Results[0].(*ast.Ident)
	return ok && name.Name == "nil"
}

// How many lines an excerpt has before and after the line that refuses.
const (
	longestBefore = 3
	longestAfter  = 8
)
