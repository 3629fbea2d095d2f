package main

import (
	"math/rand/v2"
	"slices"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/performance"
)

// connections is how many calls are on their way at a time.
const connections = 8

// sideBySide loads every server in both revisions, in each round in another order.
func sideBySide(s *stage, r *performance.Record) error {
	rounds, slot := 25, 300*time.Millisecond
	if *short {
		rounds, slot = 2, 100*time.Millisecond
	}
	var loads []load
	others, err := foreign(s, r)
	if err != nil {
		return err
	}
	all := append(slices.Clone(specs), others...)
	for _, p := range all {
		c, err := s.start(p)
		if err != nil {
			return err
		}
		defer c.stop()
		for _, w := range p.asked() {
			loads = append(loads, load{contestant: c, wire: w, connections: connections, long: slot})
		}
	}
	defer keepAway()()
	found := map[string]map[string]performance.Rounds{}
	for round := range rounds + 1 {
		rand.Shuffle(len(loads), func(i, j int) { loads[i], loads[j] = loads[j], loads[i] })
		for _, l := range loads {
			got, err := l.run(s.ctx)
			if err == nil {
				err = s.ctx.Err()
			}
			if err != nil {
				return err
			}
			if found[l.name] == nil {
				found[l.name] = map[string]performance.Rounds{}
			}
			if round > 0 { // the first is to warm up
				of := found[l.name][l.wire.revision]
				of.PerSecond, of.CPU = append(of.PerSecond, got.perSecond), append(of.CPU, got.cpu)
				found[l.name][l.wire.revision] = of
			}
		}
	}
	r.Rounds, r.Slot, r.Connections, r.Servers = rounds, slot.Seconds(), connections, nil
	for _, p := range all {
		r.Servers = append(r.Servers, performance.Server{Name: p.name, Wires: found[p.name]})
	}
	return nil
}
