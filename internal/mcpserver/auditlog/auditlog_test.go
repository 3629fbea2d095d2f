package auditlog_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/mcpserver/auditlog"
	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/oauth/principal"
)

func names(decisions []auditlog.Decision) string {
	var list []string
	for _, d := range decisions {
		list = append(list, d.Name)
	}
	return strings.Join(list, " ")
}

func TestLogForgetsTheOldest(t *testing.T) {
	for _, c := range []struct {
		size, add int
		want      string
	}{
		{3, 0, ""}, {3, 1, "1"}, {3, 3, "1 2 3"}, {3, 4, "2 3 4"}, {3, 5, "3 4 5"}, {3, 6, "4 5 6"}, {3, 7, "5 6 7"},
		{1, 1, "1"}, {1, 9, "9"}, {0, 2, "2"}, {-5, 2, "2"}, {100, 5, "1 2 3 4 5"},
	} {
		log := auditlog.New(c.size)
		for i := range c.add {
			log.Add(auditlog.Decision{Subject: fmt.Sprint(i), Name: fmt.Sprint(i + 1)})
		}
		if got := names(log.Last()); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.add, c.size, got, c.want)
		}
	}
}

func TestLastIsACopy(t *testing.T) {
	log := auditlog.New(2)
	log.Add(auditlog.Decision{Name: "1"})
	log.Last()[0].Name = "forged"
	_ = append(log.Last(), auditlog.Decision{Name: "forged"})
	if got := names(log.Last()); got != "1" {
		t.Errorf("the log now says %q", got)
	}
}

// Each reader sees whole decisions in the order in which each writer made them.
func TestLogConcurrently(t *testing.T) {
	const writers, each, size = 8, 500, 64
	log := auditlog.New(size)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				s := fmt.Sprint(w)
				log.Add(auditlog.Decision{Subject: s, ClientID: s, Time: time.Unix(int64(i), 0)})
			}
		})
		group.Go(func() {
			for range each {
				last := map[string]time.Time{}
				for _, d := range log.Last() {
					if d.Subject != d.ClientID || d.Time.Before(last[d.Subject]) {
						t.Errorf("torn or out of order: %+v", d)
						return
					}
					last[d.Subject] = d.Time
				}
			}
		})
	}
	group.Wait()
	if got := len(log.Last()); got != size {
		t.Errorf("%d decisions are kept, want %d", got, size)
	}
}

// J01: there is no place for a token, or for anything else that is added
// without a thought: a new member must be entered here.
func TestJ01_DecisionHoldsNoToken(t *testing.T) {
	want := map[string]string{
		"Time": "time.Time", "Subject": "string", "ClientID": "string", "Operation": "string", "Name": "string", "Allowed": "bool", "Reason": "string",
	}
	kind := reflect.TypeFor[auditlog.Decision]()
	got := map[string]string{}
	for i := range kind.NumField() {
		got[kind.Field(i).Name] = kind.Field(i).Type.String()
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Decision has the members %v, want %v", got, want)
	}
}

// E04: the tool is in the lists of administrators alone, and not there for
// anybody else who calls it, whatever the policy before it says.
func TestE04_ToolIsForOneRole(t *testing.T) {
	log := auditlog.New(10)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	log.Add(auditlog.Decision{Time: at, Subject: "bob", ClientID: "cli", Operation: "tools/call", Name: "echo", Allowed: true, Reason: "fine"})
	log.Add(auditlog.Decision{Time: at, Subject: "eve", ClientID: "cli", Operation: "tools/call", Name: "audit", Reason: "not hers"})
	s := mcpendpoint.NewServer()
	auditlog.AddTool(s, log, "keeper")
	h := mcpendpoint.Decode(mcpendpoint.Handler(s))
	ask := func(roles []string, method, params string) string {
		r := httptest.NewRequest("POST", "/mcp", strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(principal.NewContext(r.Context(), &principal.Principal{Subject: "s", Roles: roles})))
		return w.Body.String()
	}
	for _, roles := range [][]string{nil, {"user"}, {"admin"}, {"Keeper"}, {"keepers"}} {
		if list := ask(roles, "tools/list", `{}`); !strings.Contains(list, `"tools":[]`) {
			t.Errorf("%q: %s", roles, list)
		}
		if got := ask(roles, "tools/call", `{"name":"audit"}`); !strings.Contains(got, "-32602") || strings.Contains(got, "bob") {
			t.Errorf("%q: %s", roles, got)
		}
	}
	if list := ask([]string{"user", "keeper"}, "tools/list", `{}`); !strings.Contains(list, `"name":"audit"`) {
		t.Errorf("the keeper's list: %s", list)
	}
	var got struct {
		Result struct {
			Content           []struct{ Text string }
			StructuredContent struct{ Decisions []auditlog.Decision }
		}
	}
	if err := json.Unmarshal([]byte(ask([]string{"keeper"}, "tools/call", `{"name":"audit"}`)), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Result.StructuredContent.Decisions, log.Last()) {
		t.Errorf("the keeper reads %+v", got.Result.StructuredContent)
	}
	lines := strings.Split(strings.TrimSuffix(got.Result.Content[0].Text, "\n"), "\n")
	for i, words := range [][]string{{"2026-01-02T03:04:05Z", "bob", "tools/call", "echo", "allowed", "fine"}, {"eve", "audit", "refused", "not hers"}} {
		for _, word := range words {
			if len(lines) != 2 || !strings.Contains(lines[i], word) {
				t.Errorf("%q isn't in line %d of %q", word, i+1, lines)
			}
		}
	}
}

// WD19: whoever makes many requests pushes out his own decisions alone, and no
// refusal with what is allowed to everybody.
func TestWD19_NobodyEmptiesTheLog(t *testing.T) {
	log := auditlog.New(100)
	log.Add(auditlog.Decision{Subject: "bob", Name: "echo", Allowed: true})
	log.Add(auditlog.Decision{Subject: "eve", Name: "audit"})
	for range 1000 {
		log.Add(auditlog.Decision{Subject: "eve", Name: "ping", Allowed: true})
	}
	if got := names(log.Last()); !strings.HasPrefix(got, "echo audit ping") || len(log.Last()) != 22 {
		t.Errorf("%d are kept: %s", len(log.Last()), got)
	}
	for range 1000 {
		log.Add(auditlog.Decision{Subject: "eve", Name: "audit"})
	}
	for i := range 200 { // many users push out the busiest one's first
		log.Add(auditlog.Decision{Subject: fmt.Sprint("user ", i%50), Name: "fine", Allowed: true})
	}
	last := log.Last()
	if got := names(last); len(last) != 100 || strings.Count(got, "ping") > 2 || strings.Count(got, "audit") > 2 {
		t.Errorf("%d are kept: %s", len(last), got)
	}
}

// WD13: nothing that a caller chose can make a second record of one, in the text
// for administrators or on a terminal.
func TestWD13_NothingForgesARecord(t *testing.T) {
	const forged = "x\n2026-01-01T00:00:00Z \"root\" through \"cli\": tools/call \"audit\": allowed, fine\r\x1b[2K\u2028\u202e"
	log := auditlog.New(10)
	log.Add(auditlog.Decision{Subject: forged, ClientID: forged, Operation: "tools/call", Name: forged, Reason: "the client lacks a scope"})
	s := mcpendpoint.NewServer()
	auditlog.AddTool(s, log, "keeper")
	r := httptest.NewRequest("POST", "/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"audit"}}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mcpendpoint.Decode(mcpendpoint.Handler(s)).ServeHTTP(w,
		r.WithContext(principal.NewContext(r.Context(), &principal.Principal{Subject: "s", Roles: []string{"keeper"}})))
	var got struct {
		Result struct{ Content []struct{ Text string } }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	text := got.Result.Content[0].Text
	if strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\r\x1b\u2028\u202e") || strings.Contains(text, `"root"`) {
		t.Errorf("the text is %q", text)
	}
}
