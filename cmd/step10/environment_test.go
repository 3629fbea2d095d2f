package main

import (
	"os"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

func TestMain(m *testing.M) {
	program.ClearEnvironment()
	os.Exit(m.Run())
}
