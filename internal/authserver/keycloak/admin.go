package keycloak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds what is read of one answer, in bytes.
const maxAnswer = 8 << 20

// errNotFound says that Keycloak has nothing at a path of its admin API.
var errNotFound = errors.New("not found")

// admin calls Keycloak's admin REST API for one realm. It keeps the first error, as
// a bufio.Writer does: after that it asks and sends nothing any more.
type admin struct {
	s      *setup
	err    error
	token  string
	expiry time.Time
}

func (a *admin) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// get reads the representation at a path below the realm.
func (a *admin) get(ctx context.Context, path string, into any) {
	a.call(ctx, http.MethodGet, "/admin/realms/"+a.s.realm.Name+path, nil, into)
}

// send writes one.
func (a *admin) send(ctx context.Context, method, path string, body any) {
	a.call(ctx, method, "/admin/realms/"+a.s.realm.Name+path, body, nil)
}

// list reads a list of representations, and indexes it by a member.
func (a *admin) list(ctx context.Context, path, key string) map[string]object {
	var all []object
	a.get(ctx, path, &all)
	return indexed(all, key)
}

func indexed(all []object, key string) map[string]object {
	index := map[string]object{}
	for _, o := range all {
		index[text(o, key)] = o
	}
	return index
}

// find returns the representation that a query for the value of a member finds, or
// nil.
func (a *admin) find(ctx context.Context, query, member, value string) object {
	return a.list(ctx, query+member+"="+url.QueryEscape(value), member)[value]
}

func (a *admin) call(ctx context.Context, method, path string, body, into any) {
	if a.err == nil {
		a.err = a.exchange(ctx, method, path, body, into)
	}
}

func (a *admin) exchange(ctx context.Context, method, path string, body, into any) error {
	if time.Now().After(a.expiry) {
		if err := a.logIn(ctx); err != nil {
			return err
		}
	}
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.s.url+path, reader)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	status, answer, err := a.s.do(request)
	switch {
	case err != nil:
		return err
	case status == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, errNotFound)
	case status == http.StatusForbidden:
		return fmt.Errorf("%s %s: the user %s may not do this; name an administrator of Keycloak with --admin-user", method, path, a.s.AdminUser)
	case status/100 != 2:
		return fmt.Errorf("%s %s: Keycloak answered %d: %s", method, path, status, reason(answer))
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: can't read the answer: %w", method, path, err)
	}
	return nil
}

// logIn gets a token of the realm master, by the client that Keycloak has for
// programs such as this one.
func (a *admin) logIn(ctx context.Context) error {
	status, answer, err := a.s.post(ctx, a.s.url+"/realms/master/protocol/openid-connect/token", url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {a.s.AdminUser}, "password": {a.s.AdminPassword},
	}, nil)
	if err != nil {
		return err
	}
	var token struct {
		Token   string `json:"access_token"`
		Seconds int    `json:"expires_in"`
	}
	if status != http.StatusOK || json.Unmarshal(answer, &token) != nil || token.Token == "" {
		return fmt.Errorf("the administrator %s can't log in (status %d: %s): "+
			"give the name and password with --admin-user and --admin-password, "+
			"or in KC_BOOTSTRAP_ADMIN_USERNAME and KC_BOOTSTRAP_ADMIN_PASSWORD", a.s.AdminUser, status, reason(answer))
	}
	a.token = token.Token
	a.expiry = time.Now().Add(time.Duration(token.Seconds) * time.Second / 2)
	return nil
}

// post sends a form, with HTTP Basic where a client with a secret is given.
func (s *setup) post(ctx context.Context, address string, form url.Values, client *url.Userinfo) (status int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client != nil {
		// RFC 6749, section 2.3.1: both are form-encoded first.
		secret, _ := client.Password()
		request.SetBasicAuth(url.QueryEscape(client.Username()), url.QueryEscape(secret))
	}
	return s.do(request)
}

func (s *setup) do(request *http.Request) (status int, body []byte, err error) {
	response, err := s.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, body, err
}

// reason is what an error answer says, shortened: Keycloak's JSON has it in one
// of two forms.
func reason(answer []byte) string {
	var e struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Message     string `json:"errorMessage"`
	}
	if json.Unmarshal(answer, &e) != nil || e.Error+e.Message == "" {
		return "without a reason"
	}
	return fmt.Sprintf("%.300q", strings.TrimSpace(e.Error+" "+e.Description+e.Message))
}
