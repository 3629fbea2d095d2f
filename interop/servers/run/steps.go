package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// step is something that a user wants, and what must come of it.
type step struct {
	name string
	do   func(*visitor) (outcome, error)
}

// expect is an error where something isn't as it must be.
func expect(ok bool, format string, values ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, values...)
}

func (o outcome) succeeds() error {
	said := strings.Split(strings.TrimSpace(o.stderr), "\n")
	return expect(o.exit == 0, "exit status %d: %s", o.exit, said[len(said)-1])
}

func (o outcome) gets(want string) error {
	return errors.Join(o.succeeds(), expect(o.exit != 0 || strings.Contains(o.result, want), "the result is %q, and not %q", o.result, want))
}

func (o outcome) asks(times int) error {
	return expect(o.logins == times, "the user was asked %d times, and not %d", o.logins, times)
}

func (v *visitor) speaks(o outcome) error {
	want := newest
	if v.legacy {
		want = legacy
	}
	return expect(o.exit != 0 || o.revision == want, "the revision is %q, and not %q", o.revision, want)
}

// running is a step that runs the client once.
func running(name string, arguments []string, checks func(*visitor, outcome) error) step {
	return step{name, func(v *visitor) (outcome, error) {
		o, err := v.step11(arguments...)
		return o, errors.Join(err, checks(v, o))
	}}
}

// logIn begins with the URL alone: each stage of the flow, in its order.
func logIn(tool string, flags ...string) step {
	return running("log in and list", flags, func(v *visitor, o outcome) error {
		order := []string{"request 401", "resource 200", "server 200", "register 201", "browser 200", "token 200", "request 200"}
		at := 0
		for _, did := range o.did {
			if at < len(order) && did == order[at] {
				at++
			}
		}
		return errors.Join(o.gets(tool), o.asks(1), v.speaks(o),
			expect(o.exit != 0 || at == len(order) && o.count("token 200") == 1, "it did not go straight from stage to stage: %q", o.did))
	})
}

// call needs nothing but the token that the client has.
func call(want string, arguments []string) step {
	return running("call "+arguments[1], arguments, func(v *visitor, o outcome) error {
		return errors.Join(o.gets(want), o.asks(0), v.speaks(o),
			expect(o.exit != 0 || o.count("token 200")+o.count("request 401")+o.count("request 403") == 0, "the token was not used: %q", o.did))
	})
}

// stepUp is told that the scopes are too few, and asks the user once.
func stepUp(want string, arguments []string) step {
	return running("step up for "+arguments[1], arguments, func(v *visitor, o outcome) error {
		return errors.Join(o.gets(want), o.asks(1), v.speaks(o),
			expect(o.exit != 0 || o.count("request 403") == 1 && o.count("register 201") == 0, "it did not step up: %q", o.did))
	})
}

// refresh is what happens after the access token has expired.
func refresh(want string, arguments []string) step {
	return afterExpiry("refresh", want, 0, arguments)
}

// logInAgain does so where there is no refresh token.
func logInAgain(want string, arguments []string) step {
	return afterExpiry("log in again after expiry", want, 1, arguments)
}

func afterExpiry(name, want string, logins int, arguments []string) step {
	return step{name, func(v *visitor) (outcome, error) {
		if err := v.expire(); err != nil {
			return outcome{}, err
		}
		o, err := v.step11(arguments...)
		return o, errors.Join(err, o.gets(want), o.asks(logins), v.speaks(o),
			expect(o.exit != 0 || o.count("token 200") == 1 && o.count("register 201") == 0, "there was not one new token: %q", o.did))
	}}
}

// forget gives tokens back; it is told how many the server takes.
func forget(tokens int) step {
	return running("forget", []string{"--forget"}, func(v *visitor, o outcome) error {
		_, _, err := v.kept()
		return errors.Join(o.succeeds(), expect(err != nil, "the entry is still there"),
			expect(o.count("revoke 200") >= tokens, "not all tokens were given back: %q", o.did))
	})
}

// revoked forgets, and then the server must refuse the token.
func revoked(tokens int) step {
	return refusedOnceForgotten("forget, and the token is refused", tokens, 0)
}

// answerKept is how long step 10 trusts an answer about a token.
const answerKept = 2 * time.Second

// refusedInTime forgets, and then the server must refuse the token when what it was
// told before no longer counts.
func refusedInTime(tokens int) step {
	return refusedOnceForgotten("forget, and the token is refused within "+answerKept.String(), tokens, answerKept+time.Second)
}

func refusedOnceForgotten(name string, tokens int, within time.Duration) step {
	return step{name, func(v *visitor) (outcome, error) {
		token, err := v.token()
		if err != nil {
			return outcome{}, err
		}
		before, err := v.send(token)
		if err != nil {
			return outcome{}, err
		}
		o, err := forget(tokens).do(v)
		begun := time.Now()
		after, sent := v.send(token)
		for after == 200 && sent == nil && time.Since(begun) < within {
			time.Sleep(50 * time.Millisecond)
			after, sent = v.send(token)
		}
		return o, errors.Join(err, sent, expect(before == 200 && after == 401,
			"the token got %d, and %d %s after it was given back", before, after, time.Since(begun)))
	}}
}

// knownClient logs in with a client that the authorization server knows already.
func knownClient(tool string) step {
	return running("log in and list, with a client that is registered", nil, func(v *visitor, o outcome) error {
		return errors.Join(o.gets(tool), o.asks(1), v.speaks(o),
			expect(o.exit != 0 || o.count("register 201") == 0 && o.count("token 200") == 1, "it did otherwise: %q", o.did))
	})
}

// refused is another user, who may not have what is asked for: the client says
// so with a text that names what is missing, and asks no more often than it must.
func refused(logins int, text string, arguments []string) step {
	return step{"a user who may only read is refused", func(v *visitor) (outcome, error) {
		other := *v
		other.user, other.home = "mcp-readonly:readonly123", filepath.Join(v.home, "other")
		if err := os.MkdirAll(other.home, 0o700); err != nil {
			return outcome{}, err
		}
		o, err := other.step11(arguments...)
		return o, errors.Join(err, expect(o.exit == 3, "exit status %d, and not 3", o.exit), o.asks(logins),
			expect(strings.Contains(o.stderr, text), "the message doesn't say %q", text))
	}}
}

// tampered sends the token with one claim changed, and without the change. It
// tests the server and not the client: a server that takes anything would make
// the other steps worthless.
func tampered() step {
	return step{"a token with more scopes written into it is refused", func(v *visitor) (outcome, error) {
		token, err := v.token()
		if err != nil {
			return outcome{}, err
		}
		forged, err := forge(token)
		if err != nil {
			return outcome{}, err
		}
		itself, err := v.send(token)
		if err != nil {
			return outcome{}, err
		}
		changed, err := v.send(forged)
		return outcome{}, errors.Join(err, expect(itself == 200 && changed == 401, "the token got %d, and changed %d", itself, changed))
	}}
}

func forge(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("the token is not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", err
	}
	claims["scope"] = "mcp:read mcp:tools mcp:prompts"
	if payload, err = json.Marshal(claims); err != nil {
		return "", err
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, "."), nil
}

// token is the access token that the client keeps.
func (v *visitor) token() (string, error) {
	_, entry, err := v.kept()
	if err != nil {
		return "", err
	}
	token, _ := entry["token"].(map[string]any)
	access, ok := token["access_token"].(string)
	return access, expect(ok, "no token is kept")
}

// send sends a request with a token, and returns the status.
func (v *visitor) send(token string) (int, error) {
	body := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
		`"clientInfo":{"name":"check","version":"1"}}}`
	request, err := http.NewRequestWithContext(v.ctx, http.MethodPost, v.server, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json, text/event-stream")
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}
