package lab

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/oauth/jwks"
	"mcp-auth-step-by-step/internal/oauth/keys"
	"mcp-auth-step-by-step/internal/oauth/stubprovider"
	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/naive"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/web/loopback"
)

// startNaive serves the naive servers for a test.
func startNaive(t *testing.T, o naive.Options) *naive.Lab {
	t.Helper()
	servers, err := naive.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	return servers
}

// Each fault is really there: the naive server does what an attack wants, with the
// same row that the step refuses (see the test of the step).
func TestAttacksWorkAtTheNaiveServer(t *testing.T) {
	dir := t.TempDir()
	key, err := keys.Public(dir)
	if err != nil {
		t.Fatal(err)
	}
	ours := httptest.NewServer(jwks.Handler(jwks.Set{key}))
	t.Cleanup(ours.Close)
	provider, err := stubprovider.Start(stubprovider.Published()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	open := startNaive(t, naive.Options{Open: true})
	guarded := startNaive(t, naive.Options{KeySets: ours.URL + " " + provider.Issuer() + "/certs"})

	for _, attack := range Attacks {
		row := attack.Row()
		if row == nil {
			continue
		}
		t.Run(strings.Join(append(row.Refs, attack.Name), "_"), func(t *testing.T) {
			if !slices.Contains(row.Eras(), attack.Era) {
				t.Fatalf("the row has no era %q", attack.Era)
			}
			servers := guarded
			if attack.Step < 6 {
				servers = open
			}
			target := &matrix.Target{
				Addr: strings.TrimPrefix(servers.Server, "http://"), URL: StepURL, Keys: dir, Attacker: servers.Attacker,
			}
			if attack.Step >= 10 {
				target.Provider = provider
			}
			answer, err := target.Send(row.Request, attack.Era)
			if err != nil {
				t.Fatal(err)
			}
			if err := attack.Gets.Check(answer); err != nil {
				t.Errorf("the attack doesn't work at the naive server: %v\n%d %s", err, answer.Status, answer.Body)
			}
			want := row.At(attack.Step, attack.Era)
			withheld := slices.ContainsFunc(want.Lacks, func(part string) bool { return strings.Contains(strings.Join(attack.Gets.Has, " "), part) })
			refused := want.Status != http.StatusOK || want.RPC != 0 || slices.Contains(want.Has, `"isError":true`)
			if !row.Attack || want.Works || !refused && !withheld {
				t.Errorf("step %d must refuse the row, and its outcome is %q", attack.Step, want.Says())
			}
		})
	}
}

// What isn't an attack isn't let in: the naive server checks something.
func TestTheNaiveServerRefusesSomething(t *testing.T) {
	servers := startNaive(t, naive.Options{})
	target := &matrix.Target{Addr: strings.TrimPrefix(servers.Server, "http://"), URL: StepURL, Keys: t.TempDir()}
	for _, id := range []string{"token-missing", "flaw-bad-signature", "flaw-expired"} {
		row := (Attack{Step: 6, Name: id}).Row()
		answer, err := target.Send(row.Request, matrix.Legacy)
		if err != nil || answer.Status != http.StatusUnauthorized {
			t.Errorf("%s: %+v, %v", id, answer, err)
		}
	}
	evil, err := target.Send((Attack{Step: 6, Name: "origin-evil"}).Row().Request, matrix.None)
	if err != nil || evil.Status != http.StatusForbidden {
		t.Errorf("a foreign Origin: %+v, %v", evil, err)
	}
}

// The attacks on authorization servers work at the naive one.
func TestFlowsWorkAtTheNaiveServer(t *testing.T) {
	servers := startNaive(t, naive.Options{})
	for _, name := range Flows() {
		var out program.Buffer
		if err := Attacking(t.Context(), name, servers.AuthorizationServer, &out); err != nil || !strings.Contains(out.String(), "\n"+Worked) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
	if err := Attacking(t.Context(), Flows()[0], "https://example.com", &program.Buffer{}); err == nil {
		t.Error("an issuer elsewhere was attacked")
	}
}

// The attacker gets from the naive client what belongs to others.
func TestTheNaiveClientIsRobbed(t *testing.T) {
	var log program.Buffer
	servers := startNaive(t, naive.Options{Log: &log})
	for _, path := range []string{"/impostor/mcp", "/mixup/mcp"} {
		var out program.Buffer
		wants := "Now the attacker has a token of alice that is good at " + servers.Server + "."
		if err := naive.Call(t.Context(), servers.Attacker+path, &out); err != nil || !strings.Contains(out.String(), wants) {
			t.Errorf("%s: %v: the answer is %q, want %q", path, err, out.String(), wants)
		}
		if !strings.Contains(log.String(), wants) {
			t.Errorf("%s: the attacker says %q, want %q", path, log.String(), wants)
		}
	}
	var out program.Buffer
	if err := naive.Call(t.Context(), servers.Server+"/mcp", &out); err != nil || !strings.Contains(out.String(), echoed) {
		t.Errorf("at the honest server: %v\n%s", err, out.String())
	}
}

// Each attack names a fault, each fault is somebody's attack, and each has a source.
func TestFaultsAndAttacksBelongTogether(t *testing.T) {
	faults, err := naive.Faults()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, fault := range faults {
		if names[fault.Name] || len(fault.Says) < 30 || fault.Code == "" {
			t.Errorf("%s:%d: fault %q stands twice, or says too little: %q", fault.File, fault.Line, fault.Name, fault.Says)
		}
		names[fault.Name] = true
	}
	for _, attack := range Attacks {
		if !names[attack.Fault] {
			t.Errorf("%s names the fault %q, which is not in the source", attack.Name, attack.Fault)
		}
		if attack.Row() == nil == (attack.Program == nil) {
			t.Errorf("%s must be a row of the table or have commands", attack.Name)
		}
		if attack.Title == "" || attack.Why == "" || attack.Stops == "" || attack.Step < 1 || attack.Step > len(manifest.Steps) {
			t.Errorf("%s lacks words, or its step", attack.Name)
		}
	}
	unused := map[string]bool{"no-iss": true} // mixup uses both it and no-iss-check
	for name := range names {
		if !unused[name] && !slices.ContainsFunc(Attacks, func(a Attack) bool { return a.Fault == name }) {
			t.Errorf("no attack uses the fault %s", name)
		}
	}
	for _, step := range manifest.Steps {
		if count := len(Of(step.Number)); count > 5 {
			t.Errorf("page %d has %d attacks; a handful is enough", step.Number, count)
		}
	}
}

// Loopback alone, for what it serves and for what it asks.
func TestTheNaiveServersStayOnThisMachine(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "192.0.2.1:0", "example.com:0", "localhost.evil.com:0"} {
		if servers, err := naive.Start(naive.Options{Server: addr}); err == nil {
			servers.Close()
			t.Errorf("it listens on %s", addr)
		}
	}
	servers := startNaive(t, naive.Options{})
	for _, base := range []string{servers.Server, servers.AuthorizationServer, servers.Attacker} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if addr := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(); !loopback.Addr(addr) {
			t.Errorf("%s is at %s", base, addr)
		}
		_ = conn.Close()
	}
	for _, elsewhere := range []string{"http://192.0.2.1/mcp", "http://[2001:db8::1]/mcp"} {
		if err := naive.Call(t.Context(), elsewhere, &program.Buffer{}); err == nil || !strings.Contains(err.Error(), "not a loopback address") {
			t.Errorf("%s: %v", elsewhere, err)
		}
	}
}
