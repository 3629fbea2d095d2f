package health

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
)

func TestReport(t *testing.T) {
	report := New()
	check := func(want map[string]any) {
		t.Helper()
		w := httptest.NewRecorder()
		report.ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
		var got map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s, want %v", w.Body, want)
		}
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	check(map[string]any{"status": "healthy"})
	report.Add("jwt_enabled", true)
	report.Add("protected_resource_metadata", "http://localhost:9000/x")
	check(map[string]any{"status": "healthy", "jwt_enabled": true, "protected_resource_metadata": "http://localhost:9000/x"})
}

// What a server can't do without, it says, and lets nobody in meanwhile.
func TestD02_Degraded(t *testing.T) {
	keys, inside := false, 0
	report := New()
	report.Add("a", 1)
	guarded := report.Need("keys", func() bool { return keys }, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside++ }))
	guarded = report.Need("always", func() bool { return true }, guarded)
	ask := func(h http.Handler) (*httptest.ResponseRecorder, map[string]any) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
		var body map[string]any
		_ = json.Unmarshal(w.Body.Bytes(), &body)
		return w, body
	}
	for _, ready := range []bool{false, true, false} {
		keys = ready
		status, word, retry := http.StatusOK, "healthy", ""
		if !ready {
			status, word, retry = http.StatusServiceUnavailable, "degraded", "5"
		}
		w, body := ask(report)
		if want := map[string]any{"status": word, "a": 1.0, "always": true, "keys": ready}; !reflect.DeepEqual(body, want) {
			t.Errorf("ready %t: %v", ready, body)
		}
		if w.Code != status || w.Header().Get("Retry-After") != retry || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("ready %t: %d %v", ready, w.Code, w.Header())
		}
		before := inside
		w, body = ask(guarded)
		if w.Code != status || w.Header().Get("Retry-After") != retry || (inside-before == 1) != ready || (body["error"] == "temporarily_unavailable") == ready {
			t.Errorf("ready %t: %d %s %v, let in: %d", ready, w.Code, w.Body, w.Header(), inside-before)
		}
	}
}
