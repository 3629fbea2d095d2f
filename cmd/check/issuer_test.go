package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
)

// tryRun runs the program with arguments.
func tryRun(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, problems strings.Builder
	status = run(t.Context(), args, strings.NewReader(""), &out, &problems)
	return status, out.String(), problems.String()
}

// The exit status says what came of it, in each form of the report.
func TestIssuerStatus(t *testing.T) {
	t.Parallel()
	p, err := stubprovider.Start(stubprovider.Published()...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()

	status, stdout, _ := tryRun(t, "issuer", p.Issuer())
	if status != exitBad || !strings.Contains(stdout, "no code_challenge_methods_supported") {
		t.Errorf("without PKCE: %d\n%s", status, stdout)
	}
	p.State("code_challenge_methods_supported", []string{"S256"})
	p.State("authorization_endpoint", p.Issuer()+"/auth")
	p.State("token_endpoint", p.Issuer()+"/token")
	for _, args := range [][]string{{"issuer", p.Issuer()}, {"issuer", "--json", p.Issuer()}, {"issuer", p.Issuer(), "--json"}} {
		status, stdout, stderr := tryRun(t, args...)
		if status != exitGood || stderr != "" {
			t.Errorf("%q: %d\n%s%s", args, status, stdout, stderr)
		}
		var report struct {
			Outcome string
			Client  struct{ OK bool }
			Row     []struct{ Column, Value string }
		}
		if err := json.Unmarshal([]byte(stdout), &report); len(args) == 3 && (err != nil || report.Outcome != "usable" || !report.Client.OK || len(report.Row) < 9) {
			t.Errorf("%q: %v\n%s", args, err, stdout)
		}
	}
	if status, stdout, _ := tryRun(t, "issuer", empty.URL); status != exitNotFound || !strings.Contains(stdout, "no metadata was found") {
		t.Errorf("nothing there: %d\n%s", status, stdout)
	}
}

// Wrong arguments are named, and a password among them is not shown.
func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "want a command"},
		{[]string{"isuer"}, "unknown command"},
		{[]string{"issuer"}, "want the URL"},
		{[]string{"issuer", "http://id.example"}, "https://"},
		{[]string{"issuer", "https://alice:hunter2@id.example"}, "user name or password"},
		{[]string{"issuer", "https://id.example/.well-known/openid-configuration"}, "give the issuer"},
		{[]string{"issuer", "https://id.example?realm=x"}, "query"},
		{[]string{"issuer", "https://id.example", "https://other.example"}, "unexpected argument"},
		{[]string{"issuer", "--jsn", "https://id.example"}, "-jsn"},
		{[]string{"issuer", "--private-origin", "id.example", "https://id.example"}, "want scheme://host"},
		{[]string{"issuer", "https://169.254.169.254"}, "not a public address"},
	} {
		status, stdout, stderr := tryRun(t, c.args...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "hunter2") {
			t.Errorf("%q: %d %s%s", c.args, status, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"-h"}, {"--version"}, {"issuer", "-h"}} {
		if status, stdout, stderr := tryRun(t, args...); status != exitGood || stdout+stderr == "" {
			t.Errorf("%q: %d", args, status)
		}
	}
}
