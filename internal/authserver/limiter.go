package authserver

import (
	"context"
	"errors"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/web/quota"
)

// errLimited says that a key has no try left.
var errLimited = errors.New("rate limit reached")

// limiter lets each key try something a number of times, and again after some
// time (a token bucket). It remembers a bounded number of keys.
type limiter struct {
	burst    float64
	interval time.Duration // until one more try is allowed
	max      int           // keys
	now      func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
}

// LimitedKeys is how many addresses, users or clients each limit of tries remembers:
// those of passwords by address, by user and by both, that of secrets, that of
// registrations, and that of logins at another provider.
const LimitedKeys = 10_000

type bucket struct {
	left     float64
	at       time.Time
	running  int           // tries without an outcome yet
	finished chan struct{} // closed when one of them ends; nil: nobody waits
}

func newLimiter(burst int, interval time.Duration, now func() time.Time) *limiter {
	return &limiter{burst: float64(burst), interval: interval, max: LimitedKeys, now: now, buckets: map[string]*bucket{}}
}

// take uses one try, and reports whether there was one.
func (l *limiter) take(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket(key).take()
}

// begin uses one try whose outcome is reported to end. While all tries are
// running it waits for one of them: many right passwords at the same time are no
// reason to refuse, and many wrong ones at the same time get no extra try. It
// returns [errLimited], or the error of a context that ended.
func (l *limiter) begin(ctx context.Context, key string) error {
	for {
		finished, err := l.tryBegin(key)
		if finished == nil {
			return err
		}
		select {
		case <-finished:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tryBegin is begin without waiting: it returns what to wait for.
func (l *limiter) tryBegin(key string) (finished <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	switch {
	case b.take():
		b.running++
		return nil, nil
	case b.running == 0:
		return nil, errLimited
	}
	if b.finished == nil {
		b.finished = make(chan struct{})
	}
	return b.finished, nil
}

// end reports the outcome of a try. One that was not wrong is given back.
func (l *limiter) end(key string, wrong bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	b.running--
	if !wrong {
		b.left = min(b.left+1, l.burst)
	}
	if b.finished != nil {
		close(b.finished)
		b.finished = nil
	}
}

func (b *bucket) take() bool {
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

func (l *limiter) bucket(key string) *bucket {
	now := l.now()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= l.max {
			l.makeRoom(now)
		}
		b = &bucket{left: l.burst, at: now}
		l.buckets[key] = b
	}
	b.fill(l, now)
	return b
}

// fill gives back the tries of the time that went by. A clock that was set back
// takes none away.
func (b *bucket) fill(l *limiter, now time.Time) {
	b.left = min(b.left+float64(max(0, now.Sub(b.at)))/float64(l.interval), l.burst)
	b.at = now
}

// sample is how many keys makeRoom looks at.
const sample = 16

// makeRoom forgets the keys that have all their tries, and if there are none,
// the one with the most, among a few: where there are many, looking at all of
// them would make every new key cost more than the try that it stands for.
func (l *limiter) makeRoom(now time.Time) {
	var fullest string
	most, seen := -1.0, 0
	for key, b := range l.buckets { // each time from another one on
		if seen++; seen > sample {
			break
		}
		switch b.fill(l, now); {
		case b.running > 0: // at most as many as there are connections
		case b.left >= l.burst:
			delete(l.buckets, key)
		case b.left > most:
			fullest, most = key, b.left
		}
	}
	if len(l.buckets) >= l.max {
		delete(l.buckets, fullest)
	}
}

// familiar remembers from which addresses each user has logged in, of a bounded
// number of users and addresses, until the server ends.
type familiar struct {
	now func() time.Time

	mu    sync.Mutex
	known *quota.Ledger // by user and address
}

const (
	// AddressesPerUser is how many addresses of one user are remembered, and
	// FamiliarAddresses of all.
	AddressesPerUser  = 20
	FamiliarAddresses = 10_000

	familiarFor = 90 * 24 * time.Hour
)

func newFamiliar(now func() time.Time) *familiar {
	return &familiar{now: now, known: quota.New(AddressesPerUser, FamiliarAddresses)}
}

func (f *familiar) has(userAndAddress string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known.Has(userAndAddress)
}

// add remembers an address of a user, on that user's account.
func (f *familiar) add(user, userAndAddress string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	_, _ = f.known.Add(user, userAndAddress, now.Add(familiarFor), now) // none is proven, so there is always one that can go
}
