package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// shell runs commands of the pages as they stand. Two programs in front of its PATH
// take the place of go, which runs what is built already, and of curl, which finds
// the servers at the ports that were free.
type shell struct {
	dir   string
	ports map[string]string // port on the pages → port here
}

// needed are the programs that commands of the pages run.
var needed = []string{"naive", "attack", "gentoken", "step9", "step10", "step11"}

func newShell(t *testing.T) *shell {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil || runtime.GOOS == "windows" {
			t.Skipf("%s is missing", tool)
		}
	}
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{dir: t.TempDir(), ports: map[string]string{}}
	names := slices.Clone(needed)
	for step := 1; step <= 8; step++ {
		names = append(names, fmt.Sprintf("step%d", step))
	}
	build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-ldflags=-w", "-o", s.dir + "/"}, packagesOf(names)...)...)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return s
}

func packagesOf(names []string) []string {
	packages := make([]string, len(names))
	for i, name := range names {
		packages[i] = "./cmd/" + name
	}
	return packages
}

// shims writes the programs that stand in for go and curl.
func (s *shell) shims(t *testing.T) {
	t.Helper()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	var connect, replace strings.Builder
	for page, here := range s.ports {
		fmt.Fprintf(&connect, " --connect-to localhost:%s:localhost:%s", page, here)
		fmt.Fprintf(&replace, " -e s#localhost:%s#localhost:%s#g", page, here)
	}
	for name, text := range map[string]string{
		"curl": "#!/usr/bin/env bash\nexec " + curl + connect.String() + " \"$@\"\n",
		"go": `#!/usr/bin/env bash
[ "$1" = run ] || { echo "want go run" >&2; exit 2; }
program=` + s.dir + `/${2#./cmd/}; shift 2
args=()
if [[ $program == */gentoken ]]; then
  # It states the ports of the pages, as the steps do, but for the issuer of step 9.
  args=("$@" --attacker http://localhost:` + s.ports["9666"] + `)
  [ "$1" = --as-provider ] && args+=(--issuer http://localhost:` + s.ports["8080"] + `/realms/mcp-realm)
else
  for arg; do args+=("$(sed` + replace.String() + ` <<<"$arg")"); done
fi
exec "$program" "${args[@]}"
`,
	} {
		if err := os.MkdirAll(filepath.Join(s.dir, "bin"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, "bin", name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs commands in a fresh shell and returns all that they print.
func (s *shell) run(t *testing.T, commands string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", commands)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "PATH="+filepath.Join(s.dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	_ = command.Run() // step 11 ends with another status where an attack fails
	return output.String()
}

// start starts a program, and remembers the port that it really has.
func (s *shell) start(t *testing.T, page, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(s.dir, name), args...)
	command.Dir = s.dir
	command.Env = program.Environment()
	if name == "step10" {
		command.Env = append(command.Env, "KEYCLOAK_URL=http://localhost:"+s.ports["8080"])
	}
	running, err := program.Start(command, &program.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Kill)
	_, s.ports[page], _ = strings.Cut(strings.TrimPrefix(running.URL, "http://"), ":")
}

// Every command of every attack, as it stands: it works at the naive server, and the
// step refuses it.
func TestCommandsOfTheAttacks(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts all steps")
	}
	s := newShell(t)
	t.Run("steps", func(t *testing.T) {
		for _, step := range manifest.Steps {
			if len(Of(step.Number)) == 0 {
				continue
			}
			t.Run(fmt.Sprintf("step%d", step.Number), func(t *testing.T) {
				own := &shell{dir: s.dir, ports: map[string]string{}}
				own.attackStep(t, step.Number)
			})
		}
	})
}

// attackStep starts what a page says, and carries its attacks out.
func (s *shell) attackStep(t *testing.T, step int) {
	t.Helper()
	issuer := ""
	switch {
	case step == 9 || step == 10:
		s.start(t, "8080", "step9", "-addr", "localhost:0")
		issuer = "http://localhost:" + s.ports["8080"] + "/realms/mcp-realm"
	}
	switch {
	case step == 10:
		s.start(t, "9000", "step10", "-addr", "localhost:0", "-url", StepURL)
	case step <= 8:
		s.start(t, "9000", fmt.Sprintf("step%d", step), "-addr", "localhost:0", "-url", StepURL)
	}
	servers := startNaive(t, naive.Options{
		Open:    strings.Contains(NaiveProgram(step), "-open"),
		KeySets: "http://localhost:" + s.ports["9000"] + "/.well-known/jwks.json " + issuer + "/protocol/openid-connect/certs",
	})
	for page, url := range map[string]string{"9001": servers.Server, "8081": servers.AuthorizationServer, "9666": servers.Attacker} {
		s.ports[page] = url[strings.LastIndex(url, ":")+1:]
	}
	s.shims(t)
	for _, attack := range Of(step) {
		t.Run(attack.Name, func(t *testing.T) {
			atNaive, atStep := s.run(t, attack.AtNaive()), s.run(t, attack.AtStep())
			if attack.Program != nil {
				says := attack.Program.NaiveSays
				for page, here := range s.ports {
					says = strings.ReplaceAll(says, "localhost:"+page, "localhost:"+here)
				}
				if !strings.Contains(atNaive, says) || !strings.Contains(atStep, attack.Program.StepSays) || strings.Contains(atStep, Worked) {
					t.Errorf("%s\n%s\n%s\n%s", attack.AtNaive(), atNaive, attack.AtStep(), atStep)
				}
				return
			}
			if !strings.Contains(atNaive, "HTTP/1.1 200") || !containsAll(atNaive, attack.Gets.Has) {
				t.Errorf("at the naive server:\n%s\n%s", attack.AtNaive(), atNaive)
			}
			want := attack.Row().At(step, attack.Era)
			if !strings.Contains(atStep, fmt.Sprintf("HTTP/1.1 %d", want.Status)) || !strings.Contains(atStep, want.Error) || containsAll(atStep, attack.Gets.Has) {
				t.Errorf("at the step, want %s:\n%s\n%s", want.Says(), attack.AtStep(), atStep)
			}
		})
	}
}

func containsAll(text string, parts []string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}
