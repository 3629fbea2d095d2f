package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"mcp-auth-step-by-step/internal/mcpclient/mcpauth"
	"mcp-auth-step-by-step/internal/tutorial/formlogin"
	"mcp-auth-step-by-step/internal/web/safefetch"
)

// Exit statuses.
const (
	exitFailed = iota + 1
	exitUsage
	exitNotLetIn
	exitUnreachable
	exitTool
)

// notLetIn are the reasons for which the client has no token that works.
var notLetIn = []error{
	mcpauth.ErrDiscovery, mcpauth.ErrResource, mcpauth.ErrIssuer, mcpauth.ErrPKCE, mcpauth.ErrRegistration, mcpauth.ErrState,
	mcpauth.ErrScope, mcpauth.ErrRefused, mcpauth.ErrDenied, mcpauth.ErrRedirect, mcpauth.ErrURL, mcpauth.ErrNoAnswer,
	mcpauth.ErrWindows, mcpauth.ErrEndpoint, formlogin.ErrRefused, formlogin.ErrNotLoopback,
}

// status is the exit status of an error.
func status(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(*toolError)):
		return exitTool
	case errors.As(err, new(*mcpauth.UnreachableError)), errors.As(err, new(*mcpauth.StatusError)):
		return exitUnreachable
	case errors.As(err, new(*mcpauth.ServerError)), slices.ContainsFunc(notLetIn, func(known error) bool { return errors.Is(err, known) }):
		return exitNotLetIn
	}
	return exitFailed
}

// explain says what happened, and what the user can do about it.
func explain(err error) string {
	var unreachable *mcpauth.UnreachableError
	var answered *mcpauth.StatusError
	switch {
	case errors.Is(err, context.Canceled):
		return "stopped before there was a result"
	case errors.As(err, &unreachable):
		return explainUnreachable(unreachable)
	case errors.As(err, &answered):
		return explainStatus(answered)
	}
	if hint := hintFor(err); hint != "" {
		return err.Error() + ". " + hint
	}
	return err.Error()
}

func explainUnreachable(e *mcpauth.UnreachableError) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(e, mcpauth.ErrTooSlow), errors.Is(e, mcpauth.ErrTooLarge):
		return e.Err.Error()
	case errors.As(e, &name):
		return fmt.Sprintf("the host name of %s can't be resolved. Check the spelling of --server", e.URL)
	case errors.As(e, &certificate):
		return fmt.Sprintf("the certificate of %s is not trusted: %v", e.URL, certificate.Err)
	case errors.Is(e, syscall.ECONNREFUSED):
		return fmt.Sprintf("nobody answers at %s. Is the server running? Start it, or give its URL with --server", e.URL)
	case errors.Is(e, context.DeadlineExceeded), errors.Is(e, os.ErrDeadlineExceeded):
		return fmt.Sprintf("%s does not answer in time. Is the server running there?", e.URL)
	}
	return fmt.Sprintf("no answer from %s: %v. Is an MCP server running there?", e.URL, e.Err)
}

func explainStatus(e *mcpauth.StatusError) string {
	says := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		says += ": " + e.Message
	}
	switch {
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed:
		return fmt.Sprintf("there is no MCP server at %s (%s). Is the path right? It is often /mcp", e.URL, says)
	case e.Status == http.StatusServiceUnavailable, e.Status == http.StatusTooManyRequests:
		return fmt.Sprintf("the MCP server is not ready (%s). Try again in %s", says, cmp.Or(e.RetryAfter, 5*time.Second))
	}
	return fmt.Sprintf("the MCP server at %s failed (%s). Its log says more", e.URL, says)
}

// hintFor is what to do about an error of authorization, where the error doesn't
// say it.
func hintFor(err error) string {
	var server *mcpauth.ServerError
	switch {
	case errors.Is(err, safefetch.ErrAddress):
		return "If this server is in your own network, permit its origin with --private-origin"
	case errors.Is(err, mcpauth.ErrPKCE):
		return "For this one issuer, --assume-pkce ISSUER is an exception"
	case errors.Is(err, mcpauth.ErrEndpoint):
		return "--authorization-origin ORIGIN permits it"
	case errors.Is(err, mcpauth.ErrNoAnswer):
		return "Start again and log in, or give more time with --timeout. --no-browser prints the address"
	case errors.Is(err, mcpauth.ErrRegistration):
		return "A client that the server knows is given with --client-id"
	case errors.Is(err, mcpauth.ErrRefused):
		return "--forget removes the stored token"
	case errors.As(err, &server) && server.Status >= 500:
		return "Try again later. --forget removes what is stored, and the next run logs in again"
	case errors.As(err, new(*net.OpError)) && os.Getenv("HTTPS_PROXY")+os.Getenv("https_proxy") != "":
		return "HTTPS_PROXY is used for requests to the MCP server only. --through-proxy uses it for all requests"
	}
	return ""
}
