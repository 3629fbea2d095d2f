package mcpauth

import (
	"context"
	"errors"
	"time"
)

// A flight is work that several requests wait for: a flow, or a renewal.
type flight struct {
	done    chan struct{}
	err     error // of the work, once done is closed
	waiting int
	left    bool // all that waited have gone, so the work was cancelled
	cancel  context.CancelFunc
}

// failure is how the last flow ended.
type failure struct {
	err    error
	stepUp bool      // the token stays good for what it was
	until  time.Time // no new flow before
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
	if failed := t.failed(why.refused); failed.err != nil {
		return failed.err
	}
	return t.share(ctx, &t.flowing, why.refused, func(ctx context.Context) error {
		err := t.flow(ctx, why)
		if !errors.Is(err, context.Canceled) { // then nobody waits any more
			t.fail(failure{err, why.stepUp, t.now().Add(coolDown)})
		}
		return err
	})
}

// failed is how the last flow ended, if that was a moment ago and nothing has
// changed since.
func (t *Transport) failed(refused *Token) failure {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.failure; f.err != nil && t.session.token() == refused && t.now().Before(f.until) {
		return f
	}
	return failure{}
}

func (t *Transport) fail(f failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failure = f
}

// share runs work in a slot, once for all requests that need it at the same
// time, as long as the session still has the old token. A flow and a renewal
// have a slot each and never run side by side: both would use the same refresh
// token. Work goes on while one request waits for it. A flow that all requests
// have left is cancelled, and a new request waits for its end and starts afresh.
// A renewal goes on: its answer may hold the only refresh token that is still
// valid.
func (t *Transport) share(ctx context.Context, slot **flight, old *Token, work func(context.Context) error) error {
	for {
		t.mu.Lock()
		running := t.flowing
		if running == nil {
			running = t.renewing
		}
		if running == nil {
			if t.session.token() != old {
				t.mu.Unlock()
				return nil
			}
			running = t.start(ctx, slot, work)
		}
		joined := running == *slot && !running.left
		if joined {
			running.waiting++
		}
		t.mu.Unlock()
		select {
		case <-running.done:
			if joined {
				return running.err
			}
		case <-ctx.Done():
			if joined {
				t.leave(running)
			}
			return ctx.Err()
		}
	}
}

// start begins work in a slot. The caller holds the lock.
func (t *Transport) start(ctx context.Context, slot **flight, work func(context.Context) error) *flight {
	workCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.config.Timeout)
	f := &flight{done: make(chan struct{}), cancel: cancel}
	*slot = f
	go func() {
		defer cancel()
		err := work(workCtx)
		t.mu.Lock()
		f.err, *slot = err, nil
		t.mu.Unlock()
		close(f.done)
	}()
	return f
}

// leave is called by a request that no longer waits.
func (t *Transport) leave(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.waiting--; f.waiting == 0 && f == t.flowing {
		f.left = true
		f.cancel()
	}
}
