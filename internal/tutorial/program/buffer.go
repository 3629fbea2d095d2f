package program

import "mcp-auth-step-by-step/internal/web/logbuffer"

// Buffer keeps what a program writes.
type Buffer = logbuffer.Buffer
