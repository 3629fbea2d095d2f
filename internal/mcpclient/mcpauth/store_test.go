package mcpauth

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMC14_I15_TheFiles(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	r.mustPost(r.client(func(c *Config) { c.Store = store }), "x")
	entries, err := os.ReadDir(store.Dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("got %v, %v", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	folder, err := os.Stat(store.Dir)
	if err != nil || runtime.GOOS != "windows" && folder.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", folder.Mode(), err)
	}
	if name := entries[0].Name(); len(name) != 64+len(".json") {
		t.Errorf("%s is no whole SHA-256", name)
	}
}

// Neither a similar URL nor a separator in it leads to another's entry.
func TestMC06_I15_OneEntryForEachServer(t *testing.T) {
	store := tempStore(t)
	pairs := [][2]string{
		{"https://a.example", "https://b.example/mcp"}, {"https://a.example/", "https://b.example/mcp"}, {"https://A.example", "https://b.example/mcp"},
		{"https://a.example", "https://b.example/mcp/"}, {"https://a.example", "https://b.example/MCP"}, {"https://a.example:443", "https://b.example/mcp"},
		{"https://b.example/mcp", "https://a.example"}, {"https://a.example\nhttps://b.example", "/mcp"}, {"https://a.example", "\nhttps://b.example/mcp"},
		{`https://a.example","x`, "y"}, {"https://a.example", `x","y`}, {"", ""}, {"../../x", "y"}, {"a\nb", "c"}, {"a", "b\nc"},
	}
	for i, pair := range pairs {
		if err := store.Save(&Entry{Issuer: pair[0], Resource: pair[1], ResourceURL: fmt.Sprint(i), Token: &Token{Access: fmt.Sprint(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, pair := range pairs {
		entry, err := store.Load(EntryKey{pair[0], pair[1], fmt.Sprint(i)})
		if err != nil || entry == nil || entry.Token.Access != fmt.Sprint(i) {
			t.Errorf("%q: got %v, %v", pair, entry, err)
		}
		found, err := store.ForResourceURL(fmt.Sprint(i))
		if err != nil || len(found) != 1 {
			t.Errorf("%q: found %d, %v", pair, len(found), err)
		}
	}
	if outside, err := filepath.Glob(filepath.Join(store.Dir, "..", "*.json")); err != nil || len(outside) != 0 {
		t.Errorf("outside of the folder: %v, %v", outside, err)
	}
	if entry, err := store.Load(EntryKey{"https://a.example", "https://b.example/mc", "0"}); entry != nil || err != nil {
		t.Errorf("got %v, %v", entry, err)
	}
}

// A file that was renamed to another's name is not taken for it.
func TestI15_AFileUnderAnothersName(t *testing.T) {
	store := tempStore(t)
	if err := store.Save(&Entry{Issuer: "https://evil.example", Resource: "r", ResourceURL: "s"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(store.path(EntryKey{"https://evil.example", "r", "s"}), store.path(EntryKey{"https://a.example", "r", "s"})); err != nil {
		t.Fatal(err)
	}
	if entry, err := store.Load(EntryKey{"https://a.example", "r", "s"}); err == nil {
		t.Errorf("got %v", entry)
	}
	if found, err := store.ForResourceURL("s"); err != nil || len(found) != 0 {
		t.Errorf("found %d, %v", len(found), err)
	}
}

// Readers see the old file or the new one, and never half of one.
func TestMC14_ReplacedWhole(t *testing.T) {
	store := tempStore(t)
	save := func(n int) {
		if err := store.Save(&Entry{Issuer: "i", Resource: "r", Token: &Token{Access: strings.Repeat("x", 100*n)}}); err != nil {
			t.Error(err)
		}
	}
	save(1)
	var group sync.WaitGroup
	group.Go(func() {
		for n := range 50 {
			save(n + 1)
		}
	})
	path := store.path(EntryKey{"i", "r", ""})
	for range 200 {
		text, err := os.ReadFile(path)
		if err != nil || !json.Valid(text) {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
	}
	group.Wait()
	if left, _ := filepath.Glob(filepath.Join(store.Dir, ".new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMC14_BrokenFile(t *testing.T) {
	store := tempStore(t)
	if err := os.MkdirAll(store.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", strings.Repeat(" ", maxEntry+1)} {
		if err := os.WriteFile(store.path(EntryKey{"i", "r", ""}), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if entry, err := store.Load(EntryKey{"i", "r", ""}); err == nil || !strings.Contains(err.Error(), "delete it") {
			t.Errorf("%.5q: got %v, %v", text, entry, err)
		}
	}
}

// The second run skips what the first one did, and says so.
func TestMC06_SecondRun(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	r.mustPost(r.client(func(c *Config) { c.Store = store }), "x")
	before := len(r.asked)
	var notes []string
	c := r.client(func(c *Config) {
		c.Store = store
		c.Trace = func(e Event) { notes = append(notes, e.Note) }
	})
	r.mustPost(c, "x")
	if len(r.asked) != before+1 || len(notes) == 0 || !strings.Contains(notes[0], "earlier run") {
		t.Errorf("asked %v, said %q", r.asked[before:], notes)
	}
	// Another client of the user's own has nothing to do with that token.
	r.as.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"none"}}
	other := r.client(func(c *Config) { c.Store = store; c.PreRegistered = &PreRegistered{ClientID: "own"} })
	if other.session.token() != nil {
		t.Error("it took over the token of another client")
	}
}

// A run later, when the token has ended: the refresh token does.
func TestMC12_SecondRunRenews(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	clock := newClock()
	r.mustPost(r.client(func(c *Config) { c.Store = store; c.Now = clock.now }), "x")
	clock.advance(2 * time.Hour)
	r.mustPost(r.client(func(c *Config) { c.Store = store; c.Now = clock.now }), "x")
	if registrations, authorizations, tokens := r.as.count(); registrations != 1 || authorizations != 1 || tokens != 2 {
		t.Errorf("%d registrations, %d authorizations, %d token requests", registrations, authorizations, tokens)
	}
}

func TestMC14_Forget(t *testing.T) {
	store := tempStore(t)
	r := newRig(t)
	c := r.client(func(c *Config) { c.Store = store })
	r.mustPost(c, "x")
	if n, err := c.Forget(t.Context()); n != 1 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	if len(r.as.revoked) != 2 || len(r.as.deleted) != 1 || r.as.deleted[0] != "Bearer management-token-0123456789" {
		t.Errorf("revoked %v, deleted %v", r.as.revoked, r.as.deleted)
	}
	if left, _ := os.ReadDir(store.Dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if n, err := c.Forget(t.Context()); n != 0 || err != nil {
		t.Errorf("the second time: %d, %v", n, err)
	}
	r.mustPost(c, "x")
	if registrations, _, _ := r.as.count(); registrations != 2 {
		t.Errorf("%d registrations", registrations)
	}
}

// The token that deletes a registration goes to nobody else than its issuer;
// and what can't be given back is forgotten all the same.
func TestMC06_ForgetTellsNobodyElse(t *testing.T) {
	trap := newTrap(t)
	store := tempStore(t)
	r := newRig(t)
	c := r.client(func(c *Config) { c.Store = store })
	r.mustPost(c, "x")
	entries, _ := store.ForResourceURL(r.url())
	entries[0].Client.Management = trap.URL + "/clients/client-1"
	if err := store.Save(entries[0]); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Forget(t.Context()); n != 1 || err == nil {
		t.Errorf("got %d, %v", n, err)
	}
	if left, _ := os.ReadDir(store.Dir); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}
