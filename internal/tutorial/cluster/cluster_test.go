package cluster

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// What no server answered, or answered with 500 or more, is lost; another wrong answer
// is a refusal; and each counts for the phase in which it came.
func TestCounts(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	load := &Load{client: server.Client()}
	call := func(to string) { load.count(t.Context(), Call, load.call(t.Context(), to, "a token")) }
	load.Phase("before")
	call(server.URL)
	load.Phase("after")
	for _, status = range []int{http.StatusOK, http.StatusServiceUnavailable, http.StatusUnauthorized} {
		call(server.URL)
	}
	call("http://127.0.0.1:0")
	ended, end := context.WithCancel(t.Context())
	end()
	load.count(ended, Call, load.call(ended, server.URL, "a token"))
	phases := load.Phases()
	if got := *phases[0].Counts[Call]; got != (Count{Sent: 1}) {
		t.Errorf("before: %+v", got)
	}
	if got := *phases[1].Counts[Call]; got != (Count{Sent: 4, Lost: 2, Refused: 1}) {
		t.Errorf("after: %+v", got)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(file(root)), 0o700); err != nil {
		t.Fatal(err)
	}
	record := &Record{Machine: "a day.", Phases: []*Phase{{Name: "all run", Seconds: 2.6, Counts: map[string]*Count{
		BareCall: {Sent: 9, Lost: 1}, Call: {Sent: 8}, Refresh: {Sent: 3, Refused: 1}, Login: {},
	}}}}
	if err := record.Write(root); err != nil {
		t.Fatal(err)
	}
	got, err := Table(root)
	if want := "| all run | 3 | 9, 1 lost | 8, 0 lost | 3, 0 lost, 1 refused | none |\n"; err != nil || !strings.HasSuffix(got, want) {
		t.Errorf("got %q, %v, want %q at the end", got, err, want)
	}
}

// The page has the recorded run, as make cluster prints it.
func TestPage(t *testing.T) {
	t.Parallel()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/production.md"))
	if err != nil {
		t.Fatal(err)
	}
	if table, err := Table(root); err != nil || !strings.Contains(string(page), table) {
		t.Errorf("docs/production.md does not have the table of the record (%v); put it there:\n%s", err, table)
	}
}
