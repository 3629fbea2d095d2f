package matrix

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// Every row speaks for every step, and each is worth its place.
func TestRowsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Rows {
		if seen[row.ID] || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(row.ID) {
			t.Errorf("%q: ids are unique and made of a-z, 0-9 and -", row.ID)
		}
		seen[row.ID] = true
		if row.Title == "" || row.Layer < 1 || row.Layer > len(manifest.Steps) || row.Attack && len(row.Refs) == 0 {
			t.Errorf("%s: lacks a title, a layer or, as an attack, a reference", row.ID)
		}
		if row.Modern != nil && row.Request.Call == nil {
			t.Errorf("%s: 2026-07-28 is set apart, but the row runs in no era", row.ID)
		}
		for _, wants := range [][]Want{row.Want, row.Modern} {
			for i, want := range wants {
				if i == 0 && want.From != 1 || i > 0 && want.From <= wants[i-1].From || want.From > len(manifest.Steps) {
					t.Errorf("%s: outcome %d begins with step %d", row.ID, i, want.From)
				}
				if want.Works && !row.Attack {
					t.Errorf("%s: only attacks can work too long", row.ID)
				}
				if want.Says() == "" {
					t.Errorf("%s: the outcome from step %d says nothing", row.ID, want.From)
				}
			}
		}
		for _, era := range row.Eras() {
			last := row.At(len(manifest.Steps), era)
			if last.Works {
				t.Errorf("%s: the attack still works at the last step", row.ID)
			}
		}
	}
}

// elsewhere says where an id is shown that no row can show.
var elsewhere = map[string]string{
	"RS13": "internal/tutorial/manifest", "RS14": "internal/tutorial/matrix/steptest",
	"A19": "internal/mcpserver/features", // a tool that panics
}

// What the catalogues ask of the servers is in the table, or in the tests of the
// package that elsewhere names.
func TestCataloguesAreCovered(t *testing.T) {
	var wanted []string
	for i := 1; i <= 15; i++ {
		wanted = append(wanted, fmt.Sprintf("RS%02d", i))
	}
	for group, gaps := range map[string][]int{
		"A": {3, 16, 20}, "B": nil, "C": {20}, "D": {6, 7}, "E": {6}, // not in the catalogue
	} {
		last := map[string]int{"A": 24, "B": 4, "C": 21, "D": 8, "E": 7}[group]
		for i := 1; i <= last; i++ {
			if !slices.Contains(gaps, i) {
				wanted = append(wanted, fmt.Sprintf("%s%02d", group, i))
			}
		}
	}
	var inTable []string
	for _, row := range Rows {
		inTable = append(inTable, row.Refs...)
	}
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range wanted {
		pkg, ok := elsewhere[id]
		if !ok {
			if !slices.Contains(inTable, id) {
				t.Errorf("%s is in no row", id)
			}
			continue
		}
		files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(file string) bool {
			text, err := os.ReadFile(file)
			return err == nil && regexp.MustCompile(`(?m)(func Test|t\.Run\("|name: +"|^\s*")[^\n]*`+id).Match(text)
		}) {
			t.Errorf("%s should be shown by a test in %s", id, pkg)
		}
	}
}

// The check of answers can fail, in each of its parts.
func TestCheckRefuses(t *testing.T) {
	answer := func(status int, challenge, body string) *Answer {
		a := &Answer{Status: status, Header: map[string][]string{}, Body: body}
		if challenge != "" {
			a.Header.Set("WWW-Authenticate", challenge)
		}
		return a
	}
	denied := `{"error":"invalid_token","error_description":"x"}`
	for name, c := range map[string]struct {
		want   Want
		answer *Answer
		ok     bool
	}{
		"as wanted":                 {Want{Status: 401, Error: "invalid_token"}, answer(401, `Bearer realm="x", error="invalid_token"`, denied), true},
		"status":                    {Want{Status: 200}, answer(201, "", ""), false},
		"no challenge":              {Want{Status: 401, Error: "invalid_token"}, answer(401, "", denied), false},
		"challenge without code":    {Want{Status: 401, Error: "invalid_token"}, answer(401, `Bearer realm="x"`, denied), false},
		"code where none belongs":   {Want{Status: 401, Error: "missing_token"}, answer(401, `Bearer error="missing_token"`, `{"error":"missing_token","error_description":"x"}`), false},
		"challenge with denial":     {Want{Status: 403, Error: "access_denied"}, answer(403, `Bearer realm="x"`, `{"error":"access_denied","error_description":"x"}`), false},
		"other code":                {Want{Status: 403, Error: "access_denied"}, answer(403, "", `{"error":"other","error_description":"x"}`), false},
		"no description":            {Want{Status: 403, Error: "access_denied"}, answer(403, "", `{"error":"access_denied"}`), false},
		"JSON-RPC error":            {Want{Status: 200}, answer(200, "", `{"error":{"code":-32601,"message":"x"}}`), false},
		"no JSON-RPC error":         {Want{Status: 200, RPC: -32601}, answer(200, "", `{"result":{}}`), false},
		"JSON-RPC without message":  {Want{Status: 200, RPC: -32601}, answer(200, "", `{"error":{"code":-32601}}`), false},
		"lacks":                     {Want{Status: 200, Has: []string{"a"}}, answer(200, "", "b"), false},
		"has":                       {Want{Status: 200, Lacks: []string{"a"}}, answer(200, "", "a"), false},
		"text":                      {Want{Text: "a"}, &Answer{Text: "b"}, false},
		"insufficient, unexplained": {Want{Status: 403, Error: "insufficient_scope"}, answer(403, "", `{"error":"insufficient_scope","error_description":"x"}`), false},
	} {
		if err := c.want.Check(c.answer); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCurlCanBePasted(t *testing.T) {
	q := Request{Call: &Call{Method: "tools/call", Name: "echo", Args: `{"message":"it's"}`}, Token: alice}
	want := strings.Join([]string{"curl -i http://localhost:9000/mcp",
		"  -H 'Content-Type: application/json'", `  -H "Authorization: Bearer $TOKEN"`,
		`  -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"it'\''s"}}}'`}, " \\\n")
	if got := q.Curl("http://localhost:9000", Legacy); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A variable that is set twice has its own value again afterwards.
func TestEnvironmentIsRestored(t *testing.T) {
	t.Setenv("MATRIX_TEST", "own")
	restore := setEnv([]string{"MATRIX_TEST=first", "MATRIX_TEST=second", "MATRIX_TEST_NEW=first", "MATRIX_TEST_NEW=second"})
	if got := os.Getenv("MATRIX_TEST"); got != "second" {
		t.Errorf("%q, want the last value", got)
	}
	restore()
	_, left := os.LookupEnv("MATRIX_TEST_NEW")
	if got := os.Getenv("MATRIX_TEST"); got != "own" || left {
		t.Errorf("%q, and the new variable is left: %v", got, left)
	}
}
