package features_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"mcp-auth-step-by-step/internal/mcpserver/features"
	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/logbuffer"
	"mcp-auth-step-by-step/internal/web/logging"
)

// dispatching is the server of step 4, and whoami of step 6.
func dispatching() *mcpendpoint.Server {
	s := mcpendpoint.NewServer()
	features.List(s, "not yet")
	features.Dispatch(s)
	features.AddWhoami(s)
	return s
}

func endpoint(s *mcpendpoint.Server) http.Handler { return mcpendpoint.Decode(mcpendpoint.Handler(s)) }

// ask sends a request of 2025-11-25 and returns the answer's body.
func ask(ctx context.Context, h http.Handler, method, params string) []byte {
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	return w.Body.Bytes()
}

// outcome is what a call or a prompt comes to: a text, or what went wrong.
type outcome struct {
	Error *struct {
		Code    int
		Message string
	}
	Result struct {
		IsError           bool
		Content           []struct{ Text string }
		StructuredContent json.RawMessage
		Messages          []struct{ Content struct{ Text string } }
	}
}

func read(t *testing.T, body []byte) (o outcome) {
	t.Helper()
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return o
}

func (o outcome) String() string {
	switch {
	case o.Error != nil:
		return fmt.Sprintf("%d %s", o.Error.Code, o.Error.Message)
	case len(o.Result.Messages) == 1:
		return o.Result.Messages[0].Content.Text
	case len(o.Result.Content) != 1:
		return fmt.Sprintf("%d contents", len(o.Result.Content))
	case o.Result.IsError:
		return "isError: " + o.Result.Content[0].Text
	}
	return o.Result.Content[0].Text
}

func call(t *testing.T, ctx context.Context, h http.Handler, name, arguments string) outcome {
	t.Helper()
	return read(t, ask(ctx, h, "tools/call", fmt.Sprintf(`{"name":%q,"arguments":%s}`, name, arguments)))
}

// A19: arguments that break the schema are told in words that a model can act
// on, and nothing is run.
func TestA19_Echo(t *testing.T) {
	h := endpoint(dispatching())
	const refused = "isError: echo was not called: "
	long := strings.Repeat("ä", 10_000) // characters, not bytes
	for arguments, want := range map[string]string{
		`{"message":"a"}`:                           "a",
		`{"message":""}`:                            "",
		`{"message":"a","repeat_count":1}`:          "a",
		`{"message":"a","repeat_count":3.0}`:        "aaa",
		`{"message":"ab","repeat_count":10}`:        strings.Repeat("ab", 10),
		`{"message":"a\u0000<b>&\ud83d\ude00"}`:     "a\x00<b>&😀",
		`{"message":"` + long + `"}`:                long,
		`{"message":"` + long + `a"}`:               refused + "message: maxLength: got 10,001, want 10,000",
		`{"message":"a","repeat_count":0}`:          refused + "repeat_count: minimum: got 0, want 1",
		`{"message":"a","repeat_count":-1}`:         refused + "repeat_count: minimum: got -1, want 1",
		`{"message":"a","repeat_count":11}`:         refused + "repeat_count: maximum: got 11, want 10",
		`{"message":"a","repeat_count":3.5}`:        refused + "repeat_count: got number, want integer",
		`{"message":"a","repeat_count":"3"}`:        refused + "repeat_count: got string, want integer",
		`{"message":"a","repeat_count":null}`:       refused + "repeat_count: got null, want integer",
		`{"message":"a","repeat_count":true}`:       refused + "repeat_count: got boolean, want integer",
		`{"message":5}`:                             refused + "message: got number, want string",
		`{"message":["a"]}`:                         refused + "message: got array, want string",
		`{"message":{}}`:                            refused + "message: got object, want string",
		`{"message":null}`:                          refused + "message: got null, want string",
		`{}`:                                        refused + "missing property 'message'",
		`{"message":"a","x":1}`:                     refused + "additional properties 'x' not allowed",
		`{"message":"a","__proto__":{"isAdmin":1}}`: refused + "additional properties '__proto__' not allowed",
		`{"message":"NaN","repeat_count":"NaN"}`:    refused + "repeat_count: got string, want integer",
	} {
		got := call(t, t.Context(), h, "echo", arguments)
		if got.String() != want {
			t.Errorf("echo %.80s = %.120q, want %.120q", arguments, got, want)
		}
		if !got.Result.IsError {
			var structured struct{ Text string }
			if err := json.Unmarshal(got.Result.StructuredContent, &structured); err != nil || structured.Text != want {
				t.Errorf("echo %.80s: structured %.80s", arguments, got.Result.StructuredContent)
			}
		}
	}
	if got := read(t, ask(t.Context(), h, "tools/call", `{"name":"echo"}`)).String(); got != refused+"missing property 'message'" {
		t.Errorf("no arguments: %s", got)
	}
	for arguments, about := range map[string][]string{
		`{"message":"a","repeat_count":1e300}`:        {"repeat_count: maximum: "},
		`{"Message":"a"}`:                             {"additional properties 'Message' not allowed", "missing property 'message'", "; "},
		`{"message":5,"repeat_count":99,"more":true}`: {"message: got number", "repeat_count: maximum", "'more' not allowed", "; "},
	} {
		got := call(t, t.Context(), h, "echo", arguments).String()
		for _, words := range about {
			if !strings.HasPrefix(got, refused) || !strings.Contains(got, words) {
				t.Errorf("echo %s = %s, which doesn't say %q", arguments, got, words)
			}
		}
	}
}

func TestA19_GetTime(t *testing.T) {
	h := endpoint(dispatching())
	for arguments, zone := range map[string]string{
		`{}`:                                               "UTC",
		`{"timezone":"UTC"}`:                               "UTC",
		`{"timezone":"Europe/Berlin"}`:                     "Europe/Berlin",
		`{"timezone":"Asia/Kathmandu"}`:                    "Asia/Kathmandu",
		`{"timezone":"America/New_York"}`:                  "America/New_York",
		`{"timezone":"Pacific/Chatham"}`:                   "Pacific/Chatham",
		`{"timezone":"Etc/GMT+12"}`:                        "Etc/GMT+12",
		`{"timezone":""}`:                                  "",
		`{"timezone":"Local"}`:                             "",
		`{"timezone":"local"}`:                             "",
		`{"timezone":"Mars/Olympus"}`:                      "",
		`{"timezone":"+02:00"}`:                            "",
		`{"timezone":"../etc/passwd"}`:                     "",
		`{"timezone":"../../etc/localtime"}`:               "",
		`{"timezone":"/etc/localtime"}`:                    "",
		`{"timezone":"Europe/../UTC"}`:                     "",
		`{"timezone":"Europe\\Berlin"}`:                    "",
		`{"timezone":"UTC\u0000"}`:                         "",
		`{"timezone":" UTC"}`:                              "",
		`{"timezone":"` + strings.Repeat("a", 5000) + `"}`: "",
	} {
		from := time.Now().Truncate(time.Second)
		got := call(t, t.Context(), h, "get_time", arguments)
		to := time.Now()
		if zone == "" {
			if got.String() != "isError: timezone: not an IANA zone name; write it like UTC or Europe/Berlin" {
				t.Errorf("get_time %.60s = %s", arguments, got)
			}
			continue
		}
		var said struct{ Time, Timezone string }
		if err := json.Unmarshal(got.Result.StructuredContent, &said); err != nil || said.Timezone != zone {
			t.Errorf("get_time %s: %s", arguments, got.Result.StructuredContent)
			continue
		}
		now, err := time.Parse(time.RFC3339, said.Time)
		if err != nil || now.Before(from) || now.After(to) {
			t.Errorf("get_time %s = %s, asked between %s and %s", arguments, said.Time, from, to)
		}
		location, err := time.LoadLocation(zone)
		if err != nil || now.In(location).Format(time.RFC3339) != said.Time {
			t.Errorf("get_time %s = %s, which is not the time there", arguments, said.Time)
		}
		if got.String() != "It is "+said.Time+" in "+zone+"." {
			t.Errorf("get_time %s says %q", arguments, got)
		}
	}
	for _, arguments := range []string{`{"timezone":1}`, `{"timezone":null}`, `{"timezone":["UTC"]}`, `{"zone":"UTC"}`} {
		if got := call(t, t.Context(), h, "get_time", arguments).String(); !strings.HasPrefix(got, "isError: get_time was not called: ") {
			t.Errorf("get_time %s = %s", arguments, got)
		}
	}
}

func TestWC14_Whoami(t *testing.T) {
	h := endpoint(dispatching())
	for name, c := range map[string]struct {
		caller principal.Principal
		says   string
	}{
		"with all": {
			principal.Principal{Issuer: "http://i", Subject: "s-1", Username: "alice", ClientID: "cli", Scopes: []string{"mcp:read", "mcp:tools"}, Roles: []string{"user"}},
			"You are alice, acting through the client cli. Scopes: mcp:read, mcp:tools. Roles: user.",
		},
		"with nothing": {
			principal.Principal{Issuer: "http://i", Subject: "s-2", ClientID: "cli", Scopes: []string{}, Roles: []string{}},
			"You are s-2, acting through the client cli. Scopes: none. Roles: none.",
		},
	} {
		c.caller.Expires = time.Unix(1_800_000_000, 0).UTC()
		ctx := principal.NewContext(t.Context(), &c.caller)
		got := call(t, ctx, h, "whoami", `{}`)
		var said principal.Principal
		if err := json.Unmarshal(got.Result.StructuredContent, &said); err != nil || fmt.Sprint(said) != fmt.Sprint(c.caller) {
			t.Errorf("%s: %s", name, got.Result.StructuredContent)
		}
		if got.String() != c.says {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
		// Nobody can be somebody else by asking for it.
		if got := call(t, ctx, h, "whoami", `{"subject":"admin"}`).String(); got != "isError: whoami was not called: additional properties 'subject' not allowed" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestPrompts(t *testing.T) {
	h := endpoint(dispatching())
	for params, want := range map[string]string{
		`{"name":"greeting"}`:                                       "Please greet a friend warmly, in one sentence.",
		`{"name":"greeting","arguments":{}}`:                        "Please greet a friend warmly, in one sentence.",
		`{"name":"greeting","arguments":{"name":""}}`:               "Please greet a friend warmly, in one sentence.",
		`{"name":"greeting","arguments":{"name":"Ada %s {{x}}"}}`:   "Please greet Ada %s {{x}} warmly, in one sentence.",
		`{"name":"greeting","arguments":{"name":"Ada","more":"x"}}`: "Please greet Ada warmly, in one sentence.",
		`{"name":"help"}`:                                           "Please list the tools and prompts of this server and say in one sentence each what they are for.",
		`{"name":"echo_prompt","arguments":{"message":"a\nb"}}`:     "Please repeat this with the echo tool: a\nb",
		`{"name":"echo_prompt"}`:                                    "-32602 Invalid params: the prompt needs the argument message",
		`{"name":"echo_prompt","arguments":{"Message":"a"}}`:        "-32602 Invalid params: the prompt needs the argument message",
		`{"name":"echo_prompt","arguments":{"message":1}}`:          "-32602 Invalid params: a member has the wrong type; see the MCP schema of prompts/get",
		`{"name":"nobody"}`:                                         "-32602 prompt 'nobody' not found: prompt not found",
	} {
		if got := read(t, ask(t.Context(), h, "prompts/get", params)).String(); got != want {
			t.Errorf("%s = %q, want %q", params, got, want)
		}
	}
}

// Step 3: listed, and calling says when it will work; arguments don't matter.
func TestListWithoutDispatch(t *testing.T) {
	s := mcpendpoint.NewServer()
	features.List(s, "that comes with step 4")
	h := endpoint(s)
	for _, c := range [][2]string{
		{"tools/call", `{"name":"echo","arguments":{"message":"a"}}`}, {"tools/call", `{"name":"echo","arguments":{"x":1}}`}, {"tools/call", `{"name":"get_time"}`},
		{"prompts/get", `{"name":"help"}`}, {"prompts/get", `{"name":"greeting"}`},
	} {
		if got := read(t, ask(t.Context(), h, c[0], c[1])); got.Error == nil || !strings.Contains(got.Error.Message, "that comes with step 4") {
			t.Errorf("%s %s: %s", c[0], c[1], got)
		}
	}
	with, without := ask(t.Context(), h, "tools/list", `{}`), ask(t.Context(), endpoint(dispatching()), "tools/list", `{}`)
	if !bytes.Contains(without, bytes.TrimSuffix(with, []byte("]}}\n"))) {
		t.Errorf("Dispatch changes what is listed:\n%s\n%s", with, without)
	}
}

// The lists are complete, ordered by name, and the same bytes every time: so
// clients can compare and cache them.
func TestListsAreDeterministic(t *testing.T) {
	names := map[string]string{"tools/list": "echo get_time whoami", "prompts/list": "echo_prompt greeting help"}
	for method, want := range names {
		var first []byte
		for range 100 {
			// A new server each time: maps differ in their order.
			got := ask(t.Context(), endpoint(dispatching()), method, `{}`)
			if first == nil {
				first = got
			}
			if !bytes.Equal(got, first) {
				t.Fatalf("%s changes:\n%s\n%s", method, first, got)
			}
		}
		var list struct {
			Result struct {
				Tools, Prompts []struct{ Name, Title, Description string }
				NextCursor     string
			}
		}
		if err := json.Unmarshal(first, &list); err != nil || list.Result.NextCursor != "" {
			t.Errorf("%s: %v, %s", method, err, first)
		}
		var got []string
		for _, entry := range append(list.Result.Tools, list.Result.Prompts...) {
			got = append(got, entry.Name)
			if entry.Title == "" || entry.Description == "" {
				t.Errorf("%s has no title or description", entry.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", method, got, want)
		}
	}
}

// What a tool gives back fits the output schema that the list declares, and
// the schema is strict enough to notice.
func TestStructuredOutputFitsItsSchema(t *testing.T) {
	h := endpoint(dispatching())
	ctx := principal.NewContext(t.Context(), &principal.Principal{Issuer: "i", Subject: "s", Scopes: []string{"mcp:read"}, Roles: []string{}, Expires: time.Now()})
	var list struct {
		Result struct {
			Tools []struct {
				Name                      string
				InputSchema, OutputSchema json.RawMessage
				Annotations               struct{ ReadOnlyHint, DestructiveHint, OpenWorldHint *bool }
			}
		}
	}
	if err := json.Unmarshal(ask(ctx, h, "tools/list", `{}`), &list); err != nil || len(list.Result.Tools) != 3 {
		t.Fatalf("%d tools, %v", len(list.Result.Tools), err)
	}
	arguments := map[string]string{"echo": `{"message":"a","repeat_count":2}`, "get_time": `{"timezone":"Asia/Tokyo"}`, "whoami": `{}`}
	for _, tool := range list.Result.Tools {
		input, output := compile(t, tool.InputSchema), compile(t, tool.OutputSchema)
		if err := input.Validate(value(t, []byte(arguments[tool.Name]))); err != nil {
			t.Errorf("%s: its own example doesn't fit: %v", tool.Name, err)
		}
		structured := call(t, ctx, h, tool.Name, arguments[tool.Name]).Result.StructuredContent
		if err := output.Validate(value(t, structured)); err != nil {
			t.Errorf("%s: %s doesn't fit its schema: %v", tool.Name, structured, err)
		}
		for _, other := range []string{`{}`, `{"other":1}`, `[]`, `"text"`} {
			if output.Validate(value(t, []byte(other))) == nil {
				t.Errorf("%s: %s fits its output schema, too", tool.Name, other)
			}
		}
		if a := tool.Annotations; a.ReadOnlyHint == nil || !*a.ReadOnlyHint || a.DestructiveHint == nil || *a.DestructiveHint || a.OpenWorldHint == nil || *a.OpenWorldHint {
			t.Errorf("%s isn't annotated as harmless", tool.Name)
		}
	}
}

func value(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func compile(t *testing.T, schema []byte) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema", value(t, schema)); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("schema")
}

// A19, J02: a panic is nobody else's business: the caller learns nothing of it,
// other calls go on, and the operator finds it in the log.
func TestA19_J02_Panics(t *testing.T) {
	t.Parallel()
	var log logbuffer.Buffer
	ctx := logging.NewContext(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))

	s := dispatching()
	entered, goOn := make(chan struct{}), make(chan struct{})
	for name, with := range map[string]any{"text": "SECRET", "error": fmt.Errorf("SECRET"), "value": struct{ SECRET int }{5}, "of net http": http.ErrAbortHandler} {
		s.AddTool(mcp.NewTool("panic_with_"+strings.ReplaceAll(name, " ", "_")), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic(with) })
		s.AddPrompt(mcp.NewPrompt("panic_with_"+strings.ReplaceAll(name, " ", "_")), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) { panic(with) })
	}
	s.AddTool(mcp.NewTool("panic_with_nil_pointer"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		var p *principal.Principal
		return mcp.NewToolResultText(p.Subject), nil
	})
	s.AddTool(mcp.NewTool("slow"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		close(entered)
		<-goOn
		return mcp.NewToolResultText("still here"), nil
	})
	h := endpoint(s)
	slow := make(chan []byte, 1)
	go func() { slow <- ask(ctx, h, "tools/call", `{"name":"slow"}`) }()
	<-entered

	const told = "-32603 internal error; the server's log has the details"
	var group sync.WaitGroup
	for _, c := range [][2]string{
		{"tools/call", "text"}, {"tools/call", "error"}, {"tools/call", "value"}, {"tools/call", "of net http"}, {"tools/call", "nil pointer"},
		{"prompts/get", "text"}, {"prompts/get", "error"}, {"prompts/get", "value"}, {"prompts/get", "of net http"},
	} {
		for range 3 {
			group.Go(func() {
				body := ask(ctx, h, c[0], fmt.Sprintf(`{"name":"panic_with_%s"}`, strings.ReplaceAll(c[1], " ", "_")))
				if got := read(t, body).String(); got != told || bytes.Contains(body, []byte("SECRET")) || bytes.Contains(body, []byte("goroutine")) {
					t.Errorf("%s, panic with %s: %s", c[0], c[1], body)
				}
			})
		}
	}
	group.Wait()
	if got := call(t, t.Context(), h, "echo", `{"message":"a"}`).String(); got != "a" {
		t.Errorf("afterwards echo says %s", got)
	}
	close(goOn)
	if got := read(t, <-slow).String(); got != "still here" {
		t.Errorf("the call that was running says %s", got)
	}
	for _, want := range []string{"SECRET", `in="tool panic_with_text"`, `in="prompt panic_with_error"`, "features_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
}

// Who gives no name is greeted by the one that the issuer vouches for.
func TestPersonalisedGreeting(t *testing.T) {
	s := dispatching()
	features.PersonaliseGreeting(s)
	h := endpoint(s)
	alice := &principal.Principal{Subject: "4711", Username: "alice", Scopes: []string{"mcp:read"}, Roles: []string{"user", "admin"}}
	for params, want := range map[string]string{
		`{"name":"greeting"}`:                            "Please greet alice warmly, in one sentence, and say what they may do here. Scopes: mcp:read. Roles: user, admin.",
		`{"name":"greeting","arguments":{"name":""}}`:    "Please greet alice warmly, in one sentence, and say what they may do here. Scopes: mcp:read. Roles: user, admin.",
		`{"name":"greeting","arguments":{"name":"Ada"}}`: "Please greet Ada warmly, in one sentence.",
		`{"name":"help"}`:                                "Please list the tools and prompts of this server and say in one sentence each what they are for.",
	} {
		if got := read(t, ask(principal.NewContext(t.Context(), alice), h, "prompts/get", params)).String(); got != want {
			t.Errorf("%s: %q, want %q", params, got, want)
		}
	}
	nameless := principal.NewContext(t.Context(), &principal.Principal{Subject: "4711"})
	if got := read(t, ask(nameless, h, "prompts/get", `{"name":"greeting"}`)).String(); got != "Please greet 4711 warmly, in one sentence, and say what they may do here. Scopes: none. Roles: none." {
		t.Errorf("without a user name: %q", got)
	}
}
