// Package steptest runs the table of behaviours against a step.
package steptest

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/web/logbuffer"
	"mcp-auth-step-by-step/internal/web/serve"
)

// Run runs every row against a step. It is all that a step's own test does.
// The names of the tests say the layer that a failing row belongs to.
func Run(t *testing.T, step int, build serve.Builder) {
	log := &logbuffer.Buffer{}
	target := start(t, build, slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	// Refusals of bad tokens, by their body.
	refusals := map[string]string{}
	for _, row := range matrix.Rows {
		for _, era := range row.Eras() {
			name := fmt.Sprintf("layer%d_%s/%s", row.Layer, strings.ReplaceAll(manifest.Steps[row.Layer-1].Name, " ", "_"),
				strings.Join(append(row.Refs, row.ID, string(era)), "_"))
			t.Run(name, func(t *testing.T) {
				answer, err := target.Run(row, era)
				if err != nil {
					t.Fatal(err)
				}
				want := row.At(step, era)
				if err := want.Check(answer); err != nil {
					t.Errorf("%s: %v\n%s\nanswer: %d %s%s%s", row.Title, err, row.Request.Curl(target.URL, era),
						answer.Status, answer.HeaderText(), answer.Body, answer.Text)
				}
				if want.Error == "invalid_token" {
					refusals[answer.Body+answer.Header.Get("WWW-Authenticate")] = row.ID
				}
			})
		}
	}
	t.Run("J02_refusals_don't_tell_how_far_a_forger_got", func(t *testing.T) {
		if len(refusals) > 1 {
			t.Errorf("refused tokens are answered in %d ways: %q", len(refusals), refusals)
		}
	})
	t.Run("J01_RS14_no_token_in_the_log", func(t *testing.T) {
		minted := target.Minted()
		if len(minted) == 0 || log.String() == "" {
			t.Fatalf("nothing to look for: %d tokens, %d bytes of log", len(minted), len(log.String()))
		}
		for _, token := range minted {
			for _, part := range strings.Split(token, ".") {
				if len(part) > 20 && strings.Contains(log.String(), part) {
					t.Fatalf("the log holds a part of a token: %.20s…", part)
				}
			}
		}
	})
}

// start serves a step until the test ends, with keys and a provider of its own.
func start(t testing.TB, build serve.Builder, log slog.Handler) *matrix.Target {
	dir := t.TempDir()
	if flag.Lookup("keys") != nil {
		if err := flag.Set("keys", dir); err != nil {
			t.Fatal(err)
		}
	}
	options := matrix.Options{Keys: dir, Limits: serve.DefaultLimits, Log: slog.New(log)}
	// Each request of the table opens a connection, as fast as the machine can.
	options.Limits.Opened, options.Limits.OpenedPerAddress = 0, 0
	if flag.Lookup("env") != nil {
		provider, err := stubprovider.Start(stubprovider.Published()...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(provider.Close)
		options.Provider = provider
	}
	target, stop, err := matrix.Start(build, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return target
}

// Benchmark times a call of echo in a step's handler, without the network. From
// step 5 on, what it takes more than at the step before is what the layer costs.
func Benchmark(b *testing.B, build serve.Builder) {
	BenchmarkRequest(b, build, matrix.Request{
		Call:  &matrix.Call{Method: "tools/call", Name: "echo", Args: `{"message":"hi"}`},
		Token: &matrix.Token{Username: "alice", Scopes: "mcp:read,mcp:tools"},
	})
}

// BenchmarkRequest times a request in a step's handler, in both revisions. The time
// and the allocations of making the request are included.
func BenchmarkRequest(b *testing.B, build serve.Builder, request matrix.Request) {
	var handler http.Handler
	target := start(b, func(ctx context.Context, site serve.Site) (h http.Handler, err error) {
		handler, err = build(ctx, site)
		return handler, err
	}, slog.DiscardHandler)
	for _, era := range []matrix.Era{matrix.Legacy, matrix.Modern} {
		answer, err := target.Send(request, era)
		if err != nil || answer.Status != http.StatusOK {
			b.Fatalf("%+v, %v", answer, err)
		}
		token := ""
		if minted := target.Minted(); len(minted) > 0 {
			token = minted[len(minted)-1]
		}
		written := request.In(era)
		b.Run(string(era), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(written.Method, target.URL+written.Target, strings.NewReader(written.Body))
				for _, header := range written.Headers {
					name, value, _ := strings.Cut(header, ": ")
					r.Header.Set(name, strings.ReplaceAll(value, "{token}", token))
				}
				w := httptest.NewRecorder()
				if handler.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
}
