package main

import (
	"os"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/performance"
)

// starts measures how long servers take to start, and what they use before and
// after a load.
func starts(s *stage, r *performance.Record) error {
	times := 15
	if *short {
		times = 1
	}
	others, err := s.theOriginal()
	if err != nil {
		return err
	}
	var all []spec
	for _, name := range []string{performance.Step(4), performance.Step(8), performance.Step(10), performance.MCPGoJWT, performance.GoSDKJWT} {
		all = append(all, specOf(name))
	}
	r.Starts = nil
	for _, p := range append(all, others...) {
		found := performance.Start{Server: p.name}
		for range times {
			took, err := s.firstAnswer(p, &found)
			if err != nil {
				return err
			}
			found.First = append(found.First, took)
		}
		switch {
		case p.program == "":
			found.Build = s.installed
		case !*short && (p.program == "step10" || p.program == "gosdk"):
			if found.Build, err = s.coldBuild(p.program); err != nil {
				return err
			}
		}
		if info, err := os.Stat(s.path(p.program)); err == nil && p.program != "" {
			found.Size = round(float64(info.Size()) / (1 << 20))
		}
		r.Starts = append(r.Starts, found)
	}
	return nil
}

// firstAnswer starts a server, calls it once, loads it and stops it. It returns
// the ms until the first answer.
func (s *stage) firstAnswer(p spec, found *performance.Start) (float64, error) {
	if err := s.build(p.program); err != nil {
		return 0, err
	}
	defer keepAway()()
	c, err := s.start(p)
	if err != nil {
		return 0, err
	}
	defer c.stop()
	asked := p.asked()
	l := load{contestant: c, wire: asked[len(asked)-1], connections: 1, long: time.Minute, only: 1}
	if _, err := l.run(s.ctx); err != nil {
		return 0, err
	}
	took := float64(time.Since(c.began).Microseconds()) / 1000
	if found.Idle == 0 {
		found.Idle = c.memory()
		l.connections, l.long, l.only = connections, long(), 0
		if _, err := l.run(s.ctx); err != nil {
			return 0, err
		}
		found.Loaded = c.memory()
	}
	return took, nil
}

// coldBuild is how many seconds a build takes that has no cache.
func (s *stage) coldBuild(program string) (float64, error) {
	cache := s.path("cache-" + program)
	folder, pkg := s.source(program)
	began := time.Now()
	err := s.in(folder, "env", "GOCACHE="+cache, "go", "build", "-o", s.path("cold-"+program), pkg)
	took := time.Since(began).Seconds()
	_ = os.RemoveAll(cache)
	return round(took), err
}
