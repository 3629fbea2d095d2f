// Package attacks carries out the attacks of the pages at three servers at the same
// moment: the naive one, the step before, and the step.
//
//	run := attacks.New(programs).Run(ctx, attack)
//	for _, at := range run.Places {
//		fmt.Println(at.Name, at.Says, at.GotIn)
//	}
//
// The attacks are those of package lab, the requests and the outcomes those of the
// table of package matrix.
package attacks

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/tour/part"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// Run is what came of an attack.
type Run struct {
	Attack lab.Attack
	Places []*Place // naive, the step before where there is one, the step
	Sent   *Sent    // to the step; nil for an attack that is a whole flow
	URL    string   // of the step's server; empty for an attack that is a whole flow
}

// Place is one of the servers, and what it did.
type Place struct {
	Name   string // "naive", "step 5"
	Step   int    // 0 for naive
	Status int    // of HTTP; 0 for an attack that is a whole flow
	Header string // lines
	Text   string // body, or what the attack printed
	Says   string // outcome in a few words
	GotIn  bool   // the attacker has what the attack is for
	Absent bool   // what is attacked comes with a later step: there is nothing to refuse
	// Verdict is the outcome as a badge, and Because what the server says of it.
	Verdict part.Verdict
	Because string
	Log     []string // what a server that refuses wrote meanwhile
	// Stated says that the outcome is the one that the table or the lab states. Expects
	// is that outcome, in words.
	Stated  bool
	Expects string
	Took    time.Duration
	Problem string // the attack could not be carried out

	sent *Sent
	url  string
}

// Before is the number of the program that a step is compared with, or 0.
func Before(step int) int { return manifest.Steps[step-1].After }

const (
	issuing = 9
	client  = 11
	guarded = 6 // the first step that reads a token
)

// Run carries an attack out, everywhere at once.
func (s *Servers) Run(ctx context.Context, attack lab.Attack) Run {
	run := Run{Attack: attack, Places: []*Place{{Name: "naive"}}}
	for _, step := range []int{Before(attack.Step), attack.Step} {
		if step > 0 {
			run.Places = append(run.Places, &Place{Name: fmt.Sprintf("step %d", step), Step: step})
		}
	}
	var all sync.WaitGroup
	for _, place := range run.Places {
		all.Go(func() {
			if err := s.at(ctx, place, attack); err != nil {
				place.Problem = err.Error()
			}
		})
	}
	all.Wait()
	step := run.Places[len(run.Places)-1]
	run.Sent, run.URL = step.sent, step.url
	return run
}

// at carries an attack out at one place.
func (s *Servers) at(ctx context.Context, place *Place, attack lab.Attack) error {
	servers, err := s.naive(attack.Step < guarded)
	if err != nil {
		return err
	}
	switch {
	case attack.Step == issuing:
		return s.flow(ctx, place, attack, servers)
	case attack.Step == client:
		return s.client(ctx, place, attack, servers)
	}
	step := cmp.Or(place.Step, attack.Step) // naive takes the tokens of the step
	running, err := s.programs.StartStep(ctx, step)
	if err != nil {
		return err
	}
	target := running.Target
	want := attack.Row().At(step, attack.Era)
	// A target of its own: what the tokens of the visitor's attacks were is not kept.
	own := &matrix.Target{Addr: target.Addr, URL: target.URL, Keys: target.Keys, Provider: target.Provider, Attacker: servers.Attacker}
	if place.Step == 0 {
		own.Addr, want = strings.TrimPrefix(servers.Server, "http://"), attack.Gets
	}
	log := s.log(place.Step)
	_, from, _, _ := log.From(math.MaxInt)
	if err := place.send(own, attack, want); err != nil {
		return err
	}
	if place.url = own.URL; place.Step > 0 && place.Status >= http.StatusBadRequest && !place.Absent {
		place.Log = logged(ctx, log, from)
	}
	place.sent, err = sentTo(own, attack)
	return err
}

// logged are the lines of a log from a number on that say more than that a request came.
// The program writes them about when it answers, so this waits a moment for the first.
func logged(ctx context.Context, log *programs.Log, from int) []string {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	for {
		lines, _, ended, changed := log.From(from)
		if len(lines) > 0 || ended { // the line of the request is the last
			return slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, " msg=request ") })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// send sends the row of an attack.
func (p *Place) send(target *matrix.Target, attack lab.Attack, want matrix.Want) error {
	began := time.Now()
	answer, err := target.Send(attack.Row().Request, attack.Era)
	p.Took = time.Since(began)
	if err != nil {
		return err
	}
	p.Status, p.Header, p.Text = answer.Status, answer.HeaderText(), part.Readable(answer.Body)
	p.Says = strings.TrimSpace(fmt.Sprintf("%d %s", answer.Status, http.StatusText(answer.Status)))
	p.GotIn = attack.Gets.Check(answer) == nil
	p.Expects, p.Stated = want.Says(), want.Check(answer) == nil
	p.Verdict, p.Because = part.VerdictOf(p.GotIn, answer), part.Refusal(answer.Body)
	if p.Absent = p.Step == Before(attack.Step) && p.Step > 0 && absent(want); p.Absent {
		p.Verdict = notYet
		if p.Because == "" {
			p.Because = fmt.Sprintf("Step %d has nothing at %s.", p.Step, attack.Row().Request.In(attack.Era).Target)
		}
	}
	return nil
}

// notYet is the verdict where nothing is refused, since there is nothing to attack.
var notYet = part.Verdict{Words: "not there yet"}

// absent tells whether an outcome says that a step lacks what is attacked: a path that
// it doesn't serve, or a JSON-RPC method or tool that a later step brings.
func absent(want matrix.Want) bool {
	unserved := want.Status == http.StatusNotFound && want.RPC == 0 && want.Error == ""
	return unserved || slices.Contains([]int{-32601, -32602, -32603}, want.RPC)
}

// flow attacks an authorization server.
func (s *Servers) flow(ctx context.Context, p *Place, attack lab.Attack, servers *naive.Lab) (err error) {
	issuer := servers.AuthorizationServer
	if p.Step > 0 {
		running, err := s.programs.StartStep(ctx, issuing)
		if err != nil {
			return err
		}
		issuer = running.URL + "/realms/mcp-realm"
	}
	var said program.Buffer
	began := time.Now()
	err = lab.Attacking(ctx, attack.Name, issuer, &said)
	p.finish(began, said.String(), lab.Worked, attack)
	return err
}

// client lets a client call a server of the attacker.
func (s *Servers) client(ctx context.Context, p *Place, attack lab.Attack, servers *naive.Lab) (err error) {
	var out program.Buffer
	if p.Step == 0 {
		began := time.Now()
		err = naive.Call(ctx, servers.Attacker+"/"+attack.Name+"/mcp", &out)
		p.finish(began, out.String(), robbed, attack)
		return err
	}
	binary, err := s.programs.Build(ctx, programs.StepName(client))
	if err != nil {
		return err
	}
	command := strings.Fields(strings.ReplaceAll(attack.Program.Step, lab.AttackerURL, servers.Attacker))
	began := time.Now()
	said, err := s.run(ctx, binary, command[len(strings.Fields("go run ./cmd/step11")):]...)
	p.finish(began, said, robbed, attack)
	return err
}

// robbed is what the attacker's servers say when they have what they want.
const robbed = "Now the attacker has a token of alice"

// finish says how an attack ended that is a whole flow.
func (p *Place) finish(began time.Time, said, mark string, attack lab.Attack) {
	p.Took, p.Text = time.Since(began), strings.TrimSpace(said)
	p.GotIn = strings.Contains(said, mark)
	p.Verdict = part.VerdictOf(p.GotIn, nil)
	p.Says, p.Expects = "the attack fails", "the attack fails"
	if p.GotIn {
		p.Says = "the attack works"
	}
	stated := attack.Program.StepSays
	if p.Step == 0 {
		p.Expects, stated = "the attack works", attack.Program.NaiveSays
	}
	// The servers listen at other ports than the text has.
	stated, _, _ = strings.Cut(stated, "http://localhost:")
	p.Stated = strings.Contains(said, stated) && p.GotIn == (p.Step == 0)
}

// Find is an attack of a step.
func Find(step int, name string) (lab.Attack, error) {
	for _, attack := range lab.Of(step) {
		if attack.Name == name {
			return attack, nil
		}
	}
	return lab.Attack{}, fmt.Errorf("no such attack: step %d has none called %.40q", step, name)
}
