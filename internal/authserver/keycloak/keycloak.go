// Package keycloak sets up a Keycloak in the place of the embedded
// authorization server: it makes sure that one runs, brings the realm of the
// realm file into it, and verifies that it issues the tokens that the MCP server
// expects.
//
// It uses the Keycloak that answers at the URL, or starts one with docker
// compose or from a distribution. A missing realm is imported. In an existing
// realm, what the file names is updated through Keycloak's admin REST API, and
// everything else stays as it is. A second run changes nothing.
//
//	err := keycloak.Run(ctx, keycloak.Options{Getenv: os.Getenv}, os.Stdout)
package keycloak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/web/baseurl"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// Options say which Keycloak is meant and what shall be in it. The zero value
// is the demo realm in a Keycloak at localhost:8080.
type Options struct {
	// URL is where Keycloak answers, as scheme://host[:port] and perhaps a
	// path; empty: $KEYCLOAK_URL, or else http://localhost:8080.
	URL string
	// PublicURL is the base under which clients see the realm, where it differs
	// from URL: that of a proxy. The issuer then begins with it, in tokens that
	// come from URL directly too. Empty: $KEYCLOAK_HOSTNAME, or else URL.
	PublicURL string
	// RealmFile is the path of a realm file; empty: the demo realm. $KEYCLOAK_REALM
	// is another name for the realm.
	RealmFile string
	// Resource is the MCP server's identifier, the audience of tokens; empty:
	// $MCP_RESOURCE, or else $MCP_SERVER_URL with /mcp, or else the file's.
	Resource string
	// AdminUser and AdminPassword are those of the realm master; empty:
	// $KC_BOOTSTRAP_ADMIN_USERNAME and $KC_BOOTSTRAP_ADMIN_PASSWORD, or else
	// admin and admin, which are sent to a Keycloak on loopback only.
	AdminUser, AdminPassword string
	// CheckOnly leaves everything as it is and only verifies.
	CheckOnly bool
	// Root is the folder of this repository, in which the compose file and
	// the script lie; empty: the working directory or the nearest above it
	// that has them.
	Root string
	// Getenv reads the environment; nil stands for an empty one.
	Getenv func(string) string
}

// Run starts Keycloak if need be, imports or updates the realm, verifies it,
// and prints what it does and how to go on to out. Its errors say what is
// missing and what to do about it.
func Run(ctx context.Context, o Options, out io.Writer) error {
	s, err := newSetup(o, out)
	if err != nil {
		return err
	}
	if err := s.find(ctx); err != nil {
		return err
	}
	if err := s.fitFeatures(ctx); err != nil {
		return err
	}
	if !o.CheckOnly {
		if err := s.synchronize(ctx); err != nil {
			return fmt.Errorf("the realm %s at %s: %w", s.realm.Name, s.url, err)
		}
	}
	if err := s.verify(ctx); err != nil {
		return err
	}
	s.summarize()
	return nil
}

// setup is one run.
type setup struct {
	Options
	at     *url.URL // of Keycloak, without a slash at the end
	url    string   // the same as text
	public string   // base of the issuer
	wanted object   // the realm file, for Keycloak
	realm  *realm.Realm
	client *http.Client
	out    io.Writer
}

// requestTimeout bounds one exchange. Importing a realm takes seconds.
const requestTimeout = 60 * time.Second

func newSetup(o Options, out io.Writer) (*setup, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	s := &setup{Options: o, out: out, client: &http.Client{
		Timeout:       requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	var err error
	if s.at, err = parseBase("KEYCLOAK_URL", cmp.Or(o.URL, o.Getenv("KEYCLOAK_URL"), "http://localhost:8080")); err != nil {
		return nil, err
	}
	s.url = s.at.String()
	public, err := parseBase("KEYCLOAK_HOSTNAME", cmp.Or(o.PublicURL, o.Getenv("KEYCLOAK_HOSTNAME"), s.url))
	if err != nil {
		return nil, err
	}
	s.public = public.String()
	if err := s.chooseAdmin(); err != nil {
		return nil, err
	}
	if s.wanted, s.realm, err = readFile(o); err != nil {
		return nil, err
	}
	if !loopback.URL(s.at) || !loopback.URL(public) {
		return s, s.realm.RefuseDemoCredentials()
	}
	return s, nil
}

// parseBase reads a URL to which paths can be appended, and over which
// passwords may travel.
func parseBase(name, raw string) (*url.URL, error) {
	u, err := baseurl.Parse(name, strings.TrimSuffix(raw, "/"))
	if err == nil && !baseurl.Secure(u) {
		return nil, fmt.Errorf("%s %q must be https: otherwise passwords would cross the network unencrypted", name, raw)
	}
	return u, err
}

// chooseAdmin fills in the administrator. The well-known default password is
// used for a Keycloak on loopback only.
func (s *setup) chooseAdmin() error {
	s.AdminUser = cmp.Or(s.AdminUser, s.Getenv("KC_BOOTSTRAP_ADMIN_USERNAME"), "admin")
	s.AdminPassword = cmp.Or(s.AdminPassword, s.Getenv("KC_BOOTSTRAP_ADMIN_PASSWORD"))
	if s.AdminPassword == "" && !s.CheckOnly {
		if !loopback.URL(s.at) {
			return errors.New("the administrator's password is missing: give it with --admin-password or in KC_BOOTSTRAP_ADMIN_PASSWORD")
		}
		s.AdminPassword = "admin"
	}
	return nil
}

// issuer is the realm's, as clients see it.
func (s *setup) issuer() string { return s.public + "/realms/" + s.realm.Name }

// endpoint is a URL of the realm at Keycloak itself, which works without the proxy.
func (s *setup) endpoint(path string) string { return s.url + "/realms/" + s.realm.Name + path }

func (s *setup) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }
