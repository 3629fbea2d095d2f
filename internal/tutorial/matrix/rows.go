package matrix

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Rows are the table.
var Rows = slices.Concat(rowsOfStep1(), rowsOfStep2(), rowsOfStep3(), rowsOfStep4(),
	rowsOfStep5(), rowsOfStep6(), rowsOfStep7(), rowsOfStep8(), rowsOfStep10())

// Find is the row with an id.
func Find(id string) (Row, bool) {
	i := slices.IndexFunc(Rows, func(r Row) bool { return r.ID == id })
	if i < 0 {
		return Row{}, false
	}
	return Rows[i], true
}

// inLayer says that rows belong to a layer.
func inLayer(layer int, rows []Row) []Row {
	for i := range rows {
		rows[i].Layer = layer
	}
	return rows
}

// Tokens that rows send. Steps without tokens ignore them.
var (
	alice     = &Token{Username: "alice", Scopes: "mcp:read,mcp:tools,mcp:prompts"}
	aliceRead = &Token{Username: "alice", Scopes: "mcp:read"}
	admin     = &Token{Username: "admin", Scopes: "mcp:read,mcp:tools,mcp:prompts"}
	guest     = &Token{Username: "guest", Scopes: "mcp:read,mcp:tools,mcp:prompts"}
)

// aliceWith is alice's token with something changed.
func aliceWith(t Token) *Token {
	t.Username, t.Scopes = alice.Username, alice.Scopes
	return &t
}

// Calls that several layers send.
var (
	// echoCall is the call that attacks try to make: the work of the server.
	echoCall = &Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi"}`}
	// audit is the tool for administrators alone.
	audit = &Call{Method: "tools/call", Name: "audit"}
	// introduce is how a client makes itself known, in either era.
	introduce = &Call{Method: "initialize", Modern: "server/discover", Params: initialize("2025-11-25").Params}
)

// echoed is what echoCall returns.
const echoed = `"structuredContent":{"text":"hi"}`

// initialize is the handshake up to 2025-11-25.
func initialize(version string) *Call {
	const params = `"protocolVersion":%q,"capabilities":{},"clientInfo":{"name":"matrix","version":"1"}`
	return &Call{Method: "initialize", Params: fmt.Sprintf(params, version)}
}

// get is a GET request.
func get(target string, headers ...string) Request {
	return Request{Method: http.MethodGet, Target: target, Headers: headers}
}

// post is a POST of JSON to the MCP endpoint, with a good token. A Content-Type in
// headers takes the place of application/json.
func post(body string, headers ...string) Request {
	request := Request{Body: body, Headers: slices.Clone(headers), Token: alice}
	request.addHeader(jsonType)
	return request
}

// told is a row for a fact that the answer to introduce has from a step on.
func told(step int, id, fact string) Row {
	name, _, _ := strings.Cut(fact, ":")
	return Row{
		ID: "told-" + id, Title: "server information: " + name,
		Request: Request{Call: introduce, Token: alice},
		Want: absentUntil(2,
			Want{Status: 200, Lacks: []string{name}, Note: "not told"},
			Want{From: step, Status: 200, Has: []string{fact}, Note: "told"}),
	}
}

// healthy is a row for a fact that the health report has from a step on.
func healthy(step int, id, fact string) Row {
	name, _, _ := strings.Cut(fact, ":")
	return Row{
		ID: "health-" + id, Title: "health report: " + name,
		Request: get("/health"),
		Want: []Want{
			{From: 1, Status: 200, Lacks: []string{name}, Note: "not said"},
			{From: step, Status: 200, Has: []string{fact}, Note: "said"},
		},
	}
}

// Outcomes that many rows share.

// from is the outcome, from a step on.
func (w Want) from(step int) Want {
	w.From = step
	return w
}

// absentUntil is the outcome of a route that a step brings.
func absentUntil(step int, wants ...Want) []Want {
	wants[0].From = step
	return append([]Want{{From: 1, Status: http.StatusNotFound}}, wants...)
}

// works is the outcome of calls of a tool or prompt: the endpoint comes with
// step 2, the definitions with 3, the work with 4.
func works(done Want) []Want {
	return absentUntil(2,
		Want{Status: 200, RPC: -32601},
		Want{From: 3, Status: 200, RPC: -32603, Has: []string{"step 4"}},
		done.from(4))
}

// workOf is the outcome of calls that succeed.
func workOf(has ...string) []Want { return works(Want{Status: 200, Has: has}) }

// listOf is the outcome of lists, which are complete as soon as there is
// something to list.
func listOf(has ...string) []Want { return unknownMethod(Want{Status: 200, Has: has}) }

// unknownMethod is the outcome of a method that step 3 brings.
func unknownMethod(wants ...Want) []Want {
	wants[0].From = 3
	return append(absentUntil(2, Want{Status: 200, RPC: -32601}), wants...)
}

// notThere is the outcome of a call of a tool or prompt that does not exist.
func notThere() []Want { return unknownMethod(Want{Status: 200, RPC: -32602}) }

// unknownUntil is the outcome of calls of a tool or prompt that a step brings.
func unknownUntil(step int, wants ...Want) []Want {
	wants[0].From = step
	return append(notThere(), wants...)
}

// refusedFrom is the outcome of an attack: what it wants is done until a step
// refuses it.
func refusedFrom(step int, done []Want, refusals ...Want) []Want {
	refusals[0].From = step
	for i, want := range done {
		done[i].Works = want.Status == 200 && want.RPC == 0
	}
	return append(done, refusals...)
}

// untilTokens is the outcome of echoCall without a good token.
func untilTokens(refusal Want) []Want {
	early, late := refusal, refusal.from(7)
	early.Lacks = append(slices.Clone(refusal.Lacks), "resource_metadata")
	late.Has = append(slices.Clone(refusal.Has), `resource_metadata="http`, `scope="mcp:read"`)
	return refusedFrom(6, workOf(echoed), early, late)
}

// lacks is the refusal for want of a scope.
func lacks(scope string) Want {
	return Want{
		Status: 403, Error: "insufficient_scope",
		Has:   []string{`scope="` + scope, `resource_metadata="http`, `error_description="`},
		Lacks: []string{"structuredContent", `"result"`},
	}
}

// fromProvider is what an Exchange with the provider finds at the step that has
// one.
func fromProvider(found string) []Want {
	return []Want{{From: 1, Text: noProvider}, {From: 10, Text: found}}
}
