package upstream

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/localfile/variables"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// read reads a file with this text.
func read(t *testing.T, text string, environment map[string]string) (*Settings, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "some-upstream.env")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := Read(file, func(name string) string { return environment[name] }, slog.New(slog.NewTextHandler(&log, nil)))
	return s, log.String(), err
}

// least is the least that a file must say, for an issuer.
func least(issuer, who string) string {
	return "UPSTREAM_ISSUER=" + issuer + "\nUPSTREAM_CLIENT_ID=us\nUPSTREAM_CLIENT_SECRET=s3cret\n" + who + "\n"
}

const everybodyMay = everybody + "=yes"

func TestRead(t *testing.T) {
	s, log, err := read(t, least("https://op.example", everybodyMay), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Dialect != OpenID || s.Name != "op.example" || s.Method != "client_secret_basic" || s.Lifetime != 24*time.Hour ||
		strings.Join(s.Scopes, " ") != "openid profile email" || !s.Everybody {
		t.Errorf("settings %+v", s)
	}
	if !strings.Contains(log, "no user has a role") {
		t.Errorf("log %q", log)
	}
	s, log, err = read(t, least("https://accounts.google.com", "UPSTREAM_HOSTED_DOMAINS=example.com, example.org\nUPSTREAM_ROLES_CLAIM=hd\n"+
		"UPSTREAM_ROLES=\"example.com=user, a=b=admin\"\nUPSTREAM_GRANT_LIFETIME=8h"), map[string]string{"UPSTREAM_CLIENT_ID": "other"})
	if err != nil || log != "" {
		t.Fatalf("%v, log %s", err, log)
	}
	if s.Dialect != Google || s.Client.ID != "other" || len(s.Domains) != 2 || s.Roles[1] != (Mapping{"a=b", "admin"}) || s.Lifetime != 8*time.Hour {
		t.Errorf("settings %+v", s)
	}
}

// Nobody may log in by default, and at an issuer that serves the public, nobody can
// be everybody.
func TestU11_ReadRefuses(t *testing.T) {
	const google, organizations = "https://accounts.google.com", "https://login.microsoftonline.com/organizations/v2.0"
	good := func(more string) string { return least("https://op.example", everybodyMay+"\n"+more) }
	for name, c := range map[string]struct{ text, want string }{
		"nobody may":                  {least("https://op.example", ""), "nobody may log in: set UPSTREAM_TENANTS"},
		"nobody may at Google":        {least(google, ""), "nobody may log in"},
		"everybody at Google":         {least(google, everybodyMay), "everybody can have an account at https://accounts.google.com"},
		"everybody at Entra":          {least(organizations, everybodyMay), "everybody can have an account"},
		"everybody at gitlab.com":     {least("https://gitlab.com", everybodyMay), "everybody can have an account"},
		"no tenants for several":      {least(organizations, "UPSTREAM_GROUPS=g"), "UPSTREAM_TENANTS is not set"},
		"personal accounts":           {least("https://login.microsoftonline.com/"+personalAccounts+"/v2.0", everybodyMay), "everybody can have"},
		"consumers":                   {least("https://login.microsoftonline.com/consumers/v2.0", "UPSTREAM_SUBJECTS=x"), personalAccounts},
		"Entra's old issuer":          {least("https://login.microsoftonline.com/TID", "UPSTREAM_SUBJECTS=x"), "/v2.0"},
		"everybody and some":          {good("UPSTREAM_GROUPS=g"), "another variable says who may log in"},
		"everybody, misspelled":       {least("https://op.example", "UPSTREAM_EVERYBODY=true"), "write yes"},
		"no issuer":                   {"UPSTREAM_CLIENT_ID=us\n", "UPSTREAM_ISSUER is not set"},
		"plain http":                  {least("http://op.example", everybodyMay), "not https"},
		"a query":                     {least("https://op.example/?x", everybodyMay), "query or a fragment"},
		"no client":                   {"UPSTREAM_ISSUER=https://op.example\n", "UPSTREAM_CLIENT_ID is not set"},
		"no secret":                   {"UPSTREAM_ISSUER=https://op.example\nUPSTREAM_CLIENT_ID=us\n", "UPSTREAM_CLIENT_SECRET is not set"},
		"unknown method":              {good("UPSTREAM_CLIENT_METHOD=none"), "is not one of"},
		"secret beside a key":         {good("UPSTREAM_CLIENT_KEY=k.pem"), "it has no effect"},
		"no key":                      {good("UPSTREAM_CLIENT_METHOD=private_key_jwt"), "UPSTREAM_CLIENT_KEY is not set"},
		"no openid":                   {good("UPSTREAM_SCOPES=profile"), "openid"},
		"algorithm none":              {good("UPSTREAM_ALGORITHMS=none"), "is not one of"},
		"algorithm HS256":             {good("UPSTREAM_ALGORITHMS=RS256,HS256"), "is not one of"},
		"dialect":                     {good("UPSTREAM_DIALECT=okta"), "is not one of"},
		"dialect against the issuer":  {least(google, "UPSTREAM_SUBJECTS=x\nUPSTREAM_DIALECT=openid"), "the issuer needs google"},
		"everybody, Google's dialect": {good("UPSTREAM_DIALECT=google"), "everybody can have an account"},
		"a bad path of groups":        {good("UPSTREAM_GROUPS_CLAIM=/a//b"), "UPSTREAM_GROUPS_CLAIM"},
		"empty entry":                 {least("https://op.example", "UPSTREAM_GROUPS=a,,b"), "an entry is empty"},
		"role of nothing":             {good("UPSTREAM_ROLES=admin"), "is not VALUE=ROLE"},
		"roles by e-mail":             {good("UPSTREAM_ROLES_CLAIM=email"), "can become another person's"},
		"groups by a name":            {good("UPSTREAM_GROUPS_CLAIM=preferred_username"), "can become another person's"},
		"a bad path":                  {good("UPSTREAM_ROLES_CLAIM=/a//b"), "UPSTREAM_ROLES_CLAIM"},
		"lifetime":                    {good("UPSTREAM_GRANT_LIFETIME=1s"), "is not a duration"},
	} {
		if _, _, err := read(t, c.text, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
}

// A tenant of one's own is not public, and the tenant of personal accounts means
// something at Entra alone.
func TestU11_EverybodyOfATenant(t *testing.T) {
	for _, issuer := range []string{
		"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0", "https://op.example/" + personalAccounts + "/v2.0",
	} {
		if _, _, err := read(t, least(issuer, everybodyMay), nil); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestReadWithoutAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none.env")
	if _, err := Read(file, os.Getenv, slog.New(slog.DiscardHandler)); !errors.Is(err, variables.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

// The file holds a secret, and is guarded as a key is.
func TestU12_SecretIsGuarded(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	file := filepath.Join(t.TempDir(), "some.env")
	if err := os.WriteFile(file, []byte(least("https://op.example", everybodyMay)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Read(file, func(string) string { return "" }, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "chmod 600") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error %v", err)
	}
}

// Whoever changes who may log in starts anew; another secret changes nothing.
func TestPolicy(t *testing.T) {
	policy := func(text string) string {
		s, _, err := read(t, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s.Policy()
	}
	before := policy(least("https://op.example", "UPSTREAM_GROUPS=a"))
	if policy(strings.Replace(least("https://op.example", "UPSTREAM_GROUPS=a"), "s3cret", "other", 1)) != before {
		t.Error("another secret is another policy")
	}
	for _, other := range []string{"UPSTREAM_GROUPS=a,b", "UPSTREAM_SUBJECTS=a", "UPSTREAM_GROUPS=a\nUPSTREAM_ROLES=a=admin"} {
		if policy(least("https://op.example", other)) == before {
			t.Errorf("%s is the same policy", other)
		}
	}
}

// The files of providers/ say all that they must but for the secret.
func TestProviderFiles(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "providers", "*-upstream.env"))
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, log, err := read(t, string(text), map[string]string{"UPSTREAM_CLIENT_SECRET": "s3cret"})
		if err != nil || log != "" || len(s.Roles) == 0 {
			t.Errorf("%s: %v, log %s", file, err, log)
		}
		if _, _, err := read(t, string(text), nil); err == nil || !strings.Contains(err.Error(), "UPSTREAM_CLIENT_SECRET") {
			t.Errorf("%s without a secret: %v", file, err)
		}
	}
}
