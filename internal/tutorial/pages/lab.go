package pages

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/lab"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// shown is how an attack ended at one server.
type shown struct {
	verdict string // a few words
	output  string // all of it, in a fence
}

// unfolded is how many attacks of a page a reader sees without a click.
const unfolded = 1

// attacks shows the attacks of a step: the command, and how it ends at the naive
// server and at the step.
func (w *Writer) attacks(page string, step int) (string, error) {
	s, err := w.newStage(step)
	if err != nil {
		return "", err
	}
	defer s.close()
	faults, err := naive.Faults()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The attacks work at [`naive`](%s), a server that is wrong on purpose. %s Start it in a terminal of its own:\n\n%s\n",
		link(page, "internal/tutorial/naive/server.go"), lab.NaivePlace(step), fence("sh", lab.NaiveProgram(step)))
	for _, command := range lab.StepPrograms(step) {
		fmt.Fprintf(&b, "And in another one:\n\n%s\n", fence("sh", command))
	}
	shownAt := map[string]bool{} // answers of the step, which are often the same
	for i, attack := range lab.Of(step) {
		atNaive, atStep, err := s.carryOut(attack)
		if err != nil {
			return "", fmt.Errorf("%s: %w", attack.Name, err)
		}
		whole := fmt.Sprintf("%s\n\n%s\n`naive`: %s Step %d: %s %s\n\n", attack.Why, fence("sh", attack.AtNaive()),
			atNaive.verdict, step, atStep.verdict, strings.TrimSpace(attack.Stops+" "+attack.Also))
		whole += "<details><summary>Both answers, and who made this mistake</summary>\n\n"
		for _, fault := range faults {
			if fault.Name == attack.Fault {
				whole += fmt.Sprintf("[%s](%s): %s\n\n", fault.Name, link(page, "internal/tutorial/naive/"+fault.File), cell(fault.Says))
			}
		}
		whole += fmt.Sprintf("At <code>naive</code>:\n\n%s\nThe same at step %d:\n\n%s\n", atNaive.output, step, fence("sh", attack.AtStep()))
		if shownAt[atStep.output] {
			whole += "The answer is the same as above: " + atStep.verdict + "\n\n</details>\n\n"
		} else {
			whole += atStep.output + "\n</details>\n\n"
		}
		shownAt[atStep.output] = true
		if i < unfolded {
			fmt.Fprintf(&b, "### ⚔ %s\n\n%s", attack.Title, whole)
		} else {
			fmt.Fprintf(&b, "<details><summary><b>⚔ %s</b></summary>\n\n%s</details>\n\n", html.EscapeString(attack.Title), whole)
		}
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// stage is what runs while the attacks of a step are carried out.
type stage struct {
	step   int
	target *matrix.Target // of a step that is an MCP server
	naive  *naive.Lab
	issuer string           // of step 9, where that is the step
	idp    *program.Program // step 9
	binary string           // of step 11, where that is the step
}

func (w *Writer) newStage(step int) (s *stage, err error) {
	s = &stage{step: step}
	keySet := ""
	switch step {
	case 9:
		s.idp, err = w.steps.startIssuer()
		if err == nil {
			s.issuer = s.idp.URL + "/realms/mcp-realm"
		}
	case 11:
		s.binary, err = w.steps.build("step11")
	default:
		if s.target, err = w.steps.target(step); err == nil {
			keySet = "http://" + s.target.Addr + "/.well-known/jwks.json"
			if s.target.Provider != nil {
				keySet = s.target.Provider.Issuer() + "/certs"
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if s.naive, err = naive.Start(naive.Options{Open: strings.HasSuffix(lab.NaiveProgram(step), "-open"), KeySets: keySet}); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	if s.idp != nil {
		s.idp.Kill()
	}
	if s.naive != nil {
		s.naive.Close()
	}
}

// onPage names servers as the pages do.
func (s *stage) onPage(text string) string {
	names := []string{s.naive.Server, lab.NaiveURL, s.naive.AuthorizationServer, lab.NaiveIssuer, s.naive.Attacker, lab.AttackerURL}
	if s.issuer != "" {
		names = append(names, s.issuer, lab.Issuer)
	}
	if s.target != nil && s.target.Provider != nil {
		names = append(names, s.target.Provider.Issuer(), issuer)
	}
	return strings.NewReplacer(names...).Replace(text)
}

func (s *stage) carryOut(attack lab.Attack) (atNaive, atStep shown, err error) {
	if attack.Program != nil {
		return s.runPrograms(attack)
	}
	row := attack.Row()
	target := &matrix.Target{Addr: strings.TrimPrefix(s.naive.Server, "http://"), URL: base, Attacker: s.naive.Attacker}
	if s.target != nil {
		target.Keys, target.Provider = s.target.Keys, s.target.Provider
	}
	for _, at := range []struct {
		target *matrix.Target
		want   matrix.Want
		shown  *shown
	}{{target, attack.Gets, &atNaive}, {s.target, row.At(s.step, attack.Era), &atStep}} {
		answer, err := at.target.Send(row.Request, attack.Era)
		if err == nil {
			err = at.want.Check(answer)
		}
		if err != nil {
			return atNaive, atStep, err
		}
		at.shown.verdict = "**" + at.want.Says() + "**."
		at.shown.output = fence("http", s.onPage(privateKey(text(answer))))
	}
	return atNaive, atStep, nil
}

// privateKey shortens a key, which is another one at each start.
func privateKey(text string) string {
	begin, rest, found := strings.Cut(text, "-----BEGIN PRIVATE KEY-----\n")
	if !found {
		return text
	}
	_, end, _ := strings.Cut(rest, "-----END")
	return begin + "-----BEGIN PRIVATE KEY-----\n…\n-----END" + end
}

// runPrograms does what the commands of an attack do, at the servers that run here.
func (s *stage) runPrograms(attack lab.Attack) (atNaive, atStep shown, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var naiveSays, stepSays bytes.Buffer
	hostile := s.naive.Attacker + "/" + attack.Name + "/mcp"
	switch s.step {
	case 9:
		if err = lab.Attacking(ctx, attack.Name, s.naive.AuthorizationServer, &naiveSays); err == nil {
			err = lab.Attacking(ctx, attack.Name, s.issuer, &stepSays)
		}
	case 11:
		if err = naive.Call(ctx, hostile, &naiveSays); err == nil {
			words := strings.Fields(strings.ReplaceAll(attack.AtStep(), lab.AttackerURL, s.naive.Attacker))
			command := exec.CommandContext(ctx, s.binary, words[3:]...) // after go run ./cmd/step11
			command.Stdout, command.Stderr = &stepSays, &stepSays
			_ = command.Run() // it ends with status 3: no access
		}
	default:
		err = fmt.Errorf("step %d has no programs", s.step)
	}
	if err != nil {
		return atNaive, atStep, err
	}
	for text, wants := range map[string]string{naiveSays.String(): attack.Program.NaiveSays, stepSays.String(): attack.Program.StepSays} {
		if !strings.Contains(s.onPage(text), wants) {
			return atNaive, atStep, fmt.Errorf("want %q in:\n%s", wants, text)
		}
	}
	atNaive = shown{"**the attack works**.", fence("text", s.onPage(naiveSays.String()))}
	atStep = shown{"**the attack fails**.", fence("text", s.onPage(stepSays.String()))}
	return atNaive, atStep, nil
}

// build compiles a program into the folder of the others.
func (p *programs) build(name string) (string, error) {
	if p.dir == "" {
		dir, err := os.MkdirTemp("", "pages")
		if err != nil {
			return "", err
		}
		p.dir = dir
	}
	return program.Build(context.Background(), p.root, p.dir, name)
}

// startIssuer starts step 9 on a free port.
func (p *programs) startIssuer() (*program.Program, error) {
	binary, err := p.build("step9")
	if err != nil {
		return nil, err
	}
	command := exec.Command(binary, "-addr", "localhost:0", "-keys", filepath.Join(p.dir, "issuer"))
	return program.Start(command, &program.Buffer{})
}

// exercises shows the exercises of a step.
func (w *Writer) exercises(page string, step int) (string, error) {
	lines, err := lab.Lines(w.root, step)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Take a check out, and see what gets in. `go run ./cmd/exercise %d.1` does it in a copy: "+
		"it builds the step without the line, starts it on a free port, sends the requests, and asks which check that was. "+
		"By hand, delete the line (of an if or a case all of it), start the step, send the request, and put it back.\n\n", step)
	for _, e := range lab.ExercisesOf(step) {
		fmt.Fprintf(&b, "- **%s %s** ", e.ID, e.Title)
		if line, ok := lines[e.ID]; ok {
			fmt.Fprintf(&b, "Take out, in [%s](%s): <code>%s. %s Try %s.\n", path.Base(line.File), link(page, line.File),
				html.EscapeString(line.Text)+"</code>"+e.Which, cmp.Or(e.Ask, "What gets in?"), triedBy(page, e))
		} else {
			fmt.Fprintf(&b, "Without a recipe: %s `go run ./cmd/exercise %s` says what is missing.\n", e.Task, e.ID)
		}
	}
	return b.String(), nil
}

// triedBy says what an exercise tries, with links to rows and attacks.
func triedBy(page string, e lab.Exercise) string {
	var tried []string
	for _, trial := range e.Trials {
		text := cell(trial.What)
		if trial.Row != "" {
			text = fmt.Sprintf("[%s](%s#%s)", text, link(page, "docs/matrix.md"), trial.Row)
		}
		tried = append(tried, text)
	}
	return strings.Join(tried, ", and ")
}

// questions shows the questions of a step, with folded answers.
func questions(step int) string {
	var b strings.Builder
	number := 0
	for _, q := range lab.Questions {
		if q.Step != step {
			continue
		}
		number++
		fmt.Fprintf(&b, "%d. %s\n\n   <details><summary>Answer</summary>\n\n   %s\n\n   </details>\n\n", number, q.Ask, q.Answer)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
