// Package manifest lists the steps of the tutorial and holds their programs to
// the rule: a step is the one before it with lines inserted. Step 10 alone also
// takes lines away, because from then on somebody else vouches for the tokens.
package manifest

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MaxAdded is how many lines, not counting empty ones, a step may add to the
// main.go before it: what a reader takes in at one look.
const MaxAdded = 25

// Step is one lesson.
type Step struct {
	Number int
	Name   string
	// Server says that the step is an MCP server: the rule of insertion holds
	// for it, and the table of behaviours speaks for it.
	Server bool
	// After is the number of the server that this one is compared with; 0 for
	// a program that begins anew.
	After int
	// Brings are the packages below internal/ that a server imports first.
	Brings []string
	// Replaces and Drops are the lines of the server before that this one may
	// change or leave out, without the blanks around them. Empty for a step
	// that only inserts.
	Replaces, Drops []string
}

// Folder is the program of the step, below the root of the repository.
func (s Step) Folder() string { return fmt.Sprintf("cmd/step%d", s.Number) }

// Script is the script that shows the step.
func (s Step) Script() string { return fmt.Sprintf("scripts/test_step%d.sh", s.Number) }

// Page is the page about the step.
func (s Step) Page() string { return fmt.Sprintf("docs/step%d.md", s.Number) }

var minutes = regexp.MustCompile(`\*\*Time:\*\* (\d+) minutes`)

// Minutes is how long the step takes, as its page says.
func (s Step) Minutes(root string) (int, error) {
	text, err := os.ReadFile(filepath.Join(root, s.Page()))
	if err != nil {
		return 0, err
	}
	match := minutes.FindSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("%s doesn't say how long it takes: **Time:** 20 minutes", s.Page())
	}
	return strconv.Atoi(string(match[1]))
}

// Steps are all of them, in order: the servers, and between them what they
// talk to.
var Steps = []Step{
	{Number: 1, Name: "health, and no foreign pages", Server: true,
		Brings: []string{"mcpserver/health", "mcpserver/originguard", "web/serve"}},
	{Number: 2, Name: "the MCP endpoint", Server: true, After: 1, Brings: []string{"mcpserver/mcpendpoint"}},
	{Number: 3, Name: "tools and prompts, listed", Server: true, After: 2, Brings: []string{"mcpserver/features"}},
	{Number: 4, Name: "tools and prompts, at work", Server: true, After: 3, Brings: nil},
	{Number: 5, Name: "keys, shown to everybody", Server: true, After: 4, Brings: []string{"oauth/jwks", "oauth/keys"}},
	{Number: 6, Name: "access tokens", Server: true, After: 5, Brings: []string{"oauth/accesstoken", "oauth/bearerauth", "oauth/principal"}},
	{Number: 7, Name: "metadata, so that clients find their way", Server: true, After: 6,
		Brings: []string{"oauth/oauthmetadata", "web/cors"}},
	{Number: 8, Name: "scopes and roles", Server: true, After: 7, Brings: []string{"mcpserver/auditlog", "mcpserver/scopepolicy"}},
	{Number: 9, Name: "an authorization server"},
	{
		Number: 10, Name: "an identity provider", Server: true, After: 8,
		Brings: []string{"mcpserver/envfile", "mcpserver/trust", "oauth/tokencache"},
		Replaces: []string{
			"verifier := &accesstoken.Verifier{",
			`report.Add("jwks_available", true)`,
			"resourcePage := oauthmetadata.Handler(oauthmetadata.NewResource(site.Resource(), challenge.Scope, issuer))",
			`report.Add("authorization_server_metadata", oauthmetadata.ServerURL(issuer))`,
		},
		// It vouches for nothing any more: no key pair, no key set, no document
		// of an authorization server.
		Drops: []string{
			`"mcp-auth-step-by-step/internal/oauth/jwks"`,
			`"mcp-auth-step-by-step/internal/oauth/keys"`,
			`"mcp-auth-step-by-step/internal/oauth/accesstoken"`,
			"// step 6: trust this issuer, for tokens that are meant for this server",
			"issuer := site.URL",
			"Issuer: issuer,",
			"Audience: site.Resource(),",
			"Keys: keySet,",
			"Algorithms: []string{keys.Algorithm},",
			"keySet := jwks.Set{key}",
			"// step 5",
			"var keyDir = flag.String(\"keys\", \"keys\", \"`folder` of the key pair, which is made on first use\")",
			"// step 5: show the key that verifies tokens",
			"key, err := keys.Public(*keyDir)", "if err != nil {", "return nil, err", "}",
			`mux.Handle("GET /.well-known/jwks.json", jwks.Handler(keySet))`,
			`mux.Handle("GET /.well-known/oauth-authorization-server", oauthmetadata.Handler(`,
			`oauthmetadata.NewAuthorizationServer(issuer, site.URL+"/.well-known/jwks.json", "mcp:read", "mcp:tools", "mcp:prompts")))`,
		},
	},
	{Number: 11, Name: "the client that finds its own way in"},
}

// Servers are the steps that are MCP servers, in order.
func Servers() []Step {
	return slices.DeleteFunc(slices.Clone(Steps), func(s Step) bool { return !s.Server })
}

// Root is the folder of the repository: the nearest one at or above the working
// directory that has a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above: run this inside the repository")
		}
		dir = parent
	}
}

// Source returns the lines of a step's main.go without its package comment,
// which is the lesson and differs from step to step.
func (s Step) Source(root string) ([]string, error) {
	path := filepath.Join(root, s.Folder(), "main.go")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.PackageClauseOnly|parser.ParseComments)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text[files.Position(file.Package).Offset:]), "\n"), "\n"), nil
}

// Line is a line of a comparison.
type Line struct {
	Op   byte // '+' inserted, '-' gone, ' ' as before
	Text string
}

// Diff compares two sources line by line. Lines that differ only in their
// blanks are the same: gofmt moves them when a neighbour joins.
func Diff(older, newer []string) []Line {
	same := func(i, j int) bool {
		return strings.Join(strings.Fields(older[i]), " ") == strings.Join(strings.Fields(newer[j]), " ")
	}
	// common[i][j] is the length of the longest common subsequence of the
	// rests from i and j.
	common := make([][]int, len(older)+1)
	for i := range common {
		common[i] = make([]int, len(newer)+1)
	}
	for i := len(older) - 1; i >= 0; i-- {
		for j := len(newer) - 1; j >= 0; j-- {
			if same(i, j) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines []Line
	for i, j := 0, 0; i < len(older) || j < len(newer); {
		switch {
		case i < len(older) && j < len(newer) && same(i, j):
			lines = append(lines, Line{' ', newer[j]})
			i, j = i+1, j+1
		// Where both are possible, what is gone stands before what is new.
		case i < len(older) && (j == len(newer) || common[i+1][j] >= common[i][j+1]):
			lines = append(lines, Line{'-', older[i]})
			i++
		default:
			lines = append(lines, Line{'+', newer[j]})
			j++
		}
	}
	return lines
}

// near is how many unchanged lines are shown around a change.
const near = 2

// IsNear tells whether a line of a comparison has changed, or stands beside one that has.
func IsNear(lines []Line, i int) bool {
	around := lines[max(0, i-near):min(len(lines), i+near+1)]
	return slices.ContainsFunc(around, func(l Line) bool { return l.Op != ' ' })
}

// Changes compares a step with the server before it; one that begins anew, with
// nothing.
func Changes(root string, number int) ([]Line, error) {
	step := Steps[number-1]
	newer, err := step.Source(root)
	if err != nil {
		return nil, err
	}
	var older []string
	if step.After > 0 {
		if older, err = Steps[step.After-1].Source(root); err != nil {
			return nil, err
		}
	}
	return Diff(older, newer), nil
}
