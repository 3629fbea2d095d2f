package flowreport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
)

func exchange(stage mcpauth.Stage, from, method, url, receiver string, status int) mcpauth.Event {
	return mcpauth.Event{At: time.Unix(1_800_000_000, 0), Stage: stage, Exchange: &mcpauth.Exchange{
		From: from, Method: method, URL: url, Receiver: receiver, Status: status, Took: time.Millisecond,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"method":"tools/call","params":{"name":"echo"}}`,
	}}
}

func write(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func flow() []mcpauth.Event {
	token := exchange(mcpauth.StageToken, "client", "POST", "http://localhost:2/token", "localhost:2", 200)
	token.Exchange.Decoded = []mcpauth.DecodedJWT{{Name: "access_token", Header: json.RawMessage(`{"alg":"RS256"}`), Payload: json.RawMessage(`{"aud":"http://localhost:1/mcp"}`)}}
	return []mcpauth.Event{
		exchange(mcpauth.StageRequest, "client", "POST", "http://localhost:1/mcp", "localhost:1", 401),
		{Stage: mcpauth.StageRequest, Note: "The server wants a token."},
		exchange(mcpauth.StageServer, "client", "GET", "http://localhost:2/.well-known/x", "localhost:2", 200),
		exchange(mcpauth.StageAuthorize, "browser", "GET", "http://localhost:2/authorize", "localhost:2", 0),
		exchange(mcpauth.StageAuthorize, "browser", "GET", "http://127.0.0.1:3/callback", "client", 200),
		token,
	}
}

func TestPage(t *testing.T) {
	page := write(t, Report{Server: "http://localhost:1/mcp", Outcome: "It was let in.", Chapters: []Chapter{{Events: flow()}}})
	for _, want := range []string{
		"<b class=\"long\">Browser</b>", "<b class=\"long\">MCP client</b>", "<b class=\"long\">MCP server</b>", "<b class=\"long\">Authorization server</b>",
		"401 Unauthorized", "POST /mcp · tools/call echo", "Browser → MCP client", "MCP client → Authorization server", "access_token, decoded", "It was let in.",
		"5 exchanges", "prefers-color-scheme: dark", `name="viewport"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if got := strings.Count(page, "<details"); got != 5 {
		t.Errorf("%d arrows", got)
	}
	if strings.Contains(page, "Identity provider") {
		t.Error("somebody is on the page who took no part")
	}
}

// Who is asked for a token at another place than the authorization server is
// an identity provider.
func TestIdentityProvider(t *testing.T) {
	events := append(flow(), exchange(mcpauth.StageToken, "client", "POST", "http://localhost:9/token", "localhost:9", 200))
	if page := write(t, Report{Chapters: []Chapter{{Events: events}}}); !strings.Contains(page, "MCP client → Identity provider") {
		t.Error("there is no identity provider")
	}
}

// The page works from a file: it loads nothing, runs nothing, and links only to
// its own chapters and to the lessons beside it.
func TestSelfContained(t *testing.T) {
	page := write(t, Report{Server: "http://localhost:1/mcp", Lessons: "docs", Chapters: []Chapter{{Title: "One", Events: flow()}, {Title: "Two", Events: flow()}}})
	local := regexp.MustCompile(`^(#chapter-[0-9]+|docs/step[0-9]+\.md)$`)
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		switch node.Data {
		case "script", "link", "img", "iframe", "object", "form", "base":
			t.Errorf("the page has a <%s>", node.Data)
		}
		for _, attribute := range node.Attr {
			if node.Data == "a" && attribute.Key == "href" && local.MatchString(attribute.Val) {
				continue
			}
			if attribute.Key == "src" || attribute.Key == "href" || strings.HasPrefix(attribute.Key, "on") {
				t.Errorf("<%s> has %s", node.Data, attribute.Key)
			}
		}
	}
	if regexp.MustCompile(`url\(|@import`).MatchString(page) {
		t.Error("the style loads something")
	}
}

// Whatever a server sent stays text.
func TestHostileText(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	event := exchange(mcpauth.StageRequest, "client", "POST", "http://localhost:1/"+hostile+"?x=%E2%80%AE%1B", hostile, 401)
	event.Exchange.Answer = http.Header{"Www-Authenticate": {hostile}}
	event.Exchange.Reply, event.Exchange.Error, event.Exchange.Body = hostile, hostile, `{"method":"`+strings.ReplaceAll(hostile, `"`, `\"`)+`"}`
	event.Exchange.Decoded = []mcpauth.DecodedJWT{{Name: hostile, Header: json.RawMessage(`{}`), Payload: json.RawMessage(`"<script>"`)}}
	page := write(t, Report{Server: hostile, Outcome: hostile, Failed: true, Chapters: []Chapter{
		{Title: hostile, About: hostile, Events: []mcpauth.Event{event, {Stage: mcpauth.StageServer, Note: hostile, User: hostile}}},
	}})
	if strings.Contains(page, "<script") || strings.Contains(page, "<img") {
		t.Error("it became markup")
	}
	if strings.ContainsAny(page, "\u202e\x1b") {
		t.Error("a mark that turns the direction of writing is on the page")
	}
	if strings.Count(page, "&lt;script&gt;") < 7 {
		t.Error("it was left out")
	}
}

func TestEmpty(t *testing.T) {
	if page := write(t, Report{Server: "s", Outcome: "nothing happened", Failed: true}); !strings.Contains(page, "0 exchanges") {
		t.Error("an empty flow has no page")
	}
}

// twice is a flow whose client gets a token, and then another for more.
func twice() []Chapter {
	authorize := exchange(mcpauth.StageAuthorize, "browser", "GET", "http://localhost:2/authorize?scope=mcp:read+mcp:tools&prompt=x", "localhost:2", 0)
	again := []mcpauth.Event{
		exchange(mcpauth.StageRequest, "client", "POST", "http://localhost:1/mcp", "localhost:1", 403),
		exchange(mcpauth.StageServer, "client", "GET", "http://localhost:2/.well-known/x", "localhost:2", 200),
		authorize,
		exchange(mcpauth.StageToken, "client", "POST", "http://localhost:2/token", "localhost:2", 200),
		exchange(mcpauth.StageRequest, "client", "POST", "http://localhost:1/mcp", "localhost:1", 200),
	}
	return []Chapter{{Title: "A token", Events: flow()}, {Title: "Another", About: "The first is too small.", Events: again}}
}

func TestChapters(t *testing.T) {
	page := write(t, Report{Lessons: "docs", Chapters: twice()})
	for _, want := range []string{
		`<h2>1. A token</h2>`, `<h2>2. Another</h2>`, `<p>The first is too small.</p>`, `<a href="#chapter-2">Another</a>`,
		`<a href="docs/step8.md">`, `<span>5</span>Ask the MCP server`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if page := write(t, Report{Chapters: twice()}); strings.Contains(page, "step8.md") || !strings.Contains(page, "step 8, scopes and roles") {
		t.Error("without a folder of lessons they should be named and not linked")
	}
}

func TestRepeatedTurnsAreFolded(t *testing.T) {
	chapters := twice()
	page := write(t, Report{Chapters: chapters})
	const want = `<details class="again"><summary><b>6–8</b>The same as turns 2–4: the client takes the same way to a token. ` +
		`This time it asks the user for &#34;mcp:read mcp:tools&#34;.</summary>`
	if strings.Count(page, `class="again"`) != 1 || !strings.Contains(page, want) {
		t.Errorf("the page lacks %s", want)
	}
	// What went wrong is not hidden.
	chapters[1].Events[2].Exchange.Status = 500
	if page := write(t, Report{Chapters: chapters}); strings.Contains(page, `class="again"`) {
		t.Error("a turn that failed is folded")
	}
}

func TestMeanings(t *testing.T) {
	events := flow()
	events[3].Exchange.URL += "?state=x&unknown=%3Cb%3E"
	events[2].Exchange.Reply = `{"jwks_uri":"http://localhost:2/keys","private":1}`
	page := write(t, Report{Chapters: []Chapter{{Events: events}}})
	for _, want := range []string{
		"<td>state</td><td>x</td><td>" + parameterMeanings["state"] + "</td>", "<td>unknown</td><td>&lt;b&gt;</td><td></td>",
		"<td>aud</td><td>http://localhost:1/mcp</td><td>" + claimMeanings["aud"] + "</td>", "<td>alg</td><td>RS256</td><td>" + headerMeanings["alg"] + "</td>",
		"<td>jwks_uri</td><td>http://localhost:2/keys</td>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "<td>private</td>") {
		t.Error("a member without a meaning has a line")
	}
	rows := claimRows(json.RawMessage(`{"exp":1800000000}`), claimMeanings)
	if got := rows[0].Meaning; got != "until when it is valid: 2027-01-15 08:00:00 UTC" {
		t.Errorf("exp: %q", got)
	}
}

// The page says why the MCP server believes a token: by keys that the flow
// shows, or that it fetches unseen.
func TestTheKeys(t *testing.T) {
	events := flow()
	events[2].Exchange.Reply = `{"jwks_uri":"http://localhost:2/keys"}`
	letIn := exchange(mcpauth.StageRequest, "client", "POST", "http://localhost:1/mcp", "localhost:1", 200)
	letIn.Exchange.Decoded = []mcpauth.DecodedJWT{{Name: "access token", Header: json.RawMessage(`{}`), Payload: json.RawMessage(`{}`)}}
	events = append(events, letIn, letIn)
	page := write(t, Report{Chapters: []Chapter{{Events: events}}})
	if strings.Count(page, `class="arrow unseen"`) != 1 || !strings.Contains(page, "MCP server → Authorization server</span> not seen by the client") ||
		strings.Count(page, "Why does the MCP server believe the token?") != 1 {
		t.Error("there is no arrow for the keys")
	}
	keys := exchange(mcpauth.StageKeys, "server", "GET", "http://localhost:2/keys", "localhost:2", 200)
	page = write(t, Report{Chapters: []Chapter{{Events: append([]mcpauth.Event{keys}, events...)}}})
	if strings.Contains(page, `class="arrow unseen"`) || !strings.Contains(page, "MCP server → Authorization server") ||
		!strings.Contains(page, "which it fetched at the start") {
		t.Error("the keys that were seen are shown as unseen")
	}
}

func TestTheUser(t *testing.T) {
	events := append(flow(), mcpauth.Event{Stage: mcpauth.StageAuthorize, User: "presses Allow"})
	if page := write(t, Report{Chapters: []Chapter{{Events: events}}}); !strings.Contains(page, "<b>The user:</b> presses Allow") {
		t.Error("the page lacks what the user does")
	}
}

// What was drawn of a flow that goes on stays as it is while events are added.
func TestLiveDrawingGrows(t *testing.T) {
	live := &Live{
		Client: "here", Resource: "localhost:1", Issuer: "localhost:2", Lesson: func(step int) string { return fmt.Sprintf("/step/%d", step) },
	}
	events := append(flow(), exchange(mcpauth.StageRequest, "client", "POST", "http://localhost:1/mcp", "localhost:1", 200))
	events = append(events, events...)
	var before string
	for n := range len(events) + 1 {
		drawing := Report{Live: live, Chapters: []Chapter{{Events: events[:n]}}}.Draw()
		if len(drawing.Participants) != 4 || drawing.Participants[0].Name != "Browser" {
			t.Fatalf("after %d events: %v", n, drawing.Participants)
		}
		items := []Item{}
		for _, block := range drawing.Chapters[0].Blocks {
			if block.Summary != "" {
				t.Errorf("after %d events something is folded", n)
			}
			for _, turn := range block.Turns {
				items = append(items, turn.Items...)
			}
		}
		text, err := json.Marshal(items)
		if err != nil {
			t.Fatal(err)
		}
		now := strings.TrimSuffix(string(text), "]")
		if !strings.HasPrefix(now, before) || n > 0 && now == before {
			t.Errorf("event %d changes what was drawn", n)
		}
		before = now
		for _, each := range items {
			if a := each.Arrow; a != nil && (a.First < 1 || a.First >= a.Last || a.Last > 4 || !a.Unseen && a.Lesson.Link == "") {
				t.Errorf("arrow %+v", a)
			}
		}
	}
}

// Every lesson that a report names has a page.
func TestLessonsExist(t *testing.T) {
	for step := range lessons {
		if _, err := os.Stat(fmt.Sprintf("../../../docs/step%d.md", step)); err != nil {
			t.Error(err)
		}
	}
}
