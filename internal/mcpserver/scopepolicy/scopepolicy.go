// Package scopepolicy decides whether an authenticated caller may do what a
// message asks for. Scopes bound what the client may do, roles what its user
// may do; a call needs both. The policy itself is data:
//
//	policy := scopepolicy.Policy{
//		Roles: "clerk manager",
//		Rules: scopepolicy.Rules{
//			"tools/list":              {},
//			"tools/call list_orders":  {AnyOf: "orders:read orders:write"},
//			"tools/call create_order": {AllOf: "orders:write", Roles: "clerk manager"},
//		},
//	}
//	handler = scopepolicy.Require(policy, challenge, decisions, handler)
//	handler = mcpmessage.Inspect(handler)
//	handler = scopepolicy.SmallBodies(policy, handler)
package scopepolicy

import (
	"net/http"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Decision says who wanted what, and whether it was allowed. It holds no token
// and no arguments.
type Decision struct {
	Time      time.Time `json:"time"`
	Subject   string    `json:"subject"`
	ClientID  string    `json:"client_id"`
	Operation string    `json:"operation"`      // JSON-RPC method, or one of the transport
	Name      string    `json:"name,omitempty"` // of the tool, prompt or resource
	Allowed   bool      `json:"allowed"`
	Reason    string    `json:"reason"`
}

// Recorder keeps decisions. It is called by many requests at once.
type Recorder interface{ Add(Decision) }

// Require lets messages through to next that their caller may send, and gives
// each decision to the log, if there is one. Too little scope is answered with 403
// insufficient_scope and a challenge that names all scopes of the operation.
// What the role forbids is answered with 403 access_denied and no challenge,
// because no new token helps. Require panics on a policy that contradicts itself.
func Require(policy Policy, challenge bearerauth.Challenge, log Recorder, next http.Handler) http.Handler {
	rules := policy.compile()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, message := principal.FromContext(r.Context()), mcpmessage.FromContext(r.Context())
		d := rules.decide(caller, message)
		if log != nil {
			log.Add(Decision{
				Time: time.Now().UTC(), Subject: caller.Subject, ClientID: caller.ClientID,
				Operation: message.Method, Name: message.Name, Allowed: d.allowed, Reason: d.reason,
			})
		}
		if d.allowed {
			next.ServeHTTP(w, r)
			return
		}
		logging.FromContext(r.Context()).InfoContext(r.Context(), "not allowed", "subject", caller.Subject,
			"client_id", caller.ClientID, "operation", message.Method, "name", message.Name, "error", d.reason)
		if len(d.needs) == 0 {
			mcpmessage.Refuse(w, r, jsonreply.Refusal{Status: http.StatusForbidden, Code: "access_denied", Description: d.final})
			return
		}
		challenge.InsufficientScope(w, r, rules.askFor(d.needs, caller, message),
			"This needs the scope "+strings.Join(caller.ScopeNames.AskAll(d.needs), " and ")+
				". Ask the user to grant it, and come back with the new token.")
	})
}

// SmallBody is how much callers may send who may call no tool and get no prompt,
// in bytes.
const SmallBody = 16 << 10

// SmallBodies lets callers send no more than [SmallBody] until their scopes and
// roles allow an operation that takes arguments. It stands before
// what reads messages, which answers 413 to what is larger: to decode a message
// costs more the larger it is, and what it asks for is known only then.
func SmallBodies(policy Policy, next http.Handler) http.Handler {
	rules := policy.compile()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !rules.allowsArguments(principal.FromContext(r.Context())) {
			r.Body = http.MaxBytesReader(w, r.Body, SmallBody)
		}
		next.ServeHTTP(w, r)
	})
}
