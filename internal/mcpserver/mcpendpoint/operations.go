package mcpendpoint

import (
	"encoding/json"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/web/strictjson"
)

// Versions are the protocol versions that are served, newest first.
var Versions = []string{mcp.ProtocolVersion20260728, mcp.ProtocolVersion20251125, mcp.ProtocolVersion20250618}

// operation is what is known of one method. Nothing else is handed on to
// mcp-go, which answers more than is wanted here: subscriptions/listen holds a
// connection open, notifications/cancelled ends calls of other callers.
type operation struct {
	legacy, modern bool     // offered up to 2025-11-25; offered in 2026-07-28
	members        []string // of params; others are dropped
	fits           func(m *mcpmessage.Message) bool
}

var operations = map[string]operation{
	"initialize":      {legacy: true, members: []string{"_meta", "protocolVersion", "capabilities", "clientInfo"}, fits: introduces},
	"server/discover": {modern: true, members: []string{"_meta"}},
	"ping":            {legacy: true, members: []string{"_meta"}},
	"tools/list":      {legacy: true, modern: true, members: []string{"_meta", "cursor"}, fits: pages},
	"tools/call":      {legacy: true, modern: true, members: []string{"_meta", "name", "arguments"}},
	"prompts/list":    {legacy: true, modern: true, members: []string{"_meta", "cursor"}, fits: pages},
	"prompts/get":     {legacy: true, modern: true, members: []string{"_meta", "name", "arguments"}, fits: fillsIn},
}

// The functions in fits say whether mcp-go can read params into its types, so that
// its own words about Go types never reach a caller. What admit checks for all
// operations is enough for the others.

func introduces(m *mcpmessage.Message) bool {
	return json.Unmarshal(appendParams(nil, m), &mcp.InitializeParams{}) == nil
}

func pages(m *mcpmessage.Message) bool { return textOrNull(m.Params["cursor"]) }

// fillsIn: the arguments of prompts are strings.
func fillsIn(m *mcpmessage.Message) bool {
	var arguments map[string]json.RawMessage
	if raw, ok := m.Params["arguments"]; ok && json.Unmarshal(raw, &arguments) != nil {
		return false
	}
	for _, argument := range arguments {
		if !textOrNull(argument) {
			return false
		}
	}
	return true
}

// textOrNull is what Go reads into a string.
func textOrNull(raw json.RawMessage) bool {
	return len(raw) == 0 || raw[0] == '"' || raw[0] == 'n'
}

// admit finds the operation of a message and reduces its params to what that
// operation knows.
func admit(m *mcpmessage.Message) error {
	op, known := operations[m.Method]
	if !known || m.Modern && !op.modern || !m.Modern && !op.legacy {
		return &mcpmessage.Error{Code: mcpmessage.CodeMethodNotFound,
			Message: "Method not found: this server doesn't offer it in this protocol version"}
	}
	if err := mcpmessage.OnlyExactNames(m.Params, op.members...); err != nil {
		return err
	}
	for name, raw := range m.Params {
		if !slices.Contains(op.members, name) {
			delete(m.Params, name)
		} else if !isObjectIfNeeded(m, name, raw) {
			return &mcpmessage.Error{Code: mcpmessage.CodeInvalidParams, Message: "Invalid params: " + name + " must be an object"}
		}
	}
	if err := m.ReadName(); err != nil {
		return err
	}
	if op.fits != nil && !op.fits(m) {
		return &mcpmessage.Error{Code: mcpmessage.CodeInvalidParams,
			Message: "Invalid params: a member has the wrong type; see the MCP schema of " + m.Method}
	}
	return nil
}

// isObjectIfNeeded holds the members of params that must be objects to it.
func isObjectIfNeeded(m *mcpmessage.Message, name string, raw json.RawMessage) bool {
	switch name {
	case "_meta":
		return m.Meta != nil
	case "arguments": // their names are a tool's own, and exact (WC5)
		return raw[0] == '{'
	case "capabilities", "clientInfo":
		_, err := strictjson.Object(raw)
		return err == nil
	}
	return true
}
