// Package auditlog remembers the last decisions about who may do what, and
// lets administrators read them.
package auditlog

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/mcpserver/scopepolicy"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// Tool is the name of the tool that reads the log.
const Tool = "audit"

// Decision says who wanted what, and whether it was allowed.
type Decision = scopepolicy.Decision

// Log keeps the last decisions and forgets older ones.
type Log struct {
	mu      sync.Mutex
	entries []Decision // a ring once it is full
	next    int
}

// New returns a log that keeps size decisions, at least one.
func New(size int) *Log { return &Log{entries: make([]Decision, 0, max(size, 1))} }

// Add remembers a decision.
func (l *Log) Add(d Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) < cap(l.entries) {
		l.entries = append(l.entries, d)
		return
	}
	l.entries[l.next] = d
	l.next = (l.next + 1) % len(l.entries)
}

// Last returns the decisions, oldest first.
func (l *Log) Last() []Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(append([]Decision{}, l.entries[l.next:]...), l.entries[:l.next]...)
}

type auditResult struct {
	Decisions []Decision `json:"decisions"`
}

// AddTool registers the tool audit and shows it only to callers with a role.
// That others can't call it is the policy's to say; this keeps it out of their
// lists.
func AddTool(s *mcpendpoint.Server, log *Log, role string) {
	readOnly, closed := true, false
	s.AddTool(mcp.NewTool(Tool,
		mcp.WithToolTitle("Audit log"),
		mcp.WithDescription("Lists the last decisions of this server: who wanted what, and whether it was allowed. For administrators."),
		mcp.WithSchemaAdditionalProperties(false),
		mcp.WithOutputSchema[auditResult](),
		mcp.WithToolAnnotation(mcp.ToolAnnotation{
			Title: "Audit log", ReadOnlyHint: &readOnly, DestructiveHint: &closed, IdempotentHint: &closed, OpenWorldHint: &closed,
		}),
	), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		decisions := log.Last()
		var lines strings.Builder
		for _, d := range decisions {
			verdict := "refused"
			if d.Allowed {
				verdict = "allowed"
			}
			fmt.Fprintf(&lines, "%s %q through %q: %s %q: %s, %s\n",
				d.Time.Format(time.RFC3339), d.Subject, d.ClientID, d.Operation, d.Name, verdict, d.Reason)
		}
		return mcp.NewToolResultStructured(auditResult{decisions}, lines.String()), nil
	})
	server.WithToolFilter(func(ctx context.Context, tools []mcp.Tool) []mcp.Tool {
		if principal.FromContext(ctx).HasRole(role) {
			return tools
		}
		shown := make([]mcp.Tool, 0, len(tools))
		for _, tool := range tools {
			if tool.Name != Tool {
				shown = append(shown, tool)
			}
		}
		return shown
	})(s.MCPServer)
}
