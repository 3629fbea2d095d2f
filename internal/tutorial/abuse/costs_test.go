package abuse

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/mark3labs/mcp-go/mcp"

	"mcp-auth-step-by-step/internal/authserver"
	"mcp-auth-step-by-step/internal/authserver/clientassertion"
	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/realm"
	"mcp-auth-step-by-step/internal/mcpserver/auditlog"
	"mcp-auth-step-by-step/internal/mcpserver/introspection"
	"mcp-auth-step-by-step/internal/mcpserver/mcpendpoint"
	"mcp-auth-step-by-step/internal/oauth/accesstoken"
	"mcp-auth-step-by-step/internal/oauth/clientauth"
	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/pkce"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/recorded"
	"mcp-auth-step-by-step/internal/web/quota"
	"mcp-auth-step-by-step/internal/web/serve"
)

// What is kept at all limits takes less than 256 MB. A limit that is raised changes
// the sum; `make abuse` measures what a unit takes.
func TestWD1_WD8_WD20_AllLimitsTogether(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	costs, err := ReadCosts(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range resources() {
		if costs.Bytes[r.ID] <= 0 || r.Units <= 0 {
			t.Errorf("%s: %d × %d bytes: run make abuse", r.ID, r.Units, costs.Bytes[r.ID])
		}
	}
	if sum := costs.Sum(); sum > MaxMemory {
		t.Errorf("it takes %.0f MB", megabytes(sum))
	}
	main, err := os.ReadFile(filepath.Join(root, "cmd", "step10", "main.go"))
	if err != nil || !strings.Contains(string(main), fmt.Sprintf("auditlog.New(%d)", AuditRecords)) {
		t.Errorf("step 10 doesn't keep %d audit records: %v", AuditRecords, err)
	}
}

// heap is what is in use once garbage is collected, stacks of goroutines included.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// each measures what one of n units takes.
func each(n int, keep func()) int {
	before := heap()
	keep()
	return max(1, (heap()-before)/n)
}

// Each resource is filled with the largest units that are let in, of which there are
// fewer than at the limit, and the memory of one is measured.
func TestCosts(t *testing.T) {
	short := form(t)
	costs := Costs{ThisMachine(), map[string]int{}}
	costs.ofLogins(t)
	costs.ofGrants(t)
	costs.ofClients(t)
	costs.ofDocuments(t)
	costs.ofAssertions(t)
	costs.ofTries(t)
	costs.ofKeys(t)
	costs.ofAnswers(t)
	costs.ofConnections(t)
	costs.ofBodies(t)
	costs.ofPrograms(t)
	for _, r := range resources() {
		t.Logf("%-12s %6d × %8d = %6.1f MB", r.ID, r.Units, costs.Bytes[r.ID], megabytes(r.Units*costs.Bytes[r.ID]))
	}
	t.Logf("%.0f MB", megabytes(costs.Sum()))
	if costs.Sum() > MaxMemory {
		t.Errorf("all limits together take %.0f MB", megabytes(costs.Sum()))
	}
	root, err := manifest.Root()
	if err == nil && !short && !t.Failed() {
		err = recorded.Write(file(root, costsFile), costs)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// issuer is an authorization server in this process, at which each client is good
// whose id is a URL.
type issuer struct {
	t   *testing.T
	url string
	// redirect is the longest redirect URI.
	redirect string
	client   *http.Client
}

const (
	fromHeader = "X-Test-From"
	testUsers  = 10
)

// Fetch is the document of each client.
func (i *issuer) Fetch(_ context.Context, id string) (*clientmetadata.Metadata, error) {
	return &clientmetadata.Metadata{
		ClientID: id, ClientName: strings.Repeat("n", 100), RedirectURIs: clientmetadata.MustRedirects(i.redirect),
		TokenEndpointAuthMethod: "none", GrantTypes: []string{"authorization_code", "refresh_token"},
	}, nil
}

func newIssuer(t *testing.T, cost authserver.PasswordCost) *issuer {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	i := &issuer{
		t: t, url: "http://" + web.Listener.Addr().String() + "/realms/mcp-realm",
		redirect: "https://app.example/" + strings.Repeat("r", 490),
	}
	r := realm.Demo()
	r.Registration.Hosts, r.Documents = nil, &realm.Documents{Hosts: []string{"*"}}
	for n := range testUsers {
		user := r.Users[0]
		user.ID, user.Username, user.Password, user.ServiceAccountOf = "", fmt.Sprint("user", n), "secret", ""
		r.Users = append(r.Users, user)
	}
	server, err := authserver.New(authserver.Config{
		Issuer: i.url, Realm: r, Resource: "http://localhost:9000/mcp", Documents: i, PasswordCost: cost,
		ClientAddress: func(r *http.Request) string { return r.Header.Get(fromHeader) },
		Limits:        authserver.Limits{Pause: 1, Registrations: 10_000, AddressTries: 10_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	web.Config.Handler = server
	web.Start()
	t.Cleanup(web.Close)
	i.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return i
}

// cheap is a password cost for what is not about passwords.
var cheap = authserver.PasswordCost{Memory: 8, Passes: 1}

func userOf(n int) formlogin.User {
	return formlogin.User{Name: fmt.Sprint("user", n), Password: "secret"}
}

// longID is the longest id of a client.
func longID(n int) string {
	id := fmt.Sprintf("https://app.example/%d/", n)
	return id + strings.Repeat("i", clientmetadata.MaxURL-len(id))
}

// ask is the longest authorization request.
func (i *issuer) ask(client, verifier string) string {
	where := authorization(i.url, client, scopes+" openid profile email", pkce.Challenge(verifier))
	where = strings.Replace(where, "state=s", "state="+strings.Repeat("s", 2<<10), 1)
	return strings.Replace(where, url.QueryEscape(redirectURI), url.QueryEscape(i.redirect), 1) + "&nonce=" + strings.Repeat("n", 512)
}

// send sends a request from an address, with the cookies of a jar, and wants a status.
func (i *issuer) send(request *http.Request, from string, jar http.CookieJar, want int) (header http.Header, body string) {
	i.t.Helper()
	request.Header.Set(fromHeader, from)
	client := *i.client
	client.Jar = jar
	response, err := client.Do(request)
	if err != nil {
		i.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		i.t.Fatalf("%s %s: %d %.300s, want %d, %v", request.Method, request.URL.Path, response.StatusCode, text, want, err)
	}
	return response.Header, string(text)
}

func (i *issuer) get(where, from string, jar http.CookieJar, want int) (http.Header, string) {
	i.t.Helper()
	request, err := http.NewRequest(http.MethodGet, where, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.send(request, from, jar, want)
}

func (i *issuer) post(path string, form url.Values, want int) string {
	i.t.Helper()
	request, err := http.NewRequest(http.MethodPost, i.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		i.t.Fatal(err)
	}
	request.Header.Set("Content-Type", formType)
	_, body := i.send(request, form.Get("client_id"), nil, want)
	return body
}

// logIn lets a user log in and consent in a browser, and returns the code.
func (i *issuer) logIn(where string, n int) (jar http.CookieJar, code string) {
	i.t.Helper()
	jar, _ = cookiejar.New(nil)
	return jar, i.goOn(where, n, jar)
}

func (i *issuer) goOn(where string, n int, jar http.CookieJar) (code string) {
	i.t.Helper()
	back, err := formlogin.Browser{Jar: jar}.Run(i.t.Context(), where, i.redirect, userOf(n))
	if err != nil {
		i.t.Fatal(err)
	}
	if code = back.Query().Get("code"); code == "" {
		i.t.Fatal(back.Query())
	}
	return code
}

func (c *Costs) ofLogins(t *testing.T) {
	i := newIssuer(t, cheap)
	i.get(i.ask(longID(0), strings.Repeat("v", 43)), "", nil, http.StatusOK)
	const n = 400
	c.Bytes["logins"] = each(n, func() {
		for m := range n {
			i.get(i.ask(longID(0), strings.Repeat("v", 43)), strconv.Itoa(m%10), nil, http.StatusOK)
		}
	})
	jars := make([]http.CookieJar, testUsers)
	for u := range jars {
		jars[u], _ = i.logIn(i.ask(longID(0), strings.Repeat("v", 43)), u)
	}
	c.Bytes["decisions"] = each(n, func() {
		for m := range n {
			i.get(i.ask(longID(0), strings.Repeat("v", 43))+"&prompt=consent", "", jars[m%testUsers], http.StatusSeeOther)
		}
	})
	account, login := i.url+"/account/applications", i.url+"/login-actions/authenticate"
	c.Bytes["sessions"] = each(n, func() {
		for m := range n {
			jar, _ := cookiejar.New(nil)
			_, page := i.get(account, "", jar, http.StatusOK)
			form := url.Values{"request": {hidden.FindStringSubmatch(page)[1]}, "username": {userOf(m % testUsers).Name}, "password": {"secret"}}
			request, err := http.NewRequest(http.MethodPost, login, strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", formType)
			i.send(request, "", jar, http.StatusSeeOther)
		}
	})
	runtime.KeepAlive(i)
}

func (c *Costs) ofGrants(t *testing.T) {
	i := newIssuer(t, cheap)
	verifier := strings.Repeat("v", 43)
	where := i.ask(longID(0), verifier)
	jars, n := make([]http.CookieJar, testUsers), 40*testUsers
	for u := range jars {
		jars[u], _ = i.logIn(where, u)
	}
	code := func(m int) string {
		header, _ := i.get(where, "", jars[m%testUsers], http.StatusSeeOther)
		back, _ := url.Parse(header.Get("Location"))
		return strings.Clone(back.Query().Get("code"))
	}
	redeem := func(code string) (access string) {
		answer := i.post(tokenPath, url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "client_id": {longID(0)}, "code_verifier": {verifier},
		}, http.StatusOK)
		var got tokens
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		return strings.Clone(got.Access)
	}
	revoke := func(token string) {
		i.post("/protocol/openid-connect/revoke", url.Values{"token": {token}, "client_id": {longID(0)}}, http.StatusOK)
	}
	c.Bytes["codes"] = each(n, func() {
		for m := range n {
			code(m)
		}
	})
	for m := range authserver.CodesPerUser * testUsers { // from here on each user has as many codes as may be, all used
		redeem(code(m))
	}
	c.Bytes["families"] = each(n, func() {
		for m := range n {
			redeem(code(m))
		}
	})
	revoked := make([]string, 201)
	for m := range revoked {
		revoked[m] = redeem(code(m))
	}
	revoke(revoked[200])
	c.Bytes["revoked"] = each(200, func() {
		for _, token := range revoked[:200] {
			revoke(token)
		}
	})
	runtime.KeepAlive(revoked)
	for m := range authserver.CodesPerUser {
		i.goOn(i.ask(longID(m+1000), verifier), 0, jars[0])
	}
	c.Bytes["consents"] = each(300, func() { // the codes of one user are as many as may be, so none is added
		for m := range 300 {
			i.goOn(i.ask(longID(m+1), verifier), 0, jars[0])
		}
	})
	runtime.KeepAlive(i)
}

func (c *Costs) ofClients(t *testing.T) {
	i := newIssuer(t, cheap)
	var redirects, keys []string
	for n := range 20 {
		redirects = append(redirects, fmt.Sprintf(`"https://app.example/%d%s"`, n, strings.Repeat("r", 488)))
	}
	for n := range 5 {
		modulus := make([]byte, 1024)
		_, _ = rand.Read(modulus)
		modulus[0], modulus[1023] = 0xc0, modulus[1023]|1
		keys = append(keys, fmt.Sprintf(`{"kty":"RSA","kid":"%d","alg":"RS256","n":%q,"e":"AQAB"}`, n, encode(modulus)))
	}
	body := fmt.Sprintf(`{"client_name":%q,"token_endpoint_auth_method":"private_key_jwt","redirect_uris":[%s],"jwks":{"keys":[%s]}}`,
		strings.Repeat("n", 100), strings.Join(redirects, ","), strings.Join(keys, ","))
	const n = 200
	c.Bytes["clients"] = each(n, func() {
		for m := range n {
			request, err := http.NewRequest(http.MethodPost, i.url+registerPath, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			i.send(request, strconv.Itoa(m%10), nil, http.StatusCreated)
		}
	})
	runtime.KeepAlive(i)
}

func (c *Costs) ofDocuments(t *testing.T) {
	arrived, goOn := make(chan bool, 100), make(chan bool)
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "https://" + r.Host + r.URL.Path
		text := fmt.Sprintf(`{"client_id":%q,"client_name":"App","token_endpoint_auth_method":"none","redirect_uris":["%s"`, id, redirectURI)
		for n := 0; len(text) < clientmetadata.MaxDocument-560; n++ {
			text += fmt.Sprintf(`,"http://127.0.0.1/%d%s"`, n, strings.Repeat("r", 480))
		}
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(r.URL.Path, "/slow/") {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
			arrived <- true
			<-goOn
			return
		}
		_, _ = io.WriteString(w, text+"]}")
	}))
	defer site.Close()
	defer close(goOn)
	now := time.Now()
	fetcher := clientmetadata.NewFetcher(site.Client(), func() time.Time { return now })
	const n = 240
	c.Bytes["documents"] = each(n, func() {
		for m := range n {
			now = now.Add(time.Second)
			id := fmt.Sprintf("%s/%d", site.URL, m)
			ctx := clientmetadata.WithCaller(t.Context(), strconv.Itoa(m%10))
			if _, err := fetcher.Fetch(ctx, id+"/"+strings.Repeat("i", clientmetadata.MaxURL-1-len(id))); err != nil {
				t.Fatal(err)
			}
		}
	})
	// Both ends are in this process, so it is less.
	c.Bytes["fetches"] = each(clientmetadata.FetchesFromHost, func() {
		for m := range clientmetadata.FetchesFromHost {
			ctx := clientmetadata.WithCaller(t.Context(), strconv.Itoa(m))
			go func() { _, _ = fetcher.Fetch(ctx, fmt.Sprintf("%s/slow/%d", site.URL, m)) }()
			<-arrived
		}
	})
}

func (c *Costs) ofAssertions(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := &clientassertion.Verifier{Audience: []string{"server"}}
	const n = 1000
	c.Bytes["assertions"] = each(n, func() {
		for m := range n {
			client := longID(m % 20)
			token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
				"iss": client, "sub": client, "aud": "server", "jti": rand.Text(), "exp": time.Now().Add(time.Minute).Unix(),
			})
			token.Header["kid"] = "k"
			signed, err := token.SignedString(key)
			if err == nil {
				err = v.Verify(t.Context(), signed, client, jwks.Set{{ID: "k", Algorithm: "ES256", Public: &key.PublicKey}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	runtime.KeepAlive(v)
}

func (c *Costs) ofTries(t *testing.T) {
	i := newIssuer(t, cheap)
	guess := func(n int, name, password string, want int) {
		request, err := http.NewRequest(http.MethodPost, i.url+tokenPath, strings.NewReader(url.Values{
			"grant_type": {"password"}, "client_id": {testClient}, "username": {name}, "password": {password},
		}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", formType)
		i.send(request, fmt.Sprintf("2001:db8:1234:%04x::/64", n), nil, want)
	}
	const n = 1000
	c.Bytes["tries"] = each(3*n, func() { // an address, a user, and both
		for m := range n {
			guess(m, fmt.Sprint("nobody", m), "wrong", http.StatusBadRequest)
		}
	})
	runtime.KeepAlive(i)
	// An address from which a user has logged in is an entry of such a ledger.
	known, ledger := map[string]bool{}, quota.New(authserver.AddressesPerUser, authserver.FamiliarAddresses)
	c.Bytes["familiar"] = each(n, func() {
		for m := range n {
			user := fmt.Sprintf("%043d", m/authserver.AddressesPerUser)
			key := user + fmt.Sprintf(" 2001:db8:1234:%04x::/64", m)
			_, _ = ledger.Add(user, key, time.Now().Add(time.Hour), time.Now())
			known[key] = true
		}
	})
	runtime.KeepAlive(known)
	runtime.KeepAlive(ledger)

	dear := newIssuer(t, authserver.PasswordCost{})
	i = dear
	before, after := runtime.MemStats{}, runtime.MemStats{}
	runtime.ReadMemStats(&before)
	guess(0, "nobody", "wrong", http.StatusBadRequest)
	runtime.ReadMemStats(&after)
	c.Bytes["hashes"] = int(after.TotalAlloc - before.TotalAlloc)
}

func (c *Costs) ofKeys(t *testing.T) {
	log := auditlog.New(AuditRecords)
	c.Bytes["audit"] = each(AuditRecords, func() {
		for m := range AuditRecords {
			log.Add(auditlog.Decision{
				Time: time.Now(), Subject: fmt.Sprintf("%0255d", m), ClientID: longID(m), Operation: "tools/call",
				Name: fmt.Sprintf("%0128d", m), Reason: strings.Repeat("r", 200),
			})
		}
	})
	runtime.KeepAlive(log)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	document := `{"keys":[`
	for n := 0; len(document) < 256<<10-200; n++ {
		document += fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"%d","x":%q,"y":%q},`, n, encode(point[1:33]), encode(point[33:]))
	}
	var set jwks.Set
	c.Bytes["keys"] = each(1, func() {
		text := document[:len(document)-1] + "]}"
		if set, err = jwks.Parse([]byte(text)); err != nil {
			t.Fatal(err)
		}
	})
	runtime.KeepAlive(set)
}

func (c *Costs) ofAnswers(t *testing.T) {
	asked := 0
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active":true,"iss":"http://issuer","aud":"me","sub":"%0255d","client_id":%q,"scope":"mcp:read mcp:tools mcp:prompts",
			"token_type":"Bearer","exp":%d,"iat":%d,"username":%q}`, asked, longID(asked), time.Now().Add(time.Minute).Unix(), time.Now().Unix(),
			strings.Repeat("u", 255))
	}))
	defer issuer.Close()
	v := introspection.New(introspection.Config{
		Endpoint: issuer.URL, Method: clientauth.Basic, Credentials: clientauth.Credentials{ID: "me", Secret: "secret"}, Keep: time.Minute,
	}, &accesstoken.Verifier{Issuer: "http://issuer", Audience: "me"}, func() string { return issuer.URL })
	ask := func(m int) {
		if _, err := v.Verify(t.Context(), fmt.Sprint("token", m)); err != nil {
			t.Fatal(err)
		}
	}
	ask(-1)
	const n = 300
	c.Bytes["answers"] = each(n, func() {
		for m := range n {
			ask(m)
		}
	})
	runtime.KeepAlive(v)
}

// hold starts a server with the limits of the steps, and more time for slow machines.
func hold(t *testing.T, handler http.Handler) *serve.Running {
	t.Helper()
	limits := serve.DefaultLimits
	limits.ReadHeader, limits.Read, limits.Write = time.Minute, time.Minute, time.Minute
	running, err := serve.Start(serve.Options{Addr: "127.0.0.1:0", Limits: limits}, func(context.Context, serve.Site) (http.Handler, error) {
		return handler, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = running.Close() })
	return running
}

func (c *Costs) ofConnections(t *testing.T) {
	arrived, goOn := make(chan bool), make(chan bool)
	running := hold(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- true
		<-goOn
		runtime.KeepAlive(body)
	}))
	header := ""
	for n := range 120 {
		header += fmt.Sprintf("X%d: %s\r\n", n, strings.Repeat("x", (serve.DefaultLimits.Header/120)-10))
	}
	request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", header, serve.BodyBlock, strings.Repeat("b", serve.BodyBlock))
	const n = 100
	c.Bytes["connections"] = each(n, func() {
		for range n {
			conn, err := net.Dial("tcp", running.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			<-arrived // when the server has all of it
		}
	})
	close(goOn)
}

func (c *Costs) ofBodies(t *testing.T) {
	called, goOn := make(chan bool), make(chan bool)
	server := mcpendpoint.NewServer()
	server.AddTool(mcp.NewTool("hold"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		called <- true
		<-goOn
		return mcp.NewToolResultText(""), nil
	})
	running := hold(t, mcpendpoint.Decode(mcpendpoint.Handler(server)))
	// Of what is let in, numbers take the most memory for their length.
	head := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hold","arguments":{},"_meta":{"zeros":[0`
	body := head + strings.Repeat(",0", int(serve.DefaultLimits.Body)/2-len(head)) + `]}}}`
	conn, err := net.Dial("tcp", running.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	whole := each(1, func() {
		_, err := fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"+
			"Content-Length: %d\r\n\r\n%s", len(body), body)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-called:
		case <-time.After(time.Minute):
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			t.Fatal(answer, err)
		}
	})
	close(goOn)
	c.Bytes["bodies"] = whole * serve.BodyBlock / len(body)

	read, readOn := make(chan bool), make(chan bool)
	running = hold(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { // as step 9 reads forms
		body, _ := io.ReadAll(r.Body)
		values, _ := url.ParseQuery(string(body))
		read <- true
		<-readOn
		runtime.KeepAlive(body)
		runtime.KeepAlive(values)
	}))
	form, n := "token="+strings.Repeat("x", 64<<10-6), 8
	c.Bytes["forms"] = each(n, func() {
		for range n {
			conn, err := net.Dial("tcp", running.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(form), form); err != nil {
				t.Fatal(err)
			}
			<-read
		}
	}) * serve.BodyBlock / len(form)
	close(readOn)
}

func (c *Costs) ofPrograms(t *testing.T) {
	_, programs := build(t)
	// What is free goes back to the system at once, so that garbage doesn't count.
	w, err := programs.Start(t.TempDir(), Options{Env: []string{"GOMEMLIMIT=1MiB"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	step9, err := used(w.Step9)
	if err != nil {
		t.Fatal(err)
	}
	step10, err := used(w.Step10)
	if err != nil {
		t.Fatal(err)
	}
	c.Bytes["programs"] = (step9.memory + step10.memory) / 2
}
