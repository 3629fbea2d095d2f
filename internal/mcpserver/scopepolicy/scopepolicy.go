// Package scopepolicy decides whether an authenticated caller may do what a
// message asks for. Scopes bound what the client may do, roles what its user
// may do; a call needs both.
package scopepolicy

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/auditlog"
	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Scopes that clients can be granted.
const (
	Read    = "mcp:read"    // look at what there is
	Tools   = "mcp:tools"   // list and call tools
	Prompts = "mcp:prompts" // list and get prompts
)

// Roles that users can have.
const (
	Admin = "admin"
	User  = "user"
	Guest = "guest"
)

// anyToken marks operations that need a valid token and nothing more.
var anyToken = []string{}

// scopes is, for each operation, the scopes of which one is enough. The first
// is the narrowest: it is what a client is told to ask for. A broader scope
// satisfies the narrower need (MCP, authorization, "Step-Up Authorization
// Flow"). What isn't listed is refused.
var scopes = map[string][]string{
	"initialize":      anyToken,
	"server/discover": anyToken,
	"ping":            anyToken,
	"tools/list":      {Read, Tools},
	"tools/call":      {Tools},
	"prompts/list":    {Read, Prompts},
	"prompts/get":     {Read, Prompts},
}

// reserved names the role without which a tool is refused.
var reserved = map[string]string{auditlog.Tool: Admin}

// Require lets messages through to next that their caller may send, and writes
// each decision into the log. Too little scope is answered with 403
// insufficient_scope and a challenge that names the scope; what the role
// forbids with 403 access_denied and no challenge, since no new token mends it.
func Require(challenge bearerauth.Challenge, log *auditlog.Log, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, message := principal.FromContext(r.Context()), mcpendpoint.FromContext(r.Context())
		missing, reason := decide(caller, message, r.Context().Value(rolesOptional{}) != nil)
		allowed := missing == "" && reason == ""
		if allowed {
			reason = "scope and role suffice"
		}
		log.Add(auditlog.Decision{
			Time: time.Now().UTC(), Subject: caller.Subject, ClientID: caller.ClientID,
			Operation: message.Method, Name: message.Name, Allowed: allowed, Reason: reason,
		})
		if allowed {
			next.ServeHTTP(w, r)
			return
		}
		logging.FromContext(r.Context()).InfoContext(r.Context(), "not allowed", "subject", caller.Subject, "client_id", caller.ClientID,
			"operation", message.Method, "name", message.Name, "error", reason)
		if missing != "" {
			challenge.InsufficientScope(w, missing, "This needs the scope "+missing+". Ask the user to grant it, and come back with the new token.")
			return
		}
		jsonreply.Error(w, http.StatusForbidden, "access_denied", "The user's role does not allow this, and no new token will. Ask an administrator for the role.")
	})
}

// rolesOptional is the key under which the context carries the word of
// [RolesOptional].
type rolesOptional struct{}

// RolesOptional lets the [Require] behind it bound users without any role of
// this server by their scopes alone. It is for issuers that know users to whom
// nobody gives roles of ours, and that grant scopes by user. What is reserved
// for a role stays reserved, and a guest stays a guest.
func RolesOptional(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), rolesOptional{}, true)))
	})
}

// decide returns the scope that the client lacks, or the reason why the user
// may not; both empty mean yes.
func decide(caller *principal.Principal, m *mcpendpoint.Message, optional bool) (missing, reason string) {
	enough, known := scopes[m.Method]
	if !known {
		return "", "the operation is not in the table"
	}
	if len(enough) > 0 && !slices.ContainsFunc(enough, caller.HasScope) {
		return enough[0], "the client has none of the scopes " + strings.Join(enough, ", ")
	}
	if m.Method != "tools/call" {
		return "", ""
	}
	if role, ok := reserved[m.Name]; ok && !caller.HasRole(role) {
		return "", "the tool is reserved for the role " + role
	}
	if caller.HasRole(User) || caller.HasRole(Admin) {
		return "", ""
	}
	// Roles only take away: guests, and users of whom nothing is known, look
	// and don't call.
	if caller.HasRole(Guest) || !optional {
		return "", "no role of the user allows calls"
	}
	return "", ""
}
