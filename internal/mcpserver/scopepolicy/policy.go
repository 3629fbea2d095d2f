package scopepolicy

import (
	"fmt"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

// Policy says what each operation needs. Whatever no rule names is refused, so a
// new tool is closed until a rule opens it.
type Policy struct {
	// Roles are all roles that a user can have here, with blanks between.
	Roles string
	// DefaultRole is the role of users who have none of Roles, for issuers that
	// don't know these roles. Empty: such users have no role.
	DefaultRole string
	Rules       Rules
}

// Rules are the rules by operation. A key is a JSON-RPC method; for methods that
// name a tool, prompt or resource, the names follow, with blanks between:
// "tools/call echo whoami", "resources/read orders://open". The name * stands for
// all that no other rule names. Names are compared to the letter, so the server
// must compare them in the same way.
//
// Servers with streams and sessions also have operations without a method, such
// as [mcpmessage.Stream], and clients send them notifications: see [Session].
type Rules map[string]Rule

// Session are the operations of Streamable HTTP's streams and sessions, and the
// notifications and answers that belong to them. None needs more than a token. To
// open them all, copy them into a policy: maps.Copy(policy.Rules, Session).
var Session = Rules{
	mcpmessage.Stream: {}, mcpmessage.End: {}, mcpmessage.Respond: {}, "subscriptions/listen": {},
	"notifications/initialized": {}, "notifications/cancelled": {}, "notifications/progress": {}, "notifications/roots/list_changed": {},
}

// Rule is what one operation needs: scopes of the client and a role of the user.
// The zero value needs a valid token and nothing more. Lists have blanks between,
// as in the scope claim (RFC 6749, section 3.3).
type Rule struct {
	AllOf string // scopes, of which the client needs all
	// AnyOf are scopes of which the client needs one. A client without any is
	// told to ask for the first, so write the narrowest first (MCP, authorization,
	// "Step-Up Authorization Flow").
	AnyOf string
	Roles string // of which the user needs one; empty: no role is needed
	// Hidden leaves a tool, prompt or resource out of the lists of callers who may
	// not use it; see [Policy.Shows]. A client asks for no scope for what it can't
	// see, so hide only what its user should not learn of.
	Hidden bool
}

// compiled is a policy with its lists taken apart.
type compiled struct {
	roles       []string
	defaultRole string
	scopes      []string // all that some rule names
	rules       map[string]requirement
}

type requirement struct {
	allOf, anyOf, roles []string
	hidden              bool
}

// compile panics on a policy that contradicts itself or names an operation that
// MCP doesn't have, as http.ServeMux does on patterns: the policy is part of the
// program.
func (p Policy) compile() *compiled {
	c := &compiled{roles: strings.Fields(p.Roles), defaultRole: p.DefaultRole, rules: map[string]requirement{}}
	for key, rule := range p.Rules {
		needs := requirement{strings.Fields(rule.AllOf), strings.Fields(rule.AnyOf), strings.Fields(rule.Roles), rule.Hidden}
		for _, role := range append(needs.roles, p.DefaultRole) {
			if role != "" && !slices.Contains(c.roles, role) {
				panic(fmt.Sprintf("scopepolicy: %q: role %q is not in Roles; add it there", key, role))
			}
		}
		for _, operation := range operations(key) {
			if _, twice := c.rules[operation]; twice {
				panic(fmt.Sprintf("scopepolicy: two rules for %q; remove one", operation))
			}
			c.rules[operation] = needs
		}
		c.scopes = append(c.scopes, append(needs.allOf, needs.anyOf...)...)
	}
	return c
}

// operations are the operations that the key of a rule names.
func operations(key string) []string {
	words := strings.Fields(key)
	if len(words) == 0 || !mcpmessage.Known(words[0]) {
		panic(fmt.Sprintf("scopepolicy: %q: MCP has no such method for clients; check the spelling", key))
	}
	if named := mcpmessage.Named(words[0]); named != (len(words) > 1) {
		panic(fmt.Sprintf("scopepolicy: %q: names after the method: %t, wanted: %t", key, len(words) > 1, named))
	}
	if len(words) == 1 {
		return words
	}
	for i, name := range words[1:] {
		words[i+1] = words[0] + " " + name
	}
	return words[1:]
}

// decision is what became of a message: allowed, or else refused for its scopes
// (needs is not empty) or for good.
type decision struct {
	allowed bool
	needs   []string // all scopes of the operation, for the challenge
	reason  string   // for the logs
	final   string   // for the caller, where no new token helps
}

const (
	noRule = "This server's policy has no rule for this name, so nobody may use it. Check the spelling."
	noRole = "The user's role does not allow this, and no new token will. Ask an administrator for the role."
)

// decide tells whether a caller may send a message. Scopes come first: they are
// what a client can ask for. Roles only take away.
func (c *compiled) decide(caller *principal.Principal, m *mcpmessage.Message) decision {
	needs, known := c.rule(m)
	if !known {
		return decision{reason: "no rule of the policy names the operation", final: noRule}
	}
	return c.check(needs, caller)
}

// allowsArguments reports whether a caller may send any operation that names a
// tool or prompt, and so has arguments.
func (c *compiled) allowsArguments(caller *principal.Principal) bool {
	for operation, needs := range c.rules {
		if strings.Contains(operation, " ") && c.check(needs, caller).allowed {
			return true
		}
	}
	return false
}

// check tells whether a caller has what an operation needs.
func (c *compiled) check(needs requirement, caller *principal.Principal) decision {
	scopes := needs.scopes(caller)
	for _, scope := range scopes {
		if !caller.HasScope(scope) {
			return decision{needs: scopes, reason: "the client lacks the scope " + scope}
		}
	}
	if len(needs.roles) > 0 && !slices.ContainsFunc(c.rolesOf(caller), func(r string) bool { return slices.Contains(needs.roles, r) }) {
		return decision{reason: "the user has none of the roles " + strings.Join(needs.roles, ", "), final: noRole}
	}
	return decision{allowed: true, reason: "scope and role suffice"}
}

// rule finds the rule for a message.
func (c *compiled) rule(m *mcpmessage.Message) (needs requirement, known bool) {
	if !mcpmessage.Named(m.Method) {
		needs, known = c.rules[m.Method]
		return needs, known
	}
	if needs, known = c.rules[m.Method+" "+m.Name]; !known {
		needs, known = c.rules[m.Method+" *"]
	}
	return needs, known
}

// Shows returns a function for the lists of an MCP server: whether a caller sees
// a name of a method, such as the tool echo of tools/call. All is shown but what
// a rule with Hidden refuses to the caller. Hidden or not, [Require] refuses it.
// Shows panics on a policy that contradicts itself.
func (p Policy) Shows() func(caller *principal.Principal, method, name string) bool {
	c := p.compile()
	return func(caller *principal.Principal, method, name string) bool {
		m := &mcpmessage.Message{Method: method, Name: name}
		needs, _ := c.rule(m)
		return !needs.hidden || c.decide(caller, m).allowed
	}
}

// scopes are all scopes that an operation needs: of the alternatives the one
// that the client has, or else the first.
func (r requirement) scopes(caller *principal.Principal) []string {
	if len(r.anyOf) == 0 {
		return r.allOf
	}
	one := r.anyOf[0]
	if i := slices.IndexFunc(r.anyOf, caller.HasScope); i >= 0 {
		one = r.anyOf[i]
	}
	return append(slices.Clone(r.allOf), one)
}

// rolesOf are the user's roles that count here.
func (c *compiled) rolesOf(caller *principal.Principal) []string {
	var roles []string
	for _, role := range c.roles {
		if caller.HasRole(role) {
			roles = append(roles, role)
		}
	}
	if len(roles) == 0 && c.defaultRole != "" {
		return []string{c.defaultRole}
	}
	return roles
}

// askFor are the scopes that a challenge names. In 2026-07-28 they are those of
// the operation: the client adds what it already has. Clients of earlier
// revisions replace their scopes by the challenge's, so it also names those of
// this server that the token has, or they would lose one to gain another.
func (c *compiled) askFor(needs []string, caller *principal.Principal, m *mcpmessage.Message) string {
	scopes := slices.Clone(needs)
	for _, granted := range caller.Scopes {
		for _, scope := range c.scopes {
			if !m.Modern && caller.ScopeNames.Granted(scope) == granted {
				scopes = append(scopes, scope)
			}
		}
	}
	return strings.Join(caller.ScopeNames.AskAll(scopes), " ")
}
