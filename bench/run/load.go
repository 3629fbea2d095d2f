package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/performance"
)

// wire is how a revision of MCP writes a call.
type wire struct{ revision, headers, meta string }

var wires = []wire{
	{performance.Wires[0], "MCP-Protocol-Version: 2025-11-25\r\n", ""},
	{
		performance.Wires[1], "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n",
		`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
			`"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}`,
	},
}

// result is what came of a load.
type result struct {
	perSecond float64         // calls
	cpu       float64         // of the server, µs a call
	took      []time.Duration // each call
}

// load is calls over some connections for a time.
type load struct {
	*contestant
	wire        wire
	connections int
	long        time.Duration
	pass        bool // each token is sent once, however long that takes
	only        int  // calls on each connection; 0: as many as there is time for
}

func (l load) run(ctx context.Context) (result, error) {
	conns := make([]net.Conn, l.connections)
	for i := range conns {
		// A server bounds what one address may open, so many connections come from many.
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i/20))}
		conn, err := (&net.Dialer{LocalAddr: from}).Dial("tcp4", l.addr)
		if err != nil {
			return result{}, err
		}
		defer func() { _ = conn.Close() }()
		conns[i] = conn
	}
	if l.pass {
		l.long = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, l.long)
	defer cancel()
	// A server that doesn't answer must not hold the run.
	for _, conn := range conns {
		_ = conn.SetDeadline(time.Now().Add(l.long + 30*time.Second))
	}
	var group sync.WaitGroup
	took, errs := make([][]time.Duration, l.connections), make([]error, l.connections)
	busy, begun := cpu(l.cmd.Process.Pid), time.Now()
	for i, conn := range conns {
		group.Go(func() { took[i], errs[i] = l.calls(ctx, conn, i) })
	}
	group.Wait()
	elapsed, busy := time.Since(begun), cpu(l.cmd.Process.Pid)-busy
	var all []time.Duration
	for i := range took {
		if errs[i] != nil {
			return result{}, fmt.Errorf("%s, %s: %w", l.name, l.wire.revision, errs[i])
		}
		all = append(all, took[i]...)
	}
	if len(all) == 0 {
		return result{}, fmt.Errorf("%s answered no call", l.name)
	}
	return result{float64(len(all)) / elapsed.Seconds(), float64(busy.Microseconds()) / float64(len(all)), all}, nil
}

// calls sends one call after another on a connection, each with a message of its
// own, and sees it in the answer.
func (l load) calls(ctx context.Context, conn net.Conn, number int) (took []time.Duration, err error) {
	reader := bufio.NewReaderSize(conn, 8<<10)
	at, step := 0, 1
	switch {
	case l.pass:
		at, step = number-l.connections, l.connections
	case len(l.tokens) > 0:
		at = rand.IntN(len(l.tokens))
	}
	for n := 0; n == 0 || ctx.Err() == nil; n++ {
		if at += step; l.pass && at >= len(l.tokens) || l.only > 0 && n == l.only {
			break
		}
		message := fmt.Sprintf("hello %d of %d", n, number)
		request := l.request(message, at)
		sent := time.Now()
		if _, err := io.WriteString(conn, request); err != nil {
			return took, err
		}
		status, answer, err := receive(reader)
		if err != nil {
			return took, fmt.Errorf("call %d on connection %d of %d: %w", n, number, l.connections, err)
		}
		took = append(took, time.Since(sent))
		if status != http.StatusOK || !bytes.Contains(answer, []byte(`"text":"`+message+`"`)) || !bytes.Contains(answer, []byte(`"result"`)) {
			return took, fmt.Errorf("call %d was answered with %d %.300s", n, status, answer)
		}
	}
	return took, nil
}

// request is a call of echo, with the token of a number where the server wants one.
func (l load) request(message string, at int) string {
	authorization := ""
	if len(l.tokens) > 0 {
		authorization = "Authorization: Bearer " + l.tokens[at%len(l.tokens)] + "\r\n"
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"` +
		message + `"}` + l.wire.meta + `}}`
	return "POST /mcp HTTP/1.1\r\nHost: " + l.addr + "\r\nContent-Type: application/json\r\n" +
		"Accept: application/json, text/event-stream\r\n" + l.wire.headers + authorization +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// receive reads an answer and as little of its header as must be, since the load
// has one core and should not be what holds the servers.
func receive(r *bufio.Reader) (status int, body []byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) < 12 {
		return 0, nil, fmt.Errorf("reading the status line %q: %w", line, err)
	}
	status, _ = strconv.Atoi(string(line[9:12]))
	length := -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return status, nil, err
		}
		if len(line) <= 2 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if len(name) == len("Content-Length") && strings.EqualFold(string(name), "Content-Length") {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	if length < 0 {
		body, err = readChunks(r)
		return status, body, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return status, body, err
}

// readChunks reads a body in chunks (RFC 9112, section 7.1).
func readChunks(r *bufio.Reader) (body []byte, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
		if err != nil {
			return nil, err
		}
		chunk := make([]byte, size+2) // with the end of the line
		if _, err := io.ReadFull(r, chunk); err != nil || size == 0 {
			return body, err
		}
		body = append(body, chunk[:size]...)
	}
}

// cpu is what a process has used, from /proc; 0 where there is none.
func cpu(pid int) time.Duration {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go supports
	return time.Duration(user+system) * tick
}
