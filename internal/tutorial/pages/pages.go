// Package pages fills the generated parts of the documentation: code by the
// name of its declaration, differences between steps, the table of behaviours,
// and what the servers really answer. Prose is written by hand around them.
//
// A generated part stands between two comments:
//
//	<!-- gen: diff 2 -->
//	…
//	<!-- end -->
package pages

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/abuse"
	"mcp-auth-step-by-step/internal/tutorial/counterparts"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/performance"
)

var part = regexp.MustCompile(`(?s)(<!-- gen: ([^\n]*) -->\n).*?(<!-- end -->)`)

// Writer fills pages. It starts the programs of the steps as they are asked
// for; Close stops them.
type Writer struct {
	root  string
	steps *programs
}

// New returns a writer for the repository at root.
func New(root string) *Writer {
	return &Writer{root: root, steps: &programs{root: root, running: map[int]step{}}}
}

// Close stops all programs.
func (w *Writer) Close() { w.steps.close() }

// Pages are the files that have generated parts, relative to the root.
func (w *Writer) Pages() ([]string, error) {
	var pages []string
	for _, pattern := range []string{"README.md", "docs/*.md", "docs/providers/*.md", "internal/README.md"} {
		files, err := filepath.Glob(filepath.Join(w.root, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(text), "<!-- gen: ") {
				name, err := filepath.Rel(w.root, file)
				if err != nil {
					return nil, err
				}
				pages = append(pages, filepath.ToSlash(name))
			}
		}
	}
	return pages, nil
}

// Fill returns a page with its generated parts made anew.
func (w *Writer) Fill(page string) (filled string, err error) {
	text, err := os.ReadFile(filepath.Join(w.root, page))
	if err != nil {
		return "", err
	}
	filled = part.ReplaceAllStringFunc(string(text), func(whole string) string {
		match := part.FindStringSubmatch(whole)
		made, partErr := w.make(page, strings.Fields(match[2]))
		if partErr != nil && err == nil {
			err = fmt.Errorf("%s: gen: %s: %w", page, match[2], partErr)
		}
		return match[1] + made + match[3]
	})
	if strings.Count(filled, "<!-- gen: ") != len(part.FindAllString(filled, -1)) {
		return "", fmt.Errorf("%s: a generated part lacks its end", page)
	}
	return filled, err
}

func (w *Writer) make(page string, words []string) (string, error) {
	if len(words) == 0 {
		return "", errors.New("says nothing")
	}
	arguments := words[1:]
	numbers := make([]int, len(arguments))
	for i, word := range arguments {
		numbers[i], _ = strconv.Atoi(word)
	}
	switch {
	case words[0] == "steps" && len(arguments) == 0:
		return w.stepTable(page), nil
	case words[0] == "diff" && len(arguments) == 1 && isStep(numbers[0]):
		return w.diff(numbers[0])
	case words[0] == "picture" && len(arguments) == 1:
		return w.picture(page, arguments[0], false)
	case words[0] == "picture" && len(arguments) == 2 && arguments[1] == "beside":
		return w.picture(page, arguments[0], true)
	case words[0] == "code" && len(arguments) == 2:
		return w.code(page, arguments[0], arguments[1], folded)
	case words[0] == "code" && len(arguments) == 3 && arguments[2] == "open":
		return w.code(page, arguments[0], arguments[1], open)
	case words[0] == "before-and-now" && len(arguments) == 4 && isStep(numbers[2]) && isStep(numbers[3]):
		return w.compare(arguments[0], era(arguments[1]), numbers[2], numbers[3])
	case words[0] == "answer" && len(arguments) == 3 && isStep(numbers[2]):
		return w.compare(arguments[0], era(arguments[1]), numbers[2])
	case words[0] == "rows" && len(arguments) > 1 && isStep(numbers[0]):
		return telling(page, numbers[0], arguments[1:])
	case words[0] == "course" && len(arguments) == 0:
		return w.course(page)
	case words[0] == "neighbours" && len(arguments) == 1 && isStep(numbers[0]):
		return neighbours(page, numbers[0]), nil
	case words[0] == "matrix" && len(arguments) == 0:
		return wholeTable(), nil
	case words[0] == "packages" && len(arguments) == 0:
		return w.packageMap(page)
	case words[0] == "catalogue" && len(arguments) == 0:
		return w.catalogue(page)
	case words[0] == "differences" && len(arguments) == 0:
		return differenceTable(), nil
	case words[0] == "env" && len(arguments) == 1:
		return w.environment(arguments[0])
	case words[0] == "issuer" && len(arguments) == 1:
		return issuerReport(arguments[0])
	case words[0] == "clients" && len(arguments) == 0:
		return counterparts.ClientTable(w.root)
	case words[0] == "servers" && len(arguments) == 0:
		return counterparts.ServerTable(w.root)
	case words[0] == "attacks" && len(arguments) == 1 && isStep(numbers[0]):
		return w.attacks(page, numbers[0])
	case words[0] == "floods" && len(arguments) == 0:
		return abuse.FloodTable(w.root)
	case words[0] == "limits" && len(arguments) == 0:
		return abuse.CostTable(w.root)
	case words[0] == "faults" && len(arguments) == 0:
		return abuse.FaultTable(), nil
	case words[0] == "soak" && len(arguments) == 0:
		return abuse.SoakSummary(w.root)
	case words[0] == "cost" && len(arguments) == 1 && isStep(numbers[0]):
		measured := link(page, "docs/performance.md#what-each-step-costs")
		return performance.Cost(w.root, numbers[0], fmt.Sprintf("[How this is measured](%s).", measured))
	case words[0] == "performance" && len(arguments) == 1:
		return performance.Part(w.root, arguments[0])
	case words[0] == "exercises" && len(arguments) == 1 && isStep(numbers[0]):
		return w.exercises(page, numbers[0])
	case words[0] == "questions" && len(arguments) == 1 && isStep(numbers[0]):
		return questions(numbers[0]), nil
	case words[0] == "client-pointers" && len(arguments) == 0:
		return counterparts.PointTable(), nil
	}
	return "", errors.New("not understood; see internal/tutorial/pages")
}

// era reads the era of a part; http stands for a row that is about HTTP alone.
func era(word string) matrix.Era {
	if word == "http" {
		return matrix.None
	}
	return matrix.Era(word)
}

func isStep(n int) bool { return n >= 1 && n <= len(manifest.Steps) }
