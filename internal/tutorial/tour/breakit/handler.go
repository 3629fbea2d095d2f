package breakit

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

//go:embed breakit.html
var text string

var templates = part.Templates(text)

//go:embed assets
var files embed.FS

// remembers is the module that keeps what is solved in the browser.
const remembers = "progress.js"

// patience is how long an exercise may take, the building of the step included.
const patience = 5 * time.Minute

// Part is the exercises in the tour. Each is linked by its number: /step/6/break#e6-1.
func Part(work *Work, site part.Site) tour.Part {
	h := &handler{work, site}
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return tour.Part{
		Name: "break", Menu: "Exercises", Main: h.all,
		Tab: func(step int) string {
			if len(lab.ExercisesOf(step)) == 0 {
				return ""
			}
			return "Break it"
		},
		Step: func(_ *http.Request, step int) (tour.Content, error) { return h.content(step) },
		Routes: func(mux *http.ServeMux) {
			mux.HandleFunc("POST /step/{step}/break", h.act)
			mux.HandleFunc("POST /break/solved", h.solved)
			mux.HandleFunc("POST /break/forget", h.forget)
		},
		Assets: assets,
	}
}

type handler struct {
	work *Work
	site part.Site
}

// act does what a form asks for.
func (h *handler) act(w http.ResponseWriter, r *http.Request) {
	r.SetPathValue("part", "break") // for the menu of the page
	part.Patient(w, patience+time.Minute)
	content, err := h.acted(r)
	h.site.Render(w, r, content, err)
}

func (h *handler) acted(r *http.Request) (tour.Content, error) {
	step, err := tour.StepOf(r)
	if err != nil {
		return tour.Content{}, err
	}
	e, ok := lab.FindExercise(r.FormValue("exercise"))
	if !ok || e.Step != step {
		return tour.Content{}, tour.Problemf(http.StatusNotFound, "Step %d has no exercise of this number. Choose one on its page.", step)
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err = h.do(ctx, r, e); err != nil {
		return tour.Content{}, err
	}
	return h.content(step)
}

func (h *handler) do(ctx context.Context, r *http.Request, e lab.Exercise) (err error) {
	switch r.FormValue("do") {
	case "out", "check":
		_, err = h.work.TakeOut(ctx, e)
	case "back":
		_, err = h.work.PutBack(ctx, e)
	case "answer":
		choice, atoiErr := strconv.Atoi(r.FormValue("choice"))
		if atoiErr != nil {
			choice = -1 // nothing was chosen, which is not the right answer
		}
		_, err = h.work.Answer(e, choice)
	default:
		err = tour.Problemf(http.StatusBadRequest, "The form asks for nothing that can be done. Press one of the buttons of the page.")
	}
	return err
}

// solved keeps what the browser knows to be solved.
func (h *handler) solved(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	if err == nil {
		err = h.work.Merge(r.PostForm["exercise"])
	}
	tour.Reply(w, r, struct{}{}, err)
}

// forget begins anew.
func (h *handler) forget(w http.ResponseWriter, r *http.Request) {
	if err := h.work.Forget(); err != nil {
		h.site.Render(w, r, tour.Content{}, err)
		return
	}
	http.Redirect(w, r, "/break/", http.StatusSeeOther)
}

// list is the page of all exercises.
type list struct {
	Solved, All int
	Steps       []listed
}

type listed struct {
	manifest.Step
	Exercises []card
}

// all lists the exercises, and which are solved.
func (h *handler) all(*http.Request) (tour.Content, error) {
	states, err := h.work.States()
	if err != nil {
		return tour.Content{}, err
	}
	v := list{All: len(lab.Exercises)}
	for _, step := range manifest.Steps {
		l := listed{Step: step}
		for _, e := range lab.ExercisesOf(step.Number) {
			l.Exercises = append(l.Exercises, card{Exercise: e, State: states[e.ID], Anchor: anchor(e)})
			if states[e.ID].Solved {
				v.Solved++
			}
		}
		v.Steps = append(v.Steps, l)
	}
	return part.Content("Break it, and see what gets in", templates, "all", v, remembers)
}

// view is the page of a step's exercises.
type view struct {
	Step, Solved int
	Cards        []card
}

// card is one exercise.
type card struct {
	lab.Exercise
	State
	Anchor  string
	Excerpt *part.Excerpt // nil for a task
	Trials  []trial
	Hint    string // after a wrong answer
}

// anchor is an id of HTML that needs no escaping in a selector.
func anchor(e lab.Exercise) string { return "e" + strings.ReplaceAll(e.ID, ".", "-") }

// Link is the URL of an exercise; empty where there is none of this id.
func Link(id string) string {
	e, ok := lab.FindExercise(id)
	if !ok {
		return ""
	}
	return fmt.Sprintf("/step/%d/break#%s", e.Step, anchor(e))
}

func (h *handler) content(step int) (tour.Content, error) {
	states, err := h.work.States()
	if err != nil {
		return tour.Content{}, err
	}
	lines, err := lab.Lines(h.site.Root, step)
	if err != nil {
		return tour.Content{}, err
	}
	v := view{Step: step}
	for _, e := range lab.ExercisesOf(step) {
		c := card{Exercise: e, State: states[e.ID], Anchor: anchor(e)}
		if c.Solved {
			v.Solved++
		}
		if line, ok := lines[e.ID]; ok {
			if c.Excerpt, err = Excerpt(h.site.Root, line, c.Out); err != nil {
				return tour.Content{}, err
			}
		}
		for i := range e.Trials {
			c.Trials = append(c.Trials, trialOf(e, c.Run, i))
		}
		if c.Wrong {
			c.Hint = hint(e, c.Run)
		}
		v.Cards = append(v.Cards, c)
	}
	return part.Content(fmt.Sprintf("Exercises of step %d", step), templates, "exercises", v, remembers)
}

// Excerpt shows the line of an exercise, with what is taken out together with it. out:
// it is taken out.
func Excerpt(root string, line lab.Line, out bool) (*part.Excerpt, error) {
	const around = 4
	last, err := Extent(root, line.File, line.Number)
	if err != nil {
		return nil, err
	}
	e, err := part.Read(root, line.File, line.Number-around, last+around, line.Number)
	if err != nil {
		return nil, err
	}
	for i := range e.Lines {
		within := e.Lines[i].Number >= line.Number && e.Lines[i].Number <= last
		e.Lines[i].Mark, e.Lines[i].Out = within && !out, within && out
	}
	return e, nil
}
