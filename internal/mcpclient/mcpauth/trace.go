package mcpauth

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Stage is a part of the flow, in the order of the specification.
type Stage int

// The stages of a flow.
const (
	StageRequest      Stage = iota + 1 // a request to the MCP server
	StageResource                      // protected resource metadata
	StageServer                        // authorization server metadata
	StageRegistration                  // client registration
	StageAuthorize                     // the user's browser, there and back
	StageToken                         // code, assertion or refresh token to access token
	StageRevoke                        // revocation and deletion
	StageKeys                          // the MCP server fetches the issuer's keys; a client sees nothing of it
)

func (s Stage) String() string {
	return [...]string{"", "ask the MCP server", "read the MCP server's metadata", "read the authorization server's metadata",
		"register the client", "ask the user", "get a token", "revoke the token", "fetch the keys"}[s]
}

// Event is one thing that happened. Secrets in it are redacted, so it may be
// shown and stored.
type Event struct {
	At       time.Time `json:"at"`
	Stage    Stage     `json:"stage"`
	Note     string    `json:"note,omitempty"`     // what was decided, and why
	Alert    bool      `json:"alert,omitempty"`    // the user should see the note in any case
	User     string    `json:"user,omitempty"`     // what the user did; known only of a demo user
	Exchange *Exchange `json:"exchange,omitempty"` // what went over the wire
}

// Exchange is a request and its answer.
type Exchange struct {
	From     string        `json:"from"` // "client" or "browser"; who shows more: "server", "attacker"
	Method   string        `json:"method"`
	URL      string        `json:"url"`
	Header   http.Header   `json:"header,omitempty"`
	Body     string        `json:"body,omitempty"`
	Status   int           `json:"status,omitempty"` // 0 where no answer came
	Answer   http.Header   `json:"answer_header,omitempty"`
	Reply    string        `json:"reply,omitempty"`
	Error    string        `json:"error,omitempty"`
	Took     time.Duration `json:"took_ns"`
	Decoded  []DecodedJWT  `json:"decoded,omitempty"`
	Receiver string        `json:"receiver"` // host and port
}

// A Trace is told what goes on, one event at a time.
type Trace func(Event)

// observer hands events on, in order and never two at once. Its zero value and
// nil say nothing.
type observer struct {
	mu    sync.Mutex
	trace Trace
	now   func() time.Time
}

func (o *observer) note(stage Stage, text string) { o.tell(Event{Stage: stage, Note: text}) }

// alert is a note for a user who shows no others.
func (o *observer) alert(stage Stage, text string) {
	o.tell(Event{Stage: stage, Note: text, Alert: true})
}

func (o *observer) tell(e Event) {
	if o == nil || o.trace == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	e.At = o.now()
	o.trace(e)
}

type stageKey struct{}

// during marks what is fetched as part of a stage.
func during(ctx context.Context, stage Stage) context.Context {
	return context.WithValue(ctx, stageKey{}, stage)
}

// tracedTransport shows every exchange to the observer.
type tracedTransport struct {
	next     http.RoundTripper
	observer *observer
}

// maxTraced is how much of a body is kept for a trace, in bytes.
const maxTraced = 64 << 10

func (t *tracedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if t.observer == nil || t.observer.trace == nil {
		return t.next.RoundTrip(request)
	}
	stage, _ := request.Context().Value(stageKey{}).(Stage)
	if stage == 0 {
		stage = StageRequest
	}
	exchange := &Exchange{From: "client", Method: request.Method, Receiver: request.URL.Host}
	var body []byte
	if request.GetBody != nil {
		if copied, err := request.GetBody(); err == nil {
			body, _ = io.ReadAll(io.LimitReader(copied, maxTraced))
			_ = copied.Close()
		}
	}
	exchange.describeRequest(request.URL, request.Header, body)
	began := time.Now()
	response, err := t.next.RoundTrip(request)
	exchange.Took = time.Since(began)
	if err != nil {
		exchange.Error = err.Error()
		t.observer.tell(Event{Stage: stage, Exchange: exchange})
		return nil, err
	}
	var answer []byte
	// A stream is shown when it begins: it may never end.
	if !isStream(response) {
		answer, err = io.ReadAll(io.LimitReader(response.Body, maxTraced))
		response.Body = readAgain(answer, response.Body, err)
	}
	exchange.describeAnswer(response.StatusCode, response.Header, answer)
	t.observer.tell(Event{Stage: stage, Exchange: exchange})
	return response, nil
}

// CloseIdleConnections is what http.Client looks for.
func (t *tracedTransport) CloseIdleConnections() { closeIdle(t.next) }

// readAgain puts what was read back in front of the rest.
func readAgain(read []byte, rest io.ReadCloser, err error) io.ReadCloser {
	var tail io.Reader = rest
	if err != nil {
		tail = failing{err}
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(read), tail), rest}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func (e *Exchange) describeRequest(u *url.URL, header http.Header, body []byte) {
	e.URL = redactURL(u)
	e.Header = redactHeader(header)
	e.Body = redactBody(header.Get("Content-Type"), body)
	e.Decoded = append(e.Decoded, decodeHeader(header)...)
	e.Decoded = append(e.Decoded, decodeBody(header.Get("Content-Type"), body)...)
}

func (e *Exchange) describeAnswer(status int, header http.Header, body []byte) {
	e.Status = status
	e.Answer = redactHeader(header)
	e.Reply = redactBody(header.Get("Content-Type"), body)
	e.Decoded = append(e.Decoded, decodeBody(header.Get("Content-Type"), body)...)
}

// IsForm reports whether the body of the request is a form.
func (e *Exchange) IsForm() bool {
	return strings.HasPrefix(e.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// RPCMethod is the method of the exchange's MCP request, with the name of the
// tool or prompt; empty where it is something else.
func (e *Exchange) RPCMethod() string {
	var message struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	if json.Unmarshal([]byte(e.Body), &message) != nil {
		return ""
	}
	return printable(message.Method+" "+message.Params.Name, 200)
}

// Traced shows the requests of another client to a trace, as those to the MCP
// server: for what is done beside a [Transport].
func Traced(next http.RoundTripper, trace Trace) http.RoundTripper {
	return &tracedTransport{next: next, observer: &observer{trace: trace, now: time.Now}}
}
