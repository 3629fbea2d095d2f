package mcpendpoint

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// errNotification says that a message is well-formed and wants no answer.
var errNotification = errors.New("notification")

// Decode reads the body of POST /mcp once and strictly, puts the
// [mcpmessage.Message] into the context and hands on its re-encoding. What a
// check behind it saw is therefore what the MCP server runs: [Handler], or a
// transport that reads the body.
//
// Notifications end here with 202: they can't be answered, and the only one
// that would do anything (notifications/cancelled) could reach the request of
// another caller. What is refused here is answered with a JSON-RPC error, and
// with the status that Streamable HTTP asks for.
func Decode(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message, status, err := read(r)
		switch refusal := (*mcpmessage.Error)(nil); {
		case errors.Is(err, errNotification):
			w.WriteHeader(http.StatusAccepted)
		case errors.As(err, &refusal):
			refuse(w, r, message, status, refusal)
		default:
			r = r.WithContext(mcpmessage.NewContext(r.Context(), message))
			r.Body, r.ContentLength = io.NopCloser(&rewritten{message: message}), -1
			next.ServeHTTP(w, r)
		}
	})
}

// read understands a request, or returns the status and the error to refuse it
// with, and errNotification for a notification.
func read(r *http.Request) (m *mcpmessage.Message, status int, err error) {
	body, status, err := mcpmessage.ReadBody(r)
	if err != nil {
		return &mcpmessage.Message{}, status, err
	}
	m, err = mcpmessage.Parse(body)
	switch {
	case m.Response:
		return m, http.StatusBadRequest, mcpmessage.InvalidRequest("this server sends no requests to its clients, so it accepts no responses")
	case err != nil:
		return m, http.StatusBadRequest, err
	case m.ID == nil:
		return m, http.StatusAccepted, errNotification
	}
	status, err = understand(m, r.Header)
	return m, status, err
}

// understand finds the protocol version and the operation of a message. That
// the headers of 2026-07-28 agree with the body is for [Handler].
func understand(m *mcpmessage.Message, header http.Header) (status int, err error) {
	versions, err := m.ReadVersion(header)
	if err != nil {
		return http.StatusBadRequest, err
	}
	// initialize negotiates its version in the body.
	for _, stated := range versions {
		if stated != "" && !slices.Contains(Versions, stated) && (m.Method != "initialize" || m.Modern) {
			return http.StatusBadRequest, &mcpmessage.Error{
				Code:    mcpmessage.CodeUnsupportedVersion,
				Message: "Unsupported protocol version",
				Data:    map[string]any{"supported": Versions, "requested": stated},
			}
		}
	}
	if err := admit(m); err != nil {
		return statusOf(err, m.Modern), err
	}
	return http.StatusOK, nil
}

// statusOf is the HTTP status of a JSON-RPC error. Only 2026-07-28 lets the
// status of a request that was understood tell of its failure.
func statusOf(err error, modern bool) int {
	refusal := &mcpmessage.Error{}
	switch errors.As(err, &refusal); {
	case refusal.Code == mcpmessage.CodeInvalidRequest:
		return http.StatusBadRequest
	case !modern:
		return http.StatusOK
	case refusal.Code == mcpmessage.CodeMethodNotFound:
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

// rewritten is the body of a request that was understood: its re-encoding, made
// for those who read it.
type rewritten struct {
	message *mcpmessage.Message
	text    *bytes.Reader
}

func (b *rewritten) Read(p []byte) (int, error) {
	if b.text == nil {
		b.text = bytes.NewReader(encode(b.message))
	}
	return b.text.Read(p)
}

// encode writes a message anew: the members that were understood, and no others.
// They are JSON already, the method is one of operations, and so no name of a
// member and no method needs an escape.
func encode(m *mcpmessage.Message) []byte {
	text := make([]byte, 0, 512) // more than most messages have
	text = append(append(text, `{"jsonrpc":"2.0","method":"`...), m.Method...)
	text = append(append(text, `","id":`...), m.ID...)
	if len(m.Params) > 0 {
		text = appendParams(append(text, `,"params":`...), m)
	}
	return append(text, '}')
}

// appendParams writes the params of a message behind text.
func appendParams(text []byte, m *mcpmessage.Message) []byte {
	separator := byte('{')
	for name, raw := range m.Params {
		text = append(append(text, separator, '"'), name...)
		text = append(append(text, '"', ':'), raw...)
		separator = ','
	}
	if separator == '{' {
		text = append(text, '{')
	}
	return append(text, '}')
}

// refuse answers with a JSON-RPC error.
func refuse(w http.ResponseWriter, r *http.Request, m *mcpmessage.Message, status int, refusal error) {
	logging.FromContext(r.Context()).InfoContext(r.Context(), "message refused", logging.Error(refusal))
	mcpmessage.WriteError(w, status, m.ID, refusal)
}

// Refuse is [mcpmessage.Refuse]: it answers a request with 400, 401, 403 or 503
// because of its token.
func Refuse(w http.ResponseWriter, r *http.Request, refusal jsonreply.Refusal) {
	mcpmessage.Refuse(w, r, refusal)
}
