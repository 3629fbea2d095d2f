package authserver

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxForm      = 64 << 10 // bytes of a form or of a registration
	maxQuery     = 16 << 10 // bytes of an authorization request
	maxParameter = 4 << 10  // bytes of one value
	maxAssertion = 16 << 10 // bytes of a client assertion
	maxState     = 2 << 10  // bytes of state, which is kept while the user logs in
	maxNonce     = 512      // bytes of nonce
	maxScope     = 1 << 10  // bytes of scope in an authorization request
	maxCount     = 100      // parameters of a request: one of two bytes takes fifty times as much once it is read
)

// form reads the parameters in the body of a POST. It refuses parameters in the
// URL, which ends up in logs (OAuth 2.1, section 3.2).
func form(r *http.Request) (url.Values, error) {
	body, err := formBody(r)
	if err != nil {
		return nil, err
	}
	return parameters(body)
}

func formBody(r *http.Request) (string, error) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return "", refuse("invalid_request", "Send the parameters in the body, and nothing in the URL.")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", refuse("invalid_request", "Send the parameters as application/x-www-form-urlencoded.")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return "", refuse("invalid_request", "Send the body as it is, without a Content-Encoding.")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil {
		return "", refuseBecause("invalid_request", "The body could not be read.", err)
	}
	if len(body) > maxForm {
		return "", &oauthError{status: http.StatusRequestEntityTooLarge, code: "invalid_request", description: "The body is too large."}
	}
	return string(body), nil
}

// parameters reads name=value pairs. Each name may occur once (RFC 6749, sections
// 3.1 and 3.2), except resource (RFC 8707, section 2). A parameter without a
// value counts as left out.
func parameters(encoded string) (url.Values, error) {
	if strings.Count(encoded, "&") >= maxCount {
		return nil, refuse("invalid_request", "There are too many parameters.")
	}
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return nil, refuse("invalid_request", "The parameters are not form-encoded.")
	}
	for name, all := range values {
		all = slices.DeleteFunc(all, func(v string) bool { return v == "" })
		if len(all) > 1 && name != "resource" {
			return values, refuse("invalid_request", "A parameter occurs twice.")
		}
		for _, v := range all {
			limit := maxParameter
			if name == "client_assertion" {
				limit = maxAssertion
			}
			if len(v) > limit || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return values, refuse("invalid_request", "A parameter is too long, or not valid text.")
			}
		}
		values[name] = all
		if len(all) == 0 {
			delete(values, name)
		}
	}
	return values, nil
}

// words splits a list of scopes or of prompt values at its blanks.
func words(list string) []string {
	return slices.DeleteFunc(strings.Split(list, " "), func(s string) bool { return s == "" })
}
