// Package mcpmessage reads the JSON-RPC messages that MCP clients send by
// Streamable HTTP, strictly, so that no two readers can understand one of them
// differently. It depends on no MCP SDK: [Inspect] protects servers of any.
//
//	mcp = scopepolicy.Require(policy, challenge, nil, mcp)
//	mcp = mcpmessage.Inspect(mcp)
//	mcp = bearerauth.Require(verifier, challenge, mcp)
package mcpmessage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"mcp-auth-step-by-step/internal/web/strictjson"
)

// Message is one JSON-RPC message, as it was understood. Whoever decides about
// it reads it here.
type Message struct {
	ID       json.RawMessage // a string or an integer; nil for a notification
	Method   string          // of JSON-RPC, or one of [Transport]
	Name     string          // of the tool, prompt or resource, for methods that have one
	Modern   bool            // says by itself which version it speaks (2026-07-28)
	Response bool            // answers a request of the server
	Params   map[string]json.RawMessage
	Meta     map[string]json.RawMessage // the members of params._meta; nil where it is not an object
}

// Operations of the transport: they have no method of JSON-RPC.
const (
	Stream  = http.MethodGet    // opens a stream of the server's messages
	End     = http.MethodDelete // ends a session
	Respond = "response"        // answers a request of the server, such as sampling
)

// methods are those of MCP 2025-11-25 and 2026-07-28 that clients send, each with
// the member of its params that names a tool, prompt or resource.
var methods = map[string]string{
	Stream: "", End: "", Respond: "",
	"initialize": "", "server/discover": "", "ping": "",
	"tools/list": "", "tools/call": "name",
	"prompts/list": "", "prompts/get": "name",
	"resources/list": "", "resources/templates/list": "", "resources/read": "uri",
	"resources/subscribe": "uri", "resources/unsubscribe": "uri", "subscriptions/listen": "",
	"completion/complete": "", "logging/setLevel": "",
	"tasks/list": "", "tasks/get": "", "tasks/result": "", "tasks/update": "", "tasks/cancel": "",
	"notifications/initialized": "", "notifications/cancelled": "", "notifications/progress": "",
	"notifications/roots/list_changed": "", "notifications/tasks/status": "",
}

// Known reports whether clients of MCP send a method, or it is an operation of
// the transport.
func Known(method string) bool {
	_, known := methods[method]
	return known
}

// Named reports whether the requests of a method name a tool, prompt or resource.
func Named(method string) bool { return methods[method] != "" }

type messageKey struct{}

// NewContext returns a context that carries m.
func NewContext(ctx context.Context, m *Message) context.Context {
	return context.WithValue(ctx, messageKey{}, m)
}

// FromContext returns the message that was read of a request. It panics when
// there is none: a check that runs before the message is known checks nothing.
func FromContext(ctx context.Context) *Message { return ctx.Value(messageKey{}).(*Message) }

// Parse reads one JSON-RPC message. It is returned also beside an error, as far
// as it was understood, for the id of the answer. Errors are of type [*Error].
func Parse(body []byte) (*Message, error) {
	m := &Message{}
	levels, err := strictjson.Nested(body, "params", "_meta")
	switch {
	case errors.Is(err, strictjson.ErrSyntax):
		return m, &Error{Code: CodeParse, Message: "Parse error: the body must be one JSON object in UTF-8"}
	case errors.Is(err, strictjson.ErrNotObject):
		return m, InvalidRequest("send one JSON-RPC message in a body, not a batch")
	case err != nil:
		return m, errAmbiguous
	}
	members := levels[0]
	if err := OnlyExactNames(members, "jsonrpc", "id", "method", "params", "result", "error"); err != nil {
		return m, err
	}
	m.Response = members["result"] != nil || members["error"] != nil
	id, hasID := members["id"]
	if hasID && validID(id) {
		m.ID = id
	}
	method, isText := strictjson.String(members["method"])
	switch {
	case string(members["jsonrpc"]) != `"2.0"`:
		return m, InvalidRequest(`"jsonrpc" must be "2.0"`)
	case m.Response && (members["method"] != nil || m.ID == nil):
		return m, InvalidRequest(`a response has an "id" and no "method"`)
	case m.Response:
		m.Method = Respond
		return m, nil
	case !isText || method == "":
		return m, InvalidRequest(`"method" must be a string`)
	case hasID && m.ID == nil:
		return m, InvalidRequest(`"id" must be a string or an integer`)
	}
	// A _meta of another shape says nothing.
	m.Method, m.Params, m.Meta = method, levels[1], levels[2]
	if members["params"] != nil && m.Params == nil {
		return m, InvalidRequest(`"params" must be an object`)
	}
	return m, nil
}

// OnlyExactNames refuses messages with members that encoding/json would take for one of
// names although they are written differently.
func OnlyExactNames(members map[string]json.RawMessage, names ...string) error {
	for name := range members {
		if slices.Contains(names, name) {
			continue
		}
		folded := strictjson.Fold(name)
		for _, want := range names {
			if folded == strictjson.Fold(want) {
				return InvalidRequest(fmt.Sprintf("%q must be written in exactly that case", want))
			}
		}
	}
	return nil
}

// maxSafeInteger is the largest integer that every JSON reader keeps exactly.
const maxSafeInteger = 1<<53 - 1

// validID accepts what MCP allows: a string or an integer, and not null.
func validID(raw json.RawMessage) bool {
	if len(raw) > 0 && raw[0] == '"' {
		return len(raw) <= 256
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return err == nil && -maxSafeInteger <= n && n <= maxSafeInteger
}

// forms are what names and URIs look like: those of tools (MCP 2025-11-25, tools,
// "Tool Names"; SEP-986 has the slash), here of prompts too. Others are refused
// before a log has them (WD13).
var forms = map[string]*form{
	"name": newForm("A-Za-z0-9_./-", 128),
	"uri":  newForm("!-~", 1000),
}

// form is one to most characters of a class. As a regular expression, it would be what
// reading a name costs most.
type form struct {
	class string // as a regular expression has it in brackets
	most  int
	has   [256]bool
}

func newForm(class string, most int) *form {
	f := &form{class: class, most: most}
	one := regexp.MustCompile("^[" + class + "]$")
	for c := range 128 {
		f.has[c] = one.MatchString(string(rune(c)))
	}
	return f
}

func (f *form) String() string { return fmt.Sprintf("^[%s]{1,%d}$", f.class, f.most) }

func (f *form) fits(text string) bool {
	for i := range len(text) {
		if !f.has[text[i]] {
			return false
		}
	}
	return 0 < len(text) && len(text) <= f.most
}

// ReadName reads what a message is about, for methods that say so in params.
func (m *Message) ReadName() error {
	member := methods[m.Method]
	if member == "" || m.Response {
		return nil
	}
	name, ok := strictjson.String(m.Params[member])
	if !ok || !forms[member].fits(name) {
		return &Error{Code: CodeInvalidParams, Message: fmt.Sprintf("Invalid params: %s must match %s", member, forms[member])}
	}
	m.Name = name
	return nil
}

// Headers that say again what a message says (MCP 2026-07-28, transports,
// "Standard MCP Request Headers").
const (
	versionHeader = "MCP-Protocol-Version"
	methodHeader  = "Mcp-Method"
	nameHeader    = "Mcp-Name"
)

// firstModern is the first revision in which each request states its version.
const firstModern = "2026-07-28"

// MetaVersion is the revision that _meta states; empty: none.
func (m *Message) MetaVersion() string {
	version, _ := strictjson.String(m.Meta["io.modelcontextprotocol/protocolVersion"])
	return version
}

// ReadVersion finds the revision that a message speaks, in the header of its
// request and in its _meta, and refuses it where the two differ. That the other
// headers agree with the body is for the MCP server to check.
func (m *Message) ReadVersion(header http.Header) (stated []string, err error) {
	for _, name := range []string{versionHeader, methodHeader, nameHeader} {
		// Of two values, each reader would pick its own.
		if len(header.Values(name)) > 1 {
			return nil, &Error{Code: CodeHeaderMismatch, Message: "Header mismatch: " + name + " may be given only once"}
		}
	}
	version, meta := header.Get(versionHeader), m.MetaVersion()
	m.Modern = version >= firstModern || meta >= firstModern

	// Two versions are a mismatch, whether or not both are served.
	if m.Modern && version != "" && meta != "" && version != meta {
		return nil, &Error{
			Code:    CodeHeaderMismatch,
			Message: "Header mismatch: MCP-Protocol-Version and _meta name different versions",
		}
	}
	return []string{version, meta}, nil
}
