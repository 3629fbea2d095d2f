package abuse

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"mcp-auth-step-by-step/internal/oauth/mint"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/program"
)

// The faults of docs/limits.md, against real processes.
func TestFaults(t *testing.T) {
	form(t)
	_, programs := build(t)
	tests := map[string]func(*testing.T, Programs){
		"kill": killed, "stop": stopped, "disk": fullDisk, "damage": damaged,
		"slow": slowProvider, "garbage": garbageProvider, "rotation": rotation,
	}
	for _, f := range Faults {
		if f.ID == "clock" {
			continue // TestFaults_Clock, which needs no processes
		}
		t.Run(f.ID, func(t *testing.T) { tests[f.ID](t, programs) })
	}
}

// rig is a world with a state file, and how to be one of its users.
type rig struct {
	*testing.T
	*World
	state string
	users *users
	next  int
}

func startRig(t *testing.T, p Programs) *rig {
	folder := t.TempDir()
	state := filepath.Join(folder, "state.db")
	w, err := p.Start(folder, Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return &rig{T: t, World: w, state: state, users: newUsers(w)}
}

// must fails the test for an error.
func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// newUser is a user who has registered a client and logged in for it.
func (r *rig) newUser() *user {
	r.Helper()
	r.next++
	u := r.users.user(r.Context(), r.next)
	r.must(u.register())
	r.must(u.logIn())
	return u
}

// refused says that a code or refresh token that was used is not accepted.
func (r *rig) refused(u *user, grant url.Values) {
	r.Helper()
	copied := *u
	if err := copied.token(maps.Clone(grant)); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
		r.Errorf("something that was used: %v", err)
	}
}

// forged is a user whose token was changed.
func (u *user) forged() *user {
	f := *u
	f.access = f.access[:len(f.access)-8] + "AAAAAAAA"
	return &f
}

// noEntry says that the tools are closed to a user.
func (r *rig) noEntry(u *user, statuses ...string) {
	r.Helper()
	err := u.call()
	for _, status := range statuses {
		if err != nil && strings.Contains(err.Error(), "status "+status) {
			return
		}
	}
	r.Errorf("a tool answered %v, want one of %s", err, statuses)
}

// killed kills step 9 several times while users work.
func killed(t *testing.T, p Programs) {
	r := startRig(t, p)
	for range 3 {
		confirmed := r.untilKilled()
		r.must(confirmed[0].call()) // tools work
		r.noEntry(confirmed[0].forged(), "401")
		r.must(r.again())
		for _, u := range confirmed {
			r.must(u.introspect())
			used := u.old
			r.must(u.refresh())
			r.must(u.call())
			r.refused(u, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {used}})
			r.must(u.logIn()) // the client is known
		}
		again := *confirmed[0]
		r.must(again.logIn())
		r.Step9.Kill()
		r.must(r.again())
		r.refused(&again, again.redeemed)
		t.Logf("%d users lost nothing", len(confirmed))
	}
}

// untilKilled lets users work until step 9 is killed, and returns those who were
// told that all is well.
func (r *rig) untilKilled() (confirmed []*user) {
	r.Helper()
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	enough := make(chan struct{})
	work := func() {
		for n := range 1000 {
			mu.Lock()
			r.next++
			u := r.users.user(r.Context(), r.next)
			mu.Unlock()
			if u.register() != nil || u.logIn() != nil || u.refresh() != nil {
				if n > 0 {
					return
				}
				continue
			}
			mu.Lock()
			if confirmed = append(confirmed, u); len(confirmed) == 5 {
				close(enough)
			}
			mu.Unlock()
		}
	}
	for range 4 {
		all.Go(work)
	}
	<-enough
	r.Step9.Kill()
	all.Wait()
	return confirmed
}

// stopped lets step 9 stand still.
func stopped(t *testing.T, p Programs) {
	r := startRig(t, p)
	u := r.newUser()
	r.must(r.Step9.Process.Signal(syscall.SIGSTOP))
	waiting := make(chan error, 1)
	other := r.users.user(t.Context(), 1000)
	other.id = testClient
	go func() { waiting <- other.logIn() }()
	for range 50 {
		r.must(u.call())
	}
	r.noEntry(u.forged(), "401")
	select {
	case err := <-waiting:
		t.Errorf("a login ended while the server stood still: %v", err)
	default:
	}
	r.must(r.Step9.Process.Signal(syscall.SIGCONT))
	r.must(<-waiting)
	r.must(other.call())
}

// fullDisk limits how large files can become, which a write then finds out as it
// would on a full disk.
func fullDisk(t *testing.T, p Programs) {
	r := startRig(t, p)
	u := r.newUser()
	info, err := os.Stat(r.state)
	r.must(err)
	r.must(limitFiles(r.Step9, uint64(info.Size())))
	var full error
	newcomers := []*user{}
	for n := range 5000 {
		newcomer := r.users.user(t.Context(), 2000+n)
		if full = newcomer.register(); full != nil {
			break
		}
		newcomers = append(newcomers, newcomer)
	}
	if full == nil || !strings.Contains(full.Error(), "status 500") {
		t.Fatalf("after %d registrations: %v", len(newcomers), full)
	}
	r.must(u.call())
	r.must(u.introspect())
	used := u.old
	if err := u.refresh(); err != nil {
		t.Logf("refreshing: %v", err)
		u.old = used
	}
	r.must(limitFiles(r.Step9, 1<<40))
	r.must(u.refresh())
	late := r.newUser()
	r.Step9.Kill()
	r.must(r.again())
	r.must(late.refresh())
	r.must(u.refresh())
	last := newcomers[len(newcomers)-1]
	r.must(last.logIn())
	t.Logf("%d newcomers are known", len(newcomers))
}

// limitFiles sets how large the files of a process can become (RLIMIT_FSIZE).
func limitFiles(running *program.Program, size uint64) error {
	limit := syscall.Rlimit{Cur: size, Max: 1 << 62}
	_, _, failed := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(running.Process.Pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if failed != 0 {
		return failed
	}
	return nil
}

// damaged starts step 9 with a damaged file.
func damaged(t *testing.T, p Programs) {
	r := startRig(t, p)
	r.newUser()
	r.Step9.Kill()
	whole, err := os.ReadFile(r.state)
	r.must(err)
	for name, text := range map[string][]byte{
		"cut off":     whole[:len(whole)/3],
		"overwritten": bytes.Repeat([]byte("garbage "), len(whole)/8),
		"zeros":       make([]byte, len(whole)),
	} {
		r.must(os.WriteFile(r.state, text, 0o600))
		err := r.again()
		if err == nil || !strings.Contains(err.Error(), r.state) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadFile(r.state); err != nil || !bytes.Equal(left, text) {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
	r.must(os.WriteFile(r.state, whole, 0o600)) // a copy
	r.must(r.again())
	r.newUser()
}

// provided is step 10 with a provider that does what a test wants.
type provided struct {
	*testing.T
	*stubprovider.Provider
	mcp string
}

func startProvided(t *testing.T, p Programs, keys ...stubprovider.Key) *provided {
	provider, err := stubprovider.Start(keys...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	env := append(provider.Env(), "JWT_AUDIENCE=http://localhost:9000/mcp")
	running, err := start(p.step10, t.TempDir(), []string{"-addr", "localhost:0"}, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Kill)
	return &provided{t, provider, running.URL}
}

// user is a user with a token signed by a key.
func (p *provided) user(key string) *user {
	p.Helper()
	k := stubprovider.Keys()[key]
	token, err := mint.New(k.RSA, k.ID, mint.Grant{
		Issuer: p.Issuer(), Audience: "http://localhost:9000/mcp", Username: "alice", ClientID: "app", Scopes: strings.Fields(scopes),
		Roles: []string{"user"}, Lifetime: time.Minute, Now: time.Now(), RolesClient: "echo-mcp-server",
	}).Token()
	if err != nil {
		p.Fatal(err)
	}
	u := newUsers(&World{MCP: p.mcp}).user(p.Context(), 0)
	u.access = token
	return u
}

// soon waits until a call succeeds.
func (p *provided) soon(u *user) {
	p.Helper()
	end := time.Now().Add(30 * time.Second)
	for {
		err := u.call()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			p.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// trouble lets the provider answer in some way, and sees that only tokens of a new
// key notice, until it is well again.
func trouble(t *testing.T, p Programs, answer http.HandlerFunc) {
	r := startProvided(t, p, stubprovider.Keys()["rs256"])
	good, fresh := r.user("rs256"), r.user("next")
	r.soon(good)
	r.Answer(answer)
	g := &rig{T: t}
	for range 20 {
		g.must(good.call())
		g.noEntry(good.forged(), "401")
	}
	g.noEntry(fresh, "503", "401")
	r.Answer(nil)
	r.Publish(stubprovider.Keys()["rs256"], stubprovider.Keys()["next"])
	r.soon(fresh)
	g.must(good.call())

	// One that starts meanwhile lets nobody in, and then everybody who may.
	r.Answer(answer)
	late, err := start(p.step10, t.TempDir(), []string{"-addr", "localhost:0"}, append(r.Env(), "JWT_AUDIENCE=http://localhost:9000/mcp"))
	g.must(err)
	t.Cleanup(late.Kill)
	good.MCP = late.URL
	g.noEntry(good, "503")
	r.Answer(nil)
	r.soon(good)
}

func slowProvider(t *testing.T, p Programs) {
	trouble(t, p, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"issuer":`))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // cut off
	})
}

func garbageProvider(t *testing.T, p Programs) {
	trouble(t, p, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"keys":[{"kty":"RSA","kid":"next","n":"AQ","e":"AQAB"}], "issuer": 7 <html>`))
	})
}

// rotation changes the provider's key under load.
func rotation(t *testing.T, p Programs) {
	keys := stubprovider.Keys()
	r := startProvided(t, p, keys["rs256"])
	old, fresh := r.user("rs256"), r.user("next")
	r.soon(old)
	ctx, end := context.WithCancel(t.Context())
	var all sync.WaitGroup
	failures := make(chan error, 8)
	load := func(u *user) {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := u.call(); err != nil && !strings.Contains(err.Error(), "status 503") {
					failures <- err
					return
				}
			}
		})
	}
	load(old)
	r.Publish(keys["next"], keys["rs256"])
	load(fresh)
	r.soon(fresh)
	end()
	all.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
	r.Publish(keys["next"])
	// An unknown key lets the keys be fetched anew.
	gone := time.Now().Add(30 * time.Second)
	for old.call() == nil && time.Now().Before(gone) {
		stranger := *fresh
		stranger.access = r.user("ps256").access
		_ = stranger.call()
		time.Sleep(20 * time.Millisecond)
	}
	(&rig{T: t}).noEntry(old, "401", "503")
	r.soon(fresh)
}
