// Package logbuffer keeps what programs and loggers write, for tests.
package logbuffer

import (
	"bytes"
	"sync"
)

// Buffer keeps what a program or a logger writes. Many goroutines may use it at
// once. Its zero value is empty and ready to use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends to the buffer; it never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
