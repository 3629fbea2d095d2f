// Package matrix is the table of behaviours × steps: what is sent to the
// server, and what each step answers. Features and attacks are rows of the
// same table, and every row speaks for every step, so that a layer that guards
// nothing shows. It drives the tests of each step and the pages that show the
// steps to people.
package matrix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Era is one of the two ways of speaking MCP.
type Era string

// The eras, and None for a row that is about HTTP alone.
const (
	Legacy Era = "2025-11-25" // initialize first
	Modern Era = "2026-07-28" // every request says by itself what it needs
	None   Era = ""
)

// Row is one behaviour.
type Row struct {
	ID     string   // stable, unique, and fit for an anchor
	Refs   []string // of requirements and attacks that it shows
	Title  string   // a sentence fragment: what is tried
	Layer  int      // the step that brings the feature, or guards against the attack
	Attack bool
	// Request is what is sent. Where it has a Call, the row is run in both
	// eras, otherwise once.
	Request Request
	// Exchange stands in for Request where one request can't show it.
	Exchange func(*Target) (*Answer, error)
	// Want is what the steps answer: each entry from its step on, until the
	// next. Modern is the same for 2026-07-28, where that differs by more than
	// the statuses of modernStatus.
	Want, Modern []Want
}

// Eras in which the row is run.
func (r Row) Eras() []Era {
	if r.Request.Call == nil {
		return []Era{None}
	}
	return []Era{Legacy, Modern}
}

// At is what a step must answer in an era.
func (r Row) At(step int, era Era) Want {
	wants := r.Want
	if era == Modern && r.Modern != nil {
		wants = r.Modern
	}
	found := wants[0]
	for _, want := range wants {
		if want.From <= step {
			found = want
		}
	}
	if status, ok := modernStatus[found.RPC]; ok && era == Modern && found.Status == http.StatusOK {
		found.Status = status
	}
	return found
}

// modernStatus is the HTTP status of JSON-RPC errors in 2026-07-28, which are
// 200 in 2025-11-25.
var modernStatus = map[int]int{-32601: http.StatusNotFound, -32602: http.StatusBadRequest}

// Request is one HTTP request, written as it goes over the wire.
type Request struct {
	Method  string   // POST if empty
	Target  string   // request target; /mcp if empty
	Host    string   // Host header; that of the site if empty
	Headers []string // "Name: value" each; {token} is replaced by the token
	Body    string
	Call    *Call  // a JSON-RPC call, instead of Body
	Token   *Token // sent as Bearer, unless a header has {token}; nil: none
}

// Call is a JSON-RPC request that both eras can send.
type Call struct {
	Method string
	Modern string // method in 2026-07-28, where that is another one
	Name   string // params.name
	Args   string // params.arguments, as JSON
	Params string // further members of params, as JSON without braces
}

// Token says which token is sent, in the words of gentoken.
type Token struct {
	Username string
	Scopes   string // with commas between
	Flaw     string
	// The rest has no flag of gentoken.
	Roles          []string // of the user; nil: those that go with the name
	Key            string   // of stubprovider, that signs
	Header, Claims string   // JSON objects of members to replace; null takes one away
}

// RolesClient is the client of the provider whose roles count at step 10.
const RolesClient = "echo-mcp-server"

// Command is how a person makes the token: for the steps that trust themselves, or
// in the place of the provider of step 9. It is empty where gentoken can't: the key
// is one that only a stub of a provider has.
func (t Token) Command(asProvider bool) string {
	if t.Key != "" {
		return ""
	}
	command := "go run ./cmd/gentoken --username " + t.Username
	if asProvider {
		command = "go run ./cmd/gentoken --as-provider --username " + t.Username
	}
	if t.Scopes != "mcp:read,mcp:tools" {
		command += fmt.Sprintf(" --scopes %q", t.Scopes)
	}
	if t.Roles != nil {
		command += fmt.Sprintf(" --role %q", strings.Join(t.Roles, ","))
	}
	if t.Flaw != "" {
		command += " --flaw " + t.Flaw
	}
	for _, change := range []struct{ flag, text string }{{"--header", t.Header}, {"--claims", t.Claims}} {
		if change.text != "" {
			command += " " + change.flag + " " + quoted(change.text)
		}
	}
	return command
}

// quoted is a text as a word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

const (
	metaKeys = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	jsonType = "Content-Type: application/json"
)

// In writes the request out for an era: a Call becomes a body and headers.
func (q Request) In(era Era) Request {
	if q.Method == "" {
		q.Method = http.MethodPost
	}
	if q.Target == "" {
		q.Target = "/mcp"
	}
	q.Headers = slices.Clone(q.Headers)
	if c := q.Call; c != nil {
		var members []string
		if c.Name != "" {
			name, _ := json.Marshal(c.Name)
			members = append(members, `"name":`+string(name))
		}
		if c.Args != "" {
			members = append(members, `"arguments":`+c.Args)
		}
		if c.Params != "" {
			members = append(members, c.Params)
		}
		method := c.Method
		if era == Modern {
			method = cmp.Or(c.Modern, method)
			members = append(members, metaKeys)
			q.addHeader("MCP-Protocol-Version: " + string(Modern))
			q.addHeader("Mcp-Method: " + method)
			if c.Name != "" {
				q.addHeader("Mcp-Name: " + c.Name)
			}
		}
		q.Body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q`, method)
		if len(members) > 0 {
			q.Body += `,"params":{` + strings.Join(members, ",") + `}`
		}
		q.Body += "}"
		q.addHeader(jsonType)
	}
	if q.Token != nil && !slices.ContainsFunc(q.Headers, func(h string) bool { return strings.Contains(h, "{token}") }) {
		q.Headers = append(q.Headers, "Authorization: Bearer {token}")
	}
	return q
}

// addHeader adds a header that the row doesn't set itself.
func (q *Request) addHeader(header string) {
	name, _, _ := strings.Cut(header, ":")
	for _, given := range q.Headers {
		if has, _, _ := strings.Cut(given, ":"); strings.EqualFold(has, name) {
			return
		}
	}
	q.Headers = append(q.Headers, header)
}

// Curl is the request as a command that can be pasted; the token is $TOKEN.
func (q Request) Curl(base string, era Era) string {
	q = q.In(era)
	var b strings.Builder
	b.WriteString("curl -i")
	if strings.HasPrefix(q.Target, "//") || strings.Contains(q.Target, "..") {
		b.WriteString(" --path-as-is")
	}
	if q.Method != http.MethodGet && (q.Method != http.MethodPost || q.Body == "") {
		b.WriteString(" -X " + q.Method)
	}
	b.WriteString(" " + base + q.Target)
	if q.Host != "" {
		b.WriteString(" \\\n  -H 'Host: " + q.Host + "'")
	}
	for _, header := range q.Headers {
		if header = strings.ReplaceAll(shorten(header), "{token}", "$TOKEN"); strings.Contains(header, "$TOKEN") {
			b.WriteString(" \\\n  -H \"" + header + "\"")
		} else {
			b.WriteString(" \\\n  -H '" + header + "'")
		}
	}
	if q.Body != "" {
		b.WriteString(" \\\n  -d " + quoted(shorten(q.Body)))
	}
	return b.String()
}

// shorten keeps what is too long to read out of commands that people read.
func shorten(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s… (%d bytes)", s[:40], len(s))
}

// Want is what an answer must be like.
type Want struct {
	From   int      // the first step that answers so
	Status int      // HTTP status; 0 for an Exchange that has none
	RPC    int      // code of the JSON-RPC error; 0: no error
	Error  string   // "error" of the body and, beside 401 and insufficient_scope, of the challenge
	Has    []string // what header and body must hold
	Lacks  []string // what they must not hold
	Text   string   // what an Exchange must report
	Works  bool     // the attack works here
	Note   string   // words for a table, where status and error don't tell the difference
}

// Says is the outcome in a few words, for a table.
func (w Want) Says() string {
	var words []string
	if w.Status != 0 {
		words = append(words, fmt.Sprint(w.Status))
	}
	if w.RPC != 0 {
		words = append(words, fmt.Sprintf("(%d)", w.RPC))
	}
	for _, word := range []string{w.Error, w.Text, w.Note} {
		if word != "" {
			words = append(words, word)
		}
	}
	return strings.Join(words, " ")
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Text   string // what an Exchange found out
}

// refusedCode is the code of JSON-RPC errors about tokens.
const refusedCode = -32010

// Check holds an answer against what is wanted.
func (w Want) Check(a *Answer) error {
	if w.Status != a.Status {
		return fmt.Errorf("status %d, want %d", a.Status, w.Status)
	}
	if w.Text != "" && !strings.Contains(a.Text, w.Text) {
		return fmt.Errorf("found %q, want %q", a.Text, w.Text)
	}
	var body struct {
		Error json.RawMessage
	}
	isJSON := json.Unmarshal([]byte(a.Body), &body) == nil
	var rpc struct {
		Code    int
		Message string
		Data    json.RawMessage // an object with error and error_description, where a token was refused
	}
	if len(body.Error) > 0 && body.Error[0] == '{' {
		if err := json.Unmarshal(body.Error, &rpc); err != nil || rpc.Message == "" {
			return fmt.Errorf("JSON-RPC error without code and message: %s", body.Error)
		}
	}
	refusal := body.Error
	if rpc.Code == refusedCode {
		var data struct{ Error json.RawMessage }
		if err := json.Unmarshal(rpc.Data, &data); err != nil {
			return fmt.Errorf("JSON-RPC error without data: %s", body.Error)
		}
		rpc.Code, refusal = 0, data.Error
	}
	if rpc.Code != w.RPC {
		return fmt.Errorf("JSON-RPC error code %d, want %d", rpc.Code, w.RPC)
	}
	challenge := a.Header.Get("WWW-Authenticate")
	if w.Error != "" {
		if !isJSON || string(refusal) != `"`+w.Error+`"` || !strings.Contains(a.Body, `"error_description":"`) {
			return fmt.Errorf("the body doesn't say %q and why", w.Error)
		}
		inChallenge := strings.Contains(challenge, `error="`+w.Error+`"`)
		if wanted := w.Error == "invalid_token" || w.Error == "insufficient_scope" || w.Error == "invalid_request"; wanted != inChallenge {
			return fmt.Errorf("error code in the challenge: %t, want %t: %q", inChallenge, wanted, challenge)
		}
	}
	asks := strings.HasPrefix(challenge, "Bearer ") && w.Error != "insufficient_scope" && w.Error != "invalid_request"
	if asks != (w.Status == http.StatusUnauthorized) {
		return fmt.Errorf("status %d with the challenge %q", a.Status, challenge)
	}
	whole := a.HeaderText() + a.Body
	for _, part := range w.Has {
		if !strings.Contains(whole, part) {
			return fmt.Errorf("the answer lacks %s", part)
		}
	}
	for _, part := range w.Lacks {
		if strings.Contains(whole, part) {
			return fmt.Errorf("the answer has %s", part)
		}
	}
	return nil
}

// HeaderText is the header of the answer, a line each, sorted by name.
func (a *Answer) HeaderText() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		for _, value := range a.Header[name] {
			b.WriteString(name + ": " + value + "\n")
		}
	}
	return b.String()
}
