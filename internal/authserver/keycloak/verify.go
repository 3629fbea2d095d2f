package keycloak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mcp-auth-step-by-step/internal/authserver/realm"
)

const (
	pathToken      = "/protocol/openid-connect/token"
	pathAuthorize  = "/protocol/openid-connect/auth"
	pathRevoke     = "/protocol/openid-connect/revoke"
	pathIntrospect = "/protocol/openid-connect/token/introspect"

	foreignResource = "https://another.example/mcp"
)

// verify checks Keycloak as clients and the MCP server will use it.
func (s *setup) verify(ctx context.Context) error {
	failed, all := 0, 0
	check := func(name string, do func() (string, error)) {
		all++
		detail, err := do()
		if err != nil {
			failed++
			s.printf("FAILED     %-40s %v\n", name, err)
			return
		}
		s.printf("verified   %-40s %s\n", name, detail)
	}
	check("metadata", func() (string, error) { return s.checkMetadata(ctx) })
	check("PKCE is demanded", func() (string, error) { return s.checkPKCE(ctx) })
	client, people := s.passwordClient(), s.people()
	if client == nil || len(people) == 0 {
		s.printf("not tried  %-40s the realm file has no public client with the password grant, or no users\n", "tokens")
	} else {
		for _, user := range people {
			check("user "+user.Username, func() (string, error) { return s.checkUser(ctx, *client, user) })
		}
		check("introspection", func() (string, error) { return s.checkIntrospection(ctx, *client, people[0]) })
	}
	check("a foreign resource is refused", func() (string, error) { return s.checkForeign(ctx) })
	if failed > 0 {
		return fmt.Errorf("%d of %d checks of %s failed, see above. "+
			"A Keycloak that was set up by hand may need the feature resource-indicators; "+
			"without --check, this program updates the realm to what the realm file says", failed, all, s.issuer())
	}
	return nil
}

// checkMetadata looks for what MCP clients need, at both places where they look.
func (s *setup) checkMetadata(ctx context.Context) (string, error) {
	inserted := s.at.Scheme + "://" + s.at.Host + "/.well-known/oauth-authorization-server" + s.at.Path + "/realms/" + s.realm.Name
	for _, address := range []string{s.endpoint("/.well-known/openid-configuration"), inserted} {
		var m struct {
			Issuer       string   `json:"issuer"`
			Registration string   `json:"registration_endpoint"`
			Methods      []string `json:"code_challenge_methods_supported"`
			Iss          bool     `json:"authorization_response_iss_parameter_supported"`
		}
		if err := s.getJSON(ctx, address, &m); err != nil {
			return "", err
		}
		switch {
		case m.Issuer != s.issuer():
			return "", fmt.Errorf("%s names the issuer %q, not %q: start Keycloak with --hostname=%s, "+
				"or set KEYCLOAK_HOSTNAME to the address under which clients reach it", address, m.Issuer, s.issuer(), s.public)
		case m.Registration == "" || !m.Iss || !slices.Contains(m.Methods, "S256"):
			return "", fmt.Errorf("%s lacks what MCP clients need: registration_endpoint, S256 or iss in responses", address)
		}
	}
	return "issuer " + s.issuer(), nil
}

func (s *setup) getJSON(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	status, body, err := s.do(request)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s answers with status %d, not 200", address, status)
	}
	return json.Unmarshal(body, into)
}

// checkPKCE asks for a code without a challenge.
func (s *setup) checkPKCE(ctx context.Context) (string, error) {
	at := slices.IndexFunc(s.realm.Clients, func(c realm.Client) bool { return c.Public && c.StandardFlow && len(c.RedirectURIs) > 0 })
	if at < 0 {
		return "not tried: the realm file has no public client", nil
	}
	client := s.realm.Clients[at]
	query := url.Values{"response_type": {"code"}, "client_id": {client.ID}, "redirect_uri": {client.RedirectURIs[0]}, "state": {"s"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint(pathAuthorize)+"?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return "", err
	}
	_ = response.Body.Close()
	location, err := response.Location()
	if err != nil || location.Query().Get("error") != "invalid_request" {
		return "", fmt.Errorf("client %s may ask for a code without a code_challenge: the client policy pkce-enforcer is missing", client.ID)
	}
	return "no code without a challenge", nil
}

// passwordClient is the public client that has the password grant, by which
// users can be tried without a browser.
func (s *setup) passwordClient() *realm.Client {
	for _, c := range s.realm.Clients {
		if c.Public && c.DirectAccess {
			return &c
		}
	}
	return nil
}

// people are the users who can log in.
func (s *setup) people() []realm.User {
	return slices.DeleteFunc(slices.Clone(s.realm.Users), func(u realm.User) bool { return u.Password == "" })
}

// checkUser gets a token with all scopes of the client, and expects those in it
// that the user's roles allow.
func (s *setup) checkUser(ctx context.Context, client realm.Client, user realm.User) (string, error) {
	var asked, want []string
	for _, name := range client.OptionalScopes {
		if scope, ok := s.realm.Scope(name); ok && scope.InToken {
			asked = append(asked, name)
			if user.HasAny(scope.Roles) {
				want = append(want, name)
			}
		}
	}
	resource := s.realm.Audience()
	got, err := s.passwordGrant(ctx, client, user, url.Values{"scope": {strings.Join(asked, " ")}, "resource": {resource}})
	if err != nil {
		return "", err
	}
	defer s.revoke(ctx, client, got)
	said, err := readClaims(got.Access)
	if err != nil {
		return "", err
	}
	granted := strings.Fields(said.Scope)
	slices.Sort(granted)
	slices.Sort(want)
	switch {
	case said.Issuer != s.issuer():
		return "", fmt.Errorf("the token's issuer is %q, not %q", said.Issuer, s.issuer())
	case !slices.Equal(said.Audience, []string{resource}):
		return "", fmt.Errorf("the token's audience is %q, not %q: "+
			"the feature resource-indicators is off, or the client scope with the audience is missing",
			said.Audience, resource)
	case said.Subject == "" || said.Client != client.ID || said.Name != user.Username:
		return "", fmt.Errorf("the token names subject %q, client %q and user %q: the client scope basic is missing",
			said.Subject, said.Client, said.Name)
	case !slices.Equal(granted, want):
		return "", fmt.Errorf("the token has the scopes %q, but the user's roles allow %q", granted, want)
	case len(said.Realm) > 0 || len(said.Access) > 1:
		return "", errors.New("the token has roles that are not the MCP server's: the client's full scope is on")
	}
	return strings.Join(granted, " ") + " for " + resource, nil
}

// checkIntrospection introspects a token as each confidential client, which
// shows whether their secrets are right. Keycloak answers only clients in the
// token's audience. The token is requested without a resource parameter, with
// which its audience would be that URL alone.
func (s *setup) checkIntrospection(ctx context.Context, client realm.Client, user realm.User) (string, error) {
	got, err := s.passwordGrant(ctx, client, user, url.Values{})
	if err != nil {
		return "", err
	}
	defer s.revoke(ctx, client, got)
	var able []string
	for _, c := range s.realm.Clients {
		if c.Public || c.Secret == "" {
			continue
		}
		var answer struct{ Active bool }
		status, body, err := s.post(ctx, s.endpoint(pathIntrospect), url.Values{"token": {got.Access}}, url.UserPassword(c.ID, c.Secret))
		if err != nil {
			return "", err
		}
		if status != http.StatusOK || json.Unmarshal(body, &answer) != nil || !answer.Active {
			return "", fmt.Errorf("client %s can't introspect a token (status %d: %s): check its secret, and that it is in the token's audience",
				c.ID, status, reason(body))
		}
		able = append(able, c.ID)
	}
	return strings.Join(able, " "), nil
}

// checkForeign requests a token for another server with client credentials:
// failures of a user would count as wrong passwords.
func (s *setup) checkForeign(ctx context.Context) (string, error) {
	for _, c := range s.realm.Clients {
		if c.Public || !c.ServiceAccount || c.Secret == "" {
			continue
		}
		form := url.Values{"grant_type": {"client_credentials"}, "resource": {foreignResource}}
		status, body, err := s.post(ctx, s.endpoint(pathToken), form, url.UserPassword(c.ID, c.Secret))
		switch {
		case err != nil:
			return "", err
		case status == http.StatusOK:
			return "", fmt.Errorf("tokens for %s are issued: start Keycloak with --features=resource-indicators", foreignResource)
		case status != http.StatusBadRequest || !strings.Contains(string(body), "invalid_target"):
			return "", fmt.Errorf("client %s got status %d (%s), not invalid_target: check its secret", c.ID, status, reason(body))
		}
		return "invalid_target", nil
	}
	return "not tried: the realm file has no client with a service account and a secret", nil
}

// summarize prints what to do next.
func (s *setup) summarize() {
	s.printf("\nissuer     %s\nresource   %s\n", s.issuer(), s.realm.Audience())
	client := s.passwordClient()
	if client == nil || len(s.realm.Users) == 0 {
		return
	}
	s.printf(`
A token, and with it a tool of the MCP server (go run ./cmd/step10); for USER
and PASSWORD see the realm file:

  TOKEN=$(curl -s %s%s \
    -d grant_type=password -d client_id=%s -d username=USER -d password=PASSWORD \
    -d scope='mcp:read mcp:tools' -d resource=%s | jq -r .access_token)
  curl -s %s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | jq .
`, s.issuer(), pathToken, client.ID, s.realm.Audience(), s.realm.Audience())
}
