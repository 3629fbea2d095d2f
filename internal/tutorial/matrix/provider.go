package matrix

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
)

// What servers do when their identity provider does something.

// noProvider is what is found at a step that trusts only itself.
const noProvider = "asks no provider"

// ofProvider makes an Exchange of a trial: it reports found where the trial
// does not fail.
func ofProvider(found string, try func(*Target) error) func(*Target) (*Answer, error) {
	return func(t *Target) (*Answer, error) {
		if t.Provider == nil {
			return &Answer{Text: noProvider}, nil
		}
		if err := try(t); err != nil {
			return nil, err
		}
		return &Answer{Text: found}, nil
	}
}

// paired lets a trial have a server and a provider of its own. env are settings
// of the server, as NAME=value.
func paired(try func(*Target) error, env ...string) func(*Target) error {
	return func(t *Target) error {
		fresh, stop, err := t.pair(env)
		if err != nil {
			return err
		}
		defer stop()
		return try(fresh)
	}
}

// pair starts the server once more, with a provider of its own.
func (t *Target) pair(env []string) (*Target, func(), error) {
	if t.again == nil {
		return nil, nil, errors.New("this row starts the server anew and can't here")
	}
	provider, err := stubprovider.Start(stubprovider.Keys()["rs256"])
	if err != nil {
		return nil, nil, err
	}
	fresh, stop, err := t.again(func(o *Options) { o.Provider, o.Env = provider, env })
	if err != nil {
		provider.Close()
		return nil, nil, err
	}
	end := func() {
		stop()
		provider.Close()
		t.mu.Lock()
		defer t.mu.Unlock()
		t.minted = append(t.minted, fresh.Minted()...)
	}
	// Where not even a good token works, nothing else is worth waiting for.
	if err := fresh.calls(Token{}, http.StatusOK); err != nil {
		end()
		return nil, nil, err
	}
	return fresh, end, nil
}

// calls sends a call of echo with a token, and wants a status.
func (t *Target) calls(token Token, want int) error {
	token.Username, token.Scopes = alice.Username, alice.Scopes
	answer, err := t.Send(Request{Call: echoCall, Token: &token}, Modern)
	if err == nil && answer.Status != want {
		err = fmt.Errorf("signed by the key %q: status %d, want %d", token.Key, answer.Status, want)
	}
	return err
}

// soon waits until something succeeds.
func soon(try func() error) error {
	end := time.Now().Add(patience / 3)
	for {
		err := try()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// refusesUnknown sends a token of a key that the server doesn't have, until a count has
// grown by which it shows that the server asks its provider for the key.
func (t *Target) refusesUnknown(count func() int, before int) error {
	return soon(func() error {
		if err := t.calls(Token{Key: "next"}, http.StatusUnauthorized); err != nil || count() > before {
			return err
		}
		return errors.New("the server didn't ask the provider for its keys")
	})
}

// seen is how many requests the provider has had.
func (t *Target) seen() int { return len(t.Provider.Seen()) }

func lateProvider(t *Target) error {
	provider, err := stubprovider.Start(stubprovider.Keys()["rs256"])
	if err != nil {
		return err
	}
	defer provider.Close()
	provider.Answer(stubprovider.HangUp)
	early, stop, err := t.again(func(o *Options) { o.Provider = provider })
	if err != nil {
		return err
	}
	defer stop()
	none := Want{
		Status: http.StatusServiceUnavailable, Error: "temporarily_unavailable",
		Has: []string{"Retry-After: "}, Lacks: []string{"structuredContent"},
	}
	for _, token := range []*Token{nil, alice, {Username: "alice", Flaw: "alg-none"}} {
		answer, err := early.Send(Request{Call: echoCall, Token: token}, Modern)
		if err := cmp.Or(err, check(none, answer)); err != nil {
			return err
		}
	}
	health, err := early.Send(get("/health"), None)
	degraded := Want{
		Status: http.StatusServiceUnavailable,
		Has:    []string{`"status":"degraded"`, `"jwks_available":false`, "Retry-After: "},
	}
	if err := cmp.Or(err, check(degraded, health)); err != nil {
		return err
	}
	provider.Answer(nil)
	if err := soon(func() error { return early.calls(Token{}, http.StatusOK) }); err != nil {
		return err
	}
	health, err = early.Send(get("/health"), None)
	healthy := Want{Status: http.StatusOK, Has: []string{`"status":"healthy"`, `"jwks_available":true`}}
	return cmp.Or(err, check(healthy, health), early.calls(Token{Flaw: "alg-none"}, http.StatusUnauthorized))
}

func check(want Want, answer *Answer) error {
	if answer == nil {
		return errors.New("no answer")
	}
	return want.Check(answer)
}

func providerAway(t *Target) error {
	for _, away := range []http.HandlerFunc{
		stubprovider.HangUp,
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		before := t.seen()
		t.Provider.Answer(away)
		err := cmp.Or(
			t.refusesUnknown(t.seen, before), // not before the server has noticed
			t.calls(Token{}, http.StatusOK),
			t.calls(Token{Key: "next"}, http.StatusUnauthorized),
			t.calls(Token{Flaw: "bad-signature"}, http.StatusUnauthorized))
		if err != nil {
			return err
		}
	}
	health, err := t.Send(get("/health"), None)
	return cmp.Or(err, check(Want{Status: http.StatusOK}, health))
}

func unknownKeys(t *Target) error {
	const callers, each = 50, 40
	before := t.Provider.Fetches()
	failures := make(chan error, callers)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for i := range each {
				if err := t.calls(Token{Header: fmt.Sprintf(`{"kid":"made-up-%d-%d"}`, caller, i)}, http.StatusUnauthorized); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		return err
	}
	if fetches := t.Provider.Fetches() - before; fetches > 1 {
		return fmt.Errorf("%d fetches", fetches)
	}
	return t.calls(Token{}, http.StatusOK)
}

func poisonedKeys(t *Target) error {
	next := stubprovider.Keys()["next"].JWK
	for _, text := range []string{
		"<html>", "{}", `{"keys":[]}`, `{"keys":[` + next, next,
		`{"keys":[],"keys":[` + next + `]}`, `{"keys":[` + next + `]}x`,
	} {
		t.Provider.PublishText(text)
		err := t.refusesUnknown(t.Provider.Fetches, t.Provider.Fetches())
		if err := cmp.Or(err, t.calls(Token{}, http.StatusOK)); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

func oddKeys(t *Target) error {
	// The private half beside a public key makes it everybody's.
	private := strings.TrimSuffix(stubprovider.Keys()["ps256"].JWK, "}") + `,"d":"AQAB"}`
	odd := []string{
		`null`, private,
		`{"kty":"AKP","kid":"odd","alg":"ML-DSA-44","pub":"AA"}`,
		`{"kty":"RSA","kid":"odd","e":"AQAB"}`,
		`{"kty":"oct","kid":"odd","k":"c2VjcmV0","alg":"HS256"}`,
	}
	t.Provider.PublishText(`{"keys":[` + strings.Join(odd, ",") + "," + stubprovider.Keys()["next"].JWK + `]}`)
	return cmp.Or(
		soon(func() error { return t.calls(Token{Key: "next"}, http.StatusOK) }),
		t.calls(Token{Key: "ps256"}, http.StatusUnauthorized),
		t.calls(Token{Header: `{"kid":"odd"}`}, http.StatusUnauthorized),
		t.calls(Token{Flaw: "hs256-empty-secret", Header: `{"kid":"odd"}`}, http.StatusUnauthorized))
}

func rotation(t *Target) error {
	before := t.Provider.Fetches()
	t.Provider.Publish(stubprovider.Keys()["next"])
	if err := soon(func() error { return t.calls(Token{Key: "next"}, http.StatusOK) }); err != nil {
		return err
	}
	if fetches := t.Provider.Fetches() - before; fetches != 1 {
		return fmt.Errorf("%d fetches", fetches)
	}
	return t.calls(Token{}, http.StatusUnauthorized)
}

func tokensStayHere(t *Target) error {
	before := t.seen()
	// A call of each tool, by good tokens and by one that makes the server ask.
	for _, tool := range []string{"echo", "get_time", "whoami", "audit"} {
		if _, err := t.Send(Request{Call: &Call{Method: "tools/call", Name: tool, Args: `{}`}, Token: admin}, Modern); err != nil {
			return err
		}
	}
	if err := t.refusesUnknown(t.seen, before); err != nil {
		return err
	}
	for _, header := range t.Provider.Seen() {
		text := fmt.Sprint(header)
		for _, token := range t.Minted() {
			for part := range strings.SplitSeq(token, ".") {
				if header.Get("Authorization") != "" || strings.Contains(text, part) {
					return fmt.Errorf("the provider was sent %q", text)
				}
			}
		}
	}
	return nil
}

// calledByEnv is what a server is told to be called.
const calledByEnv = "https://mcp.example"

func namedByEnv(t *Target) error {
	refused, err := t.Send(Request{Call: echoCall}, Modern)
	want := Want{
		Status: http.StatusUnauthorized, Error: "missing_token",
		Has: []string{`resource_metadata="` + calledByEnv + `/.well-known/oauth-protected-resource/mcp"`},
	}
	if err := cmp.Or(err, check(want, refused)); err != nil {
		return err
	}
	return t.calls(Token{}, http.StatusOK)
}
