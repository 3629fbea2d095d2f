package mcpauth

import (
	"context"
	"errors"
	"time"
)

// flight is a flow that is going on.
type flight struct {
	done    chan struct{}
	err     error
	waiting int
	cancel  context.CancelFunc
}

// failure is how the last flow ended.
type failure struct {
	err error
	at  time.Time
}

// reason is why a flow begins.
type reason struct {
	challenge Challenge
	refused   *Token // that the server did not take; nil where none was sent
	dpop      bool   // the server takes tokens that are bound to a key
	stepUp    bool
	anew      bool // renewing has been tried
}

// authorize runs a flow, unless another request has had one since this one was
// sent, or waits for the one that is going on.
func (t *Transport) authorize(ctx context.Context, why reason) error {
	t.mu.Lock()
	if f := t.failure; f.err != nil && t.session.token() == why.refused && t.now().Sub(f.at) < coolDown {
		t.mu.Unlock()
		return f.err
	}
	t.mu.Unlock()
	return t.share(ctx, func() bool { return t.session.token() == why.refused }, func(ctx context.Context) error {
		err := t.flow(ctx, why)
		if !errors.Is(err, context.Canceled) { // which is the callers' doing
			t.mu.Lock()
			t.failure = failure{err, t.now()}
			t.mu.Unlock()
		}
		return err
	})
}

// share runs work once for all that call it at the same time, while needed
// (which is called under the lock) holds. The work goes on while one caller
// waits, and ends with the last.
func (t *Transport) share(ctx context.Context, needed func() bool, work func(context.Context) error) error {
	t.mu.Lock()
	if t.flight == nil {
		if !needed() {
			t.mu.Unlock()
			return nil
		}
		workCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.config.Timeout)
		f := &flight{done: make(chan struct{}), cancel: cancel}
		t.flight = f
		go func() {
			defer cancel()
			err := work(workCtx)
			t.mu.Lock()
			f.err = err
			t.flight = nil
			t.mu.Unlock()
			close(f.done)
		}()
	}
	f := t.flight
	f.waiting++
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		t.mu.Lock()
		if f.waiting--; f.waiting == 0 {
			f.cancel()
		}
		t.mu.Unlock()
		return ctx.Err()
	}
}
