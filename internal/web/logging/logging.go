// Package logging hands the program's logger to whoever has something to say.
// The logger travels in the context, from package serve to every handler, so no
// layer reads or replaces a global:
//
//	logging.FromContext(r.Context()).Info("token refused", logging.Error(err))
package logging

import (
	"context"
	"log/slog"
)

type key struct{}

// NewContext returns a context that carries a logger.
func NewContext(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, key{}, log)
}

// FromContext returns the logger that a context carries. Without one it returns
// a logger that drops everything, so that tests needn't set one up.
func FromContext(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(key{}).(*slog.Logger); ok && log != nil {
		return log
	}
	return slog.New(slog.DiscardHandler)
}

// Error is an error as it stands in every log line: under one key.
func Error(err error) slog.Attr { return slog.Any("error", err) }
