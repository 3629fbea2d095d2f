package abuse

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
)

// Floods and proxies run in processes of their own, so that they don't slow down
// the honest users by sharing a scheduler with them. These are the test binary
// once more, with this variable set.
const childVariable = "ABUSE_CHILD"

// Child runs what a child process is for, and reports false in the parent. It
// returns when its standard input ends.
func Child() bool {
	words := strings.Fields(os.Getenv(childVariable))
	if len(words) == 0 {
		return false
	}
	ctx, end := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		end()
	}()
	var err error
	switch words[0] {
	case "flood":
		err = flood(ctx, words[1], words[2], words[3], words[4])
	case "proxy":
		err = proxy(ctx, words[1], words[2])
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

// child is a running child process.
type child struct {
	*exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
}

const ready = "ready\n"

// startChild starts a child on one core, and waits until it is ready.
func startChild(words ...string) (*child, error) {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"="+strings.Join(words, " "), "GOMAXPROCS=1")
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	c := &child{command, stdin, bufio.NewReader(stdout)}
	if said, _ := c.stdout.ReadString('\n'); said != ready {
		c.kill()
		return nil, fmt.Errorf("%s did not start: %s", words, said)
	}
	return c, nil
}

// end asks a child to end and reads its report.
func (c *child) end(report any) error {
	_ = c.stdin.Close()
	err := json.NewDecoder(c.stdout).Decode(report)
	if waited := c.Wait(); err == nil {
		err = waited
	}
	return err
}

func (c *child) kill() {
	_ = c.Process.Kill()
	_ = c.Wait()
}

// proxy is a reverse proxy such as those that end TLS. It connects from its own
// address and says for whom.
func proxy(ctx context.Context, addr, upstream string) error {
	to, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(proxyAddress)}}
	server := &http.Server{Handler: &httputil.ReverseProxy{
		ErrorLog:  log.New(io.Discard, "", 0),
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 100},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
	}}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Print(ready)
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
