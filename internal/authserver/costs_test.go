package authserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/authserver/store"
)

// The tests of this file let unknown callers use up what they may, and see that
// it costs others nothing.

const fromHeader = "X-Test-From"

// manyAddresses lets requests say from which address they come.
func manyAddresses(c *Config) {
	c.ClientAddress = func(r *http.Request) string { return cmp.Or(r.Header.Get(fromHeader), "honest") }
}

func (r *rig) count(s store.Store, bucket string) (n int) {
	_ = s.View(func(tx store.Reader) error {
		for range tx.Each(bucket) {
			n++
		}
		return nil
	})
	return n
}

// authorizeFrom sends a good authorization request from an address.
func (r *rig) authorizeFrom(address string, changes ...string) answer {
	request, err := http.NewRequest(http.MethodGet, r.absolute(r.ask(changes...)), nil)
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set(fromHeader, address)
	return r.browser().do(request)
}

func TestWD1_AFloodOfAuthorizationRequestsCostsItsSenderAlone(t *testing.T) {
	t.Parallel()
	r := start(t, manyAddresses, func(c *Config) { c.Limits.Interactions, c.Limits.InteractionsPerAddress = 30, 20 })
	b := r.browser()
	page := b.get(r.ask())
	for i := range 100 {
		r.authorizeFrom(fmt.Sprintf("flood %d", i%3))
	}
	if n := r.count(r.interactions.store, "interactions"); n != 30 {
		t.Errorf("%d interactions are kept", n)
	}
	// The honest login began before the flood, and goes on after it.
	if said := r.response(b.consentTo(b.logIn(page, "mcp-user"))); said.Get("code") == "" {
		t.Errorf("%v", said)
	}
	for _, change := range []string{
		"state=" + strings.Repeat("s", maxState+1), "nonce=" + strings.Repeat("n", maxNonce+1), "scope=" + strings.Repeat("a", maxScope+1),
	} {
		if got := r.response(r.browser().get(r.ask(change))); got.Get("error") != "invalid_request" {
			t.Errorf("%.20s…: %.100v", change, got)
		}
	}
}

// WD1: the consent pages of one user cost nobody else behind the same address
// anything, and of that user the oldest.
func TestWD1_ConsentPagesCountByUser(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Limits.InteractionsPerAddress = 2 })
	many, other := r.browser(), r.browser()
	first := many.logIn(many.get(r.ask()), "mcp-user")
	for range DecisionsPerUser {
		many.get(r.ask())
	}
	if n := r.count(r.interactions.store, "decisions"); n != DecisionsPerUser {
		t.Errorf("%d consent pages of one user are kept", n)
	}
	if said := r.response(other.consentTo(other.logIn(other.get(r.ask()), "mcp-admin"))); said.Get("code") == "" {
		t.Errorf("another user of the same address: %v", said)
	}
	if got := many.get(first.Header.Get("Location")); got.StatusCode == http.StatusOK {
		t.Error("the oldest consent page is still there")
	}
	if got := many.get(many.get(r.ask()).Header.Get("Location")); got.StatusCode != http.StatusOK {
		t.Errorf("one more consent page of the same user: %d", got.StatusCode)
	}
}

// WD20: a form of many tiny parameters costs many times its size once it is read.
func TestWD20_ParametersAreFew(t *testing.T) {
	t.Parallel()
	r := start(t)
	form := strings.Repeat("x=&", maxCount)
	for _, body := range []string{form, form[3:]} {
		request, err := http.NewRequest(http.MethodPost, r.issuer+pathToken, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := r.browser().do(request); got.StatusCode != http.StatusBadRequest && got.StatusCode != http.StatusUnauthorized ||
			strings.Contains(got.text, "too many") != (body == form) {
			t.Errorf("%d parameters: %d %s", strings.Count(body, "&"), got.StatusCode, got.text)
		}
	}
}

func TestWD3_WrongSecretsLockNobodyOut(t *testing.T) {
	t.Parallel()
	r := start(t)
	ask := func(secret string) reply {
		return r.tokens(url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(serverClient, secret))
	}
	limited := 0
	for range 20 {
		if ask("wrong").status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited != 20-r.limits.UserTries {
		t.Errorf("%d of 20 wrong secrets were limited", limited)
	}
	if got := ask(serverSecret); got.status != http.StatusOK {
		t.Errorf("the right secret from the same address: %d", got.status)
	}
}

// registerFrom registers a client from an address.
func (r *rig) registerFrom(address string) (id string, status int) {
	r.Helper()
	body := `{"redirect_uris":["` + testRedirect + `"],"token_endpoint_auth_method":"none"}`
	request, err := http.NewRequest(http.MethodPost, r.issuer+pathRegister, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(fromHeader, address)
	got := r.browser().do(request)
	if got.StatusCode != http.StatusCreated {
		return "", got.StatusCode
	}
	return r.reply(got).text[len(`{"client_id":"`):][:len("dcr-")+26], got.StatusCode
}

func (r *rig) knows(clientID string) bool {
	return r.browser().get(r.ask("client_id="+clientID)).StatusCode == http.StatusOK
}

func TestWD4_H03_AFloodOfRegistrationsCostsItsSenderAlone(t *testing.T) {
	t.Parallel()
	r := start(t, manyAddresses, func(c *Config) { c.Limits.Clients, c.Limits.ClientsPerAddress, c.Limits.Registrations = 30, 20, 1000 })
	used, _ := r.registerFrom("user")
	r.tokens(redeemForm(r.code("mcp-user", "client_id="+used), "client_id="+used))
	underWay, _ := r.registerFrom("newcomer")
	b := r.browser()
	page := b.get(r.ask("client_id=" + underWay))
	for i := range 200 {
		if _, status := r.registerFrom(fmt.Sprintf("flood %d", i%4)); status != http.StatusCreated {
			t.Fatalf("registration %d: %d", i, status)
		}
	}
	if n := r.count(r.clients.store, "clients"); n != 30 {
		t.Errorf("%d clients are kept", n)
	}
	loggedIn := b.logIn(page, "mcp-user")
	for range 50 { // now from its own address
		r.registerFrom("newcomer")
	}
	if said := r.response(b.consentTo(loggedIn)); said.Get("code") == "" {
		t.Errorf("a login that was under way: %v", said)
	}
	// While the table is half full, unused clients are known for an hour.
	late, _ := r.registerFrom("newcomer")
	r.clock.advance(crowdedLifetime - time.Second)
	if !r.knows(late) {
		t.Error("it is forgotten within the hour")
	}
	r.clock.advance(time.Second)
	if r.knows(late) || !r.knows(used) {
		t.Error("after an hour the unused one is known, or the used one isn't")
	}
	for range 10 { // expired ones go a few at a time
		r.registerFrom("newcomer")
	}
	first, _ := r.registerFrom("newcomer")
	r.clock.advance(r.limits.UnusedClient - time.Second)
	if !r.knows(first) {
		t.Error("in a table with room, an unused one is forgotten within the day")
	}
	r.clock.advance(r.limits.UsedClient)
	if r.knows(used) {
		t.Error("one that isn't used any more is known")
	}
}

func TestWD7_PasswordHashesAreBoundedAndEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	r := start(t)
	for range cap(r.users.running) {
		r.users.running <- struct{}{} // all processors are busy
	}
	ctx, hangUp := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := r.users.logIn(ctx, "mcp-user", "wrong", "somewhere")
		left <- err
	}()
	hangUp()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who hung up got %v", err)
	}
	for range cap(r.users.queue) {
		r.users.queue <- struct{}{}
	}
	got := r.tokens(passwordForm("mcp-user"))
	r.want(got, http.StatusServiceUnavailable, "temporarily_unavailable")
	if got.header.Get("Retry-After") == "" {
		t.Error("it doesn't say when to try again")
	}
	for range cap(r.users.queue) {
		<-r.users.queue
	}
	for range cap(r.users.running) {
		<-r.users.running
	}
	// Neither was a wrong try.
	for range r.limits.UserTries - 1 {
		r.tokens(passwordForm("mcp-user", "password=wrong"))
	}
	if got := r.tokens(passwordForm("mcp-user")); got.status != http.StatusOK {
		t.Errorf("afterwards: %d %s", got.status, got.text)
	}
}

func TestWD2_WD7_WhoGuessesLocksNobodyOut(t *testing.T) {
	t.Parallel()
	r := start(t, manyAddresses, func(c *Config) { c.Limits.UserTriesFromAll = 50 })
	try := func(address, password string) int {
		return r.tokens(passwordForm("mcp-user", "password="+password), fromHeader, address).status
	}
	if status := try("home", "user123"); status != http.StatusOK {
		t.Fatalf("at first: %d", status)
	}
	for range 100 {
		try("guesser", "wrong")
	}
	if status := try("elsewhere", "user123"); status != http.StatusOK {
		t.Errorf("while somebody guesses from one address: %d", status)
	}
	looked := 0
	for i := range 200 {
		if try(fmt.Sprintf("guesser %d", i), "wrong") == http.StatusBadRequest {
			looked++
		}
	}
	if want := 50 - r.limits.UserTries; looked != want {
		t.Errorf("%d guesses from many addresses were looked at, want %d", looked, want)
	}
	// The user is locked out only where nobody has seen that user yet.
	for _, address := range []string{"home", "elsewhere"} {
		if status := try(address, "user123"); status != http.StatusOK {
			t.Errorf("%s, while somebody guesses from many addresses: %d", address, status)
		}
	}
	if status := try("new", "user123"); status != http.StatusTooManyRequests {
		t.Errorf("from a new address: %d", status)
	}
	r.clock.advance(r.limits.TryInterval)
	if status := try("new", "user123"); status != http.StatusOK {
		t.Errorf("from a new address, later: %d", status)
	}
}

func TestWD7_FamiliarAddressesDontWaitForGuesses(t *testing.T) {
	t.Parallel()
	r := start(t, manyAddresses)
	try := func(ctx context.Context, address string) error {
		_, err := r.users.logIn(ctx, "mcp-user", "user123", address)
		return err
	}
	if err := try(t.Context(), "home"); err != nil {
		t.Fatal(err)
	}
	for range cap(r.users.newcomers) {
		r.users.newcomers <- struct{}{} // guesses are being looked at
	}
	if err := try(t.Context(), "home"); err != nil {
		t.Errorf("from a familiar address: %v", err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	if err := try(ctx, "new"); !errors.Is(err, context.Canceled) {
		t.Errorf("from a new address: %v", err)
	}
	<-r.users.newcomers
	if err := try(t.Context(), "new"); err != nil {
		t.Errorf("later: %v", err)
	}
}

func TestWD7_FamiliarAddressesAreBounded(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(0, 0)}
	f := newFamiliar(c.now)
	f.add("other", "other home")
	for i := range 2 * AddressesPerUser {
		f.add("user", fmt.Sprint("user ", i))
	}
	if f.known.Len() != AddressesPerUser+1 || f.has("user 0") || !f.has(fmt.Sprint("user ", 2*AddressesPerUser-1)) || !f.has("other home") {
		t.Errorf("%d are known", f.known.Len())
	}
}

func TestWD7_AWaitForALimitEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	limit := newLimiter(1, time.Minute, time.Now)
	if err := limit.begin(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- limit.begin(ctx, "key") }()
	hangUp()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// WD1, WD7: requests that prove nothing keep their turns; others of the same
// address and those of other addresses don't wait.
func TestWD1_WD7_RequestsThatProveNothingWait(t *testing.T) {
	t.Parallel()
	r := start(t, manyAddresses, func(c *Config) { c.Limits.Pause = time.Hour })
	honest := r.code("mcp-user") // one page, which proves nothing; the rest does
	for range AtATime - 1 {
		r.authorizeFrom("flood")
	}
	for range AtATime {
		if got := r.tokens(url.Values{"grant_type": {"client_credentials"}}, "Authorization", basic(serverClient, serverSecret)); got.status != http.StatusOK {
			t.Fatalf("%d", got.status)
		}
	}
	if got := r.tokens(redeemForm(honest)); got.status != http.StatusOK {
		t.Errorf("%d", got.status)
	}
	r.tokens(url.Values{"grant_type": {"none"}}, fromHeader, "flood") // the last turn
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, r.absolute(r.ask()), nil)
	request.Header.Set(fromHeader, "flood")
	answer := httptest.NewRecorder()
	r.Server.ServeHTTP(answer, request)
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("without a turn: %d", answer.Code)
	}
}

func TestWD8_AUsersCodesAreBoundedAndHoldNoState(t *testing.T) {
	t.Parallel()
	r := start(t, open)
	const uri, state = "https://app.example/cb", "a-state-that-nobody-needs-any-more"
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{uri}, "token_endpoint_auth_method": "none"})
	b := r.browser()
	changes := []string{"client_id=" + m.ClientID, "redirect_uri=" + uri, "state=" + state}
	b.authorizeAs("mcp-user", changes...)
	other := r.code("mcp-admin")
	for range CodesPerUser + 20 { // the consent is remembered
		if said := r.response(b.get(r.ask(changes...))); said.Get("code") == "" {
			t.Fatalf("%v", said)
		}
	}
	if n := r.count(r.clients.store, "codes"); n != CodesPerUser+1 {
		t.Errorf("%d codes are kept", n)
	}
	_ = r.clients.store.View(func(tx store.Reader) error {
		for _, value := range tx.Each("codes") {
			if strings.Contains(string(value), state) {
				t.Error("a code holds the state")
			}
		}
		return nil
	})
	if got := r.tokens(redeemForm(other)); got.status != http.StatusOK {
		t.Errorf("another user's code: %d %s", got.status, got.text)
	}
}

func TestWD9_ErrorsGoToUnprovenSitesWhenTheUserSaysSo(t *testing.T) {
	t.Parallel()
	const uri, id = "https://app.example/cb", "https://app.example/client.json"
	r := start(t, open, func(c *Config) {
		c.Documents = published{id: {
			ClientID: id, ClientName: "App", RedirectURIs: clientmetadata.MustRedirects(uri), TokenEndpointAuthMethod: "none",
			GrantTypes: []string{"authorization_code"},
		}}
	})
	m, _ := r.registerClient(map[string]any{"redirect_uris": []string{uri, testRedirect, "com.example.app:/cb"}, "token_endpoint_auth_method": "none"})
	for _, client := range []string{m.ClientID, id} {
		ask := func(change string) answer {
			return r.browser().get(r.ask("client_id="+client, "redirect_uri="+uri, change))
		}
		got := ask("scope=nothing")
		r.wantPage(t, got)
		if !strings.Contains(got.text, `href="`+uri+`?error=invalid_scope&amp;`) || !strings.Contains(got.text, "Go to <bdi>app.example</bdi>") {
			t.Errorf("the page has no button: %s", got.text)
		}
		if got := ask("prompt=none"); r.response(got).Get("error") != "login_required" {
			t.Errorf("prompt=none: %d", got.StatusCode)
		}
		// A user who is logged in hasn't decided about the client yet.
		b := r.browser()
		r.wantPage(t, b.logIn(b.get(r.ask("client_id="+client, "redirect_uri="+uri, "scope=mcp:tools")), "mcp-readonly"))
		r.wantPage(t, b.get(r.ask("client_id="+client, "redirect_uri="+uri, "scope=mcp:tools")))
		// One who cancels has.
		page := b.get(b.get(r.ask("client_id="+client, "redirect_uri="+uri)).Header.Get("Location"))
		said := r.response(b.post(r.Server.base()+pathConsent, url.Values{"request": {r.requestIn(page)}, "cancel": {"yes"}}))
		if said.Get("error") != "access_denied" {
			t.Errorf("after a decision: %v", said)
		}
	}
	// Programs on the user's machine are answered as OAuth says.
	for _, local := range []string{testRedirect, "com.example.app:/cb"} {
		if got := r.browser().get(r.ask("client_id="+m.ClientID, "redirect_uri="+local, "scope=nothing")); got.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d", local, got.StatusCode)
		}
	}
}

// counted reports whether a table counts what the store holds.
func (r *rig) counted() bool {
	return r.grants.families.ledger.Len() == r.count(r.clients.store, "grants") && r.clients.registered.ledger.Len() == r.count(r.clients.store, "clients")
}

func TestWD4_CountsFollowTheStore(t *testing.T) {
	t.Parallel()
	broken := &faulty{Store: &store.Memory{}, writes: -1}
	r := start(t, func(c *Config) { c.Store, c.Limits.ClientsPerAddress = broken, 3 })
	unused, _ := r.registerFrom("")
	used, _ := r.registerFrom("")
	r.tokens(redeemForm(r.code("mcp-user", "client_id="+used), "client_id="+used))
	broken.commits = true
	r.tokens(passwordForm("mcp-user"))
	r.registerFrom("")
	broken.commits = false
	r.tokens(passwordForm("mcp-user"))
	if !r.counted() {
		t.Error("after a transaction that was not kept, the counts are wrong")
	}
	// The next server reads the same store, with records that an older version wrote.
	_ = broken.Store.Update(func(tx store.Tx) (err error) {
		old := fmt.Appendf(nil, `{"expires":%d,"value":{"metadata":{"client_id":"old"}}}`, r.clock.now().Add(time.Hour).Unix())
		for i := range 5 {
			err = errors.Join(err, tx.Put("clients", fmt.Sprint("dcr-old", i), old))
		}
		return err
	})
	s := start(t, func(c *Config) { c.Store, c.Limits.ClientsPerAddress = broken, 3 })
	if s.clients.registered.ledger.Len() != 7 || !s.counted() {
		t.Errorf("%d clients are counted after a restart", s.clients.registered.ledger.Len())
	}
	for range 5 {
		s.registerFrom("")
	}
	if !s.knows(used) || s.knows(unused) || s.clients.registered.ledger.Len() != 8 {
		t.Errorf("after a restart the used client is known: %v, the unused one: %v, %d are counted", s.knows(used), s.knows(unused), s.clients.registered.ledger.Len())
	}
}

// WD1: a table that is full of proven records refuses newcomers without reading
// all of it for each.
func TestWD1_ARefusalDoesNotCountAnew(t *testing.T) {
	t.Parallel()
	r := start(t, manyAddresses, func(c *Config) { c.Limits.Clients, c.Limits.ClientsPerAddress = 1, 1 })
	kept := r.clients.store
	now := r.now()
	_ = kept.Update(func(tx store.Tx) error {
		return errors.Join(
			r.clients.registered.add(tx, "honest", "one", registration{}, now.Add(time.Hour)),
			r.clients.registered.replace(tx, "one", registration{}, true, now.Add(time.Hour)))
	})
	for range 3 {
		err := kept.Update(func(tx store.Tx) error {
			return r.clients.registered.add(tx, "flood", "two", registration{}, now.Add(time.Hour))
		})
		if !errors.Is(err, errFull) || kept.failed.Load() {
			t.Fatalf("%v, counts anew: %v", err, kept.failed.Load())
		}
	}
}
