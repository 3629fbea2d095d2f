package quota

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Unix(1_800_000_000, 0)

func add(t *testing.T, l *Ledger, caller, key string) []string {
	t.Helper()
	gone, err := l.Add(caller, key, start.Add(time.Hour), start)
	if err != nil {
		t.Fatalf("%s of %s: %v", key, caller, err)
	}
	return gone
}

// WD1, WD4, WD8: a caller at its limit pays with its own.
func TestACallerAtItsLimitLosesItsOwnOldest(t *testing.T) {
	l := New(2, 10)
	add(t, l, "honest", "h1")
	add(t, l, "flood", "f1")
	add(t, l, "flood", "f2")
	if gone := add(t, l, "flood", "f3"); !slices.Equal(gone, []string{"f1"}) {
		t.Errorf("%q went", gone)
	}
	l.Prove("f2")
	l.Prove("f3")
	if _, err := l.Add("flood", "f4", start.Add(time.Hour), start); !errors.Is(err, ErrCaller) {
		t.Errorf("got %v", err)
	}
	if l.Of("flood") != 2 || l.Of("honest") != 1 || l.Len() != 3 {
		t.Errorf("%d, %d, %d", l.Of("flood"), l.Of("honest"), l.Len())
	}
}

// WD1: where everything is full, whoever has the most unproven entries pays.
func TestAFullTableTakesFromWhoHasMost(t *testing.T) {
	l := New(4, 6)
	add(t, l, "honest", "h1")
	for i := range 4 {
		add(t, l, "flood", fmt.Sprint("f", i))
	}
	add(t, l, "other", "o1")
	if gone := add(t, l, "newcomer", "n1"); !slices.Equal(gone, []string{"f0"}) {
		t.Errorf("%q went", gone)
	}
	for range 3 { // of those with one each, the oldest goes
		l.Remove(fmt.Sprint("f", l.Of("flood")))
	}
	for i, want := range []string{"", "", "", "h1"} {
		if gone := add(t, l, fmt.Sprint("one ", i), fmt.Sprint("one ", i)); (len(gone) > 0) != (want != "") || len(gone) == 1 && gone[0] != want {
			t.Errorf("%d: %q went, want %q", i, gone, want)
		}
	}
	for i := range 4 {
		l.Prove(fmt.Sprint("one ", i))
	}
	for _, key := range []string{"o1", "n1"} {
		l.Prove(key)
	}
	if _, err := l.Add("late", "l1", start.Add(time.Hour), start); !errors.Is(err, ErrFull) {
		t.Errorf("got %v: a proven entry went", err)
	}
}

func TestExpiryAndRenewal(t *testing.T) {
	l := New(100, 100)
	for i := range 20 {
		if _, err := l.Add("a", fmt.Sprint(i), start.Add(time.Duration(i+1)*time.Second), start); err != nil {
			t.Fatal(err)
		}
	}
	l.Extend("0", start.Add(time.Hour))
	l.Prove("1")
	gone, err := l.Add("b", "new", start.Add(2*time.Hour), start.Add(time.Minute))
	if err != nil || len(gone) != atOnce || slices.Contains(gone, "0") || gone[0] != "1" {
		t.Errorf("%q, %v", gone, err)
	}
	for len(l.Expire(start.Add(time.Minute))) > 0 {
	}
	if l.Len() != 2 || l.Of("a") != 1 {
		t.Errorf("%d left, %d of a", l.Len(), l.Of("a"))
	}
	// The same key again is one entry.
	if _, err := l.Add("b", "new", start.Add(time.Hour), start); err != nil || l.Len() != 2 || l.Of("b") != 1 {
		t.Errorf("%v, %d", err, l.Len())
	}
	l.Remove("absent")
	l.Prove("absent")
	l.Extend("absent", start)
	// What never expires stays, and goes like any other.
	if _, err := l.Add("b", "stays", Never, start); err != nil {
		t.Fatal(err)
	}
	for now := start; len(l.Expire(now)) > 0; now = now.Add(1000 * time.Hour) {
	}
	if _, err := l.Add("b", "next", start.Add(time.Hour), Never); err != nil || l.Of("b") != 2 {
		t.Errorf("%v, b has %d", err, l.Of("b"))
	}
	if l.Remove("stays"); l.Of("b") != 1 {
		t.Errorf("b has %d", l.Of("b"))
	}
}

func TestRenew(t *testing.T) {
	l := New(3, 100)
	add := func(key string) []string {
		gone, err := l.Add("a", key, Never, start)
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	for _, key := range []string{"1", "2", "3"} {
		add(key)
	}
	l.Prove("1")
	l.Renew("1")
	l.Renew("2")
	l.Renew("absent")
	for key, want := range []string{"3", "1", "2"} {
		if gone := add(fmt.Sprint("new ", key)); !slices.Equal(gone, []string{want}) {
			t.Errorf("%q went, want %s", gone, want)
		}
	}
}

// The ledger agrees with a slow one that looks at everything.
func TestAgainstAModel(t *testing.T) {
	type item struct {
		caller, key string
		proven      bool
	}
	const perCaller, total = 3, 8
	random := rand.New(rand.NewPCG(1, 2))
	l := New(perCaller, total)
	var model []item
	unproven := func(caller string) (n int) {
		for _, i := range model {
			if i.caller == caller && !i.proven {
				n++
			}
		}
		return n
	}
	count := func(caller string) (n int) {
		for _, i := range model {
			if i.caller == caller {
				n++
			}
		}
		return n
	}
	drop := func(key string) { model = slices.DeleteFunc(model, func(i item) bool { return i.key == key }) }
	for n := range 20_000 {
		caller, key := fmt.Sprint("c", random.IntN(5)), fmt.Sprint("k", n)
		switch random.IntN(5) {
		case 2:
			if len(model) > 0 {
				i := random.IntN(len(model))
				model[i].proven = false
				l.Renew(model[i].key)
			}
		case 0:
			if len(model) > 0 {
				i := random.IntN(len(model))
				model[i].proven = true
				l.Prove(model[i].key)
			}
		case 1:
			if len(model) > 0 {
				key := model[random.IntN(len(model))].key
				drop(key)
				l.Remove(key)
			}
		default:
			hadOwn, had, full := unproven(caller), count(caller), len(model) >= total
			most := 0
			for i := range 5 {
				most = max(most, unproven(fmt.Sprint("c", i)))
			}
			gone, err := l.Add(caller, key, []time.Time{start.Add(time.Hour), Never}[n%2], start)
			switch {
			case had >= perCaller && hadOwn == 0:
				if !errors.Is(err, ErrCaller) || len(gone) > 0 {
					t.Fatalf("%d: %v %q", n, err, gone)
				}
				continue
			case had < perCaller && full && most == 0:
				if !errors.Is(err, ErrFull) || len(gone) > 0 {
					t.Fatalf("%d: %v %q", n, err, gone)
				}
				continue
			case err != nil:
				t.Fatalf("%d: %v", n, err)
			}
			for _, key := range gone {
				i := slices.IndexFunc(model, func(i item) bool { return i.key == key })
				if i < 0 || model[i].proven {
					t.Fatalf("%d: %s went, which is proven or not there", n, key)
				}
				owner := model[i].caller
				if had >= perCaller && owner != caller || had < perCaller && unproven(owner) != most {
					t.Fatalf("%d: %s of %s went for %s", n, key, owner, caller)
				}
				drop(key)
			}
			if wantGone := had >= perCaller || full; wantGone != (len(gone) == 1) {
				t.Fatalf("%d: %q went", n, gone)
			}
			model = append(model, item{caller: caller, key: key})
		}
		if l.Len() != len(model) || l.Len() > total {
			t.Fatalf("%d: %d entries, the model has %d", n, l.Len(), len(model))
		}
		for i := range 5 {
			if caller := fmt.Sprint("c", i); l.Of(caller) != count(caller) || l.Of(caller) > perCaller {
				t.Fatalf("%d: %s has %d", n, caller, l.Of(caller))
			}
		}
	}
	expiring := 0
	for _, e := range l.entries {
		if !e.expires.Equal(Never) {
			expiring++
		}
	}
	if expiring != len(l.expiring) || len(l.callers) != len(l.unproven) {
		t.Error("the parts of the ledger disagree")
	}
}

// The cost of an entry doesn't grow with how many there are.
func BenchmarkAddToAFullTable(b *testing.B) {
	for _, size := range []int{100, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := New(10, size)
			for i := range size {
				_, _ = l.Add(fmt.Sprint(i/10), fmt.Sprint("k", i), start.Add(time.Hour), start)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				_, _ = l.Add("flood", fmt.Sprint("f", i), start.Add(time.Hour), start)
			}
		})
	}
}
