// Package auditlog remembers the last decisions about who may do what, and
// lets administrators read them.
package auditlog

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/mcpserver/scopepolicy"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/quota"
)

// Tool is the name of the tool that reads the log.
const Tool = "audit"

// Decision says who wanted what, and whether it was allowed.
type Decision = scopepolicy.Decision

// Log keeps the last decisions and forgets older ones. A user who makes many
// requests makes the log forget his own older ones, and of these no refusal for
// what was allowed; only a log that is full forgets decisions about others, the
// busiest user's first.
type Log struct {
	mu      sync.Mutex
	ledger  *quota.Ledger
	entries map[string]entry
	number  int // of the last entry
}

type entry struct {
	number   int
	decision Decision
}

// shares is into how many parts a log is divided: no user has more than one part
// of it for allowed requests, and one for refused ones.
const shares = 5

// New returns a log that keeps size decisions, at least one.
func New(size int) *Log {
	size = max(size, 1)
	return &Log{ledger: quota.New(max(size/shares, 1), size), entries: map[string]entry{}}
}

// Add remembers a decision.
func (l *Log) Add(d Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	key, account := strconv.Itoa(l.number), strconv.FormatBool(d.Allowed)+d.Subject
	gone, err := l.ledger.Add(account, key, quota.Never, d.Time)
	for _, old := range gone {
		delete(l.entries, old)
	}
	if err == nil { // no decision is ever proven, so there is always one that can go
		l.entries[key] = entry{l.number, d}
	}
}

// Last returns the decisions, oldest first.
func (l *Log) Last() []Decision {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := make([]Decision, 0, len(l.entries))
	for _, e := range slices.SortedFunc(maps.Values(l.entries), func(a, b entry) int { return cmp.Compare(a.number, b.number) }) {
		last = append(last, e.decision)
	}
	return last
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
		isAudit := func(tool mcp.Tool) bool { return tool.Name == Tool }
		if !slices.ContainsFunc(tools, isAudit) || principal.FromContext(ctx).HasRole(role) {
			return tools
		}
		return slices.DeleteFunc(slices.Clone(tools), isAudit)
	})(s.MCPServer)
}
