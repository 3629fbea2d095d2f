// Package keycloak brings a Keycloak to where the embedded authorization server
// is at once: running, with the realm of the realm file, and proved to issue
// the tokens that the MCP server expects.
//
// It uses what answers at the URL, or starts one with docker compose or from a
// distribution. The realm is imported where it is missing. Where it is there,
// what the file names is brought up to what the file says, through Keycloak's
// admin REST API; what the file doesn't name stays as it is, so that a second
// run changes nothing.
package keycloak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

// Options say which Keycloak is meant and what shall be in it. The zero value
// is the demo realm in a Keycloak at localhost:8080.
type Options struct {
	// URL is where Keycloak answers, as scheme://host[:port] and perhaps a
	// path; empty: $KEYCLOAK_URL, or else http://localhost:8080.
	URL string
	// PublicURL is the base under which clients see the realm, where that is
	// another one than URL: that of a proxy. It is then in the issuer, also
	// of tokens that were got from URL directly.
	PublicURL string
	// Realm is the realm's name; empty: $KEYCLOAK_REALM, or the file's.
	Realm string
	// RealmFile is the path of a realm file; empty: the demo realm.
	RealmFile string
	// Resource is the MCP server's identifier, the audience of tokens; empty:
	// $MCP_RESOURCE, or else $MCP_SERVER_URL with /mcp, or else the file's.
	Resource string
	// AdminUser and AdminPassword are those of the realm master; empty:
	// $KC_BOOTSTRAP_ADMIN_USERNAME and $KC_BOOTSTRAP_ADMIN_PASSWORD, or else
	// admin and admin, which only a Keycloak on loopback is told.
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
	url    string // of Keycloak, without a slash at the end
	public string // base of the issuer
	wanted object // the realm file, for Keycloak
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
	s.url = strings.TrimSuffix(cmp.Or(o.URL, o.Getenv("KEYCLOAK_URL"), "http://localhost:8080"), "/")
	s.public = strings.TrimSuffix(cmp.Or(o.PublicURL, s.url), "/")
	for name, raw := range map[string]string{"KEYCLOAK_URL": s.url, "the public URL": s.public} {
		if err := checkBase(raw); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := s.chooseAdmin(); err != nil {
		return nil, err
	}
	var err error
	if s.wanted, s.realm, err = readFile(o); err != nil {
		return nil, err
	}
	if !isLoopback(s.url) || !isLoopback(s.public) {
		return s, s.realm.RefuseDemoCredentials()
	}
	return s, nil
}

// chooseAdmin fills in the administrator. A Keycloak that others reach must not
// be opened by a password that everybody knows.
func (s *setup) chooseAdmin() error {
	s.AdminUser = cmp.Or(s.AdminUser, s.Getenv("KC_BOOTSTRAP_ADMIN_USERNAME"), "admin")
	s.AdminPassword = cmp.Or(s.AdminPassword, s.Getenv("KC_BOOTSTRAP_ADMIN_PASSWORD"))
	if s.AdminPassword == "" && !s.CheckOnly {
		if !isLoopback(s.url) {
			return errors.New("the administrator's password is missing: give it with --admin-password or in KC_BOOTSTRAP_ADMIN_PASSWORD")
		}
		s.AdminPassword = "admin"
	}
	return nil
}

// checkBase wants an URL that paths can be appended to, and over which
// passwords may travel.
func checkBase(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q is no URL such as http://localhost:8080", raw)
	case u.Scheme == "http" && !isLoopback(raw):
		return fmt.Errorf("%q must be https: passwords would cross the network for everybody to read", raw)
	}
	return nil
}

func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// issuer is the realm's, as clients see it.
func (s *setup) issuer() string { return s.public + "/realms/" + s.realm.Name }

// endpoint is an URL of the realm at Keycloak itself, where no proxy need be up.
func (s *setup) endpoint(path string) string { return s.url + "/realms/" + s.realm.Name + path }

func (s *setup) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }
