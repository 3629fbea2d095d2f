package walkthrough

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

// insideOf is the variable that names the root of the repository to the process
// that runs the commands of a page.
const insideOf = "WALKTHROUGH_INSIDE_OF"

func TestMain(m *testing.M) {
	if root := os.Getenv(insideOf); root != "" {
		fmt.Fprintln(os.Stderr, runInside(root, os.Getenv("HOME")))
		os.Exit(125)
	}
	os.Exit(m.Run())
}

// runInside becomes the shell that runs the commands. It has the machine's network
// for itself, so that the ports of the pages are free; what it writes into the
// repository goes to a place that is gone with it.
func runInside(root, home string) error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("the loopback interface: %w", err)
	}
	over := filepath.Join(home, "over")
	mount := syscall.Mount("none", over, "tmpfs", 0, "")
	for _, dir := range []string{"up", "work"} {
		mount = errors.Join(mount, os.Mkdir(filepath.Join(over, dir), 0o700))
	}
	mount = errors.Join(mount, syscall.Mount("overlay", root, "overlay", 0,
		"lowerdir="+root+",upperdir="+filepath.Join(over, "up")+",workdir="+filepath.Join(over, "work")), os.Chdir(root))
	if mount != nil {
		return mount
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		return err
	}
	return syscall.Exec(bash, []string{bash, filepath.Join(home, "commands.sh")}, os.Environ())
}

// loopbackUp switches the interface lo on, which a new network has off.
func loopbackUp() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = syscall.Close(socket) }()
	var request struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	request.flags = syscall.IFF_UP | syscall.IFF_RUNNING
	if _, _, code := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); code != 0 {
		return code
	}
	return nil
}

// inside runs commands.sh of a home folder and returns what it prints.
func inside(ctx context.Context, root, home string) (string, error) {
	command := exec.CommandContext(ctx, os.Args[0])
	environment, err := exec.CommandContext(ctx, "go", "env", "GOCACHE", "GOMODCACHE", "GOPATH").Output()
	if err != nil {
		return "", err
	}
	places := strings.Split(string(environment), "\n")
	command.Env = []string{insideOf + "=" + root, "HOME=" + home, "PATH=" + os.Getenv("PATH"), "GOTOOLCHAIN=local", "GOPROXY=off",
		"GOCACHE=" + places[0], "GOMODCACHE=" + places[1], "GOPATH=" + places[2]}
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		Pdeathsig:    syscall.SIGKILL,
		Unshareflags: syscall.CLONE_NEWNS, // with mounts that no one else sees
	}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err = command.Run()
	return output.String(), err
}

// newHome is a folder for the commands of a page.
func newHome(t *testing.T, commands string) string {
	t.Helper()
	home := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(home, "over"), 0o700),
		os.WriteFile(filepath.Join(home, "commands.sh"), []byte(commands), 0o600)); err != nil {
		t.Fatal(err)
	}
	return home
}

// Every command of a page works as it stands, in the order of the page, in a fresh
// shell, and answers what the page says.
func TestCommandsOfPages(t *testing.T) {
	if testing.Short() {
		t.Skip("runs all programs")
	}
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	if output, err := inside(t.Context(), root, newHome(t, "true")); err != nil {
		t.Skipf("no namespaces of our own here, so the ports of the pages may be taken: %v %s", err, output)
	}
	pages := []string{"README.md"}
	for _, step := range manifest.Steps {
		pages = append(pages, step.Page())
	}
	for _, page := range pages {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(root, page))
			if err != nil {
				t.Fatal(err)
			}
			all := Blocks(string(text))
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			output, err := inside(ctx, root, newHome(t, Script(all)))
			if err != nil {
				t.Logf("the shell: %v", err)
			}
			for _, problem := range Judge(all, output) {
				t.Error(problem)
			}
			if len(all) == 0 || !strings.Contains(output, "@@end") {
				t.Errorf("nothing ran: %s", output)
			}
		})
	}
}
