package main

import (
	"testing"

	"mcp-auth-step-by-step/internal/matrix/steptest"
)

func TestStep(t *testing.T) { steptest.Run(t, 10, newHandler) }
