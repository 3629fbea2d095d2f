package quota

import (
	"context"
	"errors"
	"testing"
	"time"
)

// WD7: requests of one caller wait for one another, and for nobody else's.
func TestWD7_Turns(t *testing.T) {
	turns := NewTurns(2)
	var taken []func(time.Duration)
	for range 2 {
		done, err := turns.Take(t.Context(), "busy")
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, done)
	}
	third := make(chan func(time.Duration))
	go func() {
		done, _ := turns.Take(t.Context(), "busy")
		third <- done
	}()
	done, err := turns.Take(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	done(0)
	hangUp, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.Take(hangUp, "busy"); !errors.Is(err, context.Canceled) {
		t.Errorf("a fourth request, whose caller hung up: %v", err)
	}
	select {
	case <-third:
		t.Error("a third request had its turn at the same time")
	default:
	}
	taken[0](0)
	(<-third)(0)
	taken[1](0)
	if done, err = turns.Take(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	done(time.Hour)
	if done, err = turns.Take(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	if _, err := turns.Take(hangUp, "slow"); err == nil {
		t.Error("a turn that is kept was given to another")
	}
	done(0)
	if len(turns.callers) != 1 {
		t.Errorf("%d callers are remembered, want the one that keeps a turn", len(turns.callers))
	}
}
