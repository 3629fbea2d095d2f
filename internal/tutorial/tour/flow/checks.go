package flow

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/attacks"
	"mcp-auth-step-by-step/internal/tutorial/tour/breakit"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

// check is a check that the flow rests on: an exercise that takes it out, and an attack
// that says why.
type check struct {
	ID, Title string
	Exercise  string
	Attack    string // of step Of
	Of        int
	// At is the step that is attacked; 0: that of the exercise.
	At int
}

// checks are those that a visitor can take away.
var checks = []check{
	{ID: "pkce", Title: "PKCE", Exercise: "9.1", Of: 9, Attack: "stolen-code"},
	{ID: "iss", Title: "The issuer in the answer (iss)", Exercise: "11.2", Of: 11, Attack: "mixup"},
	// The line is the same one at step 6, where the exercise stands.
	{ID: "audience", Title: "The audience of the token (aud)", Exercise: "6.1", Of: 6, Attack: "flaw-wrong-audience", At: 10},
}

// exercise is what takes the check out, at the step that is attacked.
func (c check) exercise() (lab.Exercise, error) {
	e, ok := lab.FindExercise(c.Exercise)
	if !ok {
		return e, fmt.Errorf("there is no exercise %s", c.Exercise)
	}
	if c.At != 0 {
		e.Step = c.At
	}
	return e, nil
}

// taken are the checks that were taken away, and what that showed.
type taken struct {
	work *breakit.Work
	root string

	mu   sync.Mutex
	runs map[string]lab.Run
}

// away attacks a program with a check and without it.
func (t *taken) away(ctx context.Context, id string) error {
	for _, c := range checks {
		if c.ID != id {
			continue
		}
		e, err := c.exercise()
		if err != nil {
			return err
		}
		run, err := t.work.Run(ctx, e)
		if err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.runs[id] = run
		return nil
	}
	return tour.Problemf(http.StatusNotFound, "The form names a check that isn't there. Press one of the buttons of the page.")
}

// checkCard is a check on the page.
type checkCard struct {
	check
	Lab          lab.Attack
	Lesson       lab.Exercise
	Step         int // that is attacked
	Excerpt      *part.Excerpt
	AttackLink   string
	ExerciseLink string
	Run          *lab.Run // nil: it wasn't attacked
}

// cards are the checks as the page shows them.
func (t *taken) cards() ([]checkCard, error) {
	var cards []checkCard
	for _, c := range checks {
		e, err := c.exercise()
		if err != nil {
			return nil, err
		}
		card := checkCard{check: c, Lesson: e, Step: e.Step, AttackLink: fmt.Sprintf("/step/%d/attack#%s", c.Of, c.Attack),
			ExerciseLink: breakit.Link(c.Exercise)}
		if card.Lab, err = attacks.Find(c.Of, c.Attack); err != nil {
			return nil, err
		}
		lines, err := lab.Lines(t.root, c.Of)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		run, tried := t.runs[c.ID]
		t.mu.Unlock()
		if card.Excerpt, err = breakit.Excerpt(t.root, lines[c.Exercise], tried); err != nil {
			return nil, err
		}
		if tried {
			card.Run = &run
		}
		cards = append(cards, card)
	}
	return cards, nil
}

// checkPatience is how long it may take to build a program and to attack it twice.
const checkPatience = 5 * time.Minute

// takeAway takes the check away that a form names.
func (h *handler) takeAway(w http.ResponseWriter, r *http.Request) {
	part.Patient(w, checkPatience+time.Minute)
	ctx, cancel := context.WithTimeout(r.Context(), checkPatience)
	defer cancel()
	err := h.taken.away(ctx, r.FormValue("check"))
	if err != nil {
		h.server.Render(w, r, tour.Content{}, err)
		return
	}
	content, err := h.content()
	h.server.Render(w, r, content, err)
}
