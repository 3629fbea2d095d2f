package programs

import (
	"bytes"
	"sync"
)

// maxLines is how many lines of a program are kept, the newest.
const maxLines = 2000

// Log keeps what a program writes, line by line. Its zero value is ready to use.
type Log struct {
	mu      sync.Mutex
	rest    []byte   // of a line that hasn't ended
	lines   []string // the newest
	gone    int      // lines before them
	changed chan struct{}
	closed  bool
}

// Write appends to the log; it never fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ended := bytes.Cut(l.rest, []byte("\n"))
		if !ended {
			break
		}
		l.add(string(line))
		l.rest = rest
	}
	return len(p), nil
}

func (l *Log) add(line string) {
	l.lines = append(l.lines, line)
	if extra := len(l.lines) - maxLines; extra > 0 {
		l.lines, l.gone = l.lines[extra:], l.gone+extra
	}
	l.wake()
}

func (l *Log) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// close says that nothing more comes.
func (l *Log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.add(string(l.rest))
		l.rest = nil
	}
	l.closed = true
	l.wake()
}

// From are the lines from a number on, the first being 0, and the number of the next
// one. ended says that no more will come; changed is closed when there are more, or
// when it has ended.
func (l *Log) From(number int) (lines []string, next int, ended bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil && !l.closed {
		l.changed = make(chan struct{})
	}
	next = l.gone + len(l.lines)
	if first := max(number, l.gone); first < next {
		lines = append(lines, l.lines[first-l.gone:]...)
	}
	return lines, next, l.closed, l.changed
}
