package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/performance"
)

// profiler is a file that writes a CPU profile of some seconds. The programs
// themselves have none.
const profiler = `package main

import (
	"os"
	"runtime/pprof"
	"time"
)

func init() {
	name := os.Getenv("BENCH_PROFILE")
	long, err := time.ParseDuration(os.Getenv("BENCH_PROFILE_FOR"))
	if name == "" || err != nil {
		return
	}
	file, err := os.Create(name)
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		panic(err)
	}
	go func() {
		time.Sleep(long)
		pprof.StopCPUProfile()
		_ = file.Close()
		_ = os.Rename(name, name+".done")
	}()
}
`

// profiles records where the time of a call goes, by whose code it is.
func profiles(s *stage, r *performance.Record) error {
	r.Profiles = nil
	for _, name := range []string{performance.Step(4), performance.Step(8), performance.Step(10), performance.MCPGo, performance.GoSDKJWT} {
		p := specOf(name)
		if err := s.buildWith(&p, "profiler", profiler); err != nil {
			return err
		}
		for _, w := range wires {
			found, err := s.profile(p, w)
			if err != nil {
				return err
			}
			r.Profiles = append(r.Profiles, found)
		}
	}
	return nil
}

func (s *stage) profile(p spec, w wire) (found performance.Profile, err error) {
	file := s.path("cpu.pprof")
	_ = os.Remove(file + ".done")
	seconds := 4 * long() // in a virtual machine, samples can be few
	l := load{wire: w, connections: connections, long: seconds + time.Second/2}
	c, err := s.start(p, "BENCH_PROFILE="+file, "BENCH_PROFILE_FOR="+seconds.String())
	if err != nil {
		return found, err
	}
	defer c.stop()
	l.contestant = c
	back := keepAway()
	_, err = l.run(s.ctx)
	back()
	if err != nil {
		return found, err
	}
	for range 100 {
		if _, err = os.Stat(file + ".done"); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return found, err
	}
	traces, err := s.output(exec.Command("go", "tool", "pprof", "-traces", p.command[0], file+".done"))
	if err != nil {
		return found, err
	}
	found = performance.Profile{Server: p.name, Wire: w.revision, Shares: shares(traces)}
	if len(found.Shares) == 0 && !*short {
		return found, fmt.Errorf("the profile of %s has no samples", p.name)
	}
	return found, nil
}

// shares adds up the samples of a profile by their owners, in percent.
func shares(traces string) map[string]float64 {
	byOwner, total := map[string]float64{}, 0.0
	for _, trace := range strings.Split(traces, "-----------+")[1:] {
		var took time.Duration
		var frames []string
		for line := range strings.Lines(trace) {
			words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), " (inline)"))
			switch len(words) {
			case 2:
				if d, err := time.ParseDuration(words[0]); err == nil {
					took, frames = d, append(frames, words[1])
				}
			case 1:
				frames = append(frames, words[0])
			}
		}
		if took > 0 {
			byOwner[performance.Owner(frames)] += took.Seconds()
			total += took.Seconds()
		}
	}
	for owner, seconds := range byOwner {
		byOwner[owner] = round(100 * seconds / total)
	}
	return byOwner
}
