// Package quota decides what a server keeps for callers whom it doesn't know
// yet. It is the one place of this rule:
//
//   - Whatever is kept counts against its caller first, and against the whole
//     only after that.
//   - A caller at its limit loses its own oldest unproven entry. Where all its
//     entries are proven, it is refused.
//   - Where everything is full, the caller with the most unproven entries loses
//     its oldest one; of several with as many, the one whose entry is older.
//     Where nothing is unproven, the newcomer is refused.
//   - A proven entry never goes for somebody else's: a person has logged in for
//     it, or a secret was proved.
//
// [Turns] says the same of what is computed: requests of one caller wait for one
// another. A [Ledger] holds keys alone; what they stand for is in the caller's own map
// or file. No call looks at more than a few entries, however many there are:
// nothing is swept on a request's path.
package quota

import (
	"container/heap"
	"container/list"
	"errors"
	"iter"
	"time"
)

// Why an entry is refused.
var (
	ErrCaller = errors.New("this caller keeps as much as one caller may")
	ErrFull   = errors.New("the table is full of proven entries")
)

// Never is when an entry expires that stays until it is removed, or goes for another.
var Never = time.Unix(1<<40, 0)

// Ledger counts entries. It is not safe for use by several goroutines at once:
// it stands under the lock of what it counts.
type Ledger struct {
	perCaller, total int
	added            uint64 // entries so far
	entries          map[string]*entry
	callers          map[string]*account
	expiring         byExpiry
	unproven         byUnproven
}

// New returns a ledger of at most total entries, and at most perCaller for
// each caller.
func New(perCaller, total int) *Ledger {
	return &Ledger{perCaller: perCaller, total: total, entries: map[string]*entry{}, callers: map[string]*account{}}
}

type entry struct {
	key     string
	number  uint64 // a later entry has a larger one
	expires time.Time
	owner   *account
	place   *list.Element // in the owner's unproven; nil once it is proven
	index   int           // in expiring; of no use for one that never expires
}

type account struct {
	caller   string
	count    int
	unproven list.List // of *entry, the oldest first
	index    int       // in unproven
}

// Add counts a new entry of a caller, and returns the keys of those that go
// for it, expired ones among them. If it returns an error, the entry isn't
// counted, but what was returned goes nonetheless. A key that is there already
// is counted anew.
func (l *Ledger) Add(caller, key string, expires, now time.Time) (gone []string, err error) {
	l.Remove(key)
	gone = l.Expire(now)
	if a := l.callers[caller]; a != nil && a.count >= l.perCaller {
		if gone, err = l.evict(a, gone, ErrCaller); err != nil {
			return gone, err
		}
	}
	if len(l.entries) >= l.total {
		var most *account
		if len(l.unproven) > 0 {
			most = l.unproven[0]
		}
		if gone, err = l.evict(most, gone, ErrFull); err != nil {
			return gone, err
		}
	}
	a := l.callers[caller]
	if a == nil {
		a = &account{caller: caller}
		l.callers[caller] = a
		heap.Push(&l.unproven, a)
	}
	l.added++
	e := &entry{key: key, number: l.added, expires: expires, owner: a}
	e.place = a.unproven.PushBack(e)
	a.count++
	l.entries[key] = e
	if !expires.Equal(Never) {
		heap.Push(&l.expiring, e)
	}
	heap.Fix(&l.unproven, a.index)
	return gone, nil
}

// evict removes the oldest unproven entry of an account.
func (l *Ledger) evict(a *account, gone []string, none error) ([]string, error) {
	if a == nil || a.unproven.Len() == 0 {
		return gone, none
	}
	oldest := a.unproven.Front().Value.(*entry)
	l.Remove(oldest.key)
	return append(gone, oldest.key), nil
}

// Prove marks an entry as an honest one, which stays until it expires.
func (l *Ledger) Prove(key string) {
	if e := l.entries[key]; e != nil && e.place != nil {
		e.owner.unproven.Remove(e.place)
		e.place = nil
		heap.Fix(&l.unproven, e.owner.index)
	}
}

// Renew makes an entry unproven and its caller's youngest, as if it were new.
func (l *Ledger) Renew(key string) {
	e := l.entries[key]
	if e == nil {
		return
	}
	unproven := &e.owner.unproven
	if e.place == nil {
		e.place = unproven.PushBack(e)
	}
	unproven.MoveToBack(e.place)
	l.added++
	e.number = l.added
	heap.Fix(&l.unproven, e.owner.index)
}

// Extend changes when an entry expires. Neither date is [Never].
func (l *Ledger) Extend(key string, expires time.Time) {
	if e := l.entries[key]; e != nil {
		e.expires = expires
		heap.Fix(&l.expiring, e.index)
	}
}

// Remove forgets an entry, if it is there.
func (l *Ledger) Remove(key string) {
	e := l.entries[key]
	if e == nil {
		return
	}
	delete(l.entries, key)
	if !e.expires.Equal(Never) {
		heap.Remove(&l.expiring, e.index)
	}
	a := e.owner
	if e.place != nil {
		a.unproven.Remove(e.place)
	}
	if a.count--; a.count == 0 {
		delete(l.callers, a.caller)
		heap.Remove(&l.unproven, a.index)
		return
	}
	heap.Fix(&l.unproven, a.index)
}

// atOnce is how many expired entries one call removes at most, so that a pause
// without requests costs the next one little. It is more than one call adds.
const atOnce = 8

// Expire removes entries that have ended, the oldest first, a few at a time,
// and returns their keys.
func (l *Ledger) Expire(now time.Time) (gone []string) {
	for len(l.expiring) > 0 && len(gone) < atOnce && !l.expiring[0].expires.After(now) {
		gone = append(gone, l.expiring[0].key)
		l.Remove(l.expiring[0].key)
	}
	return gone
}

// Len is the number of entries, those of one caller if it is named.
func (l *Ledger) Len() int { return len(l.entries) }

// Has reports whether an entry is counted.
func (l *Ledger) Has(key string) bool { return l.entries[key] != nil }

// Of is the number of a caller's entries.
func (l *Ledger) Of(caller string) int {
	if a := l.callers[caller]; a != nil {
		return a.count
	}
	return 0
}

// Unproven are the keys of a caller's unproven entries, the oldest first. The
// ledger must not change meanwhile.
func (l *Ledger) Unproven(caller string) iter.Seq[string] {
	return func(yield func(string) bool) {
		a := l.callers[caller]
		if a == nil {
			return
		}
		for e := a.unproven.Front(); e != nil && yield(e.Value.(*entry).key); e = e.Next() {
		}
	}
}

// byExpiry has the entry first that ends first.
type byExpiry []*entry

func (h byExpiry) Len() int           { return len(h) }
func (h byExpiry) Less(i, j int) bool { return h[i].expires.Before(h[j].expires) }
func (h byExpiry) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *byExpiry) Push(x any) {
	e := x.(*entry)
	e.index = len(*h)
	*h = append(*h, e)
}
func (h *byExpiry) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}

// byUnproven has the account first that has the most unproven entries, and of
// several with as many the one whose first is the oldest.
type byUnproven []*account

func (h byUnproven) Len() int { return len(h) }
func (h byUnproven) Less(i, j int) bool {
	a, b := &h[i].unproven, &h[j].unproven
	if a.Len() != b.Len() || a.Len() == 0 {
		return a.Len() > b.Len()
	}
	return a.Front().Value.(*entry).number < b.Front().Value.(*entry).number
}
func (h byUnproven) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *byUnproven) Push(x any) {
	a := x.(*account)
	a.index = len(*h)
	*h = append(*h, a)
}
func (h *byUnproven) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
