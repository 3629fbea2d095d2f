package counterparts

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

// Outcomes of a step.
const (
	OK       = "ok"
	Failed   = "failed"
	Expected = "failed as expected"
)

// Row is one step of a case, and what came of it.
type Row struct {
	Counterpart  string `json:"counterpart"`
	Version      string `json:"version"`
	Provider     string `json:"provider"`
	Registration string `json:"registration"`
	Revision     string `json:"revision"`
	Step         string `json:"step"`
	Outcome      string `json:"outcome"`
	// Logins is how often the user had been asked until the end of the step.
	Logins int `json:"logins"`
	// Says is what the client printed. It is shown, not kept.
	Says string `json:"-"`
}

// Exception is what a counterpart can't do. Of the first four, those that are
// empty match all.
type Exception struct {
	Counterpart, Provider, Registration, Revision string
	Steps                                         []string
	Fault                                         string // whose it is
	Reason                                        string
	Shows                                         string // a regular expression for what the client says
}

// matches tells whether an exception is about a step.
func (e *Exception) matches(r *Row) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return same(e.Counterpart, r.Counterpart) && same(e.Provider, r.Provider) && same(e.Registration, r.Registration) &&
		same(e.Revision, r.Revision) && slices.Contains(e.Steps, r.Step)
}

const folder = "interop/clients"

// Exceptions reads what is known not to work.
func Exceptions(root string) ([]Exception, error) {
	return recorded.Read[[]Exception](filepath.Join(root, folder, "baseline.json"))
}

// Rows reads the last run.
func Rows(root string) ([]Row, error) {
	return recorded.Read[[]Row](filepath.Join(root, folder, "results.json"))
}

// Record puts the rows of a run in the place of those of the same cases.
func Record(root string, rows []Row) error {
	var order [][4]string
	for _, c := range Cases() {
		order = append(order, [4]string{c.Client.Name, c.Provider, c.Registration, c.Revision})
	}
	return recorded.Replace(filepath.Join(root, folder, "results.json"), rows, Row.key, order)
}

func (r Row) key() [4]string {
	return [4]string{r.Counterpart, r.Provider, r.Registration, r.Revision}
}

// Judge compares the rows of a run with what is known not to work. It marks the
// failures that are known, and returns what is wrong with the rest: a failure
// that is new, and one that is gone.
func Judge(rows []Row, exceptions []Exception) (wrong []string) {
	for i := range rows {
		r := &rows[i]
		at := slices.IndexFunc(exceptions, func(e Exception) bool { return e.matches(r) })
		switch {
		case at < 0 && r.Outcome == Failed:
			wrong = append(wrong, fmt.Sprintf("%s: %s", r, r.Says))
		case at >= 0 && r.Outcome == OK:
			wrong = append(wrong, fmt.Sprintf("%s: works now; take it out of the baseline", r))
		case at >= 0 && !shows(&exceptions[at], r):
			wrong = append(wrong, fmt.Sprintf("%s: fails in another way than the baseline says: %s", r, r.Says))
		case at >= 0:
			r.Outcome = Expected
		}
	}
	return wrong
}

func shows(e *Exception, r *Row) bool {
	expression, err := regexp.Compile(e.Shows)
	return err == nil && expression.MatchString(r.Says)
}

func (r *Row) String() string {
	return strings.Join([]string{r.Counterpart, r.Provider, r.Registration, r.Revision, r.Step}, ", ")
}

// Version reads the client's version where it is pinned.
func (c *Client) Version(root string) (string, error) {
	name := filepath.Join(root, "interop", c.Pin)
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	if c.Pin == npm {
		var lock struct {
			Packages map[string]struct{ Version string }
		}
		if err := json.Unmarshal(text, &lock); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if version := lock.Packages["node_modules/"+c.Package].Version; version != "" {
			return version, nil
		}
		return "", fmt.Errorf("%s does not pin %s", name, c.Package)
	}
	pinned := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(c.Package) + `(?:\[\w+\])?(?:==| v)(\S+)$`)
	match := pinned.FindSubmatch(text)
	if match == nil {
		return "", fmt.Errorf("%s does not pin %s", name, c.Package)
	}
	return string(match[1]), nil
}
