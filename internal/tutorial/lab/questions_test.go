package lab

import (
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// Each page has three questions with answers, and an exercise without a recipe beside
// one or two with one.
func TestEachPageHasQuestionsAndExercises(t *testing.T) {
	for _, step := range manifest.Steps {
		questions := 0
		for _, q := range Questions {
			if q.Step != step.Number {
				continue
			}
			questions++
			if !strings.HasSuffix(q.Ask, "?") && !strings.HasSuffix(q.Ask, ".") || len(q.Answer) < 40 {
				t.Errorf("%q has no question mark, or nearly no answer", q.Ask)
			}
		}
		free, recipes := 0, 0
		for _, e := range ExercisesOf(step.Number) {
			if e.Free() {
				free++
			} else {
				recipes++
			}
			if e.Title == "" || len(e.Trials) == 0 || e.Explain == "" || e.Free() == (e.Task == "") || !e.Free() && e.Right >= len(e.Choices) {
				t.Errorf("exercise %s lacks something", e.ID)
			}
		}
		if questions != 3 || free != 1 || recipes < 1 || recipes > 3 {
			t.Errorf("step %d has %d questions, %d exercises and %d without a recipe", step.Number, questions, recipes, free)
		}
	}
}
