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
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/oauthmetadata"
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

	// firstPause is half the time between the first two fetches; each one that
	// fails doubles it.
	firstPause = 125 * time.Millisecond

	// patience is how long [Start] waits for an issuer that is there.
	patience = 2 * time.Second
)

// ErrNoKeys says that the issuer was never reached, so nobody can be told
// apart yet.
var ErrNoKeys = errors.New("the issuer's keys have not been fetched yet")

// Source finds keys of one issuer. It says who can have signed, and nothing
// about what was signed.
type Source struct {
	Reader
	log     *slog.Logger
	asked   chan struct{} // asks keepFresh for a fetch before it is due
	stopped chan struct{} // closed when keepFresh has ended

	mu      sync.Mutex
	keys    jwks.Set      // the last good ones; nil until there were some
	asOf    time.Time     // when the fetch that brought them began
	where   *Metadata     // nil until it was found, with keys unless NoKeys
	failed  int           // fetches in a row
	running chan struct{} // closed when the fetch that was asked for ends; nil: there is none
	ended   time.Time     // of the last fetch
	due     time.Time     // when the next one begins by itself
	trouble string        // why the last fetch failed; empty: it didn't
	oddKeys string        // which keys were left out, as it was said last
}

// Config says whose keys to fetch, and how.
type Config struct {
	Issuer string // to the letter (RFC 8414, section 3.3)
	// Address is where to ask for the issuer's documents, where that isn't the
	// issuer itself, as in a network of containers. Empty: Issuer.
	Address     string
	MinInterval time.Duration // least time between two fetches, once there are keys
	Algorithms  []string      // allowed ones; a key that states none is for the first that fits
	// Setting is the name of the setting that holds Issuer, for errors; empty:
	// JWT_ISSUER.
	Setting string
	// NoKeys reads the metadata alone, for an issuer that is asked about each token
	// (RFC 7662). Its access tokens may be opaque, and its keys missing.
	NoKeys bool
}

// Start begins to fetch the keys of an issuer, and goes on in the background
// until ctx ends; never two fetches at a time, and none sooner than MinInterval
// after the one before. Before the first keys are there it tries more often. An issuer that can't be reached is not an error:
// Source tries again. Start waits a moment for the first keys, so that the first
// request already finds them.
func Start(ctx context.Context, config Config) *Source { return start(ctx, config, newTransport()) }

func start(ctx context.Context, config Config, transport http.RoundTripper) *Source {
	s := &Source{
		Reader: *NewReader(config, newClient(transport)), log: logging.FromContext(ctx),
		asked: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	go s.keepFresh(ctx)
	first, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.refresh(first)
	return s
}

// Ready reports whether there are keys, however old; with NoKeys, metadata.
func (s *Source) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready()
}

func (s *Source) ready() bool { return s.where != nil }

// MetadataURL is where the issuer's metadata was found, or else where it is looked
// for first (RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4).
func (s *Source) MetadataURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.where == nil {
		return oauthmetadata.ServerURL(s.config.Issuer)
	}
	return s.where.Address
}

// Metadata is what the issuer says about itself, as it was read last; nil while
// that isn't known.
func (s *Source) Metadata() *Metadata {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.where
}

// IntrospectionEndpoint is where the issuer can be asked about a token, as its
// metadata says; empty while that isn't known, or has none.
func (s *Source) IntrospectionEndpoint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.where == nil {
		return ""
	}
	return s.where.Introspection
}

// Key returns the key with an id, for an algorithm. An id that isn't known may be
// a new key's, so the issuer is asked once more, unless it was asked just now.
func (s *Source) Key(ctx context.Context, id, algorithm string) (jwks.Key, error) {
	arrived := time.Now()
	key, err := s.known(ctx, id, algorithm)
	if !errors.Is(err, jwks.ErrUnknownKey) {
		return key, err
	}
	s.refresh(ctx)
	key, err = s.known(ctx, id, algorithm)
	if stale := (staleError{}); errors.As(err, &stale) && !stale.asOf.Before(arrived) {
		return key, stale.error // these keys are newer than the question
	}
	return key, err
}

func (s *Source) known(ctx context.Context, id, algorithm string) (jwks.Key, error) {
	s.mu.Lock()
	keys, stale := s.keys, staleError{ErrNoKeys, s.asOf, time.Until(s.ended.Add(s.pause()))}
	s.mu.Unlock()
	if keys == nil {
		return jwks.Key{}, stale
	}
	key, err := keys.Key(ctx, id, algorithm)
	if err != nil {
		stale.error = err
		return key, stale
	}
	return key, nil
}

// staleError says that the keys at hand, which may be too old, have no such key.
type staleError struct {
	error
	asOf time.Time
	wait time.Duration
}

func (e staleError) Unwrap() error { return e.error }

// KeysAsOf is when the keys at hand were asked for.
func (e staleError) KeysAsOf() time.Time { return e.asOf }

// NextFetch is how long it takes until they can be fetched again.
func (e staleError) NextFetch() time.Duration { return e.wait }

// pause is the least time between two fetches. Before the first keys are there it
// is short and grows, for an issuer that starts a little later than this server.
func (s *Source) pause() time.Duration {
	if s.ready() {
		return s.config.MinInterval
	}
	return min(s.config.MinInterval, firstPause<<min(s.failed, 16))
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
		begun := time.Now()
		found, err := s.fetch(ctx)
		if ctx.Err() == nil {
			s.keep(found, begun, err)
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
		if !s.ended.IsZero() && time.Since(s.ended) < s.pause() {
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
func (s *Source) keep(found *found, begun time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		close(s.running)
	}
	s.running, s.ended = nil, time.Now()
	if err != nil {
		s.failed++
		s.due = s.ended.Add(s.pause())
		// Said once, and not at each attempt.
		if s.trouble != err.Error() {
			s.trouble = err.Error()
			s.log.Warn("the issuer's keys can't be fetched; trying again", "issuer", s.config.Issuer, "keys", len(s.keys), logging.Error(err))
		}
		return
	}
	if !s.ready() || s.trouble != "" {
		s.log.Info("the issuer's keys were fetched", "issuer", s.config.Issuer, "keys", len(found.keys))
	}
	s.sayOddKeys(found)
	// What the issuer has withdrawn is gone with the old set.
	s.keys, s.asOf, s.where, s.failed, s.trouble = found.keys, begun, found.metadata, 0, ""
	s.due = s.ended.Add(max(found.lifetime, s.config.MinInterval))
}

// sayOddKeys says once which keys were left out and why, and which algorithm was
// taken for a key that states none.
func (s *Source) sayOddKeys(found *found) {
	for _, key := range found.keys {
		known, err := s.keys.Key(context.Background(), key.ID, key.Algorithm)
		if key.Assumed && (err != nil || known.Algorithm != key.Algorithm) {
			s.log.Info("a key states no algorithm, so the first allowed one that fits is taken", "key", key.ID, "algorithm", key.Algorithm)
		}
	}
	if text := fmt.Sprint(found.leftOut); text != s.oddKeys {
		for _, err := range found.leftOut {
			s.log.Warn("a key of the issuer is left out", "issuer", s.config.Issuer, logging.Error(err))
		}
		s.oddKeys = text
	}
}
