package issuerkeys

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/web/logging"
)

// Time in these tests is that of synctest: it stands still while anybody
// works, and jumps when all wait.

const interval = 10 * time.Second

// wire hands requests to a provider in this very process; nil: it is away.
type wire struct {
	mu       sync.Mutex
	provider *stubprovider.Provider
	takes    time.Duration // how long an answer takes
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	provider, takes := w.provider, w.takes
	w.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if provider == nil {
		return nil, errors.New("connection refused")
	}
	recorder := httptest.NewRecorder()
	provider.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

func (w *wire) set(provider *stubprovider.Provider, takes time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.provider, w.takes = provider, takes
}

func key(name string) stubprovider.Key { return stubprovider.Keys()[name] }

// bubble runs a test with its own time, against a provider with one key. The
// source ends with it, and all that it started.
func bubble(t *testing.T, test func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source)) {
	t.Helper()
	stubprovider.Keys() // made outside, where time runs
	synctest.Test(t, func(t *testing.T) {
		p := stubprovider.New("http://localhost:8080", key("rs256"))
		w := &wire{provider: p}
		test(t, p, w, func(ctx context.Context) *Source { return start(ctx, configFor(p, interval), w) })
	})
}

func configFor(p *stubprovider.Provider, interval time.Duration) Config {
	return Config{Issuer: p.Issuer(), MinInterval: interval, Algorithms: []string{"RS256", "PS256", "ES256", "EdDSA"}}
}

func algorithmOf(name string) string {
	if key, known := stubprovider.Keys()[name]; known {
		return key.Algorithm
	}
	return "RS256"
}

// has tells whether a source knows a key.
func has(s *Source, id string) bool {
	found, err := s.Key(context.Background(), id, algorithmOf(id))
	return err == nil && found.ID == id
}

func TestKeysAreThereFromTheFirstRequestOn(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, _ *wire, begin func(context.Context) *Source) {
		s := begin(t.Context())
		if !s.Ready() || !has(s, "rs256") || p.Fetches() != 1 {
			t.Errorf("ready: %t, %d fetches", s.Ready(), p.Fetches())
		}
	})
}

// D02: the provider starts after its resource server.
func TestD02_StartsBeforeItsProvider(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		w.set(nil, 0)
		s := begin(t.Context())
		if _, err := s.Key(t.Context(), "rs256", "RS256"); !errors.Is(err, ErrNoKeys) || s.Ready() {
			t.Errorf("without keys: %v, ready: %t", err, s.Ready())
		}
		w.set(p, 0)
		time.Sleep(interval)
		synctest.Wait()
		if !s.Ready() || !has(s, "rs256") {
			t.Error("the provider is there, and isn't found")
		}
	})
}

// A source that needs no keys is ready when it knows whom to ask (RFC 7662).
func TestD02_IntrospectionWaitsForTheMetadata(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, _ func(context.Context) *Source) {
		w.set(nil, 0)
		config := configFor(p, interval)
		config.NoKeys = true
		s := start(t.Context(), config, w)
		if s.Ready() || s.IntrospectionEndpoint() != "" {
			t.Error("ready while the issuer is away")
		}
		w.set(p, 0)
		time.Sleep(interval)
		synctest.Wait()
		if !s.Ready() {
			t.Error("the metadata is there, and the source isn't ready")
		}
		for range 2 { // what is asked for once can be asked for again
			if s.Metadata() == nil || s.MetadataURL() != s.Metadata().Address {
				t.Errorf("the metadata is %+v, at %s", s.Metadata(), s.MetadataURL())
			}
		}
	})
}

// WC16: an issuer that starts a second after its resource server is found within
// another, whatever the interval.
func TestWC16_FirstTriesComeQuickly(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		w.set(nil, 0)
		s := begin(t.Context())
		time.Sleep(time.Second)
		w.set(p, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		if !s.Ready() {
			t.Error("not found within a second")
		}
	})
}

// WC16: while the issuer is away, each attempt waits twice as long as the one before,
// up to the interval.
func TestWC16_PausesGrow(t *testing.T) {
	bubble(t, func(t *testing.T, _ *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		w.set(nil, 0)
		s := begin(t.Context())
		for _, want := range []time.Duration{2 * firstPause, 4 * firstPause, 8 * firstPause, 16 * firstPause, 32 * firstPause, 64 * firstPause, interval, interval} {
			_, err := s.Key(t.Context(), "rs256", "RS256")
			if stale := (staleError{}); !errors.As(err, &stale) || stale.NextFetch() != want {
				t.Errorf("%v: the next fetch is in %s, want %s", err, stale.NextFetch(), want)
			}
			time.Sleep(want)
			synctest.Wait()
		}
	})
}

// WC7: an unknown key leads to an error that says of when the keys are, and when
// there can be newer ones.
func TestWC7_KeysAsOf(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		before := time.Now()
		s := begin(t.Context())
		time.Sleep(interval / 2)
		_, err := s.Key(t.Context(), "next", "RS256")
		var stale interface {
			KeysAsOf() time.Time
			NextFetch() time.Duration
		}
		if !errors.As(err, &stale) || !errors.Is(err, jwks.ErrUnknownKey) || !stale.KeysAsOf().Equal(before) || stale.NextFetch() != interval/2 {
			t.Errorf("%v: as of %v, next in %v", err, stale.KeysAsOf(), stale.NextFetch())
		}
		time.Sleep(interval)
		if _, err = s.Key(t.Context(), "next", "RS256"); errors.As(err, &stale) || !errors.Is(err, jwks.ErrUnknownKey) {
			t.Errorf("after a good fetch the answer is known: %v", err)
		}
		before = time.Now()
		time.Sleep(interval)
		w.set(nil, 0) // a fetch that fails brings no newer keys
		if _, err = s.Key(t.Context(), "next", "RS256"); !errors.As(err, &stale) || !stale.KeysAsOf().Equal(before) {
			t.Errorf("after a failed fetch: %v, as of %v", err, stale.KeysAsOf())
		}
	})
}

// A provider that doesn't answer delays the start by a moment, and no more.
func TestD02_HangingProvider(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		w.set(p, time.Hour)
		before := time.Now()
		s := begin(t.Context())
		if took := time.Since(before); took != patience || s.Ready() {
			t.Errorf("took %s", took)
		}
		w.set(p, 0)
		time.Sleep(AnswerTime + interval)
		synctest.Wait()
		if !s.Ready() {
			t.Error("not ready once it answers")
		}
	})
}

// D02, D03: an outage, in every way, costs no key that was there.
func TestD02_D03_OutageKeepsTheKeys(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, instead := range map[string]http.HandlerFunc{
		"404": status(404), "500": status(500), "503": status(503), "204": status(204),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:8080/elsewhere", http.StatusFound)
		},
		"HTML":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Be right back</html>") },
		"empty":   func(http.ResponseWriter, *http.Request) {},
		"endless": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), MaxDocument+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
				s := begin(t.Context())
				p.Answer(instead)
				time.Sleep(time.Hour)
				synctest.Wait()
				if !s.Ready() || !has(s, "rs256") || has(s, "next") {
					t.Error("the outage changed what is known")
				}
				p.Answer(nil)
				p.Publish(key("next"))
				time.Sleep(interval)
				if !has(s, "next") || has(s, "rs256") {
					t.Error("the provider is back, and its new key isn't used, or its old one is")
				}
			})
		})
	}
	// An error page is no key set, whatever stands in it.
	for _, code := range []int{201, 206, 302, 404, 500, 503} {
		t.Run(fmt.Sprintf("%d with keys", code), func(t *testing.T) {
			bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
				s := begin(t.Context())
				other := stubprovider.New("http://localhost:8080", key("next"))
				p.Answer(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/certs") {
						w.WriteHeader(code)
					}
					other.ServeHTTP(w, r)
				})
				time.Sleep(time.Hour)
				if has(s, "next") || !has(s, "rs256") {
					t.Error("keys of an error page are used")
				}
			})
		})
	}
	t.Run("gone", func(t *testing.T) {
		bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
			s := begin(t.Context())
			w.set(nil, 0)
			time.Sleep(time.Hour)
			if !has(s, "rs256") || has(s, "next") {
				t.Error("the outage changed what is known")
			}
		})
	})
}

// poisoned are key sets that must replace nothing.
func poisoned() map[string]string {
	rs, next := key("rs256").JWK, key("next").JWK
	return map[string]string{
		"HTML":          "<html></html>",
		"empty object":  `{}`,
		"no keys":       `{"keys":[]}`,
		"truncated":     `{"keys":[` + next,
		"bare key":      next,
		"keys twice":    `{"keys":[],"keys":[` + next + `]}`,
		"trailing":      `{"keys":[` + next + `]}x`,
		"keys in case":  `{"Keys":[` + next + `]}`,
		"object":        `{"keys":` + next + `}`,
		"null":          `{"keys":null}`,
		"too long":      `{"keys":[` + next + `]}` + strings.Repeat(" ", MaxDocument),
		"only unusable": `{"keys":[{"kty":"oct","kid":"next","k":"c2VjcmV0"}]}`,
		"private":       `{"keys":[` + strings.TrimSuffix(rs, "}") + `,"d":"AQAB"}]}`,
	}
}

// D03: nonsense replaces nothing, and is said once.
func TestD03_PoisonedSet(t *testing.T) {
	for name, text := range poisoned() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *stubprovider.Provider, _ *wire, begin func(context.Context) *Source) {
				log := &bytes.Buffer{}
				s := begin(logging.NewContext(t.Context(), slog.New(slog.NewTextHandler(log, nil))))
				p.PublishText(text)
				time.Sleep(time.Hour)
				synctest.Wait()
				if !has(s, "rs256") || has(s, "next") {
					t.Error("it replaced the good set")
				}
				if n := strings.Count(log.String(), "can't be fetched"); n != 1 {
					t.Errorf("said %d times:\n%.600s", n, log)
				}
			})
		})
	}
}

// D04, D05: what can't be used is left out, and what stands beside it works.
func TestD04_D05_OddKeysBesideAGoodOne(t *testing.T) {
	n := fmt.Sprintf(`"n":%q,"e":"AQAB"}`, base64.RawURLEncoding.EncodeToString(key("next").RSA.N.Bytes()))
	for name, odd := range map[string]string{
		"unknown type":  `{"kty":"AKP","kid":"odd","alg":"ML-DSA-44","pub":"AA"}`,
		"no modulus":    `{"kty":"RSA","kid":"odd","e":"AQAB"}`,
		"null":          `null`,
		"text":          `"odd"`,
		"symmetric":     `{"kty":"oct","kid":"odd","k":"c2VjcmV0","alg":"HS256"}`,
		"private":       `{"kty":"RSA","kid":"odd","d":"AQAB",` + n,
		"encryption":    `{"kty":"RSA","kid":"odd","use":"enc",` + n,
		"not to verify": `{"kty":"RSA","kid":"odd","key_ops":["encrypt"],` + n,
		"weak":          `{"kty":"RSA","kid":"odd","n":"` + strings.Repeat("_", 171) + `","e":"AQAB"}`,
		"e is 1":        `{"kty":"RSA","kid":"odd","e":"AQ",` + strings.Replace(n, `,"e":"AQAB"`, "", 1),
		"off the curve": `{"kty":"EC","crv":"P-256","kid":"odd","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}`,
		"unlike curve":  `{"kty":"RSA","kid":"odd","alg":"ES256",` + n,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *stubprovider.Provider, _ *wire, begin func(context.Context) *Source) {
				p.PublishText(`{"keys":[` + odd + `,` + key("es256").JWK + `]}`)
				if s := begin(t.Context()); !has(s, "es256") || has(s, "odd") {
					t.Errorf("good key: %t, odd key: %t", has(s, "es256"), has(s, "odd"))
				}
			})
		})
	}
}

// WC2, D04: which key is left out, and which algorithm is taken for a key that states
// none, is said once, and again when it changes.
func TestWC2_D04_OddKeysAreSaidOnce(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, _ *wire, begin func(context.Context) *Source) {
		var log bytes.Buffer
		keySet := func(odd, silent string) {
			p.PublishText(`{"keys":[{"kty":"oct","kid":"` + odd + `","k":"c2VjcmV0"},` + key("es256").JWK + `,` +
				strings.NewReplacer(`"alg":"RS256",`, "", `"kid":"next"`, `"kid":"`+silent+`"`).Replace(key("next").JWK) + `]}`)
		}
		keySet("odd", "silent")
		begin(logging.NewContext(t.Context(), slog.New(slog.NewTextHandler(&log, nil))))
		said := func(when string, want int) {
			time.Sleep(time.Hour)
			synctest.Wait()
			for _, text := range []string{"a key of the issuer is left out", "a key states no algorithm"} {
				if n := strings.Count(log.String(), text); n != want {
					t.Errorf("%s, %q is said %d times, want %d:\n%s", when, text, n, want, &log)
				}
			}
		}
		said("at first", 1)
		keySet("other", "quiet")
		said("after a change", 2)
		for _, want := range []string{`id \"odd\"`, `id \"other\"`, "key=silent algorithm=RS256", "key=quiet algorithm=RS256"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q isn't said:\n%s", want, &log)
			}
		}
	})
}

// D01: ids that are made up lead to one fetch an interval, however many ask.
func TestD01_UnknownIDs(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		s := begin(t.Context())
		w.set(p, time.Second) // so that many meet a fetch under way
		const callers, each = 50, 200
		before, begun := p.Fetches(), time.Now()
		var group sync.WaitGroup
		for caller := range callers {
			group.Go(func() {
				for i := range each {
					if _, err := s.Key(t.Context(), fmt.Sprintf("made-up-%d-%d", caller, i), "RS256"); !errors.Is(err, jwks.ErrUnknownKey) {
						t.Errorf("made-up id: %v", err)
					}
					time.Sleep(250 * time.Millisecond)
				}
			})
		}
		group.Wait()
		took := time.Since(begun)
		if got, most := p.Fetches()-before, int(took/interval)+1; got > most || got == 0 {
			t.Errorf("%d fetches in %s, at most %d are allowed", got, took, most)
		}
	})
}

// D08: the first token with a new key is accepted after one fetch, and all
// that arrive meanwhile wait for the same one.
func TestD08_NewKeyIsFetchedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		s := begin(t.Context())
		time.Sleep(interval)
		p.Publish(key("rs256"), key("next"))
		w.set(p, time.Second)
		before := p.Fetches()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if !has(s, "next") || !has(s, "rs256") {
					t.Error("a published key is refused")
				}
			})
		}
		group.Wait()
		if got := p.Fetches() - before; got != 1 {
			t.Errorf("%d fetches", got)
		}
	})
}

// D08: rotation every 50 ms under 100 callers. Whatever is found is right, and
// once it rests the last key is found. Run with -race.
func TestD08_RotationRace(t *testing.T) {
	stubprovider.Keys()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		names := []string{"rs256", "next", "ps256", "es256", "eddsa"}
		p := stubprovider.New("http://localhost:8080", key("rs256"))
		s := start(ctx, configFor(p, time.Millisecond), &wire{provider: p})
		var group sync.WaitGroup
		group.Go(func() {
			for i := range 40 {
				p.Publish(key(names[i%len(names)]))
				time.Sleep(50 * time.Millisecond)
			}
		})
		for caller := range 100 {
			group.Go(func() {
				for i := range 80 {
					name := names[(caller+i)%len(names)]
					if found, err := s.Key(ctx, name, key(name).Algorithm); err == nil && (found.ID != name || found.Algorithm != key(name).Algorithm) {
						t.Errorf("asked for %s, got %s of %s", name, found.ID, found.Algorithm)
					}
					time.Sleep(23 * time.Millisecond)
				}
			})
		}
		group.Wait()
		p.Publish(key("next"))
		before := p.Fetches()
		time.Sleep(interval)
		if !has(s, "next") || p.Fetches()-before > 1 {
			t.Errorf("not found, or only after %d fetches", p.Fetches()-before)
		}
		for _, gone := range []string{"rs256", "ps256", "es256", "eddsa"} {
			if has(s, gone) {
				t.Errorf("%s was withdrawn and is still used", gone)
			}
		}
	})
}

// Keys are fetched anew after the time that the provider states, within
// bounds; and so a withdrawn key ends.
func TestRefreshFollowsCacheControl(t *testing.T) {
	for control, want := range map[string]time.Duration{
		"":                        usual,
		"public":                  usual,
		"max-age=120":             2 * time.Minute,
		"public, Max-Age=\"120\"": 2 * time.Minute,
		"max-age=0":               shortest,
		"max-age=1":               shortest,
		"max-age=86400":           longest,
		"max-age=99999999999":     usual,
		"max-age=-1":              usual,
		"max-age=120, no-cache":   shortest,
		"no-store":                shortest,
		"s-maxage=1, max-age=120": 2 * time.Minute,
	} {
		t.Run(control, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
				plain := p
				proxy := stubprovider.New("http://localhost:8080")
				proxy.Answer(func(w http.ResponseWriter, r *http.Request) {
					if control != "" {
						w.Header().Set("Cache-Control", control)
					}
					plain.ServeHTTP(w, r)
				})
				w.set(proxy, 0)
				s := begin(t.Context())
				p.Publish(key("next"))
				time.Sleep(want - time.Second)
				synctest.Wait()
				if p.Fetches() != 1 || !has(s, "rs256") {
					t.Errorf("%d fetches before the time", p.Fetches())
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if p.Fetches() != 2 || has(s, "rs256") {
					t.Errorf("%d fetches after the time, or the withdrawn key still there", p.Fetches())
				}
			})
		})
	}
}

// A caller that goes away doesn't end the fetch for the others, and needn't
// wait for it.
func TestCallersMayGoAway(t *testing.T) {
	bubble(t, func(t *testing.T, p *stubprovider.Provider, w *wire, begin func(context.Context) *Source) {
		s := begin(t.Context())
		time.Sleep(interval)
		p.Publish(key("next"))
		w.set(p, time.Second)
		hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := s.Key(hasty, "next", "RS256"); err == nil {
			t.Error("found before it was fetched")
		}
		if !has(s, "next") {
			t.Error("the fetch ended with the caller who caused it")
		}
	})
}

// When the server ends, so does all that runs here; synctest would complain.
func TestCleanStop(t *testing.T) {
	for name, takes := range map[string]time.Duration{"between fetches": 0, "during one": time.Hour} {
		t.Run(name, func(t *testing.T) {
			stubprovider.Keys()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				p := stubprovider.New("http://localhost:8080", key("rs256"))
				s := start(ctx, configFor(p, interval), &wire{provider: p, takes: takes})
				cancel()
				synctest.Wait()
				fetches := p.Fetches()
				time.Sleep(time.Hour)
				if p.Fetches() != fetches {
					t.Error("fetched after the end")
				}
				if s.Ready() != has(s, "rs256") {
					t.Error("keys that were there are gone")
				}
			})
		})
	}
}
