package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
)

// aToken is an access token of RFC 9068 for the server at localhost:9000.
func aToken(t *testing.T, issuer string) string {
	t.Helper()
	key := stubprovider.Keys()["rs256"]
	token, err := mint.New(key.RSA, key.ID, mint.Grant{
		Issuer: issuer, Audience: "http://localhost:9000/mcp", Username: "alice", ClientID: "client", Lifetime: time.Hour, Now: time.Now(),
	}).Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// give runs check token with an input.
func give(t *testing.T, input string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, problems strings.Builder
	status = run(t.Context(), append([]string{"token"}, args...), strings.NewReader(input), &out, &problems)
	return status, out.String(), problems.String()
}

// write writes a file and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A token is read from standard input or a file, as people have it at hand.
func TestTokenInputs(t *testing.T) {
	t.Parallel()
	token := aToken(t, "https://id.example")
	env := write(t, "some.env", "JWT_ISSUER=https://id.example\n")
	for _, input := range []string{token, token + "\n", "  " + token + "\r\n", "Bearer " + token, "Authorization: Bearer " + token + "\n", `"` + token + `"`} {
		if status, stdout, stderr := give(t, input, "-env", env); status != exitGood || !strings.Contains(stdout, "settings as they are") || stderr != "" {
			t.Errorf("%.30q: %d\n%s%s", input, status, stdout, stderr)
		}
	}
	if status, stdout, _ := give(t, "", "-env", env, "-file", write(t, "token.txt", token)); status != exitGood || !strings.Contains(stdout, "settings as they are") {
		t.Errorf("from a file: %d\n%s", status, stdout)
	}
	if status, stdout, _ := give(t, token, "-env", env, "-url", "https://mcp.example.com"); status != exitBad || !strings.Contains(stdout, "✗ audience") {
		t.Errorf("for another server: %d\n%s", status, stdout)
	}
	if status, stdout, _ := give(t, aToken(t, "https://other.example"), "-env", env); status != exitBad || !strings.Contains(stdout, "JWT_ISSUER=https://other.example\nJWT_DIALECT=rfc9068\n") {
		t.Errorf("of another issuer: %d\n%s", status, stdout)
	}
}

// What can't be used is named, and nothing that may be a secret is shown.
func TestTokenUsage(t *testing.T) {
	t.Parallel()
	token := aToken(t, "https://id.example")
	env := write(t, "some.env", "JWT_ISSUER=https://id.example\n")
	for name, c := range map[string]struct {
		input string
		args  []string
		says  string
	}{
		"token in an argument": {"", []string{"-env", env, token}, "must not be an argument"},
		"no token":             {" \n", []string{"-env", env}, "there is no token"},
		"two tokens":           {token + "\n" + token, []string{"-env", env}, "not one token"},
		"too long":             {strings.Repeat("x", maxInput+1), []string{"-env", env}, "longer than"},
		"no such file":         {"", []string{"-env", env, "-file", filepath.Join(t.TempDir(), "none")}, "-file can't be read"},
		"no such settings":     {token, []string{"-env", filepath.Join(t.TempDir(), "none")}, "file not found"},
		"bad settings":         {token, []string{"-env", write(t, "bad.env", "JWT_DIALECT=x\n")}, "JWT_DIALECT"},
		"bad URL":              {token, []string{"-env", env, "-url", "mcp"}, "-url"},
		"bad flag":             {token, []string{"-nothing"}, "see check token -h"},
	} {
		status, stdout, stderr := give(t, c.input, c.args...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: %d, %q, %q", name, status, stdout, stderr)
		}
		for part := range strings.SplitSeq(token, ".") {
			if strings.Contains(stderr, part) {
				t.Errorf("%s: a part of the token is shown: %s", name, stderr)
			}
		}
	}
	if status, _, stderr := give(t, "", "-h"); status != exitGood || !strings.Contains(stderr, "Exit status") {
		t.Errorf("%d, %s", status, stderr)
	}
}

// A line from a terminal in raw mode may be longer than the terminal's own lines.
func TestReadLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	for input, want := range map[string]string{
		"abc\r": "abc", "abc\nrest": "abc", "ab\x7fc\r": "ac", "\x7f\x7fa\r": "a", "abc\x04": "abc", "abc": "abc", long + "\r": long,
	} {
		if got, err := readLine(strings.NewReader(input)); err != nil || string(got) != want {
			t.Errorf("%.20q: %.20q, %v", input, got, err)
		}
	}
	if _, err := readLine(strings.NewReader("abc\x03")); err == nil {
		t.Error("Ctrl-C is a part of the token")
	}
	if _, err := readLine(strings.NewReader(strings.Repeat("x", maxInput+2))); err == nil {
		t.Error("an endless line")
	}
	if _, err := readLine(broken{}); err == nil {
		t.Error("a broken terminal")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }
