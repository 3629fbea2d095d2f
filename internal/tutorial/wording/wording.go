// Package wording reads what programs say to people, in errors, flags and logs,
// and finds the habits that make it hard to understand.
package wording

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// MostWords is how many words a sentence can have.
const MostWords = 30

// habit is a pattern that is not plain English, and what to write instead.
type habit struct {
	pattern *regexp.Regexp
	instead string
}

var habits = []habit{
	// "there is no token" and "is no longer valid" are correct.
	{regexp.MustCompile(`(?i)(?:^|[^\w%])(?:[^\s]+) (?:is|are|was) no (?:[a-z%])`), `write "is not a …"`},
	{regexp.MustCompile(`(?i)\bmend(s|ed|ing)?\b`), `write "correct" or "fix"`},
	{regexp.MustCompile(`(?i)\b(strangers?|thief|thieves|slip of the pen|in two hands|your own hands)\b`), "name the party or the cause"},
	{regexp.MustCompile(`(?i)\b(may be had|says too much|deserves?)\b`), "say what is wrong and what is wanted"},
	{regexp.MustCompile(`(?i)^what \w+( \w+){1,6} (is|are) `), "begin with the noun"},
	{regexp.MustCompile(`(?i)^who(ever)? (is|has|was) `), "begin with the noun"},
}

// correct are uses of "is no" that are plain English.
var correct = regexp.MustCompile(`(?i)(?:\bthere (?:is|are|was) no\b|\b(?:is|are|was) no (?:longer|more|less)\b)`)

// Check returns what is wrong with a text.
func Check(text string) (problems []string) {
	plain := correct.ReplaceAllString(text, "…")
	for _, h := range habits {
		if found := h.pattern.FindString(plain); found != "" {
			problems = append(problems, fmt.Sprintf("%q: %s", strings.TrimSpace(found), h.instead))
		}
	}
	for _, sentence := range sentences.Split(text, -1) {
		if count := len(word.FindAllString(sentence, -1)); count > MostWords {
			problems = append(problems, fmt.Sprintf("a sentence of %d words, at most %d", count, MostWords))
		}
	}
	return problems
}

var (
	sentences = regexp.MustCompile(`[.!?:;](?:\s|$)|\n`)
	word      = regexp.MustCompile(`[^\s]*[A-Za-z%][^\s]*`)
)

// Texts are the texts of a file, each with its position: errors, flags, logs,
// answers, and whatever else has more than one word.
func Texts(file *ast.File, report func(at token.Pos, text string)) {
	ast.Inspect(file, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		text := textOf(e)
		if strings.Contains(text, " ") {
			report(e.Pos(), text)
		}
		return text == "" // the parts of a text are not read again
	})
}

// textOf is the text of a literal, or of literals that are joined; what is
// computed between them is %s.
func textOf(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.BasicLit:
		if x.Kind == token.STRING {
			text, _ := strconv.Unquote(x.Value)
			return text
		}
	case *ast.BinaryExpr:
		if x.Op == token.ADD {
			left, right := textOf(x.X), textOf(x.Y)
			if left == "" && right == "" {
				return ""
			}
			return cmp.Or(left, "%s") + cmp.Or(right, "%s")
		}
	case *ast.ParenExpr:
		return textOf(x.X)
	}
	return ""
}
