package authserver

import (
	"errors"
	"log/slog"
	"net/http"

	"mcp-auth-step-by-step/internal/authserver/clientmetadata"
	"mcp-auth-step-by-step/internal/web/jsonreply"
	"mcp-auth-step-by-step/internal/web/logging"
)

// oauthError is an error as OAuth tells it to clients: a code for programs and a
// sentence for people (RFC 6749, sections 4.1.2.1 and 5.2). The cause is for the
// log alone. Neither may hold a credential.
type oauthError struct {
	status            int
	code, description string
	cause             error // may be nil
}

func (e *oauthError) Error() string {
	if e.cause != nil {
		return e.code + ": " + e.cause.Error()
	}
	return e.code + ": " + e.description
}

func (e *oauthError) Unwrap() error { return e.cause }

// refuse makes an error with status 400.
func refuse(code, description string) error {
	return refuseBecause(code, description, nil)
}

// refuseBecause is refuse with a cause.
func refuseBecause(code, description string, cause error) error {
	return &oauthError{http.StatusBadRequest, code, description, cause}
}

// Errors that don't depend on where they happen. Whoever has a cause wraps them.
var (
	errInternal = &oauthError{status: http.StatusInternalServerError, code: "server_error",
		description: "The server failed to handle this request. Try again later."}
	errFull = &oauthError{status: http.StatusServiceUnavailable, code: "temporarily_unavailable",
		description: "The server has no room for more logins. Try again later."}
	errTarget = &oauthError{status: http.StatusBadRequest, code: "invalid_target",
		description: "This server issues tokens for one resource. Ask for it by its exact identifier, or leave resource out."}
	errScope = &oauthError{status: http.StatusBadRequest, code: "invalid_scope",
		description: "None of these scopes can be granted to this client and this user."}
)

// invalidClient says that a client is not authenticated (RFC 6749, section 5.2).
// The answer is the same for an unknown client and for a wrong secret.
func invalidClient(cause error) error {
	return &oauthError{http.StatusUnauthorized, "invalid_client",
		"The client is unknown, or did not authenticate with the method that it is registered for.", cause}
}

// tooManyTries says when to try again, and not whether the credential was right.
func tooManyTries(description string) error {
	return &oauthError{http.StatusTooManyRequests, "slow_down", description, errors.New("too many tries")}
}

// asOAuth returns what a client is told about an error. Whatever isn't known to
// be fit for it becomes server_error.
func asOAuth(err error) *oauthError {
	var known *oauthError
	var metadata *clientmetadata.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &metadata):
		return &oauthError{status: http.StatusBadRequest, code: metadata.Code, description: metadata.Description}
	}
	return errInternal
}

// write answers with the error as JSON.
func (e *oauthError) write(w http.ResponseWriter) {
	switch e.status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint", charset="UTF-8"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "30")
	}
	jsonreply.Error(w, e.status, e.code, e.description)
}

// api makes a handler of a function that returns its refusal. The refusal is
// logged with its cause under the name refused, and written without.
func (s *Server) api(refused string, answer func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noStore(w)
		if err := answer(w, r); err != nil {
			s.logRefusal(r, refused, err)
			asOAuth(err).write(w)
		}
	})
}

// logRefusal logs an error with its cause, as one of the server where the caller
// is not at fault.
func (s *Server) logRefusal(r *http.Request, refused string, err error) {
	level := slog.LevelInfo
	var page *pageError
	if !errors.As(err, &page) && asOAuth(err) == errInternal && r.Context().Err() == nil {
		level = slog.LevelError
	}
	logging.FromContext(r.Context()).Log(r.Context(), level, refused, logging.Error(err))
}
