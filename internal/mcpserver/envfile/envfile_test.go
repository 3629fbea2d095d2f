package envfile

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/localfile/variables"
	"mcp-auth-step-by-step/internal/mcpserver/trust"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/dialect"
	"mcp-auth-step-by-step/internal/oauth/issuerkeys"
	"mcp-auth-step-by-step/internal/web/serve"
)

var site = serve.Site{URL: "http://localhost:9000", Port: 9000}

// try reads a file with this text, in an environment and for a site; no file
// where the text is "-". It returns what was logged, too.
func try(t *testing.T, text string, environment map[string]string, site serve.Site) (*Settings, string, error) {
	t.Helper()
	log := &bytes.Buffer{}
	site.Log = slog.New(slog.NewTextHandler(log, nil))
	file := ""
	if text != "-" {
		file = filepath.Join(t.TempDir(), "some.env")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := read(file, func(name string) string { return environment[name] }, site)
	return s, log.String(), err
}

// preset is a dialect by its name.
func preset(name string) dialect.Dialect {
	d, err := dialect.Named(name)
	if err != nil {
		panic(err)
	}
	return d
}

var keycloak = preset("keycloak")

// byDefault are the settings where nothing is set.
func byDefault() Settings {
	return Settings{
		ServerURL: "http://localhost:9000", FirstScopes: "mcp:read",
		Issuers: []trust.Issuer{{
			Rules: accesstoken.Verifier{
				Issuer: "http://localhost:8080/realms/mcp-realm", Audience: "http://localhost:9000/mcp",
				Algorithms: []string{"RS256"}, Dialect: keycloak,
			},
			Keys: issuerkeys.Config{MinInterval: 5 * time.Second},
		}},
	}
}

// filled has in Keys what follows from other settings.
func filled(s Settings) Settings {
	for i, issuer := range s.Issuers {
		s.Issuers[i].Keys.Issuer, s.Issuers[i].Keys.Algorithms = issuer.Rules.Issuer, issuer.Rules.Algorithms
	}
	return s
}

// rules are those of the only issuer.
func rules(s *Settings) *accesstoken.Verifier { return &s.Issuers[0].Rules }

// WC12: a byte order mark is not part of a name, UTF-16 is named, and a variable
// that is set twice is told.
func TestWC12_Encodings(t *testing.T) {
	t.Parallel()
	s, log, err := try(t, "\ufeffJWT_ISSUER=https://id.example\nJWT_ALGORITHMS=RS256\nexport JWT_ALGORITHMS=ES256\n#JWT_ALGORITHMS=x\n", nil, site)
	if err != nil || rules(s).Issuer != "https://id.example" || strings.Contains(log, "unknown variable") {
		t.Errorf("%+v, %v, %s", s, err, log)
	}
	if strings.Count(log, "set twice") != 1 || !strings.Contains(log, "variable=JWT_ALGORITHMS") {
		t.Errorf("log: %s", log)
	}
	if _, _, err := try(t, "\xff\xfeJ\x00W\x00T\x00", nil, site); err == nil || !strings.Contains(err.Error(), "UTF-16") || !strings.Contains(err.Error(), "save it as UTF-8") {
		t.Error(err)
	}
}

// WC15: an audience that step 9's tokens don't have is told at start.
func TestWC15_AudienceOfTheOriginal(t *testing.T) {
	t.Parallel()
	_, log, err := try(t, "JWT_AUDIENCE=echo-mcp-server", nil, site)
	if err != nil || !strings.Contains(log, "level=WARN") || !strings.Contains(log, "resource=http://localhost:9000/mcp") {
		t.Errorf("%v: %s", err, log)
	}
	if _, log, err = try(t, "JWT_AUDIENCE=http://localhost:9000/mcp", nil, site); err != nil || strings.Contains(log, "WARN") {
		t.Errorf("%v: %s", err, log)
	}
}

// WC10: keys may come from another address than the issuer's, over http only with
// a warning.
func TestWC10_IssuerAddress(t *testing.T) {
	t.Parallel()
	for address, warns := range map[string]bool{"http://keycloak:8080/realms/mcp-realm": true, "https://keycloak/realms/mcp-realm": false, "http://127.0.0.1:8080/realms/x": false} {
		s, log, err := try(t, "JWT_ISSUER_ADDRESS="+address, nil, site)
		if err != nil || s.Issuers[0].Keys.Address != address || strings.Contains(log, "level=WARN") != warns {
			t.Errorf("%s: %+v, %v, %s", address, s, err, log)
		}
	}
	if _, _, err := try(t, "JWT_ISSUER_ADDRESS=keycloak:8080", nil, site); err == nil || !strings.Contains(err.Error(), "JWT_ISSUER_ADDRESS") {
		t.Error(err)
	}
}

// strictly is an issuer that is not said to be a Keycloak.
func strictly(issuer string) func(*Settings) {
	return func(s *Settings) {
		rules(s).Issuer, rules(s).Dialect = issuer, preset("rfc9068")
	}
}

func TestRead(t *testing.T) {
	stated := serve.Site{URL: "https://flag.example", Stated: true, Port: 9000}
	for name, c := range map[string]struct {
		file        string
		environment map[string]string
		site        serve.Site
		change      func(*Settings)
		says        string
	}{
		"nothing":           {"-", nil, site, func(*Settings) {}, "file=keycloak_direct.env"},
		"empty file":        {"", nil, site, func(*Settings) {}, "JWT_ALGORITHMS=RS256"},
		"only comments":     {"# KEYCLOAK_URL=http://x\n\n", nil, site, func(*Settings) {}, "KEYCLOAK_URL=http://localhost:8080"},
		"keycloak":          {"KEYCLOAK_URL=https://id.example/auth/\nKEYCLOAK_REALM=other", nil, site, func(s *Settings) { rules(s).Issuer = "https://id.example/auth/realms/other" }, ""},
		"issuer":            {"JWT_ISSUER=https://id.example/", nil, site, strictly("https://id.example/"), ""},
		"issuer over parts": {"KEYCLOAK_URL=https://x.example\nJWT_ISSUER=https://id.example", nil, site, strictly("https://id.example"), ""},
		"environment wins":  {"JWT_ISSUER=https://file.example", map[string]string{"JWT_ISSUER": "https://env.example"}, site, strictly("https://env.example"), ""},
		"set to nothing":    {"JWT_ISSUER=\nJWT_AUDIENCE=\"\"\nJWT_ALGORITHMS= ", nil, site, func(*Settings) {}, "JWT_ALGORITHMS=RS256"},
		"audience":          {"JWT_AUDIENCE=echo-mcp-server", nil, site, func(s *Settings) { rules(s).Audience = "echo-mcp-server" }, ""},
		"server URL":        {"MCP_SERVER_URL=https://mcp.example", nil, site, func(s *Settings) { s.ServerURL, rules(s).Audience = "https://mcp.example", "https://mcp.example/mcp" }, ""},
		"flag wins":         {"MCP_SERVER_URL=https://mcp.example", nil, stated, func(s *Settings) { s.ServerURL, rules(s).Audience = "https://flag.example", "https://flag.example/mcp" }, "because -url is set"},
		"flag agrees":       {"MCP_SERVER_URL=https://flag.example", nil, stated, func(s *Settings) { s.ServerURL, rules(s).Audience = "https://flag.example", "https://flag.example/mcp" }, ""},
		"other port": {"MCP_SERVER_URL=http://localhost:9001", nil, site, func(s *Settings) {
			s.ServerURL, rules(s).Audience = "http://localhost:9001", "http://localhost:9001/mcp"
		}, "another port than -addr"},
		"algorithms":       {"JWT_ALGORITHMS=ES256, EdDSA,ES256", nil, site, func(s *Settings) { rules(s).Algorithms = []string{"ES256", "EdDSA"} }, ""},
		"strict types":     {"JWT_TYPES=at+jwt", nil, site, func(s *Settings) { rules(s).Dialect.Types = []string{"at+jwt"} }, ""},
		"interval":         {"JWKS_MIN_INTERVAL=1m30s", nil, site, func(s *Settings) { s.Issuers[0].Keys.MinInterval = 90 * time.Second }, ""},
		"roles":            {"export JWT_ROLES_CLIENT='mine'", nil, site, func(s *Settings) { rules(s).Dialect.Roles = dialect.ClientRoles("mine") }, ""},
		"WA1 first scopes": {"MCP_CHALLENGE_SCOPES='mcp:read  mcp:tools'", nil, site, func(s *Settings) { s.FirstScopes = "mcp:read mcp:tools" }, ""},
		"unknown":          {"JWT_ISUER=https://id.example", nil, site, func(*Settings) {}, "variable=JWT_ISUER"},
	} {
		t.Run(name, func(t *testing.T) {
			want := byDefault()
			c.change(&want)
			got, log, err := try(t, c.file, c.environment, c.site)
			if err != nil || !reflect.DeepEqual(*got, filled(want)) {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
			if !strings.Contains(log, c.says) || name == "flag agrees" && strings.Contains(log, "because -url") {
				t.Errorf("the log doesn't say %q, or too much:\n%s", c.says, log)
			}
			if strings.Contains(log, "KEYCLOAK_URL=http://localhost:8080") && rules(&want).Issuer != "http://localhost:8080/realms/mcp-realm" {
				t.Errorf("the log tells a default that has no effect:\n%s", log)
			}
		})
	}
}

// What is malformed ends the start, by name, and with what to do.
func TestMalformed(t *testing.T) {
	for variable, says := range map[string]string{
		"KEYCLOAK_URL=localhost:8080":            "KEYCLOAK_URL",
		"KEYCLOAK_URL=http://id.example":         "not https",
		"KEYCLOAK_URL=https://id.example?x":      "query",
		"KEYCLOAK_REALM=a/../b":                  "letters, digits",
		"KEYCLOAK_REALM=..":                      "letters, digits",
		"MCP_SERVER_URL=http://localhost:9000/":  "slash",
		"MCP_SERVER_URL=localhost:9000":          "want scheme://host",
		"MCP_SERVER_URL=http://LOCALHOST:9000":   "lower case",
		"JWT_ISSUER=http://id.example":           "not https",
		"JWT_ISSUER=ftp://localhost":             "not https",
		"JWT_ISSUER=https://id.example/?realm=1": "query",
		"JWT_ISSUER=mcp-realm":                   "not a URL",
		"JWT_AUDIENCE=a b":                       "one audience",
		"JWT_AUDIENCE=a,":                        "one audience",
		"JWT_ALGORITHMS=HS256":                   "RS256, PS256, ES256, EdDSA",
		"JWT_ALGORITHMS=none":                    "RS256, PS256, ES256, EdDSA",
		"JWT_ALGORITHMS=RS256,":                  "RS256, PS256, ES256, EdDSA",
		"JWT_ALGORITHMS=rs256":                   "RS256, PS256, ES256, EdDSA",
		"JWT_TYPES=at+jwt,id":                    "at+jwt, JWT, absent",
		"JWT_DIALECT=Okta":                       "want one of rfc9068, keycloak",
		"JWT_DIALECT=google":                     "step 9",
		"JWT_PROOF=!nonce":                       "must show that a token is an access token",
		"JWT_PROOF=a|":                           "not a condition",
		"JWT_CLIENT_CLAIMS=azp,":                 "name of a claim",
		"JWT_SCOPE_CLAIMS=[]":                    "name of a claim",
		"JWT_ID_CLAIM=a b":                       "name of a claim",
		"JWT_ROLES_CLAIM=/a//b":                  "JSON Pointer",
		"JWT_MAY_LACK=exp":                       "iat, sub, jti",
		"JWT_MAX_LIFETIME=28":                    "like 28h",
		"JWT_MAX_LIFETIME=9000h":                 "like 28h",
		"JWT_SCOPE_NAMES=mcp:read":               "NAME-HERE=NAME-THERE",
		"JWT_SCOPE_NAMES='a=b a=c'":              "two names",
		"JWT_ISSUERS=no.env":                     "file not found",
		"JWT_ISSUERS=,":                          "commas between",
		"JWKS_MIN_INTERVAL=5":                    "like 5s",
		"JWKS_MIN_INTERVAL=0s":                   "like 5s",
		"JWKS_MIN_INTERVAL=-1s":                  "like 5s",
		"JWKS_MIN_INTERVAL=48h":                  "like 5s",
		`MCP_CHALLENGE_SCOPES='a "b"'`:           "list of scopes",
	} {
		name, value, _ := strings.Cut(variable, "=")
		value = strings.Trim(value, "'")
		for where, c := range map[string]struct {
			file        string
			environment map[string]string
		}{
			"some.env":        {variable, nil}, // the end of its path
			"the environment": {"-", map[string]string{name: value}},
		} {
			s, _, err := try(t, c.file, c.environment, site)
			if err == nil || s != nil || !strings.Contains(err.Error(), where+": "+name+": ") || !strings.Contains(err.Error(), says) {
				t.Errorf("%s in %s: %v", variable, where, err)
			}
		}
	}
}

// A line that can't be read is named by its number: what stands in it may be a
// secret in the wrong place.
func TestBrokenFile(t *testing.T) {
	for text, line := range map[string]string{
		"hunter2-is-my-password":                   "line 1",
		"KEYCLOAK_REALM=a\n\nhunter2\nJWT_TYPES=x": "line 3",
		"KEYCLOAK_REALM=\"hunter2":                 "line 1",
		"hunter-2=x":                               "line 1",
	} {
		_, log, err := try(t, text, nil, site)
		if err == nil || !strings.Contains(err.Error(), "some.env, "+line+":") || strings.Contains(err.Error()+log, "hunter") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNamedFileMustBeThere(t *testing.T) {
	_, err := Read("no.env", &site)
	if err == nil || !strings.Contains(err.Error(), "-env no.env") || !strings.Contains(err.Error(), Default) {
		t.Error(err)
	}
	if _, err := Read(".", &site); err == nil || !strings.Contains(err.Error(), "can't be read") {
		t.Error(err)
	}
}

// WD18: an environment file that everybody can write is not read, nor one that is
// none.
func TestWD18_OpenModes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "some.env")
	if err := os.WriteFile(file, []byte("JWT_ISSUER=https://id.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(file string) error {
		quiet := site
		quiet.Log = slog.New(slog.DiscardHandler)
		_, err := read(file, func(string) string { return "" }, quiet)
		return err
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: true, 0o666: false, 0o602: false} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if err := ask(file); runtime.GOOS != "windows" && ((err == nil) != good || err != nil && !strings.Contains(err.Error(), "chmod o-w "+file)) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if err := ask(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a folder: %v", err)
	}
	if err := os.WriteFile(file, bytes.Repeat([]byte{'#'}, variables.MaxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(file, 0o600)
	if err := ask(file); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}
