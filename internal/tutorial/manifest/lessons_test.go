package manifest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lessonScript is a lesson of three scenes on top of scripts/lib.sh.
const lessonScript = `
. "$ROOT/scripts/lib.sh"
lesson 0 'a lesson for tests' gentoken "$@" <<<'It is about nothing.'
scene 'The first' <<<'It keeps a name.'
remember ALICE 'eyJ a token'
printf 'HTTP/1.1 200 OK\n' >"$work/head"
printf '{"a":1,"b":2}' >"$work/body"
print_answer
expect 'one is one' 1 1
scene 'The second' <<<'It repeats an answer.'
print_answer
(. "$work/names" && expect 'a second terminal has the token' 'eyJ a token' "$ALICE")
expect 'two is two' 2 2
scene 'The third' <<<'It is the last.'
expect 'three is three' 3 3
finish
`

// startLesson starts the lesson, on a terminal where the system has script(1) of
// util-linux, and returns its output so far.
func startLesson(t *testing.T, terminal bool, args ...string) (keys func(string), output func() string, wait func() error) {
	t.Helper()
	for _, tool := range []string{"bash", "curl", "jq", "script"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "lesson.sh")
	if err := os.WriteFile(path, []byte(lessonScript), 0o600); err != nil {
		t.Fatal(err)
	}
	line := append([]string{"bash", path}, args...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	if terminal {
		if help, _ := exec.Command("script", "--version").Output(); !bytes.Contains(help, []byte("util-linux")) {
			t.Skip("needs script of util-linux")
		}
		command = exec.CommandContext(ctx, "script", "-qec", strings.Join(line, " "), os.DevNull)
	}
	var out shown
	command.Stdout, command.Stderr = &out, &out
	// Without CI: the lesson would not pause.
	command.Env = append(os.Environ(), "ROOT="+root, "CI=", "NO_COLOR=1")
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if !terminal {
		_ = stdin.Close()
	}
	return func(text string) { _, _ = stdin.Write([]byte(text)) }, out.String, command.Wait
}

type shown struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *shown) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *shown) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.ReplaceAll(o.b.String(), "\r\n", "\n")
}

// await waits until the output has a text n times.
func await(t *testing.T, output func() string, text string, n int) {
	t.Helper()
	for range 6000 {
		if strings.Count(output(), text) >= n {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatalf("%q does not come %d times:\n%s", text, n, output())
}

func TestALessonPausesOnATerminal(t *testing.T) {
	keys, output, wait := startLesson(t, true)
	await(t, output, "Press a key to go on.", 1)
	if said := output(); strings.Contains(said, "2. The second") || !strings.Contains(said, "In a second terminal, this sets ALICE:") {
		t.Errorf("before the key: %s", said)
	}
	keys("x")
	await(t, output, "Press a key to go on.", 2)
	keys(" ")
	await(t, output, "That was the last scene. Press a key to end", 1)
	keys("\n")
	if err := wait(); err != nil || !strings.Contains(output(), "3 scenes, 3 expectations, all met") {
		t.Errorf("%v: %s", err, output())
	}
	if strings.Count(output(), "In a second terminal, this sets") != 1 {
		t.Error("it says again which names there are, and none is new")
	}
}

func TestALessonDoesNotPauseWithoutOne(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		args     []string
	}{"no terminal": {false, nil}, "--all": {true, []string{"--all"}}} {
		t.Run(name, func(t *testing.T) {
			_, output, wait := startLesson(t, c.terminal, c.args...)
			if err := wait(); err != nil || !strings.Contains(output(), "3 expectations, all met") || strings.Contains(output(), "Press a key") {
				t.Errorf("%v: %s", err, output())
			}
			if said := output(); strings.Count(said, `"b": 2`) != 1 || !strings.Contains(said, "HTTP/1.1 200 OK\n  (the rest is the same as above, in scene 1)") {
				t.Errorf("an answer that repeats is not folded: %s", said)
			}
		})
	}
}

func TestALessonBeginsAtAScene(t *testing.T) {
	_, output, wait := startLesson(t, false, "--scene", "2")
	err := wait()
	said := output()
	if err != nil || strings.Contains(said, "1. The first") || !strings.Contains(said, "1 expectations were met before. There are now: ALICE\n\n2. The second") ||
		!strings.Contains(said, `"b": 2`) || !strings.Contains(said, "3. The third") || !strings.Contains(said, "3 expectations, all met") {
		t.Errorf("%v: %s", err, said)
	}
	for _, wrong := range []string{"4", "0", "x", ""} {
		_, output, wait := startLesson(t, false, "--scene", wrong)
		if err := wait(); err == nil || !strings.Contains(output(), "--scene takes a number from 1 to 3") {
			t.Errorf("--scene %q: %v: %s", wrong, err, output())
		}
	}
}
