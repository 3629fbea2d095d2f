// Package flowreport shows an authorization flow as a page: a sequence diagram
// of what went over the wire, in which each arrow opens its request and its
// answer. The page is one file that loads nothing, so it can be kept, sent and
// read without a network.
package flowreport

import (
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

// Report is a flow that has ended, or one that goes on. Its events hold no secrets:
// mcpauth has redacted them.
type Report struct {
	Server   string // URL of the MCP server
	Outcome  string // what came of it, in a sentence
	Failed   bool
	Lessons  string // the folder of the lessons, as a URL relative to the page; empty: they are named and not linked
	Chapters []Chapter
	// Live draws a flow that goes on: what was drawn stays as it is while events are
	// added. Nil: the flow has ended.
	Live *Live
}

// Chapter is a part of a flow, with a heading of its own.
type Chapter struct {
	Title  string // empty: no heading
	About  string // what happens in it, in a few sentences
	Events []mcpauth.Event
}

// Write writes the page.
func (r Report) Write(w io.Writer) error {
	events := r.events()
	v := view{Drawing: r.Draw(), Server: r.Server, Outcome: r.Outcome, Failed: r.Failed}
	if len(events) > 0 {
		v.When = events[0].At.UTC().Format("2006-01-02 15:04 UTC")
	}
	return page.Execute(w, v)
}

type view struct {
	Drawing
	Server, Outcome, When string
	Failed                bool
}

func (r Report) events() (events []mcpauth.Event) {
	for _, c := range r.Chapters {
		events = append(events, c.Events...)
	}
	return events
}

// printer makes of the turns what the page shows.
type printer struct {
	cast      *cast
	link      func(step int) string // to a lesson
	unfolded  bool
	first     First
	keys      keys
	exchanges int
	believed  bool // the page has said why the server believes the token
}

// blocks folds turns in a row that repeat earlier ones.
func (p *printer) blocks(turns []Turn) (blocks []Block) {
	for len(turns) > 0 {
		n := 0
		for n < len(turns) && !p.unfolded && p.repeats(turns[n]) {
			n++
		}
		b := Block{}
		if n > 1 {
			b.Summary = p.first.Summary(turns[:n])
			b.Numbers = fmt.Sprintf("%d–%d", turns[0].Number, turns[n-1].Number)
		}
		for _, t := range turns[:max(n, 1)] {
			b.Turns = append(b.Turns, p.turn(t))
			p.first.See(t)
		}
		blocks, turns = append(blocks, b), turns[max(n, 1):]
	}
	return blocks
}

func (p *printer) repeats(t Turn) bool {
	return !slices.ContainsFunc(t.Events, func(e mcpauth.Event) bool { return !p.first.Repeats(t.Number, e) })
}

func (p *printer) turn(t Turn) ShownTurn {
	shown := ShownTurn{Number: t.Number, Title: t.Title()}
	for _, event := range t.Events {
		if event.User != "" {
			shown.Items = append(shown.Items, Item{User: event.User})
		}
		if event.Note != "" {
			shown.Items = append(shown.Items, Item{Note: event.Note})
		}
		if event.Exchange == nil {
			continue
		}
		p.exchanges++
		a := p.cast.arrow(event)
		a.Lesson = p.lesson(lessonOf(event))
		shown.Items = append(shown.Items, Item{Arrow: a})
		if !p.believed && letInByJWT(event) {
			p.believed = true
			shown.Items = append(shown.Items, p.why()...)
		}
	}
	return shown
}

// letInByJWT reports whether the MCP server accepted a token that it can check
// by itself.
func letInByJWT(event mcpauth.Event) bool {
	e := event.Exchange
	return event.Stage == mcpauth.StageRequest && e.Status/100 == 2 &&
		slices.ContainsFunc(e.Decoded, func(d mcpauth.DecodedJWT) bool { return d.Name == "access token" })
}

// keys are those by which the MCP server checks tokens.
type keys struct {
	at   string // URL of the key set, empty where the metadata doesn't name it
	seen bool   // the flow shows how the MCP server fetched them
}

func keysOf(events []mcpauth.Event) (k keys) {
	for _, event := range events {
		k.seen = k.seen || event.Stage == mcpauth.StageKeys
		if event.Exchange == nil || event.Stage != mcpauth.StageServer {
			continue
		}
		var metadata struct {
			JWKS string `json:"jwks_uri"`
		}
		if json.Unmarshal([]byte(event.Exchange.Reply), &metadata) == nil && metadata.JWKS != "" {
			k.at = metadata.JWKS
		}
	}
	return k
}

// why answers the question why the MCP server believes the token.
func (p *printer) why() []Item {
	const because = "Why does the MCP server believe the token? Only the authorization server has the private key that made its signature. " +
		"The MCP server checks the signature with the public key"
	switch {
	case p.keys.seen:
		return []Item{{Note: because + ", which it fetched at the start. It doesn't ask anybody about the token."}}
	case p.keys.at != "":
		note := because + ", which it fetches from the authorization server. The client doesn't see that."
		return []Item{{Arrow: p.cast.unseen(p.keys.at)}, {Note: note}}
	}
	return nil
}

func (p *printer) lesson(step int) Lesson {
	return Lesson{Step: step, About: lessons[step], Link: p.link(step)}
}

// lessonsOf are the lessons of a chapter's arrows, the first first.
func (p *printer) lessonsOf(events []mcpauth.Event) (found []Lesson) {
	for _, event := range events {
		if event.Exchange == nil {
			continue
		}
		if l := p.lesson(lessonOf(event)); !slices.Contains(found, l) {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, func(a, b Lesson) int { return a.Step - b.Step })
	return found
}

// cast is who takes part, from left to right.
type cast struct {
	list []Participant
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
	attacker = "Attacker"
)

func newCast(events []mcpauth.Event, live *Live) *cast {
	c := &cast{}
	where := map[string]string{client: "this program"}
	if live != nil {
		c.authorization = live.Issuer
		where = map[string]string{browser: "yours", client: live.Client, resource: live.Resource, issuer: live.Issuer}
	}
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
		if live == nil && (from == browser || to == browser) {
			where[browser] = "of the user"
		}
		if to != client {
			where[to] = event.Exchange.Receiver
		}
		if _, known := where[from]; !known {
			where[from] = ""
		}
	}
	for _, p := range []Participant{
		{browser, "Browser", ""}, {client, "Client", ""}, {resource, "MCP server", ""},
		{issuer, "Auth. server", ""}, {provider, "Identity prov.", ""}, {attacker, "Attacker", ""},
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
	switch event.Exchange.From {
	case "browser":
		from = browser
	case "server":
		from = resource
	case "attacker":
		from = attacker
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
	return slices.IndexFunc(c.list, func(p Participant) bool { return p.Name == name })
}

// lines are the middles of the columns, which are equally wide, in percent.
func (c *cast) lines() (lines []float64) {
	for k := range c.list {
		lines = append(lines, 100*(float64(k)+0.5)/float64(len(c.list)))
	}
	return lines
}

// between lays an arrow out, from the middle of one column to that of another.
func (c *cast) between(from, to string) *Arrow {
	i, j, n := c.column(from), c.column(to), float64(len(c.list))
	a := &Arrow{From: from, To: to, Backwards: j < i}
	a.Left, a.Width = 100*(float64(min(i, j))+0.5)/n, 100*float64(max(i, j)-min(i, j))/n
	a.Right = 100 - a.Left - a.Width
	a.Late = a.Left >= 50
	a.First, a.Last = min(i, j)+1, max(i, j)+1
	return a
}

// unseen is the arrow by which the MCP server gets the keys, where the flow
// doesn't show it.
func (c *cast) unseen(keys string) *Arrow {
	a := c.between(resource, issuer)
	a.Unseen, a.Gist, a.Label = true, "With which public keys can I check the tokens of this issuer?", "GET "+short(keys)
	return a
}

func (c *cast) arrow(event mcpauth.Event) *Arrow {
	e := event.Exchange
	from, to := c.ends(event)
	a := c.between(from, to)
	a.Gist, a.Label, a.Bad = gist(event, to), e.Method+" "+short(e.URL), e.Status >= 400 || e.Error != ""
	a.Answer, a.Took, a.Request, a.Reply = answer(e), took(e.Took), request(e), reply(e)
	if method := e.RPCMethod(); method != "" {
		a.Label += " · " + method
	}
	_, query, _ := strings.Cut(e.URL, "?")
	a.Parameters = parameterRows(query)
	if e.IsForm() {
		a.Parameters = append(a.Parameters, parameterRows(e.Body)...)
	}
	a.Members = answerRows(e.Reply)
	for _, d := range e.Decoded {
		a.Decoded = append(a.Decoded, DecodedToken{d.Name, claimRows(d.Header, headerMeanings), claimRows(d.Payload, claimMeanings)})
	}
	return a
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

// request is what was sent, without the parameters: they have a table.
func request(e *mcpauth.Exchange) string {
	var b strings.Builder
	target, _, _ := strings.Cut(e.URL, "?")
	fmt.Fprintf(&b, "%s %s\n", e.Method, plaintext.Line(target))
	writeHeader(&b, e.Header)
	if e.Body != "" && !e.IsForm() {
		b.WriteString("\n" + e.Body)
	}
	return b.String()
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
