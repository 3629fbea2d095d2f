// Package jsonreply writes JSON answers.
package jsonreply

import (
	"encoding/json"
	"net/http"
)

// Write answers with v as JSON, on one line.
func Write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	// The status is out already: a caller that went away is all that can
	// still go wrong.
	_ = encoder.Encode(v)
}

// Error answers with an error in the form that OAuth uses (RFC 6749, section
// 5.2): a code for programs and a sentence for people. Neither may hold
// anything internal, or anything of a token.
func Error(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Cache-Control", "no-store")
	Write(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
}
