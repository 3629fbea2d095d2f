// Package syntax has the characters that OAuth's values are made of: those of
// RFC 6749's appendix A and of RFC 6750.
package syntax

import "strings"

// Scope reports whether a list of scopes has the form of RFC 6749, section
// 3.3: tokens with one blank between. The empty list has it too.
func Scope(list string) bool {
	if list == "" {
		return true
	}
	for token := range strings.SplitSeq(list, " ") {
		if !ScopeToken(token) {
			return false
		}
	}
	return true
}

// ScopeToken reports whether a word can be one scope: visible ASCII without
// the quote and the backslash (RFC 6749, appendix A.4).
func ScopeToken(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '"' || r == '\\'
	})
}

// Visible reports whether a value is not empty and has visible ASCII
// characters alone. Client identifiers, codes and tokens are made of these to
// whoever only passes them on (VSCHAR, RFC 6749, appendix A; the blank, which
// that grammar has too, can't stand in a header's credentials).
func Visible(value string) bool {
	return value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
}

// B64Token reports whether a value has the form of a token in an Authorization
// header (b64token, RFC 6750, section 2.1).
func B64Token(value string) bool {
	body := strings.TrimRight(value, "=")
	for i := range len(body) {
		if !inToken[body[i]] {
			return false
		}
	}
	return body != ""
}

// inToken has the characters of a b64token. There is one look for each character of
// each request's token.
var inToken = func() (in [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		in[c] = true
	}
	return in
}()
