package mcpmessage

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// JSON-RPC error codes (JSON-RPC 2.0, section 5.1, which leaves -32000 to -32099
// to servers; MCP 2026-07-28, basic, "Error Codes", which takes those from -32020
// on).
const (
	CodeParse              = -32700
	CodeInvalidRequest     = -32600
	CodeMethodNotFound     = -32601
	CodeInvalidParams      = -32602
	CodeInternal           = -32603
	CodeRefused            = -32010 // ours: a token is missing, bad or too weak
	CodeHeaderMismatch     = -32020
	CodeUnsupportedVersion = -32022
)

// Error is a JSON-RPC error: an answer that refuses a message.
type Error struct {
	Code    int
	Message string
	Data    any // nil: none
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s", e.Code, e.Message) }

// InvalidRequest refuses what is not a message that this endpoint takes.
func InvalidRequest(why string) *Error {
	return &Error{Code: CodeInvalidRequest, Message: "Invalid request: " + why}
}

var errAmbiguous = InvalidRequest(
	"the message can be read in two ways (a name twice or in another case, an unpaired surrogate, a number out of range)")

// WriteError answers with a JSON-RPC error; what is not an [*Error] is an
// internal one. The id is left out where none could be read, as MCP's schema
// wants it.
func WriteError(w http.ResponseWriter, status int, id json.RawMessage, err error) {
	e := &Error{Code: CodeInternal, Message: "Internal error"}
	errors.As(err, &e)
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	jsonreply.Write(w, status, struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   detail          `json:"error"`
	}{"2.0", id, detail{e.Code, e.Message, e.Data}})
}

// Refuse answers a request with 400, 401, 403 or 503 because of its token. The
// body is a JSON-RPC error, since clients show the message of one and hide other
// bodies. Its data has the reason for programs: a code, and the scopes to ask
// for. The id is the request's where the message was read, and else left out.
func Refuse(w http.ResponseWriter, r *http.Request, refusal jsonreply.Refusal) {
	w.Header().Set("Cache-Control", "no-store")
	var id json.RawMessage
	if m, ok := r.Context().Value(messageKey{}).(*Message); ok {
		id = m.ID
	}
	WriteError(w, refusal.Status, id, &Error{Code: CodeRefused, Message: refusal.Description, Data: refusal})
}
