// Package flow lets a visitor of the tour follow the authorization flow of steps 9 to
// 11: the client runs in the tour, the visitor logs in at the authorization server in
// the same browser, and the sequence diagram grows with the traffic.
//
//	work := flow.New(all)
//	defer work.Close()
//	work.Connect(matrix.Legacy, false)
//	…
//	now, changed := work.Now()
//
// The diagram is that of package flowreport, and its events are the client's trace, in
// which mcpauth has redacted what is secret.
package flow

import (
	"context"
	"net/http"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/flowreport"
	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/tour"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// State is what the flow waits for.
type State string

// The states of a flow.
const (
	Starting State = "starting" // the servers are built and started
	Working  State = "working"  // the client is at work
	Login    State = "login"    // the visitor has to log in
	Idle     State = "idle"     // connected: the visitor decides what comes next
	Failed   State = "failed"
	Ended    State = "ended" // the token is revoked
)

// Work is the flow of a visitor. There is one at a time.
type Work struct {
	programs *programs.Programs
	store    func() mcpauth.Store // of a new client
	ctx      context.Context
	end      context.CancelFunc
	jobs     sync.WaitGroup

	starting sync.Mutex // of the servers
	places   *places

	mu      sync.Mutex
	run     *run // nil before the first
	runs    int
	changed chan struct{} // closed at the next change
}

// New makes flows with servers that are started when they are needed.
func New(all *programs.Programs) *Work {
	ctx, end := context.WithCancel(context.Background())
	return &Work{
		programs: all, ctx: ctx, end: end, changed: make(chan struct{}),
		store: func() mcpauth.Store { return nil }, // in memory
	}
}

// Close ends the flow. The servers end with the programs of the tour.
func (w *Work) Close() {
	w.end()
	w.jobs.Wait()
	if w.run != nil && w.run.client != nil {
		w.run.client.close()
	}
}

// run is one flow.
type run struct {
	number   int
	ctx      context.Context
	cancel   context.CancelFunc
	era      matrix.Era
	stepwise bool

	state    State
	says     string        // what came of the last job
	login    string        // where the visitor has to log in
	held     chan struct{} // the client waits until it is closed; nil: it doesn't wait
	live     flowreport.Live
	chapters []flowreport.Chapter
	client   *session // nil until it is connected
}

const (
	// mostEvents bounds what is kept of a flow: a login and its step-up have some
	// thirty.
	mostEvents = 400
	// mostChapters bounds how often a visitor can call a tool in one flow.
	mostChapters = 12
	// patience is how long the client waits for the visitor.
	patience = 30 * time.Minute
)

// ErrTooLong says that a flow has as many chapters as it may have.
var ErrTooLong = notNow("this diagram is long enough; connect again to begin a new one")

// notNow is the error of what a visitor asks for at the wrong moment.
func notNow(why string) error {
	return tour.Problemf(http.StatusConflict, "This can't be done now: %s.", why)
}

// tell says that something has changed. The caller holds w.mu.
func (w *Work) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// Connect begins a flow with a new client, which ends the one before. stepwise: the
// client waits for a press after each of its exchanges.
func (w *Work) Connect(era matrix.Era, stepwise bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.run
	if old != nil {
		old.cancel()
	}
	w.runs++
	r := &run{number: w.runs, era: era, stepwise: stepwise, state: Starting}
	r.ctx, r.cancel = context.WithCancel(w.ctx)
	w.run = r
	w.tell()
	w.jobs.Go(func() {
		if old != nil && old.client != nil {
			old.client.close()
		}
		w.finish(r, func() (string, error) { return w.connect(r) }, Idle)
	})
}

// connect starts the servers and lets the client list the tools.
func (w *Work) connect(r *run) (string, error) {
	at, err := w.servers(r.ctx)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	r.live = at.live()
	r.state = Working
	r.chapters = append(r.chapters, flowreport.Chapter{
		Title: "The client knows one URL, and finds its way in",
		About: "It wants the list of tools. It has no token, no account and no address of an authorization server.",
	})
	w.tell()
	w.mu.Unlock()
	client, err := w.newSession(r, at)
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	r.client = client
	w.mu.Unlock()
	return client.list(r.ctx)
}

// Call lets the client call a tool, for which its first token is not enough.
func (w *Work) Call() error {
	return w.next(Idle, flowreport.Chapter{
		Title: "The client calls a tool",
		About: "The first token lists and does nothing else. Where its scope is too small, you are asked again, for what is missing (step-up).",
	}, (*session).call)
}

// Finish lets the client revoke its token and delete its registration.
func (w *Work) Finish() error {
	return w.next(Ended, flowreport.Chapter{
		Title: "The client gives everything back",
		About: "It revokes its tokens and deletes its registration, so nothing is left that somebody could steal.",
	}, (*session).forget)
}

// next begins another chapter of a flow.
func (w *Work) next(then State, chapter flowreport.Chapter, do func(*session, context.Context) (string, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.run
	switch {
	case r == nil || r.state != Idle:
		return notNow("the client is at work; wait until it has finished")
	case len(r.chapters) >= mostChapters:
		return ErrTooLong
	}
	r.state, r.says = Working, ""
	r.chapters = append(r.chapters, chapter)
	w.tell()
	w.jobs.Go(func() { w.finish(r, func() (string, error) { return do(r.client, r.ctx) }, then) })
	return nil
}

// finish does a job and keeps what came of it.
func (w *Work) finish(r *run, job func() (string, error), then State) {
	says, err := job()
	w.mu.Lock()
	defer w.mu.Unlock()
	r.state, r.says, r.login = then, says, ""
	if err != nil {
		r.state, r.says = Failed, err.Error()
	}
	w.tell()
}

// Next lets a client go on that waits. on: it doesn't wait any more.
func (w *Work) Next(on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.run
	if r == nil || r.held == nil {
		return notNow("the client does not wait for a press")
	}
	close(r.held)
	r.held, r.stepwise = nil, r.stepwise && !on
	w.tell()
	return nil
}

// observer is the trace of a flow's client.
func (w *Work) observer(r *run) mcpauth.Trace {
	return func(e mcpauth.Event) {
		if held := w.keep(r, e); held != nil {
			select {
			case <-held:
			case <-r.ctx.Done():
			}
		}
	}
}

// keep adds an event to the diagram. The client then waits until the channel is closed.
// It does not wait with a code in its hand: a code lives for a minute.
func (w *Work) keep(r *run, e mcpauth.Event) (held chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := &r.chapters[len(r.chapters)-1]
	if count(r.chapters) >= mostEvents {
		return nil
	}
	last.Events = append(last.Events, e)
	if r.state == Login && e.Exchange != nil {
		r.state, r.login = Working, ""
	}
	if r.stepwise && e.Exchange != nil && e.Exchange.Receiver != "client" && r.ctx.Err() == nil {
		r.held = make(chan struct{})
	}
	w.tell()
	return r.held
}

func count(chapters []flowreport.Chapter) (n int) {
	for _, c := range chapters {
		n += len(c.Events)
	}
	return n
}

// Now is a flow at one moment.
type Now struct {
	Number   int // of the flow; 0 before the first
	State    State
	Held     bool   // the client waits for a press
	LoginURL string // where the visitor has to log in
	Says     string // what came of it, or what went wrong
	Calls    int    // chapters so far
	Drawing  flowreport.Drawing
}

// Now is the flow as it is, and a channel that is closed when that is over.
func (w *Work) Now() (now Now, changed <-chan struct{}) {
	w.mu.Lock()
	r, changed := w.run, w.changed
	if r == nil {
		w.mu.Unlock()
		return Now{}, changed
	}
	now = Now{Number: r.number, State: r.state, Held: r.held != nil, LoginURL: r.login, Says: r.says, Calls: len(r.chapters)}
	report := flowreport.Report{Live: &r.live, Chapters: append([]flowreport.Chapter(nil), r.chapters...)}
	w.mu.Unlock()
	if len(report.Chapters) > 0 { // the servers are known
		now.Drawing = report.Draw() // of events that don't change any more
	}
	return now, changed
}
