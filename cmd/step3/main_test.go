package main

import (
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/matrix/steptest"
)

func TestStep(t *testing.T) { steptest.Run(t, 3, newHandler) }

func BenchmarkRequest(b *testing.B) {
	steptest.BenchmarkRequest(b, newHandler, matrix.Request{Call: &matrix.Call{Method: "tools/list"}})
}
