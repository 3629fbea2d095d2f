package tour

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// draft is a request as the form has it. It names no address: it can only go to the
// program of the step, which the tour started.
type draft struct {
	Row                   string // whose token is made, where a header has {token}
	Method, Target, Host  string
	Headers, Body         string // headers a line each
	Compare               bool   // send it to the step before, too
	Title, Wants, Command string // of the row: what is tried, what the table says, and how its token is made
}

// rowGroup are rows in the list from which one is chosen.
type rowGroup struct {
	Label string
	Rows  []rowChoice
}

type rowChoice struct {
	ID, Title string
	Attack    bool
	Chosen    bool
}

// sendView is what the form shows.
type sendView struct {
	Draft  draft
	Groups []rowGroup
	Before int // the step that is compared with; 0: none
	Sent   *exchange
}

// mostBytes is how large a request of the table is that the form shows.
const mostBytes = 8 << 10

// fits tells whether a row can be shown and edited as one request.
func fits(row matrix.Row) bool {
	return row.Exchange == nil && len(row.Request.Body)+len(strings.Join(row.Request.Headers, "")) < mostBytes
}

// issuing is the step that is an authorization server, of which the table doesn't
// speak.
const issuing = 9

// rowsOf are the requests for a step: those of its own layer first.
func rowsOf(step int) []rowGroup {
	if step == issuing {
		return []rowGroup{group("The authorization server", issuerRows)}
	}
	var groups []rowGroup
	for layer := step; layer > 0; layer-- {
		label := "What this step brings"
		if layer < step {
			label = fmt.Sprintf("Step %d: %s", layer, manifest.Steps[layer-1].Name)
		}
		rows := slices.DeleteFunc(slices.Clone(matrix.Rows), func(row matrix.Row) bool { return !fits(row) || row.Layer != layer })
		if layer == step || len(rows) > 0 {
			groups = append(groups, group(label, rows))
		}
	}
	return groups
}

func group(label string, rows []matrix.Row) rowGroup {
	g := rowGroup{Label: label}
	for _, row := range rows {
		g.Rows = append(g.Rows, rowChoice{ID: row.ID, Title: row.Title, Attack: row.Attack})
	}
	return g
}

const (
	realmPath = "/realms/mcp-realm"
	formType  = "Content-Type: application/x-www-form-urlencoded"
)

// issuerRows are requests for the authorization server.
var issuerRows = []matrix.Row{
	{ID: "issuer-metadata", Title: "its metadata (RFC 8414)",
		Request: matrix.Request{Method: "GET", Target: "/.well-known/oauth-authorization-server" + realmPath}},
	{ID: "issuer-keys", Title: "its keys", Request: matrix.Request{Method: "GET", Target: realmPath + "/protocol/openid-connect/certs"}},
	{
		ID: "issuer-password", Title: "a token for the demo user, by password",
		Request: matrix.Request{
			Target: realmPath + "/protocol/openid-connect/token", Headers: []string{formType},
			Body: "grant_type=password&client_id=mcp-test-client&username=mcp-user&password=user123&scope=mcp:read",
		},
	},
	{
		ID: "issuer-code", Title: "an invented code", Attack: true,
		Request: matrix.Request{
			Target: realmPath + "/protocol/openid-connect/token", Headers: []string{formType},
			Body: "grant_type=authorization_code&client_id=mcp-test-client&code=invented&" +
				"redirect_uri=http%3A%2F%2Flocalhost%2Fcallback&code_verifier=x",
		},
	},
	{
		ID: "issuer-redirect", Title: "a redirect URI that nobody registered", Attack: true,
		Request: matrix.Request{
			Method: "GET",
			Target: realmPath + "/protocol/openid-connect/auth?response_type=code&client_id=mcp-test-client&redirect_uri=https%3A%2F%2Fevil.com%2F",
		},
	},
}

// shows is the row that shows the layer of a step best.
var shows = map[int]string{
	1: "origin-evil", 2: "initialize", 3: "tools-list", 4: "echo", 5: "jwks", 6: "token-good", 7: "resource-metadata",
	8: "scope-read-for-call", 9: "issuer-metadata", 10: "provider-other-realm",
}

// guarded is the first step that reads a token.
const guarded = 6

// findRow is the row with an id, or else that which shows the layer of a step.
func findRow(step int, id string) matrix.Row {
	all := slices.Concat(issuerRows, matrix.Rows)
	for _, id := range []string{id, shows[step]} {
		if i := slices.IndexFunc(all, func(row matrix.Row) bool { return row.ID == id && fits(row) }); i >= 0 {
			return all[i]
		}
	}
	return all[0]
}

// draftOf is a row's request for the form.
func draftOf(row matrix.Row, step int, era matrix.Era) draft {
	if step < guarded { // nobody looks at a token yet; a row that is about one writes it in a header
		row.Request.Token = nil
	}
	request := row.Request.In(era)
	d := draft{
		Row: row.ID, Method: request.Method, Target: request.Target, Host: request.Host,
		Headers: strings.Join(request.Headers, "\n"), Body: request.Body, Compare: true, Title: row.Title,
	}
	if row.Request.Token != nil {
		d.Command = row.Request.Token.Command(step >= issuing)
	}
	if len(row.Want) > 0 {
		d.Wants = row.At(step, era).Says()
	}
	return d
}

func (s *Server) sendView(r *http.Request, step int, sent *exchange) sendView {
	view := sendView{Groups: rowsOf(step), Before: manifest.Steps[step-1].After, Sent: sent}
	if sent != nil {
		view.Draft = sent.Draft
	} else {
		view.Draft = draftOf(findRow(step, r.URL.Query().Get("row")), step, Revision(r))
	}
	for _, g := range view.Groups {
		for i := range g.Rows {
			g.Rows[i].Chosen = g.Rows[i].ID == view.Draft.Row
		}
	}
	return view
}

var (
	methods = regexp.MustCompile(`^[A-Za-z]{1,20}$`)
	targets = regexp.MustCompile(`^[!-~]+$`)
	hosts   = regexp.MustCompile(`^[!-~]*$`)
	fields  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$")
)

// request reads the form. What it refuses could not be sent as one request.
func (d draft) request(row matrix.Row) (matrix.Request, error) {
	q := matrix.Request{Method: d.Method, Target: d.Target, Host: d.Host, Body: d.Body}
	switch {
	case !methods.MatchString(d.Method):
		return q, Problemf(http.StatusBadRequest, "The method %.40q is not one: want letters, such as GET.", d.Method)
	case !targets.MatchString(d.Target):
		return q, Problemf(http.StatusBadRequest, "The target %.80q must be visible characters without blanks, such as /mcp.", d.Target)
	case !hosts.MatchString(d.Host):
		return q, Problemf(http.StatusBadRequest, "The Host %.80q must be visible characters without blanks.", d.Host)
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(d.Headers, "\r\n", "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if !fields.MatchString(line) {
			return q, Problemf(http.StatusBadRequest, "The header line %.80q is not one: want Name: value.", line)
		}
		q.Headers = append(q.Headers, line)
		if strings.Contains(line, "{token}") {
			q.Token = row.Request.Token
		}
	}
	if q.Token == nil && strings.Contains(d.Headers, "{token}") {
		return q, Problemf(http.StatusBadRequest, "This request has no token for {token}. Choose one that has, or write a token there.")
	}
	return q, nil
}

// sendRequest sends the request of the form to the step's program, and shows the
// answer.
func (s *Server) sendRequest(w http.ResponseWriter, r *http.Request) {
	step, err := StepOf(r)
	if err != nil {
		s.Render(w, r, Content{}, err)
		return
	}
	ctx, cancel := slowly(w, r)
	defer cancel()
	d := draft{
		Row: r.PostFormValue("row"), Method: r.PostFormValue("method"), Target: r.PostFormValue("target"), Host: r.PostFormValue("host"),
		Headers: r.PostFormValue("headers"), Body: r.PostFormValue("body"), Compare: r.PostFormValue("compare") != "",
	}
	sent, err := s.exchange(ctx, step, Revision(r), d)
	if err != nil {
		s.Render(w, r, Content{}, err)
		return
	}
	content, err := s.runContent(r, step, sent)
	r.SetPathValue("part", "run") // the page that the form is on
	s.Render(w, r, content, err)
}

// exchange is a request with what came back.
type exchange struct {
	Draft         draft
	Now, Then     *answer // Then is that of the step before, or nil
	Step, Before  int
	Differences   []difference
	Token         *token // that was sent, or nil
	AsTheTable    bool   // the request is the row's, and the answer what the table wants
	NotAsTheTable string // why it isn't
}

// exchange sends a draft to a step that runs, and to the step before.
func (s *Server) exchange(ctx context.Context, step int, era matrix.Era, d draft) (*exchange, error) {
	if !programs.Server(step) {
		return nil, Problemf(http.StatusNotFound, "Step %d is not a server. Requests go to the servers of steps 1 to 10.", step)
	}
	running := s.Programs.Get(programs.StepName(step))
	if running == nil || running.Target == nil {
		return nil, Problemf(http.StatusConflict, "Step %d doesn't run. Start it, and send the request then.", step)
	}
	row := findRow(step, d.Row)
	if row.ID != d.Row {
		return nil, Problemf(http.StatusBadRequest, "There is no request %.40q.", d.Row)
	}
	original := draftOf(row, step, era)
	d.Title, d.Wants, d.Command = original.Title, original.Wants, original.Command
	request, err := d.request(row)
	if err != nil {
		return nil, err
	}
	e := &exchange{Draft: d, Step: step, Before: manifest.Steps[step-1].After}
	raw, err := e.send(running.Target, request, &e.Now)
	if err != nil {
		return nil, err
	}
	if tokens := running.Target.Minted(); request.Token != nil && len(tokens) > 0 {
		e.Token = readToken(tokens[len(tokens)-1])
	}
	if d.unchanged(original) && len(row.Want) > 0 {
		if err := row.At(step, era).Check(raw); err != nil {
			e.NotAsTheTable = err.Error()
		} else {
			e.AsTheTable = true
		}
	} else {
		e.Draft.Wants = "" // the table speaks of another request
	}
	if e.Before > 0 && d.Compare {
		before, err := s.Programs.StartStep(ctx, e.Before)
		if err != nil {
			return nil, err
		}
		if _, err := e.send(before.Target, request, &e.Then); err != nil {
			return nil, err
		}
		e.Differences = differences(e.Then, e.Now)
	}
	return e, nil
}

func (d draft) unchanged(original draft) bool {
	lines := func(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }
	return d.Method == original.Method && d.Target == original.Target && d.Host == original.Host &&
		lines(d.Headers) == lines(original.Headers) && lines(d.Body) == lines(original.Body)
}

func (e *exchange) send(target *matrix.Target, request matrix.Request, to **answer) (*matrix.Answer, error) {
	begin := time.Now()
	raw, err := target.Send(request, matrix.None)
	if err != nil {
		return nil, Problemf(http.StatusBadGateway, "The program did not answer this request: %v.", err)
	}
	*to = newAnswer(raw, time.Since(begin))
	return raw, nil
}

// Took is how long something took, in milliseconds.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
