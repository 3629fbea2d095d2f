package breakit

import (
	"regexp"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

// trial is what one try showed.
type trial struct {
	What          string
	With, Without *tried
}

// tried is how one try ended.
type tried struct {
	lab.Outcome
	Verdict part.Verdict
	Differs string // what this answer has and the other doesn't; may be empty
}

// Verdicts of trials that are not attacks: the line is there for what it does, and not
// for what it keeps out.
var (
	asItShouldBe = part.Verdict{Words: "as it should be", Class: "good"}
	changed      = part.Verdict{Words: "changed", Class: "warn"}
)

// trialOf is what the exercise showed of its trial i.
func trialOf(e lab.Exercise, run *lab.Run, i int) trial {
	t := trial{What: e.Trials[i].What}
	if run == nil {
		return t
	}
	t.With, t.Without = at(e, run.With, i), at(e, run.Without, i)
	if t.With != nil && t.Without != nil {
		t.With.Differs = differing(t.With.Answer, t.Without.Answer)
		t.Without.Differs = differing(t.Without.Answer, t.With.Answer)
	}
	return t
}

func at(e lab.Exercise, outcomes []lab.Outcome, i int) *tried {
	if i >= len(outcomes) {
		return nil
	}
	t := &tried{Outcome: outcomes[i], Verdict: asItShouldBe}
	switch {
	case e.Attacks():
		t.Verdict = part.VerdictOf(t.Got, t.Answer)
	case t.Got:
		t.Verdict = changed
	}
	return t
}

// hint is what helps after a wrong answer: what the server said with the line, or where
// to look.
func hint(e lab.Exercise, run *lab.Run) string {
	if e.Attacks() && run != nil {
		for _, outcome := range run.With {
			if outcome.Answer == nil {
				return "With the line it ends so: " + outcome.Says
			}
			if says := part.Refusal(outcome.Answer.Body); says != "" {
				return "With the line the server says: " + says
			}
		}
	}
	return "Compare what the two answers have in the table above: only one of the choices fits the difference."
}

// fleeting are lines of answers that differ from answer to answer, and ports those that
// differ from start to start.
var (
	fleeting = []string{"Date:", "Content-Length:"}
	ports    = regexp.MustCompile(`localhost:\d+`)
)

// differing are the lines of an answer that another doesn't have.
func differing(answer, other *matrix.Answer) string {
	if answer == nil || other == nil {
		return ""
	}
	others := linesOf(other)
	for i := range others {
		others[i] = ports.ReplaceAllString(others[i], "localhost")
	}
	var own []string
	for _, line := range linesOf(answer) {
		isFleeting := slices.ContainsFunc(fleeting, func(name string) bool { return strings.HasPrefix(line, name) })
		if !isFleeting && !slices.Contains(others, ports.ReplaceAllString(line, "localhost")) {
			own = append(own, line)
		}
	}
	return strings.Join(own, "\n")
}

func linesOf(answer *matrix.Answer) []string {
	return strings.Split(answer.HeaderText()+part.Readable(answer.Body), "\n")
}
