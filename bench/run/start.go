package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
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
	r.Starts = nil
	for _, name := range []string{performance.Step(4), performance.Step(8), performance.Step(10), performance.MCPGoJWT, performance.GoSDKJWT} {
		p := specOf(name)
		found := performance.Start{Server: name}
		for range times {
			took, err := s.firstAnswer(p, &found)
			if err != nil {
				return err
			}
			found.First = append(found.First, took)
		}
		info, err := os.Stat(s.path(p.program))
		if err != nil {
			return err
		}
		found.Size = round(float64(info.Size()) / (1 << 20))
		if !*short && (p.program == "step10" || p.program == "gosdk") {
			if found.Build, err = s.coldBuild(p.program); err != nil {
				return err
			}
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
	c, err := s.launch(p)
	if err != nil {
		return 0, err
	}
	defer c.stop()
	defer keepAway()()
	l := load{contestant: c, wire: wires[1], connections: 1, long: time.Minute, only: 1}
	for {
		conn, err := net.Dial("tcp", c.addr)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Since(c.began) > 30*time.Second || s.ctx.Err() != nil {
			return 0, fmt.Errorf("%s doesn't listen: %s", p.name, c.output)
		}
		time.Sleep(200 * time.Microsecond)
	}
	if _, err := l.run(s.ctx); err != nil {
		return 0, err
	}
	took := float64(time.Since(c.began).Microseconds()) / 1000
	if found.Idle == 0 {
		found.Idle = round(float64(c.status("VmRSS")) / (1 << 20))
		l.connections, l.long, l.only = connections, long(), 0
		if _, err := l.run(s.ctx); err != nil {
			return 0, err
		}
		found.Loaded = round(float64(c.status("VmRSS")) / (1 << 20))
	}
	return took, nil
}

// coldBuild is how many seconds a build takes that has no cache.
func (s *stage) coldBuild(program string) (float64, error) {
	cache := s.path("cache-" + program)
	folder, pkg := s.root, "./cmd/"+program
	if program == "gosdk" {
		folder, pkg = s.peers(), "./"+program
	}
	began := time.Now()
	err := goBuild(s, folder, pkg, filepath.Join(s.scratch, "cold-"+program), "GOCACHE="+cache)
	took := time.Since(began).Seconds()
	_ = os.RemoveAll(cache)
	return round(took), err
}
