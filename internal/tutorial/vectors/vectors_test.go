package vectors

import (
	"runtime"
	"testing"
)

// outcome is a testing.TB that keeps how a test ended.
type outcome struct {
	testing.TB
	ended string
}

func (o *outcome) Helper()               {}
func (o *outcome) Skipf(string, ...any)  { o.ended = "skipped"; runtime.Goexit() }
func (o *outcome) Fatalf(string, ...any) { o.ended = "failed"; runtime.Goexit() }

func TestMissingVectors(t *testing.T) {
	for ci, want := range map[string]string{"true": "failed", "": "skipped"} {
		t.Setenv("CI", ci)
		got := &outcome{TB: t, ended: "passed"}
		done := make(chan struct{})
		go func() {
			defer close(done)
			folder(got, t.TempDir())
		}()
		<-done
		if got.ended != want {
			t.Errorf("with CI=%q a test without vectors has %s, want %s", ci, got.ended, want)
		}
	}
}
