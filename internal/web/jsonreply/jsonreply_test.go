package jsonreply

import (
	"net/http/httptest"
	"testing"
)

func TestError(t *testing.T) {
	w := httptest.NewRecorder()
	Error(w, 403, "access_denied", `<b>"ä" & more</b>`)
	// As a person would write it, and on one line.
	const want = `{"error":"access_denied","error_description":"<b>\"ä\" & more</b>"}` + "\n"
	if w.Code != 403 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%v", w.Header())
	}
}

func TestWriteLeavesCachingToTheCaller(t *testing.T) {
	w := httptest.NewRecorder()
	Write(w, 200, map[string]int{"a": 1})
	if w.Code != 200 || w.Body.String() != "{\"a\":1}\n" || w.Header().Get("Cache-Control") != "" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
}
