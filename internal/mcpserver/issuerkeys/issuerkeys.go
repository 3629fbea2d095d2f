// Package issuerkeys keeps the keys of an issuer at hand: found by discovery
// (RFC 8414; OpenID Connect Discovery 1.0), read from its key set (RFC 7517),
// and fetched anew before they are old.
//
// An issuer that is away costs nothing but new keys: the last good ones stay.
// What it published by mistake replaces nothing. And whoever sends tokens with
// key ids made up can't make this server ask more often than it likes.
package issuerkeys

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/web/logging"
)

const (
	// DefaultMinInterval is the least time between two fetches.
	DefaultMinInterval = 5 * time.Second

	// Keys are fetched anew after the time that Cache-Control states, within
	// these bounds. The upper one is how long a key lives on here after the
	// issuer has withdrawn it.
	shortest = time.Minute
	usual    = 5 * time.Minute
	longest  = 15 * time.Minute

	// patience is how long [Start] waits for an issuer that is there.
	patience = 2 * time.Second
)

// ErrNoKeys says that the issuer was never reached, so nobody can be told
// apart yet.
var ErrNoKeys = errors.New("the issuer's keys have not been fetched yet")

// Source finds keys of one issuer. It says who can have signed, and nothing
// about what was signed.
type Source struct {
	issuer      string
	minInterval time.Duration
	client      *http.Client
	log         *slog.Logger
	asked       chan struct{} // asks keepFresh for a fetch before it is due
	stopped     chan struct{} // closed when keepFresh has ended

	mu      sync.Mutex
	keys    jwks.Set      // the last good ones; nil until there were some
	running chan struct{} // closed when the fetch that was asked for ends; nil: there is none
	ended   time.Time     // of the last fetch
	due     time.Time     // when the next one begins by itself
	trouble string        // why the last fetch failed; empty: it didn't
}

// Start begins to fetch the keys of an issuer, and goes on in the background
// until ctx ends; never two fetches at a time, and none sooner than minInterval
// after the one before. An issuer that can't be reached is not an error:
// Source tries again. Start waits a moment for the first keys, so that the first
// request already finds them.
func Start(ctx context.Context, issuer string, minInterval time.Duration) *Source {
	return start(ctx, issuer, minInterval, newTransport())
}

func start(ctx context.Context, issuer string, minInterval time.Duration, transport http.RoundTripper) *Source {
	s := &Source{
		issuer: issuer, minInterval: minInterval, client: newClient(transport), log: logging.FromContext(ctx),
		asked: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	go s.keepFresh(ctx)
	first, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.refresh(first)
	return s
}

// Ready reports whether there are keys, however old.
func (s *Source) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys != nil
}

// Key returns the key with an id. An id that isn't known may be a new key's,
// so the issuer is asked once more, unless it was asked just now.
func (s *Source) Key(ctx context.Context, id string) (jwks.Key, error) {
	key, err := s.known(ctx, id)
	if errors.Is(err, jwks.ErrUnknownKey) {
		s.refresh(ctx)
		key, err = s.known(ctx, id)
	}
	return key, err
}

func (s *Source) known(ctx context.Context, id string) (jwks.Key, error) {
	s.mu.Lock()
	keys := s.keys
	s.mu.Unlock()
	if keys == nil {
		return jwks.Key{}, ErrNoKeys
	}
	return keys.Key(ctx, id)
}

// keepFresh fetches whenever it is time, or somebody asks. All fetches are made
// here, so there is one at a time.
func (s *Source) keepFresh(ctx context.Context) {
	defer close(s.stopped)
	for ctx.Err() == nil {
		if wait := s.untilNext(); wait > 0 {
			select {
			case <-ctx.Done():
			case <-s.asked:
			case <-time.After(wait):
			}
			continue
		}
		keys, lifetime, err := s.fetch(ctx)
		if ctx.Err() == nil {
			s.keep(keys, lifetime, err)
		}
	}
}

// untilNext is how long there is nothing to fetch.
func (s *Source) untilNext() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return 0
	}
	return time.Until(s.due)
}

// refresh asks for a fetch and waits for its end, or for the one under way; it
// does neither when the last one has just ended.
func (s *Source) refresh(ctx context.Context) {
	s.mu.Lock()
	if s.running == nil {
		if !s.ended.IsZero() && time.Since(s.ended) < s.minInterval {
			s.mu.Unlock()
			return
		}
		s.running = make(chan struct{})
	}
	running := s.running
	s.mu.Unlock()
	select {
	case s.asked <- struct{}{}:
	default: // keepFresh has yet to read an earlier question
	}
	select {
	case <-running:
	case <-s.stopped:
	case <-ctx.Done():
	}
}

// keep ends a fetch, and keeps what it brought if it is any good.
func (s *Source) keep(keys jwks.Set, lifetime time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		close(s.running)
	}
	s.running, s.ended = nil, time.Now()
	if err != nil {
		s.due = s.ended.Add(s.minInterval)
		// Said once, and not at each attempt.
		if s.trouble != err.Error() {
			s.trouble = err.Error()
			s.log.Warn("the issuer's keys can't be fetched; trying again", "issuer", s.issuer, "keys", len(s.keys), logging.Error(err))
		}
		return
	}
	if s.keys == nil || s.trouble != "" {
		s.log.Info("the issuer's keys were fetched", "issuer", s.issuer, "keys", len(keys))
	}
	// What the issuer has withdrawn is gone with the old set.
	s.keys, s.trouble = keys, ""
	s.due = s.ended.Add(max(lifetime, s.minInterval))
}
