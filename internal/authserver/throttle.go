package authserver

import (
	"sync"
	"time"
)

// throttle lets each key do something a number of times, and again after some
// time: a bucket of tokens that fills up. What it remembers is bounded.
type throttle struct {
	burst float64
	every time.Duration // until one more is allowed
	max   int           // keys
	now   func() time.Time

	mu       sync.Mutex
	finished *sync.Cond // a try has ended
	keys     map[string]*bucket
}

type bucket struct {
	left    float64
	at      time.Time
	running int // tries whose outcome isn't known yet
}

func newThrottle(burst int, every time.Duration, now func() time.Time) *throttle {
	t := &throttle{burst: float64(burst), every: every, max: 10_000, now: now, keys: map[string]*bucket{}}
	t.finished = sync.NewCond(&t.mu)
	return t
}

// take uses up one try, and reports whether there was one.
func (t *throttle) take(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bucket(key).take()
}

// begin uses up one try whose outcome will be told to end. While all tries are
// under way it waits for one of them, so that many right passwords at a time
// are no reason to refuse, and many wrong ones at a time get no try more.
func (t *throttle) begin(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		b := t.bucket(key)
		if b.take() {
			b.running++
			return true
		}
		if b.running == 0 {
			return false
		}
		t.finished.Wait()
	}
}

// end tells how a try went. A good one is given back.
func (t *throttle) end(key string, good bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(key)
	b.running--
	if good {
		b.left = min(b.left+1, t.burst)
	}
	t.finished.Broadcast()
}

func (b *bucket) take() bool {
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

func (t *throttle) bucket(key string) *bucket {
	now := t.now()
	b := t.keys[key]
	if b == nil {
		if len(t.keys) >= t.max {
			t.makeRoom(now)
		}
		b = &bucket{left: t.burst, at: now}
		t.keys[key] = b
	}
	b.fill(t, now)
	return b
}

func (b *bucket) fill(t *throttle, now time.Time) {
	b.left = min(b.left+float64(now.Sub(b.at))/float64(t.every), t.burst)
	b.at = now
}

// makeRoom forgets the keys that have all their tries back, and if there are
// none, the one with the most left.
func (t *throttle) makeRoom(now time.Time) {
	var fullest string
	most := -1.0
	for key, b := range t.keys {
		switch b.fill(t, now); {
		case b.running > 0: // as many as there are connections, at most
		case b.left >= t.burst:
			delete(t.keys, key)
		case b.left > most:
			fullest, most = key, b.left
		}
	}
	if len(t.keys) >= t.max {
		delete(t.keys, fullest)
	}
}
