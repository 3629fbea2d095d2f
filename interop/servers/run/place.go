package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

const startTime = 3 * time.Minute

// place is where a counterpart runs.
type place struct {
	ctx       context.Context
	home      string
	url       string   // by which the client reaches it, without a path
	addr      string   // on which it listens
	client    []string // flags of a client that the authorization server knows already
	processes []*exec.Cmd
	outputs   []string
	proxy     *http.Server
}

// open starts a counterpart, and where it is to speak the older revision alone,
// a proxy before it.
func (p *place) open(c counterpart) error {
	if c.legacy && c.both {
		if err := p.hideNewest(); err != nil {
			return err
		}
		return c.start(p)
	}
	p.addr = freeAddress()
	p.url = "http://" + p.addr
	return c.start(p)
}

// freeAddress is one on which nobody listens.
func freeAddress() string {
	port, err := program.FreePort()
	if err != nil {
		panic(err)
	}
	return "localhost:" + port
}

// hideNewest makes of a server for both revisions one that doesn't know
// server/discover, so that clients begin with initialize.
func (p *place) hideNewest() error {
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	p.url, p.addr = "http://localhost:"+port, freeAddress()
	target := &url.URL{Scheme: "http", Host: p.addr}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1,
	}
	p.proxy = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		var message struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(body, &message) == nil && message.Method == "server/discover" && r.Header.Get("Authorization") != "" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}`, message.ID)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = p.proxy.Serve(listener) }()
	return nil
}

// start starts a process that listens on an address, and waits until it answers.
func (p *place) start(addr string, env []string, command ...string) error {
	process := exec.Command(command[0], command[1:]...)
	process.Env = append(os.Environ(), env...)
	program.OwnGroup(process)
	path := filepath.Join(p.home, fmt.Sprintf("server-%d.log", len(p.processes)))
	log, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		return err
	}
	p.processes = append(p.processes, process)
	p.outputs = append(p.outputs, path)
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	deadline := time.After(startTime)
	asking := &http.Client{Timeout: 5 * time.Second}
	for {
		if response, err := asking.Get("http://" + addr); err == nil {
			return response.Body.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended instead of starting: %v", filepath.Base(command[0]), err)
		case <-deadline:
			return fmt.Errorf("%s does not answer on %s", filepath.Base(command[0]), addr)
		case <-p.ctx.Done():
			return p.ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// step9 starts an authorization server of step 9 for the server, and returns
// its issuer.
func (p *place) step9() (issuer string, err error) {
	addr := freeAddress()
	err = p.start(addr, nil, filepath.Join(*bin, "step9"), "-addr", addr, "-keys", filepath.Join(p.home, "keys"), "-resource", p.url+"/mcp")
	return "http://" + addr + "/realms/mcp-realm", err
}

func (p *place) stop() {
	for _, process := range p.processes {
		_ = program.EndGroup(process.Process)
	}
	if p.proxy != nil {
		_ = p.proxy.Close()
	}
}

// logs are the last lines of what the processes wrote.
func (p *place) logs() string {
	var b strings.Builder
	for i, path := range p.outputs {
		text, _ := os.ReadFile(path)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "log of %s:\n", filepath.Base(p.processes[i].Path))
		for _, line := range lines[max(0, len(lines)-15):] {
			fmt.Fprintf(&b, "    %.300s\n", line)
		}
	}
	return b.String()
}
