// Package container holds a container file and a compose file for steps 9 and 10.
//
// Its tests load the compose file as Compose does, and run what it describes without
// a container engine: the static program that the container file builds, in an empty
// read-only root, as another user. No image is built. This is a module of its own,
// because compose-go is for tests and brings many modules.
package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

const (
	auth   = "https://login.example.com"
	server = "https://mcp.example.com"
	issuer = auth + "/realms/mcp-realm"
)

// load reads a compose file with compose-go, the library of docker compose.
func load(t *testing.T, file string, environment ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func ours(t *testing.T) *types.Project {
	t.Helper()
	return load(t, "compose.yaml", "AUTH_URL="+auth, "MCP_URL="+server, "ECHO_MCP_SERVER_SECRET="+strings.Repeat("s", 32))
}

// Each service gives up what it doesn't need, and other machines reach none of them.
func TestCompose(t *testing.T) {
	project := ours(t)
	if got := project.ServiceNames(); !slices.Equal(got, []string{"step10", "step9"}) {
		t.Fatalf("services: %q", got)
	}
	for name, service := range project.Services {
		if service.User != "65532:65532" || !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) ||
			!slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s: user %q, read-only %t, dropped %q, %q", name, service.User, service.ReadOnly, service.CapDrop, service.SecurityOpt)
		}
		if step := service.Build.Args["STEP"]; step == nil || *step != name {
			t.Errorf("%s: builds %v", name, step)
		}
		if _, err := os.Stat(filepath.Join(service.Build.Context, service.Build.Dockerfile)); err != nil {
			t.Error(err)
		}
		if service.HealthCheck != nil {
			t.Errorf("%s: a health check, for which the image has no program", name)
		}
	}
	if project.Services["step10"].NetworkMode != "service:step9" {
		t.Error("step 10 is not in the network of step 9, so it can't ask at localhost for keys")
	}
	onlyLoopback(t, project)
}

// The compose file of Keycloak is loaded the same way.
func TestComposeOfKeycloak(t *testing.T) {
	project := load(t, "../keycloak/compose.yaml")
	onlyLoopback(t, project)
	service := project.Services["keycloak"]
	script, err := os.ReadFile("../scripts/keycloak.sh")
	if err != nil {
		t.Fatal(err)
	}
	if _, version, _ := strings.Cut(service.Image, ":"); !strings.Contains(string(script), "\nversion="+version+"\n") {
		t.Errorf("the image %s is not the version of scripts/keycloak.sh", service.Image)
	}
	if service.HealthCheck == nil || len(service.Volumes) != 1 {
		t.Errorf("health check %v, volumes %v", service.HealthCheck, service.Volumes)
	}
}

func onlyLoopback(t *testing.T, project *types.Project) {
	t.Helper()
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: other machines reach port %s", name, port.Published)
			}
		}
	}
}

// TestEmptyRoot runs both services of the compose file: with its user, commands,
// environment and volumes, in an empty read-only root. It plays the TLS proxy.
func TestEmptyRoot(t *testing.T) {
	needRoot(t)
	t.Log("no image is built and no container engine runs: this is the static program of the container file in an empty read-only root")
	place := newPlace(t, ours(t))

	nine := place.start("step9")
	token := place.token()
	ten := place.start("step10")
	place.await("step10", "/readyz", ten)
	if status := place.call(token); status != http.StatusOK {
		t.Errorf("step 10 answers a good token with %d", status)
	}
	if status := place.call(token[:len(token)-8] + "AAAAAAAA"); status != http.StatusUnauthorized {
		t.Errorf("step 10 answers a bad token with %d", status)
	}

	// The volume keeps the key: what was issued before a restart is good after it.
	nine.stop()
	nine = place.start("step9")
	before := place.keyOf(token)
	if after := place.keyOf(place.token()); before != after {
		t.Errorf("the key changed with a restart: %s, then %s", before, after)
	}
	ten.stop()
	nine.stop()

	// Without the volume there is no place to write.
	delete(place.mounts["step9"], "/data")
	if output := place.fails("step9"); !strings.Contains(output, "read-only file system") {
		t.Errorf("without its volume, step 9 says: %s", output)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 || exec.Command("unshare", "--mount", "true").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must run this as root, with unshare and mount")
		}
		t.Skip("this needs root, to mount and to change the user")
	}
}

// place is where services run without an engine: ports of their own, and a root each.
type place struct {
	*testing.T
	project *types.Project
	folder  string
	ports   map[string]string            // by service
	mounts  map[string]map[string]string // by service and target
	rename  *strings.Replacer            // of the ports in the compose file
}

func newPlace(t *testing.T, project *types.Project) *place {
	// Not below t.TempDir, which other users can't enter.
	folder, err := os.MkdirTemp("", "container")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	must(t, os.Chmod(folder, 0o755))
	p := &place{T: t, project: project, folder: folder, ports: map[string]string{}, mounts: map[string]map[string]string{}}
	// Both services are in one network, where each has a port.
	ports, err := program.FreePorts(2)
	must(t, err)
	p.ports["step9"], p.ports["step10"] = ports[0], ports[1]
	p.rename = strings.NewReplacer(":8080", ":"+p.ports["step9"], ":9000", ":"+p.ports["step10"])
	for name, service := range project.Services {
		p.mounts[name] = map[string]string{}
		for _, volume := range service.Volumes {
			p.mounts[name][volume.Target] = filepath.Join(folder, name+"-volume", volume.Target)
		}
		p.build(name)
	}
	p.fill()
	return p
}

// build runs the line of the container file that builds a program, into its root.
func (p *place) build(service string) {
	text, err := os.ReadFile("Containerfile")
	must(p.T, err)
	line := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*)$`).FindSubmatch(text)
	if line == nil {
		p.Fatal("the container file builds no static program")
	}
	root := filepath.Join(p.folder, service)
	must(p.T, os.MkdirAll(filepath.Join(root, "etc"), 0o755))
	command := exec.Command("sh", "-c", strings.ReplaceAll(string(line[1]), "/image/", root+"/"))
	command.Dir, command.Env = "..", append(os.Environ(), "STEP="+service)
	if output, err := command.CombinedOutput(); err != nil {
		p.Fatalf("%s: %v\n%s", line[1], err, output)
	}
	// What an engine adds to each container.
	must(p.T, os.WriteFile(filepath.Join(root, "etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644))
}

// fill makes the volumes of step 9: its data, and a realm without demo credentials.
func (p *place) fill() {
	data := p.mounts["step9"]["/data"]
	must(p.T, errors.Join(os.MkdirAll(data, 0o700), os.Chown(data, 65532, 65532), os.Chmod(filepath.Dir(data), 0o755)))
	text, err := os.ReadFile("../keycloak/mcp-realm.json")
	must(p.T, err)
	text = regexp.MustCompile(`("type": "password", .*"value": )"[^"]*"`).ReplaceAll(text, []byte(`$1"`+password+`"`))
	must(p.T, os.WriteFile(p.mounts["step9"]["/realm.json"], text, 0o644))
}

const password = "a password for this test"

// command is a service in its root: mounts of its own, no more than its user may, and
// nothing to write to but its volumes.
func (p *place) command(name string) *exec.Cmd {
	service, root := p.project.Services[name], filepath.Join(p.folder, name)
	chroot, err := exec.LookPath("chroot")
	must(p.T, err)
	script := "set -e\nmount --bind " + root + " " + root + "\n"
	for target, source := range p.mounts[name] {
		at := filepath.Join(root, target)
		if target == "/data" {
			must(p.T, os.MkdirAll(at, 0o755))
		} else {
			must(p.T, os.WriteFile(at, nil, 0o644))
		}
		script += "mount --bind " + source + " " + at + "\n"
	}
	script += "mount -o remount,bind,ro " + root + "\n" +
		`exec setpriv --no-new-privs ` + chroot + ` --userspec=` + service.User + ` --groups= ` + root + ` /program "$@"`
	arguments := []string{"--mount", "sh", "-c", script, "sh"}
	for _, argument := range service.Command {
		arguments = append(arguments, p.rename.Replace(argument))
	}
	command := exec.Command("unshare", arguments...)
	command.Env = []string{}
	for variable, value := range service.Environment {
		command.Env = append(command.Env, variable+"="+p.rename.Replace(*value))
	}
	return command
}

type running struct {
	command *exec.Cmd
	output  bytes.Buffer
	ended   chan struct{}
}

func (r *running) stop() {
	_ = r.command.Process.Signal(syscall.SIGTERM)
	<-r.ended
}

// start starts a service and waits until it is alive.
func (p *place) start(name string) *running {
	r := &running{command: p.command(name), ended: make(chan struct{})}
	r.command.Stdout, r.command.Stderr = &r.output, &r.output
	must(p.T, r.command.Start())
	go func() { _ = r.command.Wait(); close(r.ended) }()
	p.Cleanup(r.stop)
	p.await(name, "/livez", r)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.command.Process.Pid))
	must(p.T, err)
	if !regexp.MustCompile(`(?m)^Uid:\t65532\t65532\t65532\t65532$`).Match(status) || !regexp.MustCompile(`(?m)^CapEff:\t0+$`).Match(status) {
		p.Errorf("%s has the rights of somebody else:\n%s", name, status)
	}
	return r
}

// fails runs a service that must end, and returns what it says.
func (p *place) fails(name string) string {
	output, err := p.command(name).CombinedOutput()
	if err == nil {
		p.Errorf("%s ends with status 0", name)
	}
	return string(output)
}

// await asks as an orchestrator does: by address, without the public name.
func (p *place) await(name, path string, r *running) {
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		select {
		case <-r.ended:
			p.Fatalf("%s ended: %s", name, r.output.String())
		default:
		}
		response, err := http.Get("http://127.0.0.1:" + p.ports[name] + path)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			p.Fatalf("%s is not there after two minutes: %v; it says: %s", name, err, r.output.String())
		}
	}
}

// send sends a request as the proxy does: to loopback, with the public Host.
func (p *place) send(name, url string, header http.Header, body string) *http.Response {
	request, err := http.NewRequestWithContext(p.Context(), http.MethodPost, url, strings.NewReader(body))
	must(p.T, err)
	request.Host, request.URL.Scheme, request.URL.Host = request.URL.Host, "http", "127.0.0.1:"+p.ports[name]
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	must(p.T, err)
	p.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// token gets one for step 10, for a user of the realm file.
func (p *place) token() string {
	form := url.Values{"grant_type": {"password"}, "client_id": {"mcp-test-client"}, "username": {"mcp-user"}, "password": {password}, "scope": {"mcp:read"}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	response := p.send("step9", issuer+"/protocol/openid-connect/token", header, form.Encode())
	text, err := io.ReadAll(response.Body)
	must(p.T, err)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		p.Fatalf("step 9 gives no token: %s", text)
	}
	return answer.Token
}

// call lists the tools with a token and returns the status.
func (p *place) call(token string) int {
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
	return p.send("step10", server+"/mcp", header, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`).StatusCode
}

// keyOf is the head of a token, which names its key.
func (p *place) keyOf(token string) string {
	head, _, _ := strings.Cut(token, ".")
	return head
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
