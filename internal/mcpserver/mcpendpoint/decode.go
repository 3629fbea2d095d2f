package mcpendpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Decode reads the body of POST /mcp once and strictly, puts the [Message]
// into the context and hands on its re-encoding. What a check behind it saw is
// therefore what the MCP server runs.
//
// Notifications end here with 202: they can't be answered, and the only one
// that would do anything (notifications/cancelled) could reach the request of
// another caller. What is refused here is answered with a JSON-RPC error, and
// with the status that Streamable HTTP asks for.
func Decode(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message, status, err := read(r)
		var encoded []byte
		if err == nil {
			encoded, err = message.encode()
		}
		refusal := &rpcError{code: codeInternal, message: "Internal error"}
		switch {
		case errors.Is(err, errNotification):
			w.WriteHeader(http.StatusAccepted)
		case errors.As(err, &refusal):
			refuse(w, r, message, status, refusal)
		case err != nil:
			logging.FromContext(r.Context()).ErrorContext(r.Context(), "a message was understood but can't be encoded", logging.Error(err))
			refuse(w, r, message, http.StatusInternalServerError, refusal)
		default:
			r = r.WithContext(context.WithValue(r.Context(), messageKey{}, message))
			r.Body = io.NopCloser(bytes.NewReader(encoded))
			r.ContentLength = int64(len(encoded))
			next.ServeHTTP(w, r)
		}
	})
}

// read understands a request, or returns the status and the error to refuse it
// with, and errNotification for a notification.
func read(r *http.Request) (m *Message, status int, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &Message{}, http.StatusUnsupportedMediaType, invalidRequest("Content-Type must be application/json")
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &Message{}, http.StatusUnsupportedMediaType, invalidRequest("send the body without Content-Encoding")
	}
	body, err := io.ReadAll(r.Body)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &Message{}, http.StatusRequestEntityTooLarge, invalidRequest("the body is too large")
	} else if err != nil {
		return &Message{}, http.StatusBadRequest, &rpcError{code: codeParse, message: "Parse error: the body could not be read"}
	}
	if m, err = parse(body); err != nil {
		return m, http.StatusBadRequest, err
	}
	status, err = understand(m, r.Header)
	return m, status, err
}

// understand finds the protocol version and the operation of a message. That
// the headers of 2026-07-28 agree with the body is left to mcp-go, which
// answers a mismatch with 400 and -32020.
func understand(m *Message, header http.Header) (status int, err error) {
	for _, name := range []string{mcp.HeaderProtocolVersion, mcp.HeaderMethod, mcp.HeaderName} {
		// Of two values, each reader would pick its own.
		if len(header.Values(name)) > 1 {
			return http.StatusBadRequest, &rpcError{code: codeHeaderMismatch, message: "Header mismatch: " + name + " may be given only once"}
		}
	}
	version := header.Get(mcp.HeaderProtocolVersion)
	meta := struct {
		Version string `json:"io.modelcontextprotocol/protocolVersion"`
	}{}
	// A _meta of another shape is refused by admit.
	_ = json.Unmarshal(m.params["_meta"], &meta)
	m.Modern = mcp.IsModernProtocol(version) || mcp.IsModernProtocol(meta.Version)

	// Two versions are a mismatch, whether or not both are served.
	if m.Modern && version != "" && meta.Version != "" && version != meta.Version {
		return http.StatusBadRequest, &rpcError{
			code:    codeHeaderMismatch,
			message: "Header mismatch: MCP-Protocol-Version and _meta name different versions",
		}
	}
	// initialize negotiates its version in the body.
	for _, stated := range []string{version, meta.Version} {
		if stated != "" && !slices.Contains(Versions, stated) && (m.Method != "initialize" || m.Modern) {
			return http.StatusBadRequest, &rpcError{
				code:    codeUnsupportedVersion,
				message: "Unsupported protocol version",
				data:    map[string]any{"supported": Versions, "requested": stated},
			}
		}
	}
	if err := admit(m); err != nil {
		return statusOf(err.code, m.Modern), err
	}
	return http.StatusOK, nil
}

// statusOf is the HTTP status of a JSON-RPC error. Only 2026-07-28 lets the
// status of a request that was understood tell of its failure.
func statusOf(code int, modern bool) int {
	switch {
	case code == codeInvalidRequest:
		return http.StatusBadRequest
	case !modern:
		return http.StatusOK
	case code == codeMethodNotFound:
		return http.StatusNotFound
	}
	return http.StatusBadRequest
}

// refuse answers with a JSON-RPC error. The id is left out where none could be
// read, as MCP's schema wants it.
func refuse(w http.ResponseWriter, r *http.Request, m *Message, status int, refusal *rpcError) {
	logging.FromContext(r.Context()).InfoContext(r.Context(), "message refused", logging.Error(refusal))
	writeError(w, status, m.ID, refusal)
}

// Refuse answers a request with 400, 401, 403 or 503 because of its token. The
// body is a JSON-RPC error, since clients show the message of one and hide other
// bodies. The id is the request's where the message was read, and else left out.
func Refuse(w http.ResponseWriter, r *http.Request, refusal jsonreply.Refusal) {
	w.Header().Set("Cache-Control", "no-store")
	var id json.RawMessage
	if m, ok := r.Context().Value(messageKey{}).(*Message); ok {
		id = m.ID
	}
	writeError(w, refusal.Status, id, &rpcError{code: codeRefused, message: refusal.Description, data: refusal})
}

func writeError(w http.ResponseWriter, status int, id json.RawMessage, e *rpcError) {
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	jsonreply.Write(w, status, struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   detail          `json:"error"`
	}{"2.0", id, detail{e.code, e.message, e.data}})
}
