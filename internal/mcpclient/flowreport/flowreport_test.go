package flowreport

import (
	"bytes"
	"encoding/json"
	"net/http"
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
	page := write(t, Report{Server: "http://localhost:1/mcp", Outcome: "It was let in.", Events: flow()})
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
	if page := write(t, Report{Events: events}); !strings.Contains(page, "MCP client → Identity provider") {
		t.Error("there is no identity provider")
	}
}

// The page works from a file: it loads nothing, runs nothing, and links
// nowhere.
func TestSelfContained(t *testing.T) {
	page := write(t, Report{Server: "http://localhost:1/mcp", Events: flow()})
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		switch node.Data {
		case "script", "link", "img", "iframe", "object", "a", "form", "base":
			t.Errorf("the page has a <%s>", node.Data)
		}
		for _, attribute := range node.Attr {
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
	page := write(t, Report{Server: hostile, Outcome: hostile, Failed: true, Events: []mcpauth.Event{event, {Stage: mcpauth.StageServer, Note: hostile}}})
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
