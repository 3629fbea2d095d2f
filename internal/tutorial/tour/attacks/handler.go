package attacks

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
)

//go:embed attacks.html
var text string

var templates = part.Templates(text)

// patience is how long an attack may take, the building of the programs included.
const patience = 3 * time.Minute

// Part is the page of a step's attacks. Each is linked by its name: /step/6/attack#NAME.
func Part(servers *Servers, site part.Site) tour.Part {
	h := &handler{servers, site}
	return tour.Part{
		Name: "attack",
		Tab: func(step int) string {
			if len(lab.Of(step)) == 0 {
				return ""
			}
			return "Attack"
		},
		Step: func(_ *http.Request, step int) (tour.Content, error) { return h.content(step, nil) },
		Routes: func(mux *http.ServeMux) {
			mux.HandleFunc("POST /step/{step}/attack", h.attack)
		},
	}
}

type handler struct {
	servers *Servers
	site    part.Site
}

// attack carries out the attack that the form names, or all of the step's.
func (h *handler) attack(w http.ResponseWriter, r *http.Request) {
	r.SetPathValue("part", "attack") // for the menu of the page
	part.Patient(w, patience+time.Minute)
	content, err := h.carryOut(r)
	h.site.Render(w, r, content, err)
}

func (h *handler) carryOut(r *http.Request) (tour.Content, error) {
	step, err := tour.StepOf(r)
	if err != nil {
		return tour.Content{}, err
	}
	chosen := lab.Of(step)
	if name := r.FormValue("attack"); name != "all" {
		attack, err := Find(step, name)
		if err != nil {
			return tour.Content{}, tour.Problemf(http.StatusNotFound, "The form names an attack that isn't there: %s.", err)
		}
		chosen = []lab.Attack{attack}
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	runs := map[string]*Run{}
	for _, attack := range chosen {
		run := h.servers.Run(ctx, attack)
		runs[attack.Name] = &run
	}
	return h.content(step, runs)
}

// view is the page.
type view struct {
	Step  int
	Cards []card
}

// card is one attack.
type card struct {
	lab.Attack
	Command   string // that carries it out at the step
	Programs  string // that have to run for it; empty: the tour runs it, or it needs none
	Fault     naive.Fault
	FaultLink string
	Flaw      string // of the token that is sent, for the token bench; empty: it has none
	Run       *Run   // nil: it hasn't been carried out
}

func (h *handler) content(step int, runs map[string]*Run) (tour.Content, error) {
	faults, err := naive.Faults()
	if err != nil {
		return tour.Content{}, err
	}
	v := view{Step: step}
	for _, attack := range lab.Of(step) {
		c := card{Attack: attack, Run: runs[attack.Name]}
		c.Command, c.Programs = command(attack, c.Run)
		if row := attack.Row(); row != nil && row.Request.Token != nil {
			c.Flaw = row.Request.Token.Flaw
		}
		for _, fault := range faults {
			if fault.Name == attack.Fault {
				c.Fault, c.FaultLink = fault, part.Link("internal/tutorial/naive/"+fault.File, fault.Line)
			}
		}
		v.Cards = append(v.Cards, c)
	}
	return part.Content(fmt.Sprintf("Attacks of step %d", step), templates, "attacks", v)
}

// command is how to carry an attack out at the step in a terminal, and what has to run
// for that. The step that the tour runs has keys of its own, so that gentoken's tokens
// are not good there; what needs no token can be sent to it.
func command(attack lab.Attack, run *Run) (command, programs string) {
	command, programs = attack.AtStep(), strings.Join(lab.StepPrograms(attack.Step), " and ")
	if run == nil || run.URL == "" || attack.Row().Request.Token != nil {
		return command, programs
	}
	return strings.ReplaceAll(command, ":9000", run.URL[strings.LastIndexByte(run.URL, ':'):]), ""
}

// Milliseconds is how long an answer took, for people.
func (p *Place) Milliseconds() string {
	return fmt.Sprintf("%.1f ms", float64(p.Took.Microseconds())/float64(time.Millisecond/time.Microsecond))
}
