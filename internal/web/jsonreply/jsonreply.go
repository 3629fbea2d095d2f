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

// Refusal is why a request is refused, in the members that OAuth uses (RFC 6749,
// section 5.2; RFC 6750, section 3): a code for programs, a sentence for people,
// and the scopes to ask for. None may hold anything internal, or anything of a
// token.
type Refusal struct {
	Status      int    `json:"-"` // of HTTP
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Scope       string `json:"scope,omitempty"`
}

// Refuse answers with a refusal.
func Refuse(w http.ResponseWriter, _ *http.Request, refusal Refusal) {
	w.Header().Set("Cache-Control", "no-store")
	Write(w, refusal.Status, refusal)
}

// Error is [Refuse] for a refusal without scopes.
func Error(w http.ResponseWriter, status int, code, description string) {
	Refuse(w, nil, Refusal{Status: status, Code: code, Description: description})
}
