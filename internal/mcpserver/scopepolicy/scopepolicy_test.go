package scopepolicy

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/mcpserver/mcpmessage"
	"mcp-auth-step-by-step/internal/oauth/bearerauth"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/logbuffer"
	"mcp-auth-step-by-step/internal/web/logging"
)

// expected is the policy as the design states it, written down a second time:
// the scope to ask for, or "role" where the user may not, or "" for yes.
func expected(scopes, roles []string, method, name string, optional bool) string {
	has := func(list []string, any ...string) bool {
		return slices.ContainsFunc(any, func(s string) bool { return slices.Contains(list, s) })
	}
	switch method {
	case "initialize", "server/discover", "ping":
		return ""
	case "tools/list":
		if !has(scopes, "mcp:read", "mcp:tools") {
			return "mcp:read"
		}
		return ""
	case "prompts/list", "prompts/get":
		if !has(scopes, "mcp:read", "mcp:prompts") {
			return "mcp:read"
		}
		return ""
	case "tools/call":
		switch {
		case !slices.Contains([]string{"echo", "get_time", "whoami", "audit"}, name):
			return "role"
		case !has(scopes, "mcp:tools"):
			return "mcp:tools"
		case name == "audit" && !has(roles, "admin"):
			return "role"
		case !has(roles, "admin", "user") && !(optional && !has(roles, "guest")):
			return "role"
		}
		return ""
	}
	return "role"
}

// subsets are all selections from a list.
func subsets(list ...string) [][]string {
	all := [][]string{{}}
	for _, s := range list {
		for _, smaller := range all {
			all = append(all, append(slices.Clone(smaller), s))
		}
	}
	return all
}

// request writes a message of the era in which the method exists.
func request(method, name string) *http.Request {
	version, params := "2025-11-25", fmt.Sprintf(`"name":%q`, name)
	if method == "server/discover" {
		version = "2026-07-28"
		params = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`
	}
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, params)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("MCP-Protocol-Version", version)
	return r
}

// last keeps the last decision.
type last struct{ Decision }

func (l *last) Add(d Decision) { l.Decision = d }

// demo is the policy of step 8.
var demo = Policy{
	Roles: "admin user guest",
	Rules: Rules{
		"initialize": {}, "server/discover": {}, "ping": {},
		"tools/list":                      {AnyOf: "mcp:read mcp:tools"},
		"tools/call echo get_time whoami": {AllOf: "mcp:tools", Roles: "admin user"},
		"tools/call audit":                {AllOf: "mcp:tools", Roles: "admin"},
		"prompts/list":                    {AnyOf: "mcp:read mcp:prompts"},
		"prompts/get *":                   {AnyOf: "mcp:read mcp:prompts"},
	},
}

var challenge = bearerauth.Challenge{Realm: "mcp", Body: mcpmessage.Refuse, ResourceMetadata: "http://localhost:9000/.well-known/oauth-protected-resource/mcp", Scope: "mcp:read"}

// Every set of scopes × every set of roles × every operation × every tool, on
// the wire and in the log; and all of it where roles are optional.
func TestRS11_RS12_E04_E05_Product(t *testing.T) {
	log := &last{}
	for _, optional := range []bool{false, true} {
		policy := demo
		if optional {
			policy.DefaultRole = "user"
		}
		product(t, mcpmessage.Inspect(Require(policy, challenge, log, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "inside")
		}))), log, optional)
	}
}

func product(t *testing.T, h http.Handler, log *last, optional bool) {
	t.Helper()
	cases := [][2]string{{"initialize", ""}, {"server/discover", ""}, {"ping", ""}, {"tools/list", ""}, {"prompts/list", ""}, {"prompts/get", "help"}, {"prompts/get", "audit"}}
	for _, tool := range []string{"echo", "whoami", "audit", "Audit", "audit.", "nobody"} {
		cases = append(cases, [2]string{"tools/call", tool})
	}
	for _, scopes := range subsets("mcp:read", "mcp:tools", "mcp:prompts", "openid") {
		for _, roles := range subsets("admin", "user", "guest", "auditor") {
			for _, c := range cases {
				method, name := c[0], c[1]
				caller := &principal.Principal{Subject: "s", ClientID: "c", Username: "admin", Scopes: scopes, Roles: roles}
				r := request(method, name)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r.WithContext(principal.NewContext(r.Context(), caller)))

				want := expected(scopes, roles, method, name, optional)
				status, code, scope := 200, "", ""
				switch want {
				case "":
				case "role":
					status, code = 403, "access_denied"
				default:
					status, code, scope = 403, "insufficient_scope", want
				}
				var body struct {
					ID    int
					Error struct {
						Code    int
						Message string
						Data    struct {
							Error       string
							Description string `json:"error_description"`
							Scope       string
						}
					}
				}
				inside := w.Body.String() == "inside"
				if !inside {
					_ = json.Unmarshal(w.Body.Bytes(), &body)
				}
				if inside != (want == "") || w.Code != status || body.Error.Data.Error != code {
					t.Fatalf("%s %q with %q as %q: %d %s, want %d %s", method, name, scopes, roles, w.Code, w.Body, status, code)
				}
				if e := body.Error; code != "" && (body.ID != 1 || e.Code != -32010 || e.Message == "" || e.Data.Description != e.Message) {
					t.Fatalf("WA9: %s %q: %s", method, name, w.Body)
				}
				if scope != "" && method != "server/discover" {
					scope = widened(scope, scopes)
				}
				if body.Error.Data.Scope != scope {
					t.Fatalf("%s %q with %q: scope %q in the body, want %q", method, name, scopes, body.Error.Data.Scope, scope)
				}
				// A role gets no challenge: no new token would mend it.
				header := w.Header().Get("WWW-Authenticate")
				if (header != "") != (scope != "") || scope != "" && !(strings.Contains(header, `error="insufficient_scope"`) && strings.Contains(header, `scope="`+scope+`"`) &&
					strings.Contains(header, `resource_metadata="`+challenge.ResourceMetadata+`"`) && strings.Contains(header, "error_description=")) {
					t.Fatalf("%s %q with %q: challenge %s", method, name, scopes, header)
				}
				d := log.Decision
				if d.Subject != "s" || d.ClientID != "c" || d.Operation != method || d.Name != loggedName(method, name) || d.Allowed != (want == "") || d.Reason == "" || d.Time.IsZero() {
					t.Fatalf("%s %q with %q as %q is in the log as %+v", method, name, scopes, roles, d)
				}
			}
		}
	}
}

// widened is a scope with those of this server that a token has (WA10).
func widened(needs string, scopes []string) string {
	for _, scope := range scopes {
		if strings.HasPrefix(scope, "mcp:") {
			needs += " " + scope
		}
	}
	return needs
}

// loggedName is the name of the tool or prompt; other methods have none.
func loggedName(method, name string) string {
	if strings.HasSuffix(method, "/call") || strings.HasSuffix(method, "/get") {
		return name
	}
	return ""
}

// A refusal is in the server's log, with its reason; what is allowed is not.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	h := mcpmessage.Inspect(Require(demo, challenge, nil, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	for tool, want := range map[string]string{"echo": "", "audit": "client_id=c operation=tools/call name=audit error="} {
		var log logbuffer.Buffer
		r := request("tools/call", tool)
		ctx := logging.NewContext(r.Context(), slog.New(slog.NewTextHandler(&log, nil)))
		ctx = principal.NewContext(ctx, &principal.Principal{Subject: "s", ClientID: "c", Scopes: []string{"mcp:tools"}, Roles: []string{"user"}})
		h.ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
		if got := log.String(); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: the log has %q, want %q", tool, got, want)
		}
	}
}

// What no rule names is refused to everybody: a tool that nobody thought of is
// closed.
func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	all := &principal.Principal{Scopes: []string{"mcp:read", "mcp:tools", "mcp:prompts"}, Roles: []string{"admin", "user", "guest"}}
	for _, method := range []string{"", "tools", "tools/", "tools/Call", "TOOLS/CALL", "tools/call ", "resources/read", "completion/complete", "tasks/list", "notifications/cancelled"} {
		if d := demo.compile().decide(all, &mcpmessage.Message{Method: method, Name: "echo"}); d.allowed || d.needs != nil || d.reason == "" {
			t.Errorf("%q: %+v", method, d)
		}
	}
	for _, tool := range []string{"", "*", "new_tool", "echo ", "Echo", "echo get_time"} {
		if d := demo.compile().decide(all, &mcpmessage.Message{Method: "tools/call", Name: tool}); d.allowed || d.needs != nil || d.reason == "" {
			t.Errorf("tool %q: %+v", tool, d)
		}
	}
}

// WA10: clients of 2025-11-25 replace their scopes by those of the challenge, so
// it names what the token has; those of 2026-07-28 add, so it doesn't.
func TestWA10_ChallengeKeepsWhatTheTokenHas(t *testing.T) {
	t.Parallel()
	caller := &principal.Principal{Scopes: []string{"openid", "mcp:prompts", "mcp:read", "mcp:prompts"}}
	for modern, want := range map[bool]string{true: "mcp:tools", false: "mcp:tools mcp:prompts mcp:read"} {
		m := &mcpmessage.Message{Method: "tools/call", Name: "echo", Modern: modern}
		c := demo.compile()
		if got := c.askFor(c.decide(caller, m).needs, caller, m); got != want {
			t.Errorf("modern: %t: %q, want %q", modern, got, want)
		}
	}
}

// RS11: all scopes that one operation needs stand in one challenge, whichever of
// them the token has.
func TestRS11_AllScopesInOneChallenge(t *testing.T) {
	t.Parallel()
	c := Policy{Rules: Rules{"tools/call create_order": {AllOf: "orders:write stock:read", AnyOf: "pay:card pay:invoice"}}}.compile()
	m := &mcpmessage.Message{Method: "tools/call", Name: "create_order", Modern: true}
	for has, want := range map[string]string{
		"":                                    "orders:write stock:read pay:card",
		"orders:write":                        "orders:write stock:read pay:card",
		"pay:invoice":                         "orders:write stock:read pay:invoice",
		"pay:invoice orders:write":            "orders:write stock:read pay:invoice",
		"pay:invoice orders:write stock:read": "",
	} {
		caller := &principal.Principal{Scopes: strings.Fields(has)}
		if got := strings.Join(c.decide(caller, m).needs, " "); got != want {
			t.Errorf("with %q: %q, want %q", has, got, want)
		}
	}
}

// A policy that contradicts itself ends the start, by name.
func TestPolicyMistakes(t *testing.T) {
	t.Parallel()
	for says, policy := range map[string]Policy{
		`"tools/cal echo"`:    {Rules: Rules{"tools/cal echo": {}}},
		`""`:                  {Rules: Rules{"": {}}},
		`"tools/call"`:        {Rules: Rules{"tools/call": {}}},
		`"ping echo"`:         {Rules: Rules{"ping echo": {}}},
		`role "owner"`:        {Roles: "admin", Rules: Rules{"ping": {Roles: "owner"}}},
		`role "user"`:         {DefaultRole: "user", Rules: Rules{"ping": {}}},
		`"tools/call echo"; `: {Rules: Rules{"tools/call echo x": {}, "tools/call y echo": {}}},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(p.(string), says) {
					t.Errorf("%s: %v", says, p)
				}
			}()
			policy.compile()
		}()
	}
}

// A line opens operations that the steps don't have, each for whom it says.
func TestPolicyOpensMore(t *testing.T) {
	t.Parallel()
	c := Policy{Roles: "clerk", Rules: Rules{
		"resources/list": {}, "completion/complete": {}, "tasks/get": {},
		"resources/read orders://open orders://done": {AnyOf: "orders:read"},
		"resources/read *":                           {AllOf: "orders:read", Roles: "clerk"},
		"resources/subscribe *":                      {AllOf: "orders:watch"},
		mcpmessage.Stream:                            {},
	}}.compile()
	for _, test := range []struct {
		method, name, scopes, roles string
		allowed                     bool
		needs                       string
	}{
		{method: "resources/list", allowed: true},
		{method: "completion/complete", allowed: true},
		{method: "tasks/get", allowed: true},
		{method: "GET", allowed: true},
		{method: "DELETE"},
		{method: "tasks/cancel"},
		{method: "notifications/initialized"},
		{method: "resources/templates/list"},
		{method: "resources/read", name: "orders://open", needs: "orders:read"},
		{method: "resources/read", name: "orders://open", scopes: "orders:read", allowed: true},
		{method: "resources/read", name: "orders://OPEN", scopes: "orders:read"},
		{method: "resources/read", name: "orders://OPEN", scopes: "orders:read", roles: "clerk", allowed: true},
		{method: "resources/subscribe", name: "orders://open", scopes: "orders:read", needs: "orders:watch"},
		{method: "resources/unsubscribe", name: "orders://open", scopes: "orders:read"},
	} {
		caller := &principal.Principal{Scopes: strings.Fields(test.scopes), Roles: strings.Fields(test.roles)}
		d := c.decide(caller, &mcpmessage.Message{Method: test.method, Name: test.name})
		if d.allowed != test.allowed || strings.Join(d.needs, " ") != test.needs {
			t.Errorf("%+v: allowed %t, needs %q", test, d.allowed, d.needs)
		}
	}
}

// The policy hides a tool by a word, and refuses it whether hidden or not.
func TestPolicyHides(t *testing.T) {
	t.Parallel()
	policy := Policy{Roles: "manager", Rules: Rules{
		"tools/call list":   {AllOf: "orders:read"},
		"tools/call create": {AllOf: "orders:write", Hidden: true},
		"tools/call delete": {AllOf: "orders:write", Roles: "manager", Hidden: true},
		"resources/read *":  {AllOf: "orders:read", Hidden: true},
	}}
	shows, c := policy.Shows(), policy.compile()
	for _, test := range []struct{ scopes, roles, shown, allowed string }{
		{"", "", "list other", ""},
		{"", "manager", "list other", ""},
		{"orders:read", "", "list other orders://1", "list orders://1"},
		{"orders:write", "", "list other create", "create"},
		{"orders:read orders:write", "manager", "list other create delete orders://1", "list create delete orders://1"},
	} {
		caller := &principal.Principal{Scopes: strings.Fields(test.scopes), Roles: strings.Fields(test.roles)}
		var shown, allowed []string
		for _, name := range strings.Fields("list other create delete orders://1") {
			method := "tools/call"
			if strings.Contains(name, ":") {
				method = "resources/read"
			}
			if shows(caller, method, name) {
				shown = append(shown, name)
			}
			if c.decide(caller, &mcpmessage.Message{Method: method, Name: name}).allowed {
				allowed = append(allowed, name)
			}
		}
		if strings.Join(shown, " ") != test.shown || strings.Join(allowed, " ") != test.allowed {
			t.Errorf("%+v: shown %q, allowed %q", test, shown, allowed)
		}
	}
}

// What belongs to streams and sessions needs no more than a token, and is open
// where a policy says so.
func TestPolicyOpensSessions(t *testing.T) {
	t.Parallel()
	nobody := &principal.Principal{}
	open, closed := Policy{Rules: Session}.compile(), demo.compile()
	for method := range Session {
		m := &mcpmessage.Message{Method: method}
		if !open.decide(nobody, m).allowed || closed.decide(nobody, m).allowed {
			t.Errorf("%s: open %+v, closed %+v", method, open.decide(nobody, m), closed.decide(nobody, m))
		}
	}
}

// E03: a scope is a word, compared whole and in its case.
func TestE03_LookAlikeScopes(t *testing.T) {
	for _, scope := range []string{
		"", " ", "*", "mcp", "mcp:", "mcp:*", "mcp:tool", "mcp:toolsX", "mcp:tools:call", "not-mcp:tools", "Xmcp:tools", "MCP:TOOLS", "Mcp:Tools",
		"mcp:tools ", " mcp:tools", "mcp:tools\t", "\tmcp:tools", "mcp:read,mcp:tools", "mcp:read mcp:tools", "mcp:read\tmcp:tools", "mcp:read\u00a0mcp:tools",
		"mcp:tools\u200b", "mcp:tools\x00", "mcp\uff1atools", "mcp:tool\u017f", "mcp.tools", "tools", "admin", `["mcp:tools"]`, `"mcp:tools"`, "mcp:tools;mcp:read",
	} {
		caller := &principal.Principal{Scopes: []string{scope, scope}, Roles: []string{"user", "admin"}}
		if needs := demo.compile().decide(caller, &mcpmessage.Message{Method: "tools/call", Name: "echo"}).needs; !slices.Equal(needs, []string{"mcp:tools"}) {
			t.Errorf("%q is taken for mcp:tools (needs: %q)", scope, needs)
		}
		if needs := demo.compile().decide(caller, &mcpmessage.Message{Method: "tools/list"}).needs; !slices.Equal(needs, []string{"mcp:read"}) {
			t.Errorf("%q is taken for mcp:read or mcp:tools (needs: %q)", scope, needs)
		}
	}
}

// E05: only the roles say what a user may do, whatever the names say.
func TestE05_LookAlikeAdmins(t *testing.T) {
	for _, role := range []string{"", "*", "Admin", "ADMIN", "admin ", " admin", "admins", "administrator", "root", "user,admin", "user admin", "realm:admin", "admin\x00", "аdmin" /* Cyrillic */} {
		caller := &principal.Principal{Issuer: "admin", Subject: "admin", Username: "admin", ClientID: "admin", Scopes: []string{"mcp:tools", "admin", "audit"}, Roles: []string{"user", role}}
		if demo.compile().decide(caller, &mcpmessage.Message{Method: "tools/call", Name: "audit"}).allowed {
			t.Errorf("the role %q is taken for admin", role)
		}
		caller.Roles = []string{"guest", role}
		if demo.compile().decide(caller, &mcpmessage.Message{Method: "tools/call", Name: "echo"}).allowed {
			t.Errorf("the role %q is taken for one that allows calls", role)
		}
	}
}

// Without a caller, or without a message, nothing is decided, and nothing let
// through.
func TestRequireNeedsTheLayersBefore(t *testing.T) {
	inside := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let through") })
	guarded := Require(demo, challenge, nil, inside)
	r := request("ping", "")
	for name, call := range map[string]func(){
		"no caller": func() { mcpmessage.Inspect(guarded).ServeHTTP(httptest.NewRecorder(), r) },
		"no message": func() {
			guarded.ServeHTTP(httptest.NewRecorder(), r.WithContext(principal.NewContext(r.Context(), &principal.Principal{})))
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

// WD20: who may call nothing sends small messages, so that decoding them costs
// little before it is known what they ask for.
func TestWD20_SmallBodies(t *testing.T) {
	done := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	h := SmallBodies(demo, mcpmessage.Inspect(Require(demo, challenge, nil, done)))
	ask := func(length int, scopes, roles []string) int {
		const begin, end = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"a":"`, `"}}}`
		body := begin + strings.Repeat("a", length-len(begin)-len(end)) + end
		r := httptest.NewRequest("POST", "/mcp", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(principal.NewContext(r.Context(), &principal.Principal{Subject: "s", Scopes: scopes, Roles: roles})))
		return w.Code
	}
	for _, c := range []struct {
		scopes, roles []string
		large         bool
	}{
		{nil, []string{"admin"}, false},
		{[]string{"openid", "mcp:other"}, []string{"admin"}, false},
		{[]string{"mcp:tools"}, []string{"guest"}, false}, // no tool for guests
		{[]string{"mcp:tools"}, []string{"user"}, true},
		{[]string{"mcp:prompts"}, []string{"guest"}, true},
		{[]string{"mcp:read"}, nil, true}, // for prompts/get
	} {
		if got := ask(SmallBody, c.scopes, c.roles); got != http.StatusOK {
			t.Errorf("%q, %q: a small body: %d", c.scopes, c.roles, got)
		}
		want := http.StatusRequestEntityTooLarge
		if c.large {
			want = http.StatusOK
		}
		if got := ask(SmallBody+1, c.scopes, c.roles); got != want {
			t.Errorf("%q, %q: a large body: %d, want %d", c.scopes, c.roles, got, want)
		}
	}
}

// WD13: names that no tool or prompt can have are refused before a log has them.
func TestWD13_NamesOutsideTheGrammar(t *testing.T) {
	log := &last{}
	h := mcpmessage.Inspect(Require(demo, challenge, log, http.NotFoundHandler()))
	for name, good := range map[string]bool{
		"no_such.tool-1": true, strings.Repeat("a", 128): true,
		strings.Repeat("a", 129): false, "": false, "a b": false, "a\nb": false, "a\x1b[2K": false, "a\"b": false, "écho": false, "echo\u202e": false,
	} {
		for _, method := range []string{"tools/call", "prompts/get"} {
			*log = last{}
			w := httptest.NewRecorder()
			r := request(method, "")
			r.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{"name":%s}}`, method, jsonText(name))))
			h.ServeHTTP(w, r.WithContext(principal.NewContext(r.Context(), &principal.Principal{Subject: method + name})))
			if logged := log.Subject != ""; logged != good || good == strings.Contains(w.Body.String(), "-32602") {
				t.Errorf("%s %q: logged: %t, %s", method, name, logged, w.Body)
			}
		}
	}
}

func jsonText(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}
