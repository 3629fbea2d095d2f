package main

import (
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/matrix/steptest"
)

func TestStep(t *testing.T) { steptest.Run(t, 5, newHandler) }

func BenchmarkEcho(b *testing.B) { steptest.Benchmark(b, newHandler) }
