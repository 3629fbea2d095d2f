package realm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	errNotBefore = errors.New("notBefore: the embedded server can't revoke tokens by date")
	errFlow      = errors.New("the embedded server has only the login by user name and password")
)

// refuse names what the embedded server would have to do and can't.
func (f *realmFile) refuse() error {
	switch {
	case f.Enabled != nil && !*f.Enabled:
		return errors.New("enabled: the realm is disabled")
	case f.NotBefore != 0:
		return errNotBefore
	case f.BrowserFlow != "" && f.BrowserFlow != "browser":
		return fmt.Errorf("browserFlow: %w", errFlow)
	case f.VerifyEmail:
		return errors.New("verifyEmail: the embedded server sends no mail")
	case f.DefaultSignature != "" && f.DefaultSignature != "RS256":
		return errors.New("defaultSignatureAlgorithm: the embedded server signs tokens with RS256 only")
	case !slices.Contains([]string{"", "all", "external", "none"}, strings.ToLower(f.SSLRequired)):
		return errors.New(`sslRequired: want "all", "external" or "none"`)
	case f.AccessTokenLifespan > 86400:
		return errors.New("accessTokenLifespan: at most 86400 seconds, because no resource server here accepts longer lifetimes")
	}
	for client, roles := range f.Roles.Client {
		for _, role := range roles {
			if len(role.Composites) > 0 {
				return fmt.Errorf("roles.client.%s: %s is a composite role; give users each of its roles instead", client, role.Name)
			}
		}
	}
	return nil
}

func (f *realmFile) realm() (*Realm, error) {
	r := &Realm{
		Name:                f.Realm,
		DisplayName:         f.DisplayName,
		AccessTokenLifetime: seconds(f.AccessTokenLifespan),
		CodeLifetime:        seconds(f.AccessCodeLifespan),
		LoginLifetime:       seconds(f.AccessCodeLifespanLogin),
		SessionIdle:         seconds(f.SSOSessionIdleTimeout),
		SessionMax:          seconds(f.SSOSessionMaxLifespan),
		LoginTries:          f.FailureFactor,
		RequireTLS:          strings.EqualFold(f.SSLRequired, "all"),
		DefaultScopes:       f.DefaultScopes,
		OptionalScopes:      f.OptionalScopes,
	}
	for client, roles := range f.Roles.Client {
		for _, role := range roles {
			r.Roles = append(r.Roles, Role{client, role.Name})
		}
	}
	var err error
	if r.Scopes, err = f.scopes(); err != nil {
		return nil, err
	}
	if r.Registration, err = f.registration(); err != nil {
		return nil, err
	}
	if err := f.policies(r); err != nil {
		return nil, err
	}
	for _, c := range f.Clients {
		client, err := c.client()
		if err != nil {
			return nil, fmt.Errorf("clients: %s: %w", c.ID, err)
		}
		if client != nil {
			r.Clients = append(r.Clients, *client)
		}
	}
	for _, u := range f.Users {
		user, err := u.user()
		if err != nil {
			return nil, fmt.Errorf("users: %s: %w", u.Username, err)
		}
		if user != nil {
			r.Users = append(r.Users, *user)
		}
	}
	return r, r.check()
}

func (f *realmFile) scopes() ([]Scope, error) {
	var scopes []Scope
	for _, s := range f.ClientScopes {
		if s.Protocol != "" && s.Protocol != "openid-connect" {
			continue
		}
		scope := Scope{
			Name:        s.Name,
			ConsentText: consentText(s.Attributes["consent.screen.text"], s.Name),
			InToken:     s.Attributes["include.in.token.scope"] != "false",
		}
		for _, m := range s.Mappers {
			audience := m.Config["included.custom.audience"]
			if m.Mapper == "oidc-audience-mapper" && m.Config["access.token.claim"] != "false" && audience != "" {
				scope.Audience = audience
			}
		}
		scopes = append(scopes, scope)
	}
	for client, mappings := range f.ClientScopeMappings {
		for _, mapping := range mappings {
			if mapping.ClientScope == "" {
				continue // for a client: it adds roles and restricts nothing
			}
			at := slices.IndexFunc(scopes, func(s Scope) bool { return s.Name == mapping.ClientScope })
			if at < 0 {
				return nil, fmt.Errorf("clientScopeMappings.%s: there is no client scope %q", client, mapping.ClientScope)
			}
			for _, role := range mapping.Roles {
				scopes[at].Roles = append(scopes[at].Roles, Role{Client: client, Name: role})
			}
		}
	}
	return scopes, nil
}

// consentText is what people read. Keycloak's own message keys are given in
// words here.
func consentText(text, name string) string {
	switch text {
	case "${profileScopeConsentText}":
		return "See your name and user name"
	case "${emailScopeConsentText}":
		return "See your email address"
	case "":
		return name
	}
	return text
}

// unsupported are attributes of clients that would bind tokens or requests more
// tightly than the embedded server does.
var unsupported = []string{
	"tls.client.certificate.bound.access.tokens",
	"dpop.bound.access.tokens",
	"require.pushed.authorization.requests",
}

// client returns nil for a client that can't do anything here.
func (c *clientFile) client() (*Client, error) {
	if c.Enabled != nil && !*c.Enabled || c.BearerOnly || c.Protocol != "" && c.Protocol != "openid-connect" {
		return nil, nil
	}
	for _, name := range unsupported {
		if c.Attributes[name] == "true" {
			return nil, fmt.Errorf("attributes.%s: the embedded server does not support it", name)
		}
	}
	switch {
	case c.ID == "":
		return nil, errors.New("clientId is missing")
	case c.NotBefore != 0:
		return nil, errNotBefore
	case len(c.FlowOverrides) > 0:
		return nil, fmt.Errorf("authenticationFlowBindingOverrides: %w", errFlow)
	case c.Public && c.ServiceAccount:
		return nil, errors.New("serviceAccountsEnabled: a public client can't authenticate")
	case !slices.Contains([]string{"", "client-secret", "client-jwt"}, c.Authenticator):
		return nil, fmt.Errorf("clientAuthenticatorType %q: want client-secret or client-jwt", c.Authenticator)
	case strings.Contains(c.Secret, "${"):
		return nil, errors.New("secret: the variable in it is not set")
	case c.Attributes["jwks.url"] != "" || c.Attributes["use.jwks.url"] == "true":
		return nil, errors.New("attributes.jwks.url: the embedded server fetches no keys; give them in jwks.string")
	}
	lifetime, err := strconv.ParseInt(cmp.Or(c.Attributes["access.token.lifespan"], "0"), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("attributes.access.token.lifespan: %w", err)
	}
	known := c.Client
	known.StandardFlow = c.StandardEnabled == nil || *c.StandardEnabled
	known.RefreshTokens = c.Attributes["use.refresh.tokens"] != "false"
	known.FullScope = c.FullAllowed == nil || *c.FullAllowed
	known.SignedJWT = !c.Public && c.Authenticator == "client-jwt"
	known.Keys = c.Attributes["jwks.string"]
	known.AccessTokenLifetime = seconds(lifetime)
	return &known, nil
}

// user returns nil for a user who is disabled.
func (u *userFile) user() (*User, error) {
	if u.Enabled != nil && !*u.Enabled {
		return nil, nil
	}
	user := &User{
		ID: u.ID, Username: strings.ToLower(u.Username), // as Keycloak keeps it
		FirstName: u.FirstName, LastName: u.LastName, Email: u.Email, EmailVerified: u.EmailVerified,
		Roles: u.ClientRoles, ServiceAccountOf: u.ServiceAccountOf,
	}
	switch {
	case u.Username == "":
		return nil, errors.New("username is missing")
	case len(u.RequiredActions) > 0:
		return nil, fmt.Errorf("requiredActions: the embedded server can't ask for %s", u.RequiredActions[0])
	case u.NotBefore != 0:
		return nil, errNotBefore
	}
	for _, c := range u.Credentials {
		switch {
		case c.Type != "" && c.Type != "password":
			return nil, fmt.Errorf("credentials: the embedded server has no login with a %q", c.Type)
		case c.Temporary:
			return nil, errors.New("credentials: the embedded server has no page to change a temporary password; remove \"temporary\"")
		case c.Value == "":
			return nil, errors.New("credentials: the password is empty or hashed by Keycloak; give its value")
		case strings.Contains(c.Value, "${"):
			return nil, errors.New("credentials: the variable in the password is not set")
		}
		user.Password = c.Value
	}
	return user, nil
}

// check compares the parts with each other.
func (r *Realm) check() error {
	for _, s := range r.Scopes {
		if s.Audience != "" && s.Audience != r.Audience() {
			return fmt.Errorf("clientScopes: %s has the audience %q, another scope has %q; "+
				"give both the same, since the embedded server has one resource",
				s.Name, s.Audience, r.Audience())
		}
	}
	seen := map[string]bool{}
	for _, c := range r.Clients {
		if seen["client "+c.ID] {
			return fmt.Errorf("clients: %s is defined twice", c.ID)
		}
		seen["client "+c.ID] = true
		for _, name := range slices.Concat(c.DefaultScopes, c.OptionalScopes) {
			if _, ok := r.Scope(name); !ok && !builtIn(name) {
				return fmt.Errorf("clients: %s: there is no client scope %q", c.ID, name)
			}
		}
	}
	for _, u := range r.Users {
		if seen["user "+u.Username] {
			return fmt.Errorf("users: %s is defined twice", u.Username)
		}
		seen["user "+u.Username] = true
	}
	return nil
}

// builtIn are the client scopes that Keycloak makes by itself where a file
// declares none.
func builtIn(name string) bool {
	return slices.Contains([]string{
		"basic", "acr", "profile", "email", "roles", "web-origins", "address", "phone", "offline_access",
		"microprofile-jwt", "organization", "service_account",
	}, name)
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
