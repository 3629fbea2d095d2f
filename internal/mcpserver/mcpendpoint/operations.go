package mcpendpoint

import (
	"encoding/json"
	"errors"
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
	fits           func(params []byte) error
}

var operations = map[string]operation{
	"initialize":      {legacy: true, members: []string{"protocolVersion", "capabilities", "clientInfo"}, fits: fits[mcp.InitializeParams]},
	"server/discover": {modern: true, fits: fits[mcp.DiscoverParams]},
	"ping":            {legacy: true, fits: fits[struct{}]},
	"tools/list":      {legacy: true, modern: true, members: []string{"cursor"}, fits: fits[mcp.PaginatedParams]},
	"tools/call":      {legacy: true, modern: true, members: []string{"name", "arguments"}, fits: fits[mcp.CallToolParams]},
	"prompts/list":    {legacy: true, modern: true, members: []string{"cursor"}, fits: fits[mcp.PaginatedParams]},
	"prompts/get":     {legacy: true, modern: true, members: []string{"name", "arguments"}, fits: fits[mcp.GetPromptParams]},
}

// fits tells whether mcp-go can read params as P, so that its own words about
// Go types never reach a caller.
func fits[P any](params []byte) error {
	var p P
	return json.Unmarshal(params, &p)
}

// admit finds the operation of a message and reduces its params to what that
// operation knows.
func admit(m *mcpmessage.Message) error {
	op, known := operations[m.Method]
	if !known || m.Modern && !op.modern || !m.Modern && !op.legacy {
		return &mcpmessage.Error{Code: mcpmessage.CodeMethodNotFound, Message: "Method not found: this server doesn't offer it in this protocol version"}
	}
	members := append([]string{"_meta"}, op.members...)
	if err := mcpmessage.OnlyExactNames(m.Params, members...); err != nil {
		return err
	}
	for name := range m.Params {
		if !slices.Contains(members, name) {
			delete(m.Params, name)
		}
	}
	for _, name := range []string{"_meta", "arguments", "capabilities", "clientInfo"} {
		raw, ok := m.Params[name]
		if !ok {
			continue
		}
		// The names of arguments are a tool's own, and exact (WC5).
		if _, err := strictjson.Inner(raw); err != nil && (name != "arguments" || errors.Is(err, strictjson.ErrNotObject)) {
			return &mcpmessage.Error{Code: mcpmessage.CodeInvalidParams, Message: "Invalid params: " + name + " must be an object"}
		}
	}
	if err := m.ReadName(); err != nil {
		return err
	}
	params, err := json.Marshal(m.Params)
	if err != nil || op.fits(params) != nil {
		return &mcpmessage.Error{Code: mcpmessage.CodeInvalidParams, Message: "Invalid params: a member has the wrong type; see the MCP schema of " + m.Method}
	}
	return nil
}
