package mcpauth

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"
)

// watched is a context that says when somebody waits for its end.
type watched struct {
	context.Context
	once    sync.Once
	waiting chan struct{}
}

func watch(ctx context.Context) *watched { return &watched{Context: ctx, waiting: make(chan struct{})} }

func (w *watched) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waiting) })
	return w.Context.Done()
}

// A flow that everybody has left is cancelled. Who comes while it ends gets a
// flow of their own, and not its context.Canceled.
func TestWE2_ACancelledFlowIsNotShared(t *testing.T) {
	r := newRig(t)
	opened, release := make(chan struct{}, 1), make(chan struct{})
	agent := &user{}
	agent.instead = func(authorizationURL, _ string) {
		if agent.opened.Load() == 1 {
			opened <- struct{}{}
			<-release
			return
		}
		if err := visit(t.Context(), authorizationURL); err != nil {
			t.Error(err)
		}
	}
	c := r.client(func(config *Config) { config.Agent = agent })
	impatient, leave := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- c.authorize(impatient, reason{}) }()
	<-opened
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first got %v", err)
	}
	patient := watch(t.Context())
	go func() { second <- c.authorize(patient, reason{}) }()
	<-patient.waiting
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the second got %v", err)
	}
	if agent.opened.Load() != 2 || c.session.token() == nil {
		t.Errorf("the user was asked %d times", agent.opened.Load())
	}
}

// A request that needs a flow waits for a renewal that is going on, and doesn't
// take the renewal's result for its own.
func TestWE2_AFlowIsNotARenewal(t *testing.T) {
	r := newRig(t)
	clock := newClock()
	c := r.client(func(config *Config) { config.Now = clock.now })
	r.mustPost(c, "x")
	asked, release := make(chan struct{}, 1), make(chan struct{})
	r.as.refuse = func(form url.Values) error {
		if form.Get("grant_type") == "refresh_token" {
			asked <- struct{}{}
			<-release
			return &ServerError{Code: "temporarily_unavailable"}
		}
		return nil
	}
	clock.advance(2 * time.Hour)
	old := c.session.token()
	renewed, authorized := make(chan error, 1), make(chan error, 1)
	go func() { _, err := c.ready(t.Context()); renewed <- err }()
	<-asked
	flow := watch(t.Context())
	go func() { authorized <- c.authorize(flow, reason{refused: old, anew: true}) }()
	<-flow.waiting
	close(release)
	var refused *ServerError
	if err := <-renewed; !errors.As(err, &refused) {
		t.Errorf("the renewal got %v", err)
	}
	if err := <-authorized; err != nil || c.session.token() == old {
		t.Errorf("the flow got %v", err)
	}
}

// A renewal that everybody has left goes on: its answer may hold the only
// refresh token that is still valid.
func TestWE2_ARenewalIsNotCancelled(t *testing.T) {
	r := newRig(t)
	clock := newClock()
	c := r.client(func(config *Config) { config.Now = clock.now })
	r.mustPost(c, "x")
	asked, release := make(chan struct{}, 1), make(chan struct{})
	r.as.token = func(map[string]any) {
		asked <- struct{}{}
		<-release
	}
	clock.advance(2 * time.Hour)
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { _, err := c.ready(impatient); left <- err }()
	<-asked
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(release)
	r.mustPost(c, "x")
	if _, logins, tokens := r.as.count(); logins != 1 || tokens != 2 {
		t.Errorf("%d logins, %d token requests", logins, tokens)
	}
}
