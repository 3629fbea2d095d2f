package mcpmessage

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/web/logging"
)

// MaxBody is how many bytes of a body [Inspect] reads.
const MaxBody = 4 << 20

// Inspect reads the message of each request to an MCP endpoint and puts it into
// the context. The request goes on as it came: also notifications and responses,
// which have no answer, and GET and DELETE, which have no message. So streams,
// sessions, sampling and elicitation work behind it.
//
// What can be read in two ways ends here, so the MCP server runs what a check
// between saw. Of a message that names a tool, prompt or resource, compare the
// name to the letter in the server too.
func Inspect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message, status, err := inspect(w, r)
		if err != nil {
			logging.FromContext(r.Context()).InfoContext(r.Context(), "message refused", logging.Error(err))
			WriteError(w, status, message.ID, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), message)))
	})
}

// inspect understands a request, or returns the status and the error to refuse
// it with.
func inspect(w http.ResponseWriter, r *http.Request) (m *Message, status int, err error) {
	switch r.Method {
	case Stream, End:
		return &Message{Method: r.Method}, http.StatusOK, nil
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		return &Message{}, http.StatusMethodNotAllowed, InvalidRequest("send messages with POST")
	}
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	body, status, err := ReadBody(r)
	if err != nil {
		return &Message{}, status, err
	}
	if m, err = Parse(body); err != nil {
		return m, http.StatusBadRequest, err
	}
	status = http.StatusBadRequest
	if _, err = m.ReadVersion(r.Header); err == nil {
		status, err = m.offered()
	}
	if err == nil {
		status, err = http.StatusBadRequest, m.ReadName()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	return m, status, err
}

// legacy are methods that 2026-07-28 no longer has.
var legacy = []string{"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}

// offered refuses methods that MCP doesn't have in the revision of a message, and
// those that are named like an operation of the transport. Only 2026-07-28 lets the
// status of a request that was understood tell of it.
func (m *Message) offered() (status int, err error) {
	transport := m.Method == Stream || m.Method == End || m.Method == Respond
	switch {
	case m.Response, m.ID == nil && !transport, Known(m.Method) && !transport && !(m.Modern && slices.Contains(legacy, m.Method)):
		return http.StatusOK, nil
	case m.Modern:
		status = http.StatusNotFound
	default:
		status = http.StatusOK
	}
	return status, &Error{Code: CodeMethodNotFound, Message: "Method not found: MCP doesn't have it in this protocol version"}
}

// ReadBody reads the body of POST, or returns the status and the error to refuse
// it with.
func ReadBody(r *http.Request) (body []byte, status int, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, http.StatusUnsupportedMediaType, InvalidRequest("Content-Type must be application/json")
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, http.StatusUnsupportedMediaType, InvalidRequest("send the body without Content-Encoding")
	}
	body, err = io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge, InvalidRequest("the body is too large")
	} else if err != nil {
		return nil, http.StatusBadRequest, &Error{Code: CodeParse, Message: "Parse error: the body could not be read"}
	}
	return body, http.StatusOK, nil
}
