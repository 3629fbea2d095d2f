package mcpendpoint

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Handler answers the messages that [Decode] lets through: it is Streamable HTTP
// without sessions and streams, in front of mcp-go's HandleMessage. mcp-go's own
// transport does more, for each request, than such a server needs; what it checks
// of one, and HandleMessage doesn't, is checked here. A test holds both to the same
// answers.
//
// A tool can't send notifications, and sees no headers of the request: so it can't
// hand on a token that was not meant for others.
func Handler(s *Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message := mcpmessage.FromContext(r.Context())
		if refusal := s.check(message, r.Header); refusal != nil {
			refuse(w, r, message, statusOf(refusal, message.Modern), refusal)
			return
		}
		ctx := server.WithSupportedProtocolVersions(r.Context(), Versions) // for server/discover
		answer := s.HandleMessage(ctx, encode(message))
		if ctx.Err() != nil {
			return // nobody waits for it any more
		}
		write(w, r, message, answer)
	})
}

// check refuses what HandleMessage would run, or would answer in words of Go.
func (s *Server) check(m *mcpmessage.Message, header http.Header) error {
	if missing := s.missingArgument(m); missing != "" {
		return &mcpmessage.Error{Code: mcpmessage.CodeInvalidParams, Message: "Invalid params: the prompt needs the argument " + missing}
	}
	if !m.Modern {
		return nil
	}
	switch {
	case header.Get(mcp.HeaderLastEventID) != "":
		return mismatch("there are no streams to resume (Last-Event-ID); send the request again with a new id")
	case header.Get(mcp.HeaderProtocolVersion) == "":
		return mismatch("MCP-Protocol-Version must state the version that _meta states")
	case m.MetaVersion() == "":
		return &mcpmessage.Error{Code: mcpmessage.CodeInvalidParams, Message: "Invalid params: _meta must state " + mcp.MetaKeyProtocolVersion}
	}
	return s.checkMirrors(m, header)
}

func mismatch(why string) error {
	return &mcpmessage.Error{Code: mcpmessage.CodeHeaderMismatch, Message: "Header mismatch: " + why}
}

// checkMirrors holds the headers that repeat parts of a message against it: the
// method, the name, and the arguments that a tool's schema marks with x-mcp-header
// (MCP 2026-07-28, transports, "Standard MCP Request Headers"). What is equal to
// the letter needs no second look; mcp-go decides about the rest.
func (s *Server) checkMirrors(m *mcpmessage.Message, header http.Header) error {
	var err error
	if header.Get(mcp.HeaderMethod) != m.Method || header.Get(mcp.HeaderName) != m.Name {
		params := json.RawMessage(`{"name":"` + m.Name + `"}`) // ReadName lets no quotes through
		err = mcp.ValidateStandardHeaders(header.Get, m.MetaVersion(), mcp.MCPMethod(m.Method), params)
	}
	if tool := s.GetTool(m.Name); err == nil && m.Method == "tools/call" && tool != nil && mirrors(tool.Tool) {
		err = mcp.ValidateParamHeadersLookup(func(name string) (string, bool) {
			return header.Get(name), len(header.Values(name)) > 0
		}, &tool.Tool, appendParams(nil, m))
	}
	// A message without capabilities is refused for that first, by HandleMessage.
	if meta := (mcp.Meta{}); err == nil || json.Unmarshal(m.Params["_meta"], &meta) != nil || meta.ClientCapabilities() == nil {
		return nil
	}
	return mismatch(strings.TrimPrefix(err.Error(), "header mismatch: "))
}

// mirrors tells whether the schema of a tool may have an x-mcp-header. mcp-go
// would encode the schema for each call to see it.
func mirrors(tool mcp.Tool) bool {
	return len(tool.RawInputSchema) > 0 || annotated(tool.InputSchema.Properties)
}

func annotated(schema any) bool {
	switch schema := schema.(type) {
	case nil, string, bool, int, float64, []string, []any:
		return false
	case map[string]any:
		for name, member := range schema {
			if strings.EqualFold(name, "x-mcp-header") || annotated(member) {
				return true
			}
		}
		return false
	}
	return true // a type that only its encoding shows
}

// write answers with what mcp-go says.
func write(w http.ResponseWriter, r *http.Request, m *mcpmessage.Message, answer mcp.JSONRPCMessage) {
	text, err := encodeAnswer(m, answer)
	if err != nil {
		logging.FromContext(r.Context()).ErrorContext(r.Context(), "the answer can't be written as JSON", "method", m.Method, logging.Error(err))
		mcpmessage.WriteError(w, http.StatusOK, m.ID, err)
		return
	}
	status := http.StatusOK
	if failure, ok := answer.(mcp.JSONRPCError); ok && m.Modern {
		status = statusOfCode(failure.Error.Code)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a caller that went away is all that can still go wrong
}

// encodeAnswer is json.Marshal of an answer. Most results encode themselves, which
// json.Marshal would then check and copy, as a part of the answer.
func encodeAnswer(m *mcpmessage.Message, answer mcp.JSONRPCMessage) ([]byte, error) {
	response, ok := answer.(mcp.JSONRPCResponse)
	result, encodes := response.Result.(json.Marshaler)
	if !ok || !encodes {
		return json.Marshal(answer)
	}
	text, err := result.MarshalJSON()
	if err != nil {
		return nil, err
	}
	whole := make([]byte, 0, len(text)+len(m.ID)+64)
	whole = append(append(whole, `{"jsonrpc":"2.0","id":`...), m.ID...)
	whole = append(append(whole, `,"result":`...), text...)
	return append(whole, '}'), nil
}

// statusOfCode is the HTTP status of what mcp-go answers to a request of
// 2026-07-28 (transports, "Sending Messages to the Server").
func statusOfCode(code int) int {
	switch code {
	case mcp.METHOD_NOT_FOUND:
		return http.StatusNotFound
	case mcp.HEADER_MISMATCH, mcp.MISSING_REQUIRED_CLIENT_CAPABILITY, mcp.UNSUPPORTED_PROTOCOL_VERSION,
		mcp.INVALID_REQUEST, mcp.INVALID_PARAMS, mcp.PARSE_ERROR:
		return http.StatusBadRequest
	}
	return http.StatusOK
}
