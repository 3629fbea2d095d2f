package abuse

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

// Programs are the binaries of the servers.
type Programs struct{ step9, step10 string }

// Build compiles the servers into a folder. flags are for go build.
func Build(ctx context.Context, root, folder string, flags ...string) (p Programs, err error) {
	if p.step9, err = program.Build(ctx, root, folder, "step9", flags...); err == nil {
		p.step10, err = program.Build(ctx, root, folder, "step10", flags...)
	}
	return p, err
}

// World is steps 9 and 10 as processes, and sites that publish documents of
// clients.
type World struct {
	Issuer, MCP string // URLs
	Step9       *program.Program
	Step10      *program.Program
	proxy       *child
	again       func() error     // starts step 9 once more, after its end
	honest, bad *httptest.Server // sites of client metadata documents
}

// Options say how a world differs from the usual one.
type Options struct {
	Proxied bool     // a proxy stands in front of step 9, at an address that it trusts
	State   string   // state file of step 9; empty: memory
	Env     []string // of both servers
}

// proxyAddress is from where the proxy of a world connects.
const proxyAddress = "127.0.0.9"

// Start starts a world. Files go to folder.
func (p Programs) Start(folder string, o Options) (w *World, err error) {
	w = &World{honest: documents(), bad: documents()}
	defer func() {
		if err != nil {
			w.Stop()
		}
	}()
	trust := filepath.Join(folder, "documents.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: w.honest.Certificate().Raw}
	if err := os.WriteFile(trust, pem.EncodeToMemory(block), 0o600); err != nil {
		return w, err
	}
	ports, err := program.FreePorts(3)
	if err != nil {
		return w, err
	}
	w.MCP = "http://localhost:" + ports[1]
	base := "http://localhost:" + ports[0]
	arguments := []string{
		"-addr", "localhost:" + ports[0], "-resource", w.MCP + "/mcp", "-keys", filepath.Join(folder, "keys"),
		"-document-hosts", "127.0.0.1", "-redirect-hosts", "app.example",
	}
	if o.State != "" {
		arguments = append(arguments, "-state", o.State)
	}
	if o.Proxied {
		upstream := base
		base = "http://localhost:" + ports[2]
		arguments = append(arguments, "-url", base, "-trusted-proxy", proxyAddress)
		if w.proxy, err = startChild("proxy", "localhost:"+ports[2], upstream); err != nil {
			return w, err
		}
	}
	w.Issuer = base + "/realms/mcp-realm"
	env := append([]string{"SSL_CERT_FILE=" + trust}, o.Env...)
	w.again = func() (err error) {
		w.Step9, err = start(p.step9, folder, arguments, env)
		return err
	}
	if err := w.again(); err != nil {
		return w, err
	}
	w.Step10, err = start(p.step10, folder, []string{"-addr", "localhost:" + ports[1]}, append([]string{"JWT_ISSUER=" + w.Issuer}, o.Env...))
	return w, err
}

// start runs a program in a folder that has no environment file.
func start(binary, folder string, arguments, env []string) (*program.Program, error) {
	command := exec.Command(binary, arguments...)
	command.Dir = folder
	command.Env = append(os.Environ(), env...)
	return program.Start(command, io.Discard)
}

// Stop ends all of it.
func (w *World) Stop() {
	for _, running := range []*program.Program{w.Step9, w.Step10} {
		if running != nil {
			running.Kill()
		}
	}
	if w.proxy != nil {
		w.proxy.kill()
	}
	for _, site := range []*httptest.Server{w.honest, w.bad} {
		site.CloseClientConnections()
		site.Close()
	}
}

// drip is how long a slow site takes for a document. A server gives up after ten
// seconds.
const drip = 8 * time.Second

// documents is a site that publishes a client at every path, below /slow/ slowly.
func documents() *httptest.Server {
	return httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow/") {
			select {
			case <-time.After(drip):
			case <-r.Context().Done():
				return
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"client_id":"https://%s%s","client_name":"App","redirect_uris":["%s"],"token_endpoint_auth_method":"none",
			"grant_types":["authorization_code","refresh_token"]}`, r.Host, r.URL.Path, redirectURI)
	}))
}

// usage is what a process uses, as the system counts it.
type usage struct{ memory, peak, files int } // memory in bytes

// used reads what a process uses.
func used(p *program.Program) (u usage, err error) {
	folder := fmt.Sprintf("/proc/%d/", p.Process.Pid)
	text, err := os.ReadFile(folder + "status")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		switch name {
		case "VmRSS":
			u.memory = n << 10
		case "VmHWM":
			u.peak = n << 10
		}
	}
	files, err := os.ReadDir(folder + "fd")
	u.files = len(files)
	return u, err
}

// address is the n-th of the addresses of loopback that begin with 127 and a block.
func address(block, n int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(127, byte(block), byte(n>>8), byte(n))}
}
