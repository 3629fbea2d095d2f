package mcpendpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"mcp-auth-step-by-step/internal/web/strictjson"
)

// JSON-RPC error codes (JSON-RPC 2.0, section 5.1, which leaves -32000 to -32099
// to servers; MCP 2026-07-28, basic, "Error Codes", which takes those from -32020
// on).
const (
	codeParse              = -32700
	codeInvalidRequest     = -32600
	codeMethodNotFound     = -32601
	codeInvalidParams      = -32602
	codeInternal           = -32603
	codeRefused            = -32010 // ours: a token is missing, bad or too weak
	codeHeaderMismatch     = -32020
	codeUnsupportedVersion = -32022
)

// Message is one JSON-RPC request, as it was understood. Whoever decides
// about it reads it here: the MCP server is handed this reading, not the
// caller's text.
type Message struct {
	ID     json.RawMessage // a string or an integer
	Method string
	Name   string // of the tool or prompt, for methods that have one
	Modern bool   // says by itself which version it speaks (2026-07-28)

	params map[string]json.RawMessage
}

// rpcError is an answer that refuses a message.
type rpcError struct {
	code    int
	message string
	data    any
}

func (e *rpcError) Error() string { return fmt.Sprintf("%d %s", e.code, e.message) }

func invalidRequest(why string) *rpcError {
	return &rpcError{code: codeInvalidRequest, message: "Invalid request: " + why}
}

var errAmbiguous = invalidRequest(
	"the message can be read in two ways (a name twice or in another case, an unpaired surrogate, a number out of range)")

type messageKey struct{}

// FromContext returns the message that [Decode] understood. It panics when
// there is none: a check that runs before the message is known checks nothing.
func FromContext(ctx context.Context) *Message {
	return ctx.Value(messageKey{}).(*Message)
}

// errNotification says that a message is well-formed and wants no answer.
var errNotification = errors.New("notification")

// parse reads one JSON-RPC request. The message is returned also beside an
// error, as far as it was understood, for the id of the answer.
func parse(body []byte) (*Message, error) {
	m := &Message{}
	members, err := strictjson.Object(body)
	switch {
	case errors.Is(err, strictjson.ErrSyntax):
		return m, &rpcError{code: codeParse, message: "Parse error: the body must be one JSON object in UTF-8"}
	case errors.Is(err, strictjson.ErrNotObject):
		return m, invalidRequest("send one JSON-RPC message in a body, not a batch")
	case err != nil:
		return m, errAmbiguous
	}
	if refusal := onlyExactNames(members, "jsonrpc", "id", "method", "params", "result", "error"); refusal != nil {
		return m, refusal
	}
	id, hasID := members["id"]
	if hasID && validID(id) {
		m.ID = id
	}
	switch {
	case string(members["jsonrpc"]) != `"2.0"`:
		return m, invalidRequest(`"jsonrpc" must be "2.0"`)
	case members["result"] != nil || members["error"] != nil:
		return m, invalidRequest("this server sends no requests to its clients, so it accepts no responses")
	case json.Unmarshal(members["method"], &m.Method) != nil || m.Method == "":
		return m, invalidRequest(`"method" must be a string`)
	case hasID && m.ID == nil:
		return m, invalidRequest(`"id" must be a string or an integer`)
	}
	if raw, ok := members["params"]; ok {
		if m.params, err = strictjson.Object(raw); errors.Is(err, strictjson.ErrAmbiguous) {
			return &Message{}, errAmbiguous
		} else if err != nil {
			return m, invalidRequest(`"params" must be an object`)
		}
	}
	if !hasID {
		return m, errNotification
	}
	return m, nil
}

// onlyExactNames refuses messages with members that encoding/json would take for one of
// names although they are written differently.
func onlyExactNames(members map[string]json.RawMessage, names ...string) *rpcError {
	exact := make(map[string]string, len(names))
	for _, name := range names {
		exact[strictjson.Fold(name)] = name
	}
	for name := range members {
		if want, ok := exact[strictjson.Fold(name)]; ok && name != want {
			return invalidRequest(fmt.Sprintf("%q must be written in exactly that case", want))
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

// encode writes the message anew: the members that were understood, and no
// others.
func (m *Message) encode() ([]byte, error) {
	return json.Marshal(struct {
		JSONRPC string                     `json:"jsonrpc"`
		ID      json.RawMessage            `json:"id"`
		Method  string                     `json:"method"`
		Params  map[string]json.RawMessage `json:"params,omitempty"`
	}{"2.0", m.ID, m.Method, m.params})
}
