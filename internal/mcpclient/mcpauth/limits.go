package mcpauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// What an MCP server may send before or after authorization. It is the one party
// whose answers an MCP client reads whole, so it could fill the memory or never
// end (WD11).
const (
	maxAnswer = 64 << 20 // bytes of an answer
	maxLine   = 8 << 20  // bytes of a line of an event stream
	// refusalTimeout bounds the body of an answer that is an error.
	refusalTimeout = 10 * time.Second
)

// limitedTransport bounds the answers of the MCP server in size and time. A GET
// opens a stream that may stay open for long; it is bounded in size alone.
type limitedTransport struct {
	next    http.RoundTripper
	timeout time.Duration // of an answer, its body included
	refusal time.Duration // of the body of an answer that is an error
}

func (l *limitedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(request.Context())
	body := &limitedBody{ctx: ctx, cancel: cancel}
	if request.Method != http.MethodGet {
		body.timer = time.AfterFunc(l.timeout, func() { cancel(fmt.Errorf("%w: more than %s", ErrTooSlow, l.timeout)) })
	}
	response, err := l.next.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, body.stop(err)
	}
	body.rest = response.Body
	body.stream = isStream(response)
	if response.StatusCode >= 400 {
		if body.timer != nil {
			body.timer.Stop()
		}
		body.timer = time.AfterFunc(l.refusal, func() { cancel(fmt.Errorf("%w: more than %s for an error", ErrTooSlow, l.refusal)) })
	}
	response.Body = body
	return response, nil
}

// CloseIdleConnections is what http.Client looks for.
func (l *limitedTransport) CloseIdleConnections() { closeIdle(l.next) }

func isStream(response *http.Response) bool {
	return strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream")
}

// limitedBody is a body that ends with an error where it is too large or slow.
type limitedBody struct {
	rest   io.ReadCloser
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	timer  *time.Timer // nil for an answer without a limit in time
	stream bool
	total  int
	line   int // bytes of the line so far
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	b.total += n
	if b.stream {
		if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
			b.line = n - end - 1
		} else {
			b.line += n
		}
	}
	switch {
	case b.line > maxLine:
		err = fmt.Errorf("%w: more than %d bytes in one line of its event stream", ErrTooLarge, maxLine)
	case b.total > maxAnswer:
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, maxAnswer)
	case err == nil:
		return n, nil
	case err == io.EOF:
		b.stop(nil)
		return n, io.EOF
	default:
		return n, b.stop(err)
	}
	_ = b.Close()
	return 0, err
}

// stop ends the timer and the request, and returns why the request was cancelled
// where that is ours to say.
func (b *limitedBody) stop(err error) error {
	if b.timer != nil {
		b.timer.Stop()
	}
	if cause := context.Cause(b.ctx); errors.Is(cause, ErrTooSlow) {
		err = cause
	}
	b.cancel(nil)
	return err
}

func (b *limitedBody) Close() error {
	b.stop(nil)
	return b.rest.Close()
}

// discard ends an answer that is not handed on. A short one is read, so that its
// connection can be used again.
func discard(response *http.Response) {
	if response.ContentLength >= 0 {
		_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	}
	_ = response.Body.Close()
}
