package keycloak

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAMissingRealmIsImportedAndASecondRunChangesNothing(t *testing.T) {
	f := newFake(t)
	said, err := run(t, f.options())
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if !slices.Equal(f.writes, []string{"POST "}) || !strings.Contains(said, "created") {
		t.Errorf("first run: %v\n%s", f.writes, said)
	}
	f.writes = nil
	said, err = run(t, f.options())
	if err != nil || len(f.writes) > 0 || !strings.Contains(said, " 0 created, 0 updated, ") {
		t.Errorf("second run: %v, %v\n%s", err, f.writes, said)
	}
}

func TestOnlyWhatDiffersIsUpdatedAndWhatIsUnknownStays(t *testing.T) {
	f := newFake(t)
	if _, err := run(t, f.options()); err != nil {
		t.Fatal(err)
	}
	f.writes = nil
	f.realm["accessTokenLifespan"] = 60.0
	f.lists["/clients"] = append(f.lists["/clients"], object{"id": "client-theirs", "clientId": "theirs"})
	f.lists["/client-policies/profiles"] = append(f.lists["/client-policies/profiles"][1:], object{"name": "theirs"})
	f.lists["/client-policies/policies"][0]["enabled"] = false
	for _, c := range f.lists["/clients"] {
		if c["clientId"] == "mcp-test-client" {
			c["redirectUris"] = []any{"http://127.0.0.1/theirs"}
		}
	}
	delete(f.lists, "/users/user-mcp-user/role-mappings/clients/client-echo-mcp-server")
	f.lists["/components"] = f.lists["/components"][1:]

	said, err := run(t, f.options())
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	want := []string{
		"PUT /mcp-realm", "PUT /mcp-realm/clients/client-mcp-test-client",
		"POST /mcp-realm/users/user-mcp-user/role-mappings/clients/client-echo-mcp-server",
		"POST /mcp-realm/components", "PUT /mcp-realm/client-policies/profiles", "PUT /mcp-realm/client-policies/policies",
	}
	if !slices.Equal(f.writes, want) {
		t.Errorf("writes:\n%s\n%s", strings.Join(f.writes, "\n"), said)
	}
	if f.realm["accessTokenLifespan"] != 300.0 {
		t.Errorf("accessTokenLifespan is %v", f.realm["accessTokenLifespan"])
	}
	for _, c := range f.lists["/clients"] {
		if c["clientId"] == "mcp-test-client" && (!slices.Contains(texts(c["redirectUris"]), "http://127.0.0.1/theirs") || !slices.Contains(texts(c["redirectUris"]), "http://127.0.0.1/callback")) {
			t.Errorf("redirectUris: %v", c["redirectUris"])
		}
	}
	if f.lists["/client-policies/policies"][0]["enabled"] != true {
		t.Error("a policy is still switched off")
	}
	if !slices.ContainsFunc(f.lists["/client-policies/profiles"], func(o object) bool { return o["name"] == "theirs" }) {
		t.Error("a profile of others is gone")
	}
}

func TestTheProxyIsTheIssuer(t *testing.T) {
	f := newFake(t)
	o := f.options()
	o.PublicURL = "http://localhost:9090"
	said, err := run(t, o)
	if err != nil || !strings.Contains(said, "issuer     http://localhost:9090/realms/mcp-realm") {
		t.Fatalf("%v\n%s", err, said)
	}
	if said, err = run(t, f.options()); err != nil || !strings.Contains(said, "issuer     "+f.URL) {
		t.Errorf("without a proxy again: %v\n%s", err, said)
	}
}

// WA3: Keycloak refuses a realm that names an executor which it doesn't have.
func TestWA3_WithoutItsFeatureThePolicyForDocumentsIsLeftOut(t *testing.T) {
	names := func(path string) (found []string) {
		f := newFake(t)
		f.noDocuments = path == "without"
		said, err := run(t, f.options())
		if err != nil || f.noDocuments != strings.Contains(said, "without the feature cimd") {
			t.Errorf("%s: %v\n%s", path, err, said)
		}
		for _, list := range []string{"/client-policies/profiles", "/client-policies/policies"} {
			for _, o := range f.lists[list] {
				found = append(found, text(o, "name"))
			}
		}
		return found
	}
	with, without := names("with"), names("without")
	if !slices.Contains(with, "client-id-metadata-documents") || slices.Contains(without, "client-id-metadata-documents") || len(without) != len(with)-2 {
		t.Errorf("with the feature %q, without %q", with, without)
	}
}

// WF2: a Keycloak that was started with the address of its proxy states that
// address, with and without a proxy of ours.
func TestWF2_KeycloakStatesTheAddressOfItsProxy(t *testing.T) {
	f := newFake(t)
	f.base = "http://localhost:9090"
	said, err := run(t, f.options("KEYCLOAK_HOSTNAME=http://localhost:9090/"))
	if err != nil || !strings.Contains(said, "issuer     http://localhost:9090/realms/mcp-realm") {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err = run(t, f.options()); err == nil || !strings.Contains(said, "set KEYCLOAK_HOSTNAME") {
		t.Errorf("without the variable: %v\n%s", err, said)
	}
	if said, err = run(t, f.options("KEYCLOAK_HOSTNAME=http://keycloak.example")); err == nil || !strings.Contains(err.Error(), "KEYCLOAK_HOSTNAME") {
		t.Errorf("over http: %v\n%s", err, said)
	}
}

func TestResourceAndRealmNameComeFromOptionsOrEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		environment []string
		resource    string
		want        string
	}{
		"the file":       {nil, "", "http://localhost:9000/mcp"},
		"the server":     {[]string{"MCP_SERVER_URL=http://localhost:9300/"}, "", "http://localhost:9300/mcp"},
		"the resource":   {[]string{"MCP_SERVER_URL=http://localhost:9300", "MCP_RESOURCE=http://localhost:9400/mcp"}, "", "http://localhost:9400/mcp"},
		"the option":     {[]string{"MCP_RESOURCE=http://localhost:9400/mcp"}, "http://localhost:9500/mcp", "http://localhost:9500/mcp"},
		"another secret": {[]string{"ECHO_MCP_SERVER_SECRET=canary-of-ones-own"}, "", "http://localhost:9000/mcp"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			o := f.options(append(c.environment, "KEYCLOAK_REALM=another")...)
			o.Resource = c.resource
			_, _ = run(t, o)
			if f.name != "another" || f.parsed.Audience() != c.want {
				t.Errorf("realm %q for %q", f.name, f.parsed.Audience())
			}
		})
	}
}

func TestCheckOnlyChangesNothing(t *testing.T) {
	f := newFake(t)
	o := f.options()
	o.CheckOnly, o.AdminPassword = true, ""
	if _, err := run(t, o); err == nil || len(f.writes) > 0 {
		t.Errorf("a missing realm: %v, %v", err, f.writes)
	}
	if _, err := run(t, f.options()); err != nil {
		t.Fatal(err)
	}
	f.writes = nil
	if said, err := run(t, o); err != nil || len(f.writes) > 0 {
		t.Errorf("%v, %v\n%s", err, f.writes, said)
	}
}

func TestEveryFailureSaysWhatToDo(t *testing.T) {
	notKeycloak := httptest.NewServer(http.NotFoundHandler())
	defer notKeycloak.Close()
	nobody := "http://" + unusedAddress(t)
	for name, c := range map[string]struct {
		breaks func(*fake, *Options)
		want   string
	}{
		"wrong password":       {func(_ *fake, o *Options) { o.AdminPassword = "canary" }, "--admin-password"},
		"no administrator":     {func(f *fake, _ *Options) { f.forbidden = true }, "--admin-user"},
		"no Keycloak":          {func(_ *fake, o *Options) { o.URL = notKeycloak.URL }, "is not a Keycloak"},
		"nobody, check":        {func(_ *fake, o *Options) { o.URL, o.CheckOnly = nobody, true }, "without --check, which starts a Keycloak"},
		"nobody, with a path":  {func(_ *fake, o *Options) { o.URL = nobody + "/auth" }, "only starts a Keycloak at a URL such as"},
		"nobody, no script":    {func(_ *fake, o *Options) { o.URL, o.Root = nobody, t.TempDir() }, "folder of the repository"},
		"http elsewhere":       {func(_ *fake, o *Options) { o.URL = "http://keycloak.example" }, "must be https"},
		"no URL":               {func(_ *fake, o *Options) { o.URL = "localhost:8080" }, "is not a base URL"},
		"demo realm elsewhere": {func(_ *fake, o *Options) { o.URL = "https://keycloak.example" }, "demo password"},
		"no admin elsewhere":   {func(_ *fake, o *Options) { o.URL, o.AdminPassword = "https://keycloak.example", "" }, "KC_BOOTSTRAP_ADMIN_PASSWORD"},
		"demo behind a proxy":  {func(_ *fake, o *Options) { o.PublicURL = "https://login.example" }, "demo password"},
		"no realm file":        {func(_ *fake, o *Options) { o.RealmFile = filepath.Join(t.TempDir(), "none.json") }, "the realm file can't be used"},
		"another issuer":       {func(f *fake, _ *Options) { f.base = "http://elsewhere.example" }, "--hostname="},
		"no PKCE":              {func(f *fake, _ *Options) { f.noPKCE = true }, "pkce-enforcer"},
		"any resource":         {func(f *fake, _ *Options) { f.anyResource = true }, "are issued"},
		"no audience":          {func(f *fake, _ *Options) { f.noAudience = true }, "audience is"},
		"all scopes":           {func(f *fake, _ *Options) { f.allScopes = true }, "roles allow"},
		"another secret":       {func(f *fake, _ *Options) { f.wrongSecret = true }, "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			o := f.options()
			c.breaks(f, &o)
			said, err := run(t, o)
			if err == nil {
				t.Fatalf("no error:\n%s", said)
			}
			if !strings.Contains(said+err.Error(), c.want) {
				t.Errorf("%q is not in:\n%s%v", c.want, said, err)
			}
		})
	}
}

func TestJ05_ANewSecretAloneIsNotEnoughElsewhere(t *testing.T) {
	_, err := run(t, Options{URL: "https://keycloak.example", AdminPassword: adminPassword, Getenv: func(name string) string {
		return map[string]string{"ECHO_MCP_SERVER_SECRET": "canary-of-ones-own"}[name]
	}})
	if err == nil || !strings.Contains(err.Error(), "demo password") {
		t.Errorf("%v", err)
	}
}

// unusedAddress is one at which nobody listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestAKeycloakIsStartedByTheScript(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"it fails":         {"echo 'install Java 21' >&2; exit 1", "install Java 21"},
		"nothing is there": {`test -n "$KEYCLOAK_PORT" && test -n "$KC_BOOTSTRAP_ADMIN_USERNAME"`, "no Keycloak answers"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "scripts"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, script), []byte(c.script), 0o600); err != nil {
				t.Fatal(err)
			}
			o := newFake(t).options("KEYCLOAK_HOME=" + root)
			o.URL, o.Root = "http://"+unusedAddress(t), root
			said, err := run(t, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\n%s", err, said)
			}
			if !strings.Contains(said, "is being started by") {
				t.Errorf("no line that tells of it:\n%s", said)
			}
		})
	}
}

func TestDockerComposeIsUsedWhereAnEngineAnswers(t *testing.T) {
	for name, c := range map[string]struct{ docker, said, err string }{
		"an engine":       {"exit 0", "by docker compose", "docker compose succeeded, but no Keycloak answers"},
		"no engine":       {`[ "$1" != info ]`, "no Docker engine", "scripts/keycloak.sh succeeded"},
		"no compose":      {"exit 1", "is not installed", "scripts/keycloak.sh succeeded"},
		"compose, failed": {`case "$*" in *" up "*) echo no such image >&2; exit 1;; esac`, "by docker compose", "no such image"},
	} {
		t.Run(name, func(t *testing.T) {
			root, bin := t.TempDir(), t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "scripts"), 0o755); err != nil {
				t.Fatal(err)
			}
			for path, text := range map[string]string{filepath.Join(root, script): "exit 0", filepath.Join(bin, "docker"): "#!/bin/sh\n" + c.docker + "\n"} {
				if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			o := newFake(t).options()
			o.URL, o.Root = "http://"+unusedAddress(t), root
			said, err := run(t, o)
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(said, c.said) {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}

func TestHasAndMerged(t *testing.T) {
	list := func(values ...any) []any { return values }
	for name, c := range map[string]struct {
		got, want object
		has       bool
	}{
		"same":                     {object{"a": "x"}, object{"a": "x"}, true},
		"more":                     {object{"a": "x", "b": true}, object{"a": "x"}, true},
		"another value":            {object{"a": "x"}, object{"a": "y"}, false},
		"missing":                  {object{}, object{"a": true}, false},
		"missing and empty":        {object{}, object{"a": ""}, true},
		"missing and no members":   {object{}, object{"a": object{}}, true},
		"missing and no entries":   {object{}, object{"a": list()}, true},
		"inner":                    {object{"a": object{"b": "x", "c": "y"}}, object{"a": object{"b": "x"}}, true},
		"inner, another":           {object{"a": object{"b": "x"}}, object{"a": object{"b": "y"}}, false},
		"entries in other order":   {object{"a": list("x", "y")}, object{"a": list("y", "x")}, true},
		"an entry more":            {object{"a": list("x", "y")}, object{"a": list("x")}, false},
		"a redirect more":          {object{"redirectUris": list("x", "y")}, object{"redirectUris": list("x")}, true},
		"a redirect missing":       {object{"redirectUris": list("x")}, object{"redirectUris": list("y")}, false},
		"objects":                  {object{"a": list(object{"b": 1.0, "c": 2.0})}, object{"a": list(object{"b": 1.0})}, true},
		"objects, one another":     {object{"a": list(object{"b": 1.0})}, object{"a": list(object{"b": 2.0})}, false},
		"no list where one is due": {object{"a": "x"}, object{"a": list("x")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if has(c.got, c.want) != c.has {
				t.Errorf("has is %v", !c.has)
			}
			after := merged(c.got, c.want)
			if !has(after, c.want) {
				t.Errorf("after merging, %v lacks something of %v", after, c.want)
			}
			for name := range c.got {
				if _, there := after[name]; !there {
					t.Errorf("merging lost %s", name)
				}
			}
		})
	}
}

func TestAfterAnErrorNothingIsSent(t *testing.T) {
	f := newFake(t)
	s, err := newSetup(f.options(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	y := &syncer{admin: admin{s: s}, counts: map[change]int{}}
	y.get(t.Context(), "/nowhere", nil)
	y.fail(errors.New("a later error"))
	y.put(t.Context(), "client", "a", "/clients", "", nil, object{"clientId": "a"})
	if !errors.Is(y.err, errNotFound) || len(f.writes) > 0 || len(y.counts) > 0 {
		t.Errorf("%v, sent %q, counted %v", y.err, f.writes, y.counts)
	}
}
