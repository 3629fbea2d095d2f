package authserver

import (
	"net/http"

	"mcp-auth-step-by-step/internal/web/jsonreply"
)

// failure is an error as OAuth tells it to clients: a code for programs and a
// sentence for people (RFC 6749, sections 4.1.2.1 and 5.2). why is the detail
// for the log; neither may hold a credential.
type failure struct {
	status            int
	code, description string
	why               string
}

func (f *failure) Error() string { return f.code + ": " + f.description }

// refuse makes a failure with status 400.
func refuse(code, description string) *failure {
	return &failure{status: http.StatusBadRequest, code: code, description: description}
}

// because returns a copy that also has what only the log may know. It must not
// write into the receiver, which may be one of the values below.
func (f *failure) because(why string) *failure {
	detailed := *f
	detailed.why = why
	return &detailed
}

// The failures that do not depend on where they happen.
var (
	errInternal = &failure{status: http.StatusInternalServerError, code: "server_error", description: "The server could not do this. Try again later."}
	errBusy     = &failure{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", description: "The server has too much to remember. Try again later."}
	errTarget   = &failure{status: http.StatusBadRequest, code: "invalid_target", description: "This server issues tokens for one resource. Ask for it by its exact identifier, or leave resource out."}
	errScope    = &failure{status: http.StatusBadRequest, code: "invalid_scope", description: "None of these scopes can be granted to this client and this user."}
)

// invalidClient says that a client is not who it says (RFC 6749, section 5.2).
// It is the same for an unknown client as for a wrong secret.
func invalidClient(why string) *failure {
	return &failure{http.StatusUnauthorized, "invalid_client", "The client is unknown, or did not prove who it is in the way that it registered for.", why}
}

// write answers with the failure as JSON.
func (f *failure) write(w http.ResponseWriter) {
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint", charset="UTF-8"`)
	}
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
	}
	jsonreply.Error(w, f.status, f.code, f.description)
}
