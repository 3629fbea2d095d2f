package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// What the programs state about themselves on the pages, wherever they really
// listen, and the provider that they trust.
const (
	base   = "http://localhost:9000"
	issuer = "http://localhost:8080/realms/mcp-realm"
)

const (
	guarded  = 6  // the first step that reads a token; before it, pages show none
	provided = 10 // the first step that trusts a provider, and has no keys
)

// programs are the steps, built and started as they are needed.
type programs struct {
	root    string
	dir     string // binaries and keys
	running map[int]step
	// provider stands in for the real one, for the steps that trust one.
	provider *stubprovider.Provider
}

type step struct {
	program *program.Program
	target  *matrix.Target
}

func (p *programs) close() {
	for _, running := range p.running {
		running.program.Kill()
	}
	if p.provider != nil {
		p.provider.Close()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

// target returns a running step.
func (p *programs) target(number int) (*matrix.Target, error) {
	if running, ok := p.running[number]; ok {
		return running.target, nil
	}
	binary, err := p.build(fmt.Sprintf("step%d", number))
	if err != nil {
		return nil, err
	}
	keyDir := filepath.Join(p.dir, "keys")
	arguments := []string{"-addr", "localhost:0", "-url", base}
	if number >= 5 && number < provided {
		arguments = append(arguments, "-keys", keyDir)
	}
	command := exec.Command(binary, arguments...)
	command.Dir = p.dir // where there is no environment file
	if number >= provided {
		if err := p.startProvider(); err != nil {
			return nil, err
		}
		command.Env = append(os.Environ(), append(p.provider.Env(), "MCP_SERVER_URL=", "JWT_AUDIENCE=")...)
	}
	running, err := program.Start(command, io.Discard)
	if err != nil {
		return nil, err
	}
	target := &matrix.Target{Addr: strings.TrimPrefix(running.URL, "http://"), URL: base, Keys: keyDir}
	if number >= provided {
		target.Provider = p.provider
	}
	p.running[number] = step{running, target}
	return target, nil
}

func (p *programs) startProvider() (err error) {
	if p.provider == nil {
		p.provider, err = stubprovider.Start(stubprovider.Published()...)
	}
	return err
}

// compare shows a request of the table and what steps answer to it.
func (w *Writer) compare(id string, era matrix.Era, steps ...int) (string, error) {
	row, ok := matrix.Find(id)
	if !ok {
		return "", errors.New("no such row")
	}
	if row.Exchange != nil || !slices.Contains(row.Eras(), era) {
		return "", fmt.Errorf("the row can't be shown in the era %q", era)
	}
	if steps[len(steps)-1] < guarded {
		row.Request.Token = nil
	}
	var command strings.Builder
	if token := row.Request.Token; token != nil && strings.Contains(row.Request.Curl(base, era), "$TOKEN") {
		made := token.Command(steps[len(steps)-1] >= provided)
		if made == "" {
			return "", errors.New("no command makes the token of this row")
		}
		command.WriteString("TOKEN=$(" + made + ")\n")
	}
	command.WriteString(row.Request.Curl(base, era))
	shown := fence("sh", command.String())
	for i, step := range steps {
		target, err := w.steps.target(step)
		if err != nil {
			return "", err
		}
		answer, err := target.Send(row.Request, era)
		if err != nil {
			return "", err
		}
		if err := row.At(step, era).Check(answer); err != nil {
			return "", err
		}
		page := text(answer)
		if target.Provider != nil {
			page = strings.ReplaceAll(page, target.Provider.Issuer(), issuer)
		}
		caption := fmt.Sprintf("Step %d answers:", step)
		if len(steps) > 1 {
			caption = fmt.Sprintf("Step %d, now:", step)
			if i < len(steps)-1 {
				caption = fmt.Sprintf("Step %d, before:", step)
			}
		}
		shown += "\n" + folded("http", page, caption+" <code>"+html.EscapeString(row.At(step, era).Says())+"</code>")
	}
	return shown, nil
}

// worth are the headers that pages show.
var worth = []string{"Content-Type", "Allow", "Location", "Cache-Control", "Www-Authenticate",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers"}

// changing is what differs from run to run.
var changing = regexp.MustCompile(`"(n|kid|expires_at|time|duration)": "[^"]*"`)

func text(a *matrix.Answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\n", a.Status, http.StatusText(a.Status))
	for _, name := range worth {
		for _, value := range a.Header.Values(name) {
			b.WriteString(strings.ReplaceAll(name, "Www", "WWW") + ": " + value + "\n")
		}
	}
	var pretty bytes.Buffer
	body := a.Body
	if json.Indent(&pretty, []byte(strings.TrimSpace(a.Body)), "", "  ") == nil {
		body = pretty.String()
	}
	if body != "" {
		b.WriteString("\n" + changing.ReplaceAllString(body, `"$1": "…"`))
	}
	return b.String()
}
