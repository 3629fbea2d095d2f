// Package flowreport shows an authorization flow as a page: a sequence diagram
// of what went over the wire, in which each arrow opens its request and its
// answer. The page is one file that loads nothing, so it can be kept, sent and
// read without a network.
package flowreport

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/web/plaintext"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Parse(source))

// Report is a flow that has ended. Its events hold no secrets: mcpauth has
// redacted them.
type Report struct {
	Server  string // URL of the MCP server
	Outcome string // what came of it, in a sentence
	Failed  bool
	Events  []mcpauth.Event
}

// Write writes the page.
func (r Report) Write(w io.Writer) error {
	v := view{Server: r.Server, Outcome: r.Outcome, Failed: r.Failed}
	cast := newCast(r.Events)
	v.Participants = cast.list
	if len(r.Events) > 0 {
		v.When = r.Events[0].At.UTC().Format("2006-01-02 15:04 UTC")
	}
	for _, event := range r.Events {
		if len(v.Stages) == 0 || v.Stages[len(v.Stages)-1].Title != sentence(event.Stage.String()) {
			v.Stages = append(v.Stages, stage{Number: len(v.Stages) + 1, Title: sentence(event.Stage.String())})
		}
		current := &v.Stages[len(v.Stages)-1]
		if event.Exchange == nil {
			current.Items = append(current.Items, item{Note: event.Note})
			continue
		}
		v.Exchanges++
		arrow, err := cast.arrow(event)
		if err != nil {
			return err
		}
		current.Items = append(current.Items, item{Arrow: arrow})
	}
	return page.Execute(w, v)
}

type view struct {
	Server, Outcome, When string
	Failed                bool
	Exchanges             int
	Participants          []participant
	Stages                []stage
}

type stage struct {
	Number int
	Title  string
	Items  []item
}

// item is a note or an arrow.
type item struct {
	Note  string
	Arrow *arrow
}

type participant struct{ Name, Short, Where string }

// arrow is an exchange between two columns of the diagram.
type arrow struct {
	From, To      string // names of participants
	Left, Width   float64
	Backwards     bool // the request goes to the left
	Label, Answer string
	Status        int
	Bad           bool
	Took          string
	Request       string
	Reply         string
	Decoded       []decoded
	Lines         []float64
}

type decoded struct{ Name, Header, Payload string }

// cast is who takes part, from left to right.
type cast struct {
	list []participant
	// authorization is the host of the authorization server: what is asked
	// for a token elsewhere is an identity provider.
	authorization string
}

const (
	browser  = "Browser"
	client   = "MCP client"
	resource = "MCP server"
	issuer   = "Authorization server"
	provider = "Identity provider"
)

func newCast(events []mcpauth.Event) *cast {
	c := &cast{}
	where := map[string]string{client: "this program"}
	for _, event := range events {
		if event.Exchange != nil && event.Stage == mcpauth.StageServer {
			c.authorization = event.Exchange.Receiver
		}
	}
	for _, event := range events {
		if event.Exchange == nil {
			continue
		}
		from, to := c.ends(event)
		if from == browser || to == browser {
			where[browser] = "the user"
		}
		if to != client {
			where[to] = event.Exchange.Receiver
		}
	}
	for _, p := range []participant{
		{browser, "Browser", ""}, {client, "Client", ""}, {resource, "MCP server", ""},
		{issuer, "Auth server", ""}, {provider, "Identity prov.", ""},
	} {
		if place, ok := where[p.Name]; ok {
			p.Where = place
			c.list = append(c.list, p)
		}
	}
	return c
}

// ends tells who sent an exchange to whom.
func (c *cast) ends(event mcpauth.Event) (from, to string) {
	from = client
	if event.Exchange.From == "browser" {
		from = browser
	}
	switch event.Stage {
	case mcpauth.StageRequest, mcpauth.StageResource:
		to = resource
	default:
		to = issuer
		if event.Stage == mcpauth.StageToken && c.authorization != "" && event.Exchange.Receiver != c.authorization {
			to = provider
		}
	}
	if event.Exchange.Receiver == "client" {
		to = client
	}
	return from, to
}

func (c *cast) column(name string) int {
	return slices.IndexFunc(c.list, func(p participant) bool { return p.Name == name })
}

// arrow lays an exchange out: columns are equally wide, and an arrow goes from
// the middle of one to the middle of another.
func (c *cast) arrow(event mcpauth.Event) (*arrow, error) {
	e := event.Exchange
	from, to := c.ends(event)
	i, j, n := c.column(from), c.column(to), float64(len(c.list))
	a := &arrow{
		From: from, To: to, Backwards: j < i, Status: e.Status, Bad: e.Status >= 400 || e.Error != "",
		Left: 100 * (float64(min(i, j)) + 0.5) / n, Width: 100 * float64(max(i, j)-min(i, j)) / n,
		Label: e.Method + " " + short(e.URL), Answer: answer(e), Took: took(e.Took), Request: request(e), Reply: reply(e),
	}
	if method := e.RPCMethod(); method != "" {
		a.Label += " · " + method
	}
	for k := range c.list {
		a.Lines = append(a.Lines, 100*(float64(k)+0.5)/n)
	}
	for _, d := range e.Decoded {
		header, payload, err := indent(d.Header, d.Payload)
		if err != nil {
			return nil, err
		}
		a.Decoded = append(a.Decoded, decoded{d.Name, header, payload})
	}
	return a, nil
}

// short is a URL without what only a closer look needs.
func short(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	if u.Path == "" {
		return "/"
	}
	return u.Path
}

func answer(e *mcpauth.Exchange) string {
	switch {
	case e.Status == 0 && e.Error == "":
		return ""
	case e.Status == 0:
		return "no answer"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
}

func took(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.Round(100 * time.Microsecond).String()
}

func request(e *mcpauth.Exchange) string {
	var b strings.Builder
	// Each parameter on a line of its own, as it is meant.
	target, query, _ := strings.Cut(e.URL, "?")
	fmt.Fprintf(&b, "%s %s\n", e.Method, target)
	if query != "" {
		b.WriteString(parameters("  ?", "\n  &", query) + "\n")
	}
	writeHeader(&b, e.Header)
	if e.Body != "" {
		body := e.Body
		if strings.HasPrefix(e.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			body = parameters("", "\n&", body)
		}
		b.WriteString("\n" + body)
	}
	return b.String()
}

// parameters decodes those of a query or a form.
func parameters(first, between, encoded string) string {
	parts := strings.Split(encoded, "&")
	for i, part := range parts {
		if plain, err := url.QueryUnescape(part); err == nil {
			parts[i] = plaintext.Line(plain)
		}
	}
	return first + strings.Join(parts, between)
}

func reply(e *mcpauth.Exchange) string {
	var b strings.Builder
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d %s\n", e.Status, http.StatusText(e.Status))
		writeHeader(&b, e.Answer)
	}
	if e.Reply != "" {
		b.WriteString("\n" + e.Reply)
	}
	if e.Error != "" {
		b.WriteString("\n" + e.Error)
	}
	return strings.TrimSpace(b.String())
}

func writeHeader(b *strings.Builder, header http.Header) {
	for _, name := range slices.SortedFunc(maps.Keys(header), cmp.Compare[string]) {
		for _, value := range header[name] {
			fmt.Fprintf(b, "%s: %s\n", name, value)
		}
	}
}

func indent(header, payload json.RawMessage) (string, string, error) {
	var h, p bytes.Buffer
	if err := json.Indent(&h, header, "", "  "); err != nil {
		return "", "", err
	}
	err := json.Indent(&p, payload, "", "  ")
	return h.String(), p.String(), err
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
