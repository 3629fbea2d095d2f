package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// wire is how a revision of MCP writes a call.
type wire struct {
	revision, headers, meta string
}

var wires = []wire{
	{"2025-11-25", "MCP-Protocol-Version: 2025-11-25\r\n", ""},
	{
		"2026-07-28", "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n",
		`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
			`"io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}`,
	},
}

// load sends calls over all connections for a time.
func load(ctx context.Context, c *contestant, w wire, d time.Duration) (figure, error) {
	conns := make([]net.Conn, connections)
	for i := range conns {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			return figure{}, err
		}
		defer func() { _ = conn.Close() }()
		conns[i] = conn
	}
	var group sync.WaitGroup
	counts, errs := make([]int, connections), make([]error, connections)
	busy, begun := cpu(c.cmd.Process.Pid), time.Now()
	deadline := begun.Add(d)
	for i, conn := range conns {
		group.Go(func() { counts[i], errs[i] = calls(ctx, conn, c, w, i, deadline) })
	}
	group.Wait()
	elapsed, busy := time.Since(begun), cpu(c.cmd.Process.Pid)-busy
	total := 0
	for i := range counts {
		if errs[i] != nil {
			return figure{}, errs[i]
		}
		total += counts[i]
	}
	return figure{PerSecond: float64(total) / elapsed.Seconds(), CPU: float64(busy.Microseconds()) / float64(total)}, nil
}

// calls sends one call after another on a connection, each with a message of its
// own, and sees it in the answer.
func calls(ctx context.Context, conn net.Conn, c *contestant, w wire, number int, deadline time.Time) (n int, err error) {
	reader := bufio.NewReaderSize(conn, 8<<10)
	authorization := ""
	if c.token != "" {
		authorization = "Authorization: Bearer " + c.token + "\r\n"
	}
	for ; time.Now().Before(deadline) && ctx.Err() == nil; n++ {
		message := fmt.Sprintf("hello %d of %d", n, number)
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"` + message + `"}` + w.meta + `}}`
		request := "POST /mcp HTTP/1.1\r\nHost: " + c.addr + "\r\nContent-Type: application/json\r\n" +
			"Accept: application/json, text/event-stream\r\n" + w.headers + authorization +
			"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
		if _, err := io.WriteString(conn, request); err != nil {
			return n, err
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return n, err
		}
		answer, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return n, err
		}
		right := bytes.Contains(answer, []byte(`"text":"`+message+`"`)) && bytes.Contains(answer, []byte(`"result"`))
		if response.StatusCode != http.StatusOK || !right {
			return n, fmt.Errorf("call %d was answered with %d %.300s", n, response.StatusCode, answer)
		}
	}
	return n, ctx.Err()
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
