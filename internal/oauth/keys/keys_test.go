package keys

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"mcp-auth-step-by-step/internal/localfile"
	"mcp-auth-step-by-step/internal/oauth/jwks"
)

// keyDirVariable makes the test binary a program that wants the pair of a
// folder, as the servers and gentoken do.
const keyDirVariable = "KEYS_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(keyDirVariable); dir != "" {
		fmt.Println("ready")
		_, _ = io.ReadAll(os.Stdin) // until all are to start
		fmt.Println(idOf(dir))
		return
	}
	os.Exit(m.Run())
}

// idOf is the id of a folder's pair, or what is wrong with it.
func idOf(dir string) string {
	key, err := Private(dir, localfile.OwnerOnly)
	if err != nil {
		return err.Error()
	}
	public, err := jwks.New(&key.PublicKey, Algorithm)
	if err != nil {
		return err.Error()
	}
	return public.ID
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// oldKey is made once, for the folders of all tests.
var oldKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

// pair is the files of oldKey.
func pair() map[string][]byte {
	return map[string][]byte{
		PrivateFile: block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(oldKey()))),
		PublicFile:  block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&oldKey().PublicKey))),
	}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// folder makes a folder with files.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func without(name string) map[string][]byte {
	files := pair()
	delete(files, name)
	return files
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func TestMadeOnFirstUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "keys")
	public, err := Public(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{".": 0o700 | fs.ModeDir, PrivateFile: 0o600, PublicFile: 0o644, ".gitignore": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{".gitignore", PrivateFile, PublicFile}) {
		t.Errorf("files: %q", got)
	}
	if text := must(os.ReadFile(filepath.Join(dir, ".gitignore"))); string(text) != "*\n!.gitignore\n" {
		t.Errorf(".gitignore: %q", text)
	}
	key, err := Private(dir, localfile.OwnerOnly)
	if err != nil || !key.PublicKey.Equal(public.Public) || key.N.BitLen() < 2048 || key.Validate() != nil {
		t.Errorf("Private: %v, not the pair of Public", err)
	}
	if again, err := Public(dir); err != nil || again.ID != public.ID || again.Algorithm != "RS256" || again.ID != idOf(dir) {
		t.Errorf("again: %+v, %v", again, err)
	}
	stayOut(t, dir)
}

// stayOut asks git itself which files of a folder it would keep.
func stayOut(t *testing.T, dir string) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Log("not asked: git, which is missing")
		return
	}
	run := func(args ...string) string {
		command := exec.Command(git, args...)
		command.Dir = dir
		command.Env = []string{"HOME=" + dir} // no GIT_DIR of whoever runs the tests
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
		return string(out)
	}
	run("init", "--quiet")
	run("add", ".")
	if kept := run("ls-files"); kept != ".gitignore\n" {
		t.Errorf("git would keep %q", kept)
	}
}

// A server gets along without the private key, and makes none.
func TestPublicFileAlone(t *testing.T) {
	dir := folder(t, without(PrivateFile))
	key, err := Public(dir)
	if err != nil || key.ID == "" {
		t.Errorf("Public = %+v, %v", key, err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{PublicFile}) {
		t.Errorf("files: %q", got)
	}
	_, err = Private(dir, localfile.OwnerOnly)
	tells(t, err, filepath.Join(dir, PrivateFile), "is missing", "gentoken --generate-keys")
}

// The public file follows from the private one, as when making the pair was
// interrupted.
func TestPrivateFileAlone(t *testing.T) {
	dir := folder(t, without(PublicFile))
	if _, err := Public(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range pair() {
		if got := must(os.ReadFile(filepath.Join(dir, name))); !bytes.Equal(got, want) {
			t.Errorf("%s was changed", name)
		}
	}
}

// tells fails the test unless the error has all the words, and nothing of a key.
func tells(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error doesn't say %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "BEGIN") || len(err.Error()) > 500 {
		t.Errorf("the error says too much: %v", err)
	}
}

func TestBrokenFiles(t *testing.T) {
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	weak := must(rsa.GenerateKey(rand.Reader, 1024))
	for name, content := range map[string][]byte{
		"empty":           nil,
		"garbage":         []byte("garbage"),
		"cut":             pair()[PublicFile][:200],
		"the private key": pair()[PrivateFile],
		"a certificate":   block("CERTIFICATE", must(x509.MarshalPKIXPublicKey(&oldKey().PublicKey))),
		"no DER":          block("PUBLIC KEY", []byte("no DER")),
		"PKCS #1":         block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&oldKey().PublicKey)),
		"EC":              block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&ec.PublicKey))),
		"Ed25519":         block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ed))),
		"RSA-1024":        block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&weak.PublicKey))),
	} {
		t.Run("public/"+name, func(t *testing.T) {
			files := without(PublicFile)
			files[PublicFile] = content
			dir := folder(t, files)
			_, err := Public(dir)
			tells(t, err, filepath.Join(dir, PublicFile), "gentoken --generate-keys")
			_, err = Private(dir, localfile.OwnerOnly)
			tells(t, err, filepath.Join(dir, PublicFile), "gentoken --generate-keys")
			if got := must(os.ReadFile(filepath.Join(dir, PublicFile))); !bytes.Equal(got, content) {
				t.Error("the file was changed")
			}
		})
	}
	for name, content := range map[string][]byte{
		"empty":          nil,
		"garbage":        []byte("garbage"),
		"cut":            pair()[PrivateFile][:800],
		"the public key": pair()[PublicFile],
		"no DER":         block("PRIVATE KEY", []byte("no DER")),
		"PKCS #1":        block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(oldKey())),
		"EC":             block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(ec))),
		"encrypted":      block("ENCRYPTED PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(oldKey()))),
	} {
		t.Run("private/"+name, func(t *testing.T) {
			files := without(PrivateFile)
			files[PrivateFile] = content
			dir := folder(t, files)
			_, err := Private(dir, localfile.OwnerOnly)
			tells(t, err, filepath.Join(dir, PrivateFile), "gentoken --generate-keys")
			if _, err := Public(dir); err != nil {
				t.Errorf("servers don't need the private key: %v", err)
			}
			delete(files, PublicFile) // now the public one would be made from it
			dir = folder(t, files)
			_, err = Public(dir)
			tells(t, err, filepath.Join(dir, PrivateFile), "gentoken --generate-keys")
			if got := names(t, dir); slices.Contains(got, PublicFile) {
				t.Errorf("files: %q", got)
			}
		})
	}
	t.Run("foreign", func(t *testing.T) {
		files := without(PrivateFile)
		files[PrivateFile] = block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(weak)))
		dir := folder(t, files)
		_, err := Private(dir, localfile.OwnerOnly)
		tells(t, err, dir, PrivateFile, PublicFile, "don't belong together", "gentoken --generate-keys")
	})
	t.Run("folder in the way", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, PublicFile), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := Public(dir)
		tells(t, err, filepath.Join(dir, PublicFile))
	})
	t.Run("file in the place of the folder", func(t *testing.T) {
		_, err := Public(filepath.Join(folder(t, pair()), PublicFile))
		tells(t, err, PublicFile)
	})
}

// Whatever is there stays beside the new pair, as it was.
func TestReplaceKeepsBackups(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string][]byte
		kept  []string
	}{
		"a pair":       {pair(), []string{PrivateFile + ".1.bak", PublicFile + ".1.bak"}},
		"public alone": {without(PrivateFile), []string{PublicFile + ".1.bak"}},
		"broken, and backups there": {
			map[string][]byte{PrivateFile: []byte("garbage"), PrivateFile + ".1.bak": []byte("first"), PrivateFile + ".3.bak": []byte("third")},
			[]string{PrivateFile + ".2.bak"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, c.files)
			kept, err := Replace(dir)
			if err != nil {
				t.Fatal(err)
			}
			for i := range kept {
				kept[i] = must(filepath.Rel(dir, kept[i]))
			}
			if !slices.Equal(kept, c.kept) {
				t.Errorf("kept %q, want %q", kept, c.kept)
			}
			for name, content := range c.files {
				if !slices.ContainsFunc(names(t, dir), func(now string) bool {
					return strings.HasPrefix(now, name) && bytes.Equal(must(os.ReadFile(filepath.Join(dir, now))), content)
				}) {
					t.Errorf("%s is lost", name)
				}
			}
			key, err := Private(dir, localfile.OwnerOnly)
			if err != nil {
				t.Fatal(err)
			}
			if key.Equal(oldKey()) {
				t.Error("the old key is still in use")
			}
			for _, name := range names(t, dir) {
				info := must(os.Stat(filepath.Join(dir, name)))
				if strings.HasPrefix(name, PrivateFile) && info.Mode() != 0o600 {
					t.Errorf("%s has the mode %v", name, info.Mode())
				}
				if strings.HasPrefix(name, ".new") {
					t.Errorf("%s was left behind", name)
				}
			}
		})
	}
}

// Two that replace the pair at once must not choose the same name for their
// backups: the second would overwrite the first.
func TestReplaceTakesANameOnce(t *testing.T) {
	path := filepath.Join(folder(t, pair()), PrivateFile)
	first, second := must(freeName(path)), must(freeName(path))
	if first == second {
		t.Errorf("both got %s", filepath.Base(first))
	}
}

// However many want the pair at once, as goroutines and as processes, they
// get the same one.
func TestFirstUseByManyAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	const processes, goroutines = 3, 3
	ids := make(chan string, processes+goroutines)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for range processes {
		program := exec.Command(os.Args[0])
		program.Env = append(os.Environ(), keyDirVariable+"="+dir)
		program.Stderr = os.Stderr
		stdin, stdout := must(program.StdinPipe()), bufio.NewReader(must(program.StdoutPipe()))
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		ready.Add(1)
		done.Go(func() {
			line, _ := stdout.ReadString('\n')
			ready.Done()
			<-start
			_ = stdin.Close()
			id, _ := stdout.ReadString('\n')
			if err := program.Wait(); err != nil || line != "ready\n" {
				id = fmt.Sprintf("process: %v, %q", err, line)
			}
			ids <- strings.TrimSpace(id)
		})
	}
	for range goroutines {
		done.Go(func() {
			<-start
			ids <- idOf(dir)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	close(ids)
	want, count := idOf(dir), 0
	for id := range ids {
		count++
		if id != want || len(id) != 43 {
			t.Errorf("one got %q, another %q", id, want)
		}
	}
	if count != processes+goroutines {
		t.Errorf("%d answers", count)
	}
	if got := names(t, dir); !slices.Equal(got, []string{".gitignore", PrivateFile, PublicFile}) {
		t.Errorf("files: %q", got)
	}
}

// WD18: a private key that others can read is not used, and a public key that
// everybody can write neither; what a container platform mounted is, where that is
// allowed.
func TestWD18_OpenModesAndLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := folder(t, pair())
	private, public := filepath.Join(dir, PrivateFile), filepath.Join(dir, PublicFile)
	for mode, want := range map[os.FileMode][2]bool{ // by its owner alone, mounted
		0o600: {true, true}, 0o400: {true, true}, 0o440: {false, true}, 0o640: {false, true},
		0o644: {false, false}, 0o660: {false, false}, 0o602: {false, false},
	} {
		if err := os.Chmod(private, mode); err != nil {
			t.Fatal(err)
		}
		for i, access := range []localfile.Access{localfile.OwnerOnly, localfile.Mounted} {
			_, err := Private(dir, access)
			if (err == nil) != want[i] || err != nil && !strings.Contains(err.Error(), "chmod 600 "+private) {
				t.Errorf("private key, mode %04o, access %d: %v", mode, access, err)
			}
		}
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: true, 0o646: false} {
		if err := os.Chmod(public, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Public(dir); (err == nil) != good || err != nil && !strings.Contains(err.Error(), "chmod o-w "+public) {
			t.Errorf("public key, mode %04o: %v", mode, err)
		}
	}
	mounted := filepath.Join(t.TempDir(), "key")
	if err := errors.Join(os.Chmod(public, 0o644), os.Chmod(private, 0o440), os.Rename(private, mounted), os.Symlink(mounted, private)); err != nil {
		t.Fatal(err)
	}
	if _, err := Private(dir, localfile.OwnerOnly); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a link: %v", err)
	}
	if _, err := Private(dir, localfile.Mounted); err != nil {
		t.Errorf("a mounted link: %v", err)
	}
	if err := os.WriteFile(mounted, bytes.Repeat([]byte{'a'}, maxFile+1), 0o600); err != nil && !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	_ = os.Chmod(mounted, 0o600)
	if _, err := Private(dir, localfile.Mounted); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}
