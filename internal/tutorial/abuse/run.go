package abuse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

// Record is a recorded run of all floods.
type Record struct {
	Machine Machine `json:"machine"`
	Seconds float64 `json:"seconds"` // of each flood
	Runs    []Run   `json:"runs"`    // the first one undisturbed
}

// Run is what one flood did, and what honest users noticed.
type Run struct {
	Flood  string           `json:"flood"` // empty: the undisturbed run
	Sent   Sent             `json:"sent"`
	Honest map[string]Times `json:"honest"` // by operation
	Failed int              `json:"failed"` // honest requests
	Again  int              `json:"again"`  // honest requests that were sent again
	Why    []string         `json:"why,omitempty"`
	Step9  int              `json:"step9"` // peak memory, in bytes
	Step10 int              `json:"step10"`
}

const floodsFile = "floods.json"

// ReadRecord reads the recorded run.
func ReadRecord(root string) (Record, error) { return recorded.Read[Record](file(root, floodsFile)) }

// try lets honest users work for some time, under a flood or undisturbed, against
// servers that were just started.
func (p Programs) try(folder string, f *Flood, long time.Duration) (r Run, err error) {
	w, err := p.Start(folder, Options{Proxied: f != nil && f.Proxied})
	if err != nil {
		return r, err
	}
	defer w.Stop()
	all := newUsers(w)
	if f != nil && f.SameAddress {
		all.from = sharedAddress
	}
	if err := all.arrive(); err != nil {
		return r, err
	}
	var attacker *child
	if f != nil {
		r.Flood = f.ID
		if attacker, err = startChild("flood", f.ID, w.Issuer, w.MCP, w.bad.URL); err != nil {
			return r, err
		}
		defer attacker.kill()
	}
	ctx, end := context.WithTimeout(context.Background(), long)
	defer end()
	all.work(ctx)
	if attacker != nil {
		if err := attacker.end(&r.Sent); err != nil {
			return r, err
		}
	}
	r.Honest, r.Failed, r.Again, r.Why = all.times(), len(all.failed), all.again, distinct(all.failed)
	return r, r.measure(w)
}

func (r *Run) measure(w *World) error {
	step9, err := used(w.Step9)
	if err != nil {
		return fmt.Errorf("step 9 has ended: %w", err)
	}
	step10, err := used(w.Step10)
	r.Step9, r.Step10 = step9.peak, step10.peak
	return err
}

// distinct are the different ones of some texts, a few of them.
func distinct(texts []string) []string {
	texts = slices.Compact(slices.Sorted(slices.Values(texts)))
	return texts[:min(len(texts), 3)]
}

// Wrong is what is wrong with a run, whatever it took.
func (r *Run) Wrong() (wrong []string) {
	f := find(r.Flood)
	if f == nil {
		f = &Flood{}
	}
	if r.Failed > 0 && !f.SameAddress {
		wrong = append(wrong, fmt.Sprintf("%d honest requests failed, such as: %s", r.Failed, r.Why))
	}
	all := 0
	for _, operation := range Operations {
		all += r.Honest[operation].Count
		if r.Honest[operation].Count == 0 && !f.SameAddress {
			wrong = append(wrong, "no honest user could "+operation)
		}
	}
	if !f.SameAddress {
		wrong = append(wrong, tooManyAgain(r.Again, all)...)
	}
	if r.Step9+r.Step10 > MaxMemory {
		wrong = append(wrong, fmt.Sprintf("the servers used %d MB", (r.Step9+r.Step10)>>20))
	}
	for _, answer := range slices.Sorted(maps.Keys(r.Sent.Answers)) {
		if f.passed(answer) {
			wrong = append(wrong, "the flood was answered with "+answer)
		}
	}
	return wrong
}

// Ratio is how much longer an operation took than undisturbed.
func (r *Record) Ratio(run *Run, operation string) float64 {
	undisturbed := r.Runs[0].Honest[operation].Median
	if undisturbed == 0 {
		return 0
	}
	return run.Honest[operation].Median / undisturbed
}
