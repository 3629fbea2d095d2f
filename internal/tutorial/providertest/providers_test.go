package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mcp-auth-step-by-step/internal/authserver"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/keycloak"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

const (
	realmPath = "/realms/mcp-realm"
	resource  = "http://localhost:9000/mcp"
)

// provider is an authorization server under test. Everything but the key
// rotation goes by HTTP.
type provider struct {
	name   string
	issuer string
	// rotate makes the provider sign with another key from now on, and
	// returns what makes it as it was.
	rotate func(context.Context) (undo func() error, err error)
	// publish makes a client metadata document available to the provider, or
	// is nil where that can't be.
	publish func(clientID string, document []byte)
	// site is the host of the documents.
	site string

	mu   sync.Mutex
	seen map[string]bool // differences that were looked at
}

var (
	embedded   *provider
	kc         *provider // nil where there is no Keycloak
	noKeycloak string    // why
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "providertest:", err)
		return 1
	}
	stop, err := startEmbedded()
	if err != nil {
		return fail(err)
	}
	defer stop()
	stop, err = startKeycloak(context.Background())
	defer stop()
	if err != nil {
		return fail(err)
	}
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.list").Value.String() == "" {
		code = everyDifferenceSeen()
	}
	return code
}

// everyDifferenceSeen makes sure that nothing stands in the table that no test
// looks at.
func everyDifferenceSeen() int {
	code := 0
	for _, d := range Differences {
		for _, p := range []*provider{embedded, kc} {
			if p != nil && !p.seen[d.ID] {
				fmt.Fprintf(os.Stderr, "providertest: no test looks at the difference %s of %s\n", d.ID, p.name)
				code = 1
			}
		}
	}
	return code
}

// each runs a test against every provider that is there.
func each(t *testing.T, test func(*testing.T, *provider)) {
	t.Helper()
	for _, p := range []*provider{embedded, kc} {
		if p == nil {
			t.Run("keycloak", func(t *testing.T) { t.Skip("NOT TESTED against Keycloak: " + noKeycloak) })
			continue
		}
		t.Run(p.name, func(t *testing.T) { test(t, p) })
	}
}

// observe compares what a provider does with its column of the table.
func (p *provider) observe(t *testing.T, id, got string) {
	t.Helper()
	i := slices.IndexFunc(Differences, func(d Difference) bool { return d.ID == id })
	if i < 0 {
		t.Errorf("there is no difference %s in the table; got %q", id, got)
		return
	}
	p.mu.Lock()
	p.seen[id] = true
	p.mu.Unlock()
	d := Differences[i]
	want := d.Embedded
	if p == kc {
		want = d.Keycloak
	}
	if got != want {
		t.Errorf("difference %s: %s: got %q, and the table says %q", id, d.What, got, want)
	}
}

// documents stands in for the web: what clients published.
type documents struct {
	mu   sync.Mutex
	text map[string][]byte
}

func (d *documents) publish(clientID string, document []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text[clientID] = document
}

func (d *documents) get(clientID string) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, ok := d.text[clientID]
	return text, ok
}

// RoundTrip serves the documents without a network, and without the TLS that
// is the fetcher's own matter.
func (d *documents) RoundTrip(r *http.Request) (*http.Response, error) {
	text, ok := d.get(r.URL.String())
	if !ok {
		return nil, errors.New("no document")
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(text)), Request: r,
	}, nil
}

func startEmbedded() (stop func(), err error) {
	keys, err := authserver.GenerateKeyRing()
	if err != nil {
		return nil, err
	}
	web := httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(web.Listener.Addr().String())
	if err != nil {
		return nil, err
	}
	published := &documents{text: map[string][]byte{}}
	embedded = &provider{
		name: "embedded", issuer: "http://localhost:" + port + realmPath, seen: map[string]bool{},
		publish: published.publish, site: "https://localhost",
		rotate: func(context.Context) (func() error, error) {
			next, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				return nil, err
			}
			return func() error { return nil }, keys.Rotate(next)
		},
	}
	server, err := authserver.New(authserver.Config{
		Issuer: embedded.issuer, Keys: keys,
		PasswordCost: authserver.PasswordCost{Memory: 8, Passes: 1},
		Documents:    clientmetadata.NewFetcher(&http.Client{Transport: published}, nil),
		Limits:       authserver.Limits{Registrations: 1000},

		AdvertiseDocuments: true, // as Keycloak does
	})
	if err != nil {
		return nil, err
	}
	web.Config.Handler = server
	web.Start()
	return web.Close, nil
}

// startKeycloak takes the Keycloak of KEYCLOAK_URL, or starts one where that is
// asked for. In CI, being without one is a failure.
func startKeycloak(ctx context.Context) (stop func(), err error) {
	stop = func() {}
	set := func(name string) bool { v := os.Getenv(name); return v != "" && v != "0" && v != "false" }
	base := os.Getenv("KEYCLOAK_URL")
	started := base == ""
	if started {
		if !set("KEYCLOAK_TEST") && !set("KEYCLOAK_REQUIRED") && !set("CI") {
			noKeycloak = "set KEYCLOAK_TEST=1 to start one (Java 21 or later), or KEYCLOAK_URL to one that runs"
			fmt.Fprintln(os.Stderr, "providertest: NOT TESTED against Keycloak:", noKeycloak)
			return stop, nil
		}
		if testing.Short() && !set("KEYCLOAK_REQUIRED") && !set("CI") {
			noKeycloak = "it takes too long for -short"
			return stop, nil
		}
	}
	web, published, authority, err := publishOverTLS()
	if err != nil {
		return stop, err
	}
	stop = web.Close
	if started {
		var stopKeycloak func()
		if base, stopKeycloak, err = runScript(ctx, authority); err != nil {
			return stop, err
		}
		stop = func() { stopKeycloak(); web.Close() }
	}
	options := keycloak.Options{URL: base, Getenv: func(name string) string {
		if strings.HasPrefix(name, "KC_BOOTSTRAP_") {
			return os.Getenv(name)
		}
		return ""
	}}
	var said bytes.Buffer
	for range 2 {
		said.Reset()
		if err := keycloak.Run(ctx, options, &said); err != nil {
			return stop, fmt.Errorf("%w\n%s", err, said.String())
		}
	}
	if !strings.Contains(said.String(), " 0 created, 0 updated, ") {
		return stop, fmt.Errorf("bringing the realm up to the file a second time changed something:\n%s", said.String())
	}
	kc = &provider{name: "keycloak", issuer: strings.TrimSuffix(base, "/") + realmPath, seen: map[string]bool{}}
	kc.rotate = func(ctx context.Context) (func() error, error) { return rotateKeycloak(ctx, base) }
	if started { // only then does it trust our certificate
		kc.publish, kc.site = published.publish, "https://localhost:"+web.URL[strings.LastIndex(web.URL, ":")+1:]
	}
	return stop, nil
}

// publishOverTLS serves documents on loopback, and returns a file with the
// certificate authority to trust for it.
func publishOverTLS() (web *httptest.Server, published *documents, authority string, err error) {
	published = &documents{text: map[string][]byte{}}
	web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := published.get("https://" + r.Host + r.URL.Path)
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}))
	certificate, authority, err := certificateFor("localhost")
	if err != nil {
		return nil, nil, "", err
	}
	web.TLS = certificate
	web.StartTLS()
	return web, published, authority, nil
}

// runScript starts Keycloak with a state of its own, on free ports.
func runScript(ctx context.Context, authority string) (base string, stop func(), err error) {
	folder, err := os.MkdirTemp("", "keycloak-test")
	if err != nil {
		return "", nil, err
	}
	ports, err := program.FreePorts(2)
	if err != nil {
		return "", nil, err
	}
	port, managementPort := ports[0], ports[1]
	trusted := filepath.Join(folder, "authority.pem")
	if err := os.WriteFile(trusted, []byte(authority), 0o600); err != nil {
		return "", nil, err
	}
	environment := append(os.Environ(), "KEYCLOAK_STATE="+folder, "KEYCLOAK_PORT="+port, "KEYCLOAK_MANAGEMENT_PORT="+managementPort,
		"KC_TRUSTSTORE_PATHS="+trusted, "KEYCLOAK_HOSTNAME=", "KEYCLOAK_FEATURES=cimd,resource-indicators", "KEYCLOAK_INSTALL_JAVA="+installJava())
	script := func(command string) error {
		log, err := os.CreateTemp(folder, command)
		if err != nil {
			return err
		}
		defer func() { _ = log.Close() }()
		// A file and no pipe: Keycloak stays, and would hold a pipe open.
		c := exec.CommandContext(ctx, "bash", "../../../scripts/keycloak.sh", command)
		c.Env, c.Stdout, c.Stderr = environment, log, log
		if err := c.Run(); err != nil {
			text, _ := os.ReadFile(log.Name())
			return fmt.Errorf("scripts/keycloak.sh %s: %w\n%s", command, err, text)
		}
		return nil
	}
	if err := script("start"); err != nil {
		return "", nil, err
	}
	return "http://localhost:" + port, func() {
		if err := script("stop"); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		_ = os.RemoveAll(folder)
	}, nil
}

// installJava lets the script fetch a Java runtime where it may: in CI.
func installJava() string {
	if os.Getenv("CI") != "" {
		return "1"
	}
	return os.Getenv("KEYCLOAK_INSTALL_JAVA")
}
