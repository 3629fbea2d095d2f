package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/principal"
	"mcp-auth-step-by-step/internal/web/version"
)

// asProgram makes the test binary gentoken itself.
const asProgram = "GENTOKEN_TEST_PROGRAM"

// keyDir holds one pair for all tests: making one is slow.
var keyDir string

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	dir, err := os.MkdirTemp("", "gentoken")
	if err != nil {
		panic(err)
	}
	keyDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const site = "http://localhost:9000"

// gentoken runs it with the tests' keys.
func gentoken(args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	err = run(append([]string{"--keys", keyDir}, args...), &out, &errs)
	return out.String(), errs.String(), err
}

// tokenOf runs it and takes the token alone from standard output.
func tokenOf(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := gentoken(args...)
	if err != nil {
		t.Fatalf("%s: %v", args, err)
	}
	if !regexp.MustCompile(`^[\w-]+\.[\w-]+\.[\w-]*\n$`).MatchString(stdout) {
		t.Fatalf("%s: more than a token on standard output: %q", args, stdout)
	}
	token := strings.TrimSpace(stdout)
	if strings.Contains(stderr, token) || stderr == "" {
		t.Errorf("%s: standard error: %q", args, stderr)
	}
	return token
}

// verify is what a server says to a token.
func verify(t *testing.T, issuer, audience, token string) (*principal.Principal, error) {
	t.Helper()
	key, err := keys.Public(keyDir)
	if err != nil {
		t.Fatal(err)
	}
	v := &accesstoken.Verifier{Issuer: issuer, Audience: audience, Keys: jwks.Set{key}, Algorithms: []string{keys.Algorithm}}
	return v.Verify(context.Background(), token)
}

func accepted(t *testing.T, args ...string) *principal.Principal {
	t.Helper()
	caller, err := verify(t, site, site+"/mcp", tokenOf(t, args...))
	if err != nil {
		t.Fatalf("%s: refused: %v", args, err)
	}
	return caller
}

// claims reads a token without looking at its signature.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	return said
}

func TestToken(t *testing.T) {
	before := time.Now().Truncate(time.Second)
	caller := accepted(t, "--username", "alice", "--scopes", "mcp:read,mcp:tools")
	if caller.Subject != "alice" || caller.Username != "alice" || caller.ClientID != "gentoken" || caller.Issuer != site ||
		!slices.Equal(caller.Scopes, []string{"mcp:read", "mcp:tools"}) || !slices.Equal(caller.Roles, []string{"user"}) {
		t.Errorf("%+v", caller)
	}
	if ends := caller.Expires; ends.Before(before.Add(time.Hour)) || ends.After(time.Now().Add(time.Hour)) {
		t.Errorf("ends at %v", ends)
	}
	names := []string{"aud", "client_id", "exp", "iat", "iss", "jti", "preferred_username", "roles", "scope", "sub"}
	one, other := claims(t, tokenOf(t, "--username", "alice")), claims(t, tokenOf(t, "--username", "alice"))
	for _, name := range names {
		if one[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	if len(one) != len(names) || one["jti"] == other["jti"] {
		t.Errorf("claims %v, then %v", one, other)
	}
	stdout, stderr, _ := gentoken("--username", "alice", "--expires", "90s")
	for _, words := range []string{"alice", "roles: user", "for " + site + "/mcp", "mcp:read, mcp:tools", "Issuer: " + site, "1m30s"} {
		if !strings.Contains(stderr, words) || strings.Contains(stdout, words) {
			t.Errorf("standard error doesn't say %q: %s", words, stderr)
		}
	}
}

func TestScopes(t *testing.T) {
	for given, want := range map[string][]string{
		"":                     {},
		",":                    {},
		"mcp:read":             {"mcp:read"},
		"mcp:read,mcp:prompts": {"mcp:read", "mcp:prompts"},
		" a , b":               {"a", "b"},
		"a b":                  {"a", "b"},
	} {
		if caller := accepted(t, "--username", "alice", "--scopes", given); !slices.Equal(caller.Scopes, want) {
			t.Errorf("--scopes %q: %q, want %q", given, caller.Scopes, want)
		}
	}
	if scope := claims(t, tokenOf(t, "--username", "alice", "--scopes", ""))["scope"]; scope != "" {
		t.Errorf("no scopes: %q", scope)
	}
	if caller := accepted(t, "--username", "alice"); !slices.Equal(caller.Scopes, []string{"mcp:read", "mcp:tools"}) {
		t.Errorf("by default: %q", caller.Scopes)
	}
}

func TestRoles(t *testing.T) {
	for name, want := range map[string][]string{
		"alice":         {"user"},
		"bob":           {"user"},
		"admin":         {"user", "admin"},
		"administrator": {"user", "admin"},
		"guest":         {"guest"},
		"Admin":         {"user"},
	} {
		if caller := accepted(t, "--username", name); !slices.Equal(caller.Roles, want) {
			t.Errorf("%s: %q, want %q", name, caller.Roles, want)
		}
	}
	for given, want := range map[string][]string{"admin": {"admin"}, "user,admin": {"user", "admin"}, "": {}} {
		if caller := accepted(t, "--username", "guest", "--role", given); !slices.Equal(caller.Roles, want) {
			t.Errorf("--role %q: %q, want %q", given, caller.Roles, want)
		}
	}
}

func TestIssuerAndAudience(t *testing.T) {
	for _, c := range []struct {
		args             []string
		issuer, audience string
	}{
		{nil, site, site + "/mcp"},
		{[]string{"--issuer", "http://localhost:9005"}, "http://localhost:9005", "http://localhost:9005/mcp"},
		{[]string{"--audience", "https://mcp.example/mcp"}, site, "https://mcp.example/mcp"},
		{[]string{"--issuer", "https://as.example", "--audience", "https://mcp.example"}, "https://as.example", "https://mcp.example"},
	} {
		token := tokenOf(t, append(c.args, "--username", "alice")...)
		if _, err := verify(t, c.issuer, c.audience, token); err != nil {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}

func TestExpires(t *testing.T) {
	for given, want := range map[string]time.Duration{
		"1":     time.Hour,
		"24":    24 * time.Hour,
		"0.5":   30 * time.Minute,
		"24h":   24 * time.Hour,
		"90s":   90 * time.Second,
		"1s":    time.Second,
		"1h30m": 90 * time.Minute,
		"1e0":   time.Hour,
	} {
		said := claims(t, tokenOf(t, "--username", "alice", "--expires", given))
		if got := time.Duration(said["exp"].(float64)-said["iat"].(float64)) * time.Second; got != want {
			t.Errorf("--expires %s: %v, want %v", given, got, want)
		}
	}
	for _, bad := range []string{
		"", "0", "0s", "-1", "-1h", "999ms", "24h1s", "24.001", "25", "100000000", "9223372036854775807",
		"1e300", "NaN", "Inf", "-Inf", "soon", "1 h", "1d", "0x", "1h,2h",
	} {
		for _, args := range [][]string{{"--username", "alice"}, {"--demo"}} {
			stdout, _, err := gentoken(append(args, "--expires="+bad)...)
			if !errors.As(err, &usageError{}) || stdout != "" || !strings.Contains(err.Error(), "from 1s to 24h") {
				t.Errorf("%s --expires=%q: %q, %v", args, bad, stdout, err)
			}
		}
	}
}

func TestOut(t *testing.T) {
	for name, before := range map[string]map[string]os.FileMode{
		"new file":               nil,
		"readable by all":        {"token": 0o644},
		"left over from a crash": {"token.new": 0o644},
		"both":                   {"token": 0o666, "token.new": 0o666},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, mode := range before {
				path := filepath.Join(dir, file)
				if err := errors.Join(os.WriteFile(path, []byte("old\n"), mode), os.Chmod(path, mode)); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, "token")
			stdout, stderr, err := gentoken("--username", "alice", "--out", path)
			if err != nil || stdout != "" || !strings.Contains(stderr, path) {
				t.Fatalf("%q, %q, %v", stdout, stderr, err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			token, ended := strings.CutSuffix(string(text), "\n")
			if _, err := verify(t, site, site+"/mcp", token); err != nil || !ended {
				t.Errorf("the file has no good token: %v", err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
		})
	}
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "no", "folder"), dir} {
		if stdout, _, err := gentoken("--username", "alice", "--out", path); err == nil || stdout != "" || !strings.HasPrefix(err.Error(), "--out: ") {
			t.Errorf("--out %s: %q, %v", path, stdout, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return !e.IsDir() }) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A link that somebody put there must not lead the token elsewhere.
func TestOutFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(dir, "elsewhere")
	for _, link := range []string{"token", "token.new"} {
		if err := os.Symlink(elsewhere, filepath.Join(dir, link)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	if _, _, err := gentoken("--username", "alice", "--out", filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("the token was written to where a link pointed")
	}
}

func TestEveryFlawIsRefused(t *testing.T) {
	for _, flaw := range mint.Flaws {
		t.Run(flaw.Attack+" "+flaw.Name, func(t *testing.T) {
			stdout, stderr, err := gentoken("--username", "alice", "--flaw", flaw.Name)
			if err != nil || strings.Count(stdout, "\n") != 1 || strings.Count(stdout, ".") != 2 {
				t.Fatalf("%q, %v", stdout, err)
			}
			if !strings.Contains(stderr, flaw.Explain) {
				t.Errorf("it doesn't say what is wrong: %s", stderr)
			}
			if caller, err := verify(t, site, site+"/mcp", strings.TrimSpace(stdout)); err == nil {
				t.Errorf("accepted: %+v", caller)
			}
		})
	}
	accepted(t, "--username", "alice")
}

func TestFlawList(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	stdout, _, err := gentoken("--keys", dir, "--flaw", "list")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if err != nil || len(lines) != len(mint.Flaws)+1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for i, flaw := range mint.Flaws {
		if words := strings.Fields(lines[i+1]); words[0] != flaw.Name || words[1] != flaw.Attack || !strings.HasSuffix(lines[i+1], flaw.Explain) {
			t.Errorf("%q doesn't tell of %s", lines[i+1], flaw.Name)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it made keys")
	}
}

func TestDemo(t *testing.T) {
	stdout, _, err := gentoken("--demo", "--json")
	var users []map[string]any
	if err != nil || json.Unmarshal([]byte(stdout), &users) != nil || len(users) != 4 {
		t.Fatalf("%v in %s", err, stdout)
	}
	table, stderr, err := gentoken("--demo")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if err != nil || len(rows) != 5 || !strings.HasPrefix(rows[0], "USER") || !strings.Contains(stderr, site+"/mcp") {
		t.Fatalf("%v: %s%s", err, table, stderr)
	}
	for i, want := range []struct{ name, scopes, roles string }{
		{"alice", "mcp:read mcp:tools", "user"}, {"bob", "mcp:read mcp:prompts", "user"}, {"admin", "mcp:read mcp:tools mcp:prompts", "user admin"},
		{"guest", "", "guest"},
	} {
		user := users[i]
		token, _ := user["token"].(string)
		shows, _ := user["shows"].(string)
		caller, err := verify(t, site, site+"/mcp", token)
		if err != nil {
			t.Fatalf("%s: %v", want.name, err)
		}
		if len(user) != 5 || shows == "" ||
			user["username"] != want.name || words(user["scopes"]) != want.scopes || words(user["roles"]) != want.roles ||
			caller.Subject != want.name || strings.Join(caller.Scopes, " ") != want.scopes || strings.Join(caller.Roles, " ") != want.roles {
			t.Errorf("%s: %v, its token says %+v", want.name, user, caller)
		}
		fields := strings.Fields(rows[i+1])
		if caller, err := verify(t, site, site+"/mcp", fields[len(fields)-1]); err != nil || fields[0] != want.name || caller.Subject != want.name {
			t.Errorf("row %q: %v", rows[i+1], err)
		}
	}
}

// words joins a JSON array of strings; it is no array where it says so.
func words(list any) string {
	elements, ok := list.([]any)
	if !ok {
		return "no array"
	}
	var all []string
	for _, element := range elements {
		word, _ := element.(string)
		all = append(all, word)
	}
	return strings.Join(all, " ")
}

func TestGenerateKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	id := regexp.MustCompile(`key id ([\w-]{43})\.`)
	stdout, stderr, err := gentoken("--keys", dir, "--generate-keys")
	first := id.FindStringSubmatch(stderr)
	if err != nil || stdout != "" || first == nil || strings.Contains(stderr, "kept as") {
		t.Fatalf("%q, %q, %v", stdout, stderr, err)
	}
	old := tokenOf(t, "--keys", dir, "--username", "alice")
	_, stderr, err = gentoken("--keys", dir, "--generate-keys")
	second := id.FindStringSubmatch(stderr)
	if err != nil || second == nil || second[1] == first[1] {
		t.Fatalf("%q, %v", stderr, err)
	}
	for _, file := range []string{keys.PrivateFile, keys.PublicFile} {
		backup := filepath.Join(dir, file+".1.bak")
		if _, err := os.Stat(backup); err != nil || !strings.Contains(stderr, backup) {
			t.Errorf("%s: %v; said: %s", backup, err, stderr)
		}
	}
	key, err := keys.Public(dir)
	if err != nil || key.ID != second[1] {
		t.Fatalf("%+v, %v", key, err)
	}
	v := &accesstoken.Verifier{Issuer: site, Audience: site + "/mcp", Keys: jwks.Set{key}, Algorithms: []string{keys.Algorithm}}
	if _, err := v.Verify(context.Background(), old); !errors.Is(err, accesstoken.ErrKey) {
		t.Errorf("a token of the old key: %v", err)
	}
	if _, err := v.Verify(context.Background(), tokenOf(t, "--keys", dir, "--username", "alice")); err != nil {
		t.Errorf("a token of the new key: %v", err)
	}
}

func TestMistakesInFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"nothing":           {nil, "--username is missing"},
		"empty name":        {[]string{"--username", ""}, "--username is missing"},
		"flaw without name": {[]string{"--flaw", "expired"}, "--username is missing"},
		"unknown flaw":      {[]string{"--username", "alice", "--flaw", "nothing"}, "--flaw list"},
		"unknown in demo":   {[]string{"--demo", "--flaw", "nothing"}, "--flaw list"},
		"left over":         {[]string{"--username", "alice", "mcp:read"}, `unexpected argument "mcp:read"`},
		"json alone":        {[]string{"--username", "alice", "--json"}, "--json goes with --demo"},
	} {
		stdout, _, err := gentoken(c.args...)
		if !errors.As(err, &usageError{}) || stdout != "" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %q, %v", name, stdout, err)
		}
	}
	for _, args := range [][]string{{"--no-such-flag"}, {"--username"}, {"--demo=perhaps"}} {
		if stdout, stderr, err := gentoken(args...); !errors.As(err, &usageError{}) || stdout != "" || stderr != "" {
			t.Errorf("%s: %q, %q, %v", args, stdout, stderr, err)
		}
	}
	if stdout, _, err := gentoken("--version"); err != nil || stdout != "gentoken "+version.Number+"\n" {
		t.Errorf("--version: %q, %v", stdout, err)
	}
	stdout, stderr, err := gentoken("-h")
	if !errors.Is(err, flag.ErrHelp) || stdout != "" {
		t.Errorf("-h: %q, %v", stdout, err)
	}
	for _, name := range []string{"username", "scopes", "expires", "role", "audience", "issuer", "generate-keys", "demo", "json", "out", "flaw", "keys"} {
		if !strings.Contains(stderr, "  -"+name) {
			t.Errorf("-h doesn't explain --%s", name)
		}
	}
}

// A key file that can't be used is named, and nothing is printed.
func TestBrokenKeys(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, keys.PublicFile)
	if err := os.WriteFile(path, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--username", "alice"}, {"--demo"}} {
		stdout, _, err := gentoken(append(args, "--keys", dir)...)
		if err == nil || stdout != "" || !strings.Contains(err.Error(), path) || errors.As(err, &usageError{}) {
			t.Errorf("%s: %q, %v", args, stdout, err)
		}
	}
}

func TestExitStatus(t *testing.T) {
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, keys.PublicFile), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"token":        {[]string{"--username", "alice"}, 0, "For alice"},
		"help":         {[]string{"-h"}, 0, "Usage of gentoken"},
		"no name":      {nil, 2, "gentoken: --username is missing"},
		"unknown flag": {[]string{"--nonsense"}, 2, "-nonsense"},
		"broken key":   {[]string{"--username", "alice", "--keys", broken}, 1, "gentoken: " + broken},
	} {
		program := exec.Command(os.Args[0], append([]string{"--keys", keyDir}, c.args...)...)
		program.Env = append(os.Environ(), asProgram+"=1")
		var stderr bytes.Buffer
		program.Stderr = &stderr
		stdout, err := program.Output()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := program.ProcessState.ExitCode(); got != c.status || !strings.Contains(stderr.String(), c.says) || (len(stdout) > 0) != (name == "token") {
			t.Errorf("%s: status %d, %d bytes on standard output, standard error %q", name, got, len(stdout), stderr.String())
		}
		if strings.Count(stderr.String(), c.says) != 1 {
			t.Errorf("%s: said more than once: %q", name, stderr.String())
		}
	}
}

// --as-provider stands in for step 9, and --header and --claims change what no flaw
// does.
func TestAsProviderAndChanges(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	var out, said strings.Builder
	err := run([]string{"--as-provider", "--username", "alice", "--header", `{"typ":"JWT"}`,
		"--claims", `{"typ":"Bearer","client_id":null,"iss":"{issuer}-2","aud":["{resource}"]}`}, &out, &said)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(strings.TrimSpace(out.String()), ".")
	var texts [2]string
	for i := range texts {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	for i, wants := range [][]string{
		{`"typ":"JWT"`},
		{`"iss":"http://localhost:8080/realms/mcp-realm-2"`, `"aud":["http://localhost:9000/mcp"]`, `"typ":"Bearer"`,
			`"resource_access":{"echo-mcp-server":{"roles":["user"]}}`},
	} {
		for _, want := range wants {
			if !strings.Contains(texts[i], want) {
				t.Errorf("%s lacks %s", texts[i], want)
			}
		}
	}
	if strings.Contains(texts[1], "client_id") {
		t.Errorf("null doesn't take a claim away: %s", texts[1])
	}
	if _, err := os.Stat(filepath.Join(dir, "keys", "authorization-server", keys.PrivateFile)); err != nil {
		t.Error(err)
	}
	if err := run([]string{"--username", "alice", "--claims", "{"}, &out, &said); err == nil || !strings.Contains(err.Error(), "not a JSON object") {
		t.Errorf("broken JSON: %v", err)
	}
}
