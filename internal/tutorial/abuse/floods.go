package abuse

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/formlogin"
)

// Flood is what one unknown caller, or many, may send.
type Flood struct {
	ID    string
	Rows  []string // of the catalogue
	Sends string   // for the table
	// SameAddress says that the honest users have the flood's address, so that
	// they share its limits: their requests may fail.
	SameAddress bool
	// Proxied says that all go through a proxy that step 9 trusts.
	Proxied bool

	atMCP       bool // it is sent to step 10
	addresses   int  // from how many it comes
	connections int  // at a time
	hangsUp     bool // nobody waits for the answer
	// allowed are answers that the attacker may get. Others of 2xx, and codes, he
	// must not get.
	allowed []string
	prepare func(*attacker) (request, error)
	hold    func(*attacker, context.Context, net.Conn, request) error // instead of requests and answers
}

// withCode is the answer that sends a browser back with a code.
const withCode = "303 with a code"

// passed says that an answer is one that the attacker must not get.
func (f *Flood) passed(answer string) bool {
	return (strings.HasPrefix(answer, "2") || answer == withCode) && !slices.Contains(f.allowed, answer)
}

func find(id string) *Flood {
	if i := slices.IndexFunc(Floods, func(f Flood) bool { return f.ID == id }); i >= 0 {
		return &Floods[i]
	}
	return nil
}

// Floods are all that are tried, by the rows of the catalogue.
var Floods = []Flood{
	{ID: "pages", Rows: []string{"WD1"}, Sends: "authorization requests with the longest `state` and `nonce`",
		addresses: 1, connections: 16, allowed: []string{"200"}, prepare: visits(2048, 512)},
	{ID: "pages-many", Rows: []string{"WD1"}, Sends: "the same from 2,000 addresses",
		addresses: 2000, connections: 16, allowed: []string{"200"}, prepare: visits(2048, 512)},
	{ID: "pages-long", Rows: []string{"WD1"}, Sends: "authorization requests with a `state` of 4 kB",
		addresses: 1, connections: 16, prepare: visits(4096, 512)},
	{ID: "guesses", Rows: []string{"WD2", "WD7"}, Sends: "wrong passwords of an honest user, 64 at a time",
		addresses: 1, connections: 64, prepare: guesses},
	{ID: "guesses-proxied", Rows: []string{"WD2", "WD7"}, Sends: "the same; everybody comes through a proxy that `-trusted-proxy` names",
		Proxied: true, addresses: 1, connections: 64, prepare: guesses},
	{ID: "guesses-many", Rows: []string{"WD7"}, Sends: "wrong passwords of an honest user from 20,000 addresses",
		addresses: 20_000, connections: 16, prepare: guesses},
	{ID: "names-many", Rows: []string{"WD7"}, Sends: "passwords of users who don't exist, each time of another one, from 20,000 addresses",
		addresses: 20_000, connections: 16, prepare: names},
	{ID: "guesses-same", Rows: []string{"WD2"}, Sends: "wrong passwords of an honest user from the honest users' own address",
		SameAddress: true, addresses: 1, connections: 64, prepare: guesses},
	{ID: "forms", Rows: []string{"WD7"}, Sends: "wrong passwords in 1,500 login forms at a time",
		addresses: 1, connections: 1500, prepare: forms},
	{ID: "hang-ups", Rows: []string{"WD7"}, Sends: "wrong passwords in login forms, each with a connection that is closed at once",
		addresses: 1, connections: 16, hangsUp: true, prepare: forms},
	{ID: "secrets", Rows: []string{"WD3"}, Sends: "wrong secrets of the client with which honest servers introspect",
		addresses: 1, connections: 16, prepare: secrets},
	{ID: "registrations", Rows: []string{"WD4"}, Sends: "registrations",
		addresses: 1, connections: 16, allowed: []string{"201"}, prepare: registrations},
	{ID: "registrations-many", Rows: []string{"WD4"}, Sends: "the same from 2,000 addresses",
		addresses: 2000, connections: 16, allowed: []string{"201"}, prepare: registrations},
	{ID: "documents", Rows: []string{"WD5"}, Sends: "authorization requests, each for another document of a client",
		addresses: 1, connections: 16, allowed: []string{"200"}, prepare: clientDocuments("/app/")},
	{ID: "documents-slow", Rows: []string{"WD5"}, Sends: "the same for documents that take 8 seconds, from 2,000 addresses",
		addresses: 2000, connections: 64, allowed: []string{"200"}, prepare: clientDocuments("/slow/")},
	{ID: "assertions", Rows: []string{"WD6"}, Sends: "client assertions of one self-registered client",
		addresses: 1, connections: 16, prepare: assertions},
	{ID: "assertions-rsa", Rows: []string{"WD6", "WD21"}, Sends: "forged client assertions for an RSA key of 8192 bits",
		addresses: 1, connections: 16, prepare: forgedAssertions},
	{ID: "codes", Rows: []string{"WD8"}, Sends: "authorization requests of one logged-in user, with a code for each",
		addresses: 1, connections: 16, allowed: []string{withCode}, prepare: codes},
	{ID: "refreshes", Rows: []string{"WD8"}, Sends: "made-up refresh tokens and codes",
		addresses: 1, connections: 16, prepare: madeUpGrants},
	{ID: "big-forms", Rows: []string{"WD20"}, Sends: "forms of 1 MB for the token endpoint",
		addresses: 1, connections: 16, prepare: bigForms},
	{ID: "zeros", Rows: []string{"WD20"}, Sends: "1 MB of zeros in `_meta`, with a token without scopes",
		atMCP: true, addresses: 1, connections: 16, allowed: []string{"200"}, prepare: zeros},
	{ID: "pings", Rows: []string{"WD19"}, Sends: "refused calls with a token without scopes",
		atMCP: true, addresses: 1, connections: 16, prepare: refusedCalls},
	{ID: "tokens", Rows: []string{"WC7"}, Sends: "forged tokens with key ids that the issuer doesn't have",
		atMCP: true, addresses: 1, connections: 16, prepare: forgedTokens},
	{ID: "garbage", Rows: []string{"WD20"}, Sends: "garbage in the place of a token, and a body of 1 MB",
		atMCP: true, addresses: 1, connections: 16, prepare: garbage},
	{ID: "slow-bodies", Rows: []string{"WD7"}, Sends: "2,000 forms at a time, each a byte a second",
		addresses: 1, connections: 2000, hold: dripBody, prepare: slowBodies},
	{ID: "slow-bodies-many", Rows: []string{"WD7"}, Sends: "the same from 2,000 addresses",
		addresses: 2000, connections: 4000, hold: dripBody, prepare: slowBodies},
	{ID: "silent", Rows: []string{"WD7"}, Sends: "8,000 connections that say nothing",
		addresses: 1, connections: 8000, hold: sayNothing, prepare: silence},
	{ID: "silent-many", Rows: []string{"WD7"}, Sends: "8,000 connections from 2,000 addresses, with half a header",
		addresses: 2000, connections: 8000, hold: sayNothing, prepare: halfHeader},
}

// always sends the same.
func always(bytes []byte) (request, error) { return func(int) []byte { return bytes }, nil }

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B

func visits(state, nonce int) func(*attacker) (request, error) {
	return func(a *attacker) (request, error) {
		where := authorization(a.issuer, testClient, scopes, challenge) + "&nonce=" + strings.Repeat("n", nonce)
		return always(raw("GET", strings.Replace(where, "state=s", "state="+strings.Repeat("s", state), 1), "", ""))
	}
}

const formHeader = "Content-Type: " + formType + "\r\n"

// post is a request with a form.
func (a *attacker) post(path string, form url.Values) []byte {
	return raw("POST", a.issuer+path, formHeader, form.Encode())
}

const tokenPath = "/protocol/openid-connect/token"

func guesses(a *attacker) (request, error) {
	return always(a.post(tokenPath, url.Values{
		"grant_type": {"password"}, "client_id": {testClient}, "username": {"mcp-user"}, "password": {"wrong"},
	}))
}

// names tries a password with one name after the other.
func names(a *attacker) (request, error) {
	return func(n int) []byte {
		return a.post(tokenPath, url.Values{
			"grant_type": {"password"}, "client_id": {testClient}, "username": {"user-" + strconv.Itoa(n)}, "password": {"summer2026"},
		})
	}, nil
}

var hidden = regexp.MustCompile(`name="request" value="([^"]+)"`)

// forms sends the form of a login page that was shown to this browser.
func forms(a *attacker) (request, error) {
	u, jar := a.user()
	page, err := u.get(authorization(a.issuer, testClient, scopes, challenge), jar)
	if err != nil {
		return nil, err
	}
	id := hidden.FindStringSubmatch(page)
	if id == nil {
		return nil, fmt.Errorf("the login page has no form")
	}
	where := a.issuer + "/login-actions/authenticate"
	cookies, err := cookieHeader(jar, where)
	form := url.Values{"request": {id[1]}, "username": {"mcp-user"}, "password": {"wrong"}}
	sent := raw("POST", where, formHeader+cookies, form.Encode())
	return func(int) []byte { return sent }, err
}

func secrets(a *attacker) (request, error) {
	return always(a.post(tokenPath, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"echo-mcp-server"}, "client_secret": {"wrong"},
	}))
}

const registerPath = "/clients-registrations/openid-connect"

func registrations(a *attacker) (request, error) {
	body := fmt.Sprintf(`{"client_name":"%s","redirect_uris":["%s"],"token_endpoint_auth_method":"none"}`,
		strings.Repeat("x", 100), redirectURI)
	return always(raw("POST", a.issuer+registerPath, "Content-Type: application/json\r\n", body))
}

// clientDocuments asks for a new document each time.
func clientDocuments(path string) func(*attacker) (request, error) {
	return func(a *attacker) (request, error) {
		return func(n int) []byte {
			return raw("GET", authorization(a.issuer, a.documents+path+strconv.Itoa(n), scopes, challenge), "", "")
		}, nil
	}
}

// site is where a client of the attacker gets its codes. A consent for a client on
// this machine would be asked for each time (RFC 8252, section 8.6).
const site = "https://app.example/callback"

// codes asks for codes as a user who has consented before.
func codes(a *attacker) (request, error) {
	u, jar := a.user()
	if err := u.registerAs(`{"redirect_uris":["` + site + `"],"token_endpoint_auth_method":"none"}`); err != nil {
		return nil, err
	}
	where := strings.Replace(authorization(a.issuer, u.id, scopes, challenge), url.QueryEscape(redirectURI), url.QueryEscape(site), 1)
	if _, err := (formlogin.Browser{Jar: jar}).Run(u.ctx, where, site, formlogin.User{Name: u.name, Password: passwords[u.name]}); err != nil {
		return nil, err
	}
	cookies, err := cookieHeader(jar, where)
	sent := raw("GET", where, cookies, "")
	return func(int) []byte { return sent }, err
}

func cookieHeader(jar *cookiejar.Jar, where string) (string, error) {
	at, err := url.Parse(where)
	if err != nil {
		return "", err
	}
	var pairs []string
	for _, cookie := range jar.Cookies(at) {
		pairs = append(pairs, cookie.Name+"="+cookie.Value)
	}
	return "Cookie: " + strings.Join(pairs, "; ") + "\r\n", nil
}

func madeUpGrants(a *attacker) (request, error) {
	return func(n int) []byte {
		form := url.Values{"client_id": {testClient}, "grant_type": {"refresh_token"}, "refresh_token": {rand.Text()}}
		if n%2 == 0 {
			form = url.Values{
				"client_id": {testClient}, "grant_type": {"authorization_code"}, "code": {rand.Text()},
				"redirect_uri": {redirectURI}, "code_verifier": {strings.Repeat("v", 43)},
			}
		}
		return a.post(tokenPath, form)
	}, nil
}

func bigForms(a *attacker) (request, error) {
	return always(a.post(tokenPath, url.Values{"grant_type": {strings.Repeat("x", 1<<20-100)}}))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// signedClient registers a client with a key.
func (a *attacker) signedClient(jwk string) (id string, err error) {
	u, _ := a.user()
	err = u.registerAs(`{"redirect_uris":["` + redirectURI + `"],"token_endpoint_auth_method":"private_key_jwt",` +
		`"jwks":{"keys":[` + jwk + `]}}`)
	return u.id, err
}

// assertion is a token request with a client assertion.
func (a *attacker) assertion(header, client string, sign func(input []byte) []byte) []byte {
	now := time.Now().Unix()
	payload := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"iat":%d,"exp":%d,"jti":%q}`, client, client, a.issuer, now, now+60, rand.Text())
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	return a.post(tokenPath, url.Values{
		"grant_type": {"authorization_code"}, "code": {"none"}, "redirect_uri": {redirectURI}, "code_verifier": {strings.Repeat("v", 43)},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {input + "." + encode(sign([]byte(input)))},
	})
}

func assertions(a *attacker) (request, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	x, y := encode(point[1:33]), encode(point[33:])
	id, err := a.signedClient(fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"k","alg":"ES256","x":%q,"y":%q}`, x, y))
	sign := func(input []byte) []byte {
		sum := sha256.Sum256(input)
		r, s, _ := ecdsa.Sign(rand.Reader, key, sum[:])
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	return func(int) []byte { return a.assertion(`{"alg":"ES256","kid":"k"}`, id, sign) }, err
}

// forgedAssertions makes the server verify signatures with the largest key that it
// takes. The key needs no private half.
func forgedAssertions(a *attacker) (request, error) {
	modulus := make([]byte, 1024)
	_, _ = rand.Read(modulus)
	modulus[0], modulus[len(modulus)-1] = 0xc0, modulus[len(modulus)-1]|1
	id, err := a.signedClient(fmt.Sprintf(`{"kty":"RSA","kid":"k","alg":"RS256","n":%q,"e":"AQAB"}`, encode(modulus)))
	signature := append([]byte{0}, modulus[1:]...)
	return func(int) []byte {
		return a.assertion(`{"alg":"RS256","kid":"k"}`, id, func([]byte) []byte { return signature })
	}, err
}

// message is a message to the MCP server.
func (a *attacker) message(token, body string) []byte {
	return raw("POST", a.mcp+"/mcp", "Authorization: Bearer "+token+"\r\nContent-Type: application/json\r\n", body)
}

// withoutScopes is a message with a good token that allows nothing.
func (a *attacker) withoutScopes(body string) (request, error) {
	u, jar := a.user()
	if err := u.logInFor("openid", formlogin.Browser{Jar: jar}); err != nil {
		return nil, err
	}
	return always(a.message(u.access, body))
}

func zeros(a *attacker) (request, error) {
	return a.withoutScopes(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"zeros":[0` + strings.Repeat(",0", 1<<19-100) + `]}}}`)
}

func refusedCalls(a *attacker) (request, error) { return a.withoutScopes(echo) }

// forgedTokens has the form of good ones, with another key id each time.
func forgedTokens(a *attacker) (request, error) {
	now := time.Now().Unix()
	payload := encode(fmt.Appendf(nil, `{"iss":%q,"aud":%q,"sub":"x","client_id":"x","scope":%q,"iat":%d,"exp":%d,"jti":"x"}`,
		a.issuer, a.mcp+"/mcp", scopes, now, now+60))
	signature := encode(make([]byte, 256))
	return func(n int) []byte {
		header := encode(fmt.Appendf(nil, `{"alg":"RS256","typ":"at+jwt","kid":"%d"}`, n))
		return a.message(header+"."+payload+"."+signature, echo)
	}, nil
}

func garbage(a *attacker) (request, error) {
	return always(a.message(strings.Repeat("A", 20_000), strings.Repeat("0", 1<<20-1)))
}

func slowBodies(a *attacker) (request, error) {
	whole := string(a.post(tokenPath, url.Values{"grant_type": {strings.Repeat("x", 10_000)}}))
	header, _, _ := strings.Cut(whole, "\r\n\r\n")
	return always([]byte(header + "\r\n\r\n"))
}

func silence(*attacker) (request, error) { return always(nil) }

func halfHeader(*attacker) (request, error) {
	return always([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("x", 4000)))
}
