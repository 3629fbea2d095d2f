package mcpendpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/jsonreply"
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
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			refuse(w, r, &Message{}, http.StatusUnsupportedMediaType, &rpcError{code: codeInvalidRequest, message: "Invalid request: Content-Type must be application/json"})
			return
		}
		if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
			refuse(w, r, &Message{}, http.StatusUnsupportedMediaType, &rpcError{code: codeInvalidRequest, message: "Invalid request: send the body without Content-Encoding"})
			return
		}
		body, err := io.ReadAll(r.Body)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			refuse(w, r, &Message{}, http.StatusRequestEntityTooLarge, &rpcError{code: codeInvalidRequest, message: "Invalid request: the body is too large"})
			return
		} else if err != nil {
			refuse(w, r, &Message{}, http.StatusBadRequest, &rpcError{code: codeParse, message: "Parse error: the body could not be read"})
			return
		}
		message, err := parse(body)
		var refusal *rpcError
		switch {
		case errors.As(err, &refusal):
			refuse(w, r, message, http.StatusBadRequest, refusal)
			return
		case errors.Is(err, errNotification):
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if status, refusal := understand(message, r.Header); refusal != nil {
			refuse(w, r, message, status, refusal)
			return
		}
		encoded, err := message.encode()
		if err != nil {
			slog.ErrorContext(r.Context(), "a message was understood but can't be encoded", "error", err)
			refuse(w, r, message, http.StatusInternalServerError, &rpcError{code: codeInternal, message: "Internal error"})
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), messageKey{}, message))
		r.Body = io.NopCloser(bytes.NewReader(encoded))
		r.ContentLength = int64(len(encoded))
		next.ServeHTTP(w, r)
	})
}

// understand finds the protocol version and the operation of a message. That
// the headers of 2026-07-28 agree with the body is left to mcp-go, which
// answers a mismatch with 400 and -32020.
func understand(m *Message, header http.Header) (status int, refusal *rpcError) {
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
	err := admit(m)
	if !errors.As(err, &refusal) {
		return http.StatusOK, nil
	}
	return statusOf(refusal.code, m.Modern), refusal
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
	slog.InfoContext(r.Context(), "message refused", "code", refusal.code, "why", refusal.message)
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	jsonreply.Write(w, status, struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Error   detail          `json:"error"`
	}{"2.0", m.ID, detail{refusal.code, refusal.message, refusal.data}})
}
