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
