package upstream

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jws"
	"mcp-auth-step-by-step/internal/oauth/syntax"
)

// SubjectPrefix begins the subject of every user of a provider, and of nobody else.
const SubjectPrefix = "upstream:"

// User is who logged in.
type User struct {
	// Subject is stable and names nobody else: it is made of the issuer and sub, for
	// Entra of tid and oid.
	Subject string
	// Username, the names and Email are for people to read. Nobody is recognized by them.
	Username, FirstName, LastName, Email string
	EmailVerified                        bool
	Roles                                []string  // by the mapping in the settings
	AuthTime                             time.Time // zero where the provider doesn't say
}

// userOf reads who the user is, and decides whether the user may log in.
func (s *Settings) userOf(c claims) (*User, error) {
	subject, id, err := s.identify(c)
	if err != nil {
		return nil, err
	}
	u := &User{Subject: subject}
	if err := s.allow(c, id); err != nil {
		return u, err
	}
	u.Username = cmp.Or(c.text("preferred_username"), c.text("email"), c.text("name"), id)
	u.FirstName, u.LastName = c.text("given_name"), c.text("family_name")
	if u.FirstName+u.LastName == "" {
		u.FirstName = c.text("name")
	}
	u.Email, u.EmailVerified = c.text("email"), string(c["email_verified"]) == "true"
	u.AuthTime, _ = jws.Date(c["auth_time"])
	for _, value := range c.values(s.RolesClaim) {
		for _, m := range s.Roles {
			if m.Value == value && !slices.Contains(u.Roles, m.Role) {
				u.Roles = append(u.Roles, m.Role)
			}
		}
	}
	return u, nil
}

// identify reads the one name of a user that never becomes another's: sub at an
// issuer (OpenID Connect Core 1.0, section 5.7). Entra's sub is another for each
// application, so there it is oid in a tenant. id is what the provider calls the
// user, as UPSTREAM_SUBJECTS has it.
func (s *Settings) identify(c claims) (subject, id string, err error) {
	claim, first := "sub", c.text("iss")
	if s.Dialect == Entra {
		claim, first = "oid", c.text("tid")
	}
	id = c.text(claim)
	if c.text("sub") == "" || id == "" || len(id) > maxSubject || !syntax.Visible(id) {
		return "", "", fmt.Errorf("%w: %s is missing, or is not one of up to %d visible ASCII characters", ErrClaim, claim, maxSubject)
	}
	// A part can't run into the next, since none of them has a line break.
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Dialect, first, id}, "\n")))
	return SubjectPrefix + base64.RawURLEncoding.EncodeToString(sum[:]), id, nil
}

// maxSubject is the longest sub (OpenID Connect Core 1.0, section 2).
const maxSubject = 255

// allow decides whether a user may log in: each kind of rule that is set must hold.
func (s *Settings) allow(c claims, id string) error {
	rules := []struct {
		name    string
		allowed []string
		has     []string
	}{
		{"tenant (tid)", s.Tenants, []string{c.text("tid")}},
		{"hosted domain (hd)", s.Domains, []string{c.text("hd")}},
		{"groups", s.Groups, c.values(s.GroupsClaim)},
		{"subject", s.Subjects, []string{id}},
	}
	some := s.Everybody
	for _, rule := range rules {
		if len(rule.allowed) == 0 {
			continue
		}
		some = true
		if !slices.ContainsFunc(rule.has, func(value string) bool { return slices.Contains(rule.allowed, value) }) {
			return fmt.Errorf("%w: the %s %.200q is not one of those allowed; the user is %q there", ErrNotAllowed, rule.name, rule.has, id)
		}
	}
	if !some {
		return fmt.Errorf("%w: nobody may", ErrNotAllowed)
	}
	return nil
}
