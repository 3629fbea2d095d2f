package quota

import (
	"context"
	"sync"
	"time"
)

// Turns lets each caller have a number of requests answered at a time. The rest
// of a caller's requests wait for their turn, and so don't slow down those of
// others. It may be used by several goroutines at once.
type Turns struct {
	atATime int

	mu      sync.Mutex
	callers map[string]*line
}

// line is where the requests of one caller wait.
type line struct {
	turns   chan struct{}
	waiting int // or having their turn
}

// NewTurns returns turns for so many requests of each caller at a time.
func NewTurns(atATime int) *Turns { return &Turns{atATime: atATime, callers: map[string]*line{}} }

// Take waits for a turn of a caller, until the context ends. The turn ends some
// time after done is called: a caller who keeps its turns for longer has fewer.
func (t *Turns) Take(ctx context.Context, caller string) (done func(later time.Duration), err error) {
	l := t.join(caller)
	end := func() {
		<-l.turns
		t.leave(caller, l)
	}
	select {
	case l.turns <- struct{}{}:
		return func(later time.Duration) {
			if later > 0 {
				time.AfterFunc(later, end)
			} else {
				end()
			}
		}, nil
	case <-ctx.Done():
		t.leave(caller, l)
		return nil, ctx.Err()
	}
}

func (t *Turns) join(caller string) *line {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.callers[caller]
	if l == nil {
		l = &line{turns: make(chan struct{}, t.atATime)}
		t.callers[caller] = l
	}
	l.waiting++
	return l
}

func (t *Turns) leave(caller string, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.waiting--; l.waiting == 0 {
		delete(t.callers, caller)
	}
}
