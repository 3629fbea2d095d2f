package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/plaintext"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// How the last line of an attack on an authorization server begins.
const (
	Worked = "The attack works: "
	Failed = "The attack fails: "
)

// flows are the attacks on authorization servers.
var flows = map[string]func(*attempt) (string, error){
	"stolen-code": (*attempt).stolenCode, "code-twice": (*attempt).codeTwice, "foreign-redirect": (*attempt).foreignRedirect,
}

// Flows are their names.
func Flows() []string { return slices.Sorted(maps.Keys(flows)) }

// Addresses of the honest client and of the attacker. Nothing is sent to either:
// what the browser would open is read from the redirect.
const (
	clientRedirect   = "http://localhost:9777/callback"
	attackerRedirect = AttackerURL + "/steal"
)

// attempt is an attack on one authorization server on loopback.
type attempt struct {
	ctx    context.Context
	out    io.Writer
	client *http.Client

	authorize, token, register string // endpoints
	clientID                   string
}

// Attacking carries an attack out at an issuer on loopback, with its demo user in
// the place of the victim, and says what happens. The last line begins with [Worked]
// or [Failed].
func Attacking(ctx context.Context, name, issuer string, out io.Writer) error {
	run, ok := flows[name]
	if !ok {
		return fmt.Errorf("no such attack: %q; want one of %s", name, strings.Join(Flows(), ", "))
	}
	u, err := url.Parse(issuer)
	if err != nil || !loopback.URL(u) {
		return fmt.Errorf("issuer %q is not on loopback; attack your own servers alone", issuer)
	}
	r := &attempt{ctx: ctx, out: out, client: &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{DialContext: (&net.Dialer{ControlContext: loopback.Control}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	defer r.client.CloseIdleConnections()
	if err := r.prepare(u); err != nil {
		return fmt.Errorf("%s can't be attacked: %w", issuer, err)
	}
	verdict, err := run(r)
	if err == nil {
		r.say(verdict)
	}
	return err
}

func (r *attempt) say(text string) { fmt.Fprintln(r.out, plaintext.Line(text)) }

// prepare reads the metadata and registers the honest client.
func (r *attempt) prepare(issuer *url.URL) error {
	var body []byte
	var err error
	for _, location := range oauthmetadata.ServerLocations(issuer) {
		if body, _, err = safefetch.Get(r.ctx, r.client, location, 64<<10); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	var metadata struct {
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
		Register  string `json:"registration_endpoint"`
	}
	if err := json.Unmarshal(body, &metadata); err != nil {
		return err
	}
	r.authorize, r.token, r.register = metadata.Authorize, metadata.Token, metadata.Register
	const client = `{"client_name":"An honest client","redirect_uris":["` + clientRedirect + `"],"token_endpoint_auth_method":"none"}`
	_, answer, err := r.send(r.register, "application/json", client)
	if err != nil {
		return err
	}
	r.clientID, _ = answer["client_id"].(string)
	r.say("A client registers with the redirect URI " + clientRedirect + ".")
	return nil
}

// ask is an authorization request.
func (r *attempt) ask(redirect, verifier string) string {
	return r.authorize + "?" + url.Values{
		"response_type": {"code"}, "client_id": {r.clientID}, "redirect_uri": {redirect}, "state": {"s"}, "scope": {"mcp:read"},
		"code_challenge": {pkce.Challenge(verifier)}, "code_challenge_method": {pkce.Method},
	}.Encode()
}

// code lets the victim log in and consent.
func (r *attempt) code(verifier string) (string, error) {
	back, err := formlogin.Run(r.ctx, r.ask(clientRedirect, verifier), clientRedirect, formlogin.User{Name: "mcp-user", Password: "user123"})
	if err != nil {
		return "", err
	}
	r.say("The client asks for a code, with the hash of a secret. The user logs in and consents. The browser returns with the code.")
	return back.Query().Get("code"), nil
}

// redeem sends a code to the token endpoint and says how it ends.
func (r *attempt) redeem(code, verifier string) (verdict string, worked bool, err error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {r.clientID}, "redirect_uri": {clientRedirect},
		"code": {code}, "code_verifier": {verifier},
	}
	status, answer, err := r.send(r.token, "application/x-www-form-urlencoded", form.Encode())
	if err != nil {
		return "", false, err
	}
	if _, worked = answer["access_token"].(string); worked {
		return fmt.Sprintf("%d, an access token of the user.", status), true, nil
	}
	return fmt.Sprintf("%d %v: %v", status, answer["error"], answer["error_description"]), false, nil
}

func (r *attempt) send(endpoint, kind, body string) (status int, answer map[string]any, err error) {
	request, err := http.NewRequestWithContext(r.ctx, http.MethodPost, endpoint, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", kind)
	response, err := r.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	err = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&answer)
	return response.StatusCode, answer, err
}

// verdictOf begins the last line.
func verdictOf(worked bool, says string) string {
	if worked {
		return Worked + says
	}
	return Failed + says
}

func (r *attempt) stolenCode() (string, error) {
	code, err := r.code(pkce.NewVerifier())
	if err != nil {
		return "", err
	}
	r.say("The attacker has read the code, and not the secret, which never left the client. " +
		"The attacker redeems the code first, with a secret of its own.")
	says, worked, err := r.redeem(code, pkce.NewVerifier())
	return verdictOf(worked, says), err
}

func (r *attempt) codeTwice() (string, error) {
	verifier := pkce.NewVerifier()
	code, err := r.code(verifier)
	if err != nil {
		return "", err
	}
	says, worked, err := r.redeem(code, verifier)
	if err != nil || !worked {
		return "", fmt.Errorf("the client could not redeem its own code: %s: %w", says, err)
	}
	r.say("The client redeems the code: " + says)
	r.say("The attacker has read the code and the secret in a log of the client, and redeems the code once more.")
	says, worked, err = r.redeem(code, verifier)
	return verdictOf(worked, says), err
}

func (r *attempt) foreignRedirect() (string, error) {
	r.say("The user follows a link of the attacker: the client's id, and the redirect URI " + attackerRedirect + ".")
	link := r.ask(attackerRedirect, pkce.NewVerifier())
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, link, nil)
	if err != nil {
		return "", err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return "", err
	}
	_ = response.Body.Close()
	if response.StatusCode/100 != 3 {
		says := fmt.Sprintf("%d, a page of the authorization server, and nothing goes to the attacker.", response.StatusCode)
		return verdictOf(false, says), nil
	}
	if _, err := formlogin.Run(r.ctx, link, attackerRedirect, formlogin.User{Name: "mcp-user", Password: "user123"}); err != nil {
		return "", err
	}
	return verdictOf(true, "the browser brings the code to "+attackerRedirect+"."), nil
}
