package logging

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestLoggerTravelsInTheContext(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	ctx := NewContext(context.Background(), slog.New(slog.NewTextHandler(&text, nil)))
	FromContext(ctx).Info("refused", Error(errors.New("too old")))
	if line := text.String(); !strings.Contains(line, `msg=refused error="too old"`) {
		t.Errorf("logged %q", line)
	}
	FromContext(context.Background()).Error("dropped")
	FromContext(NewContext(context.Background(), nil)).Error("dropped")
}
