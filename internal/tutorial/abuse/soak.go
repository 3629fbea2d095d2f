package abuse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/mutation"
	"mcp-auth-step-by-step/internal/tutorial/program"
	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

// Soak is a recorded run of mixed good and bad load.
type Soak struct {
	Machine Machine        `json:"machine"`
	Seconds int            `json:"seconds"`
	Good    int            `json:"good"` // honest requests
	Failed  int            `json:"failed"`
	Again   int            `json:"again"`  // honest requests that were sent again
	Bad     int            `json:"bad"`    // requests of floods
	Passed  int            `json:"passed"` // of them, answered as if they were good
	Samples []Sample       `json:"samples"`
	Idle    map[string]Use `json:"idle"` // "before" and "after": of both servers, without load

	why []string
}

// Sample is what the servers use at a time.
type Sample struct {
	At     float64 `json:"at"` // seconds from the beginning
	Step9  Use     `json:"step9"`
	Step10 Use     `json:"step10"`
}

// Use is what a server uses.
type Use struct {
	Memory     int `json:"memory"` // MB
	Goroutines int `json:"goroutines"`
	Files      int `json:"files"`
}

const soakFile = "soak.json"

// ReadSoak reads the recorded run.
func ReadSoak(root string) (Soak, error) { return recorded.Read[Soak](file(root, soakFile)) }

// counter is a file that a soak adds to the programs: it writes down how many
// goroutines there are. The programs themselves don't show it to anybody.
const counter = `package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

func init() {
	name := filepath.Join(os.Getenv("` + counterVariable + `"), filepath.Base(os.Args[0])+".goroutines")
	go func() {
		for range time.Tick(200 * time.Millisecond) {
			_ = os.WriteFile(name, []byte(strconv.Itoa(runtime.NumGoroutine())), 0o600)
		}
	}()
}
`

const counterVariable = "ABUSE_COUNTER"

// CountingFlags are flags of go build that add the counter to both programs.
func CountingFlags(root, folder string) ([]string, error) {
	overlay, err := mutation.Overlay(root, folder, map[string]string{"cmd/step9/counter.go": counter, "cmd/step10/counter.go": counter})
	return []string{"-overlay", overlay}, err
}

// soaker runs a soak.
type soaker struct {
	*World
	folder string
	begun  time.Time
	Soak
}

// soak lets honest users work for some time, while one flood follows the other.
func (p Programs) soak(folder string, long, each time.Duration) (Soak, error) {
	w, err := p.Start(folder, Options{Env: []string{counterVariable + "=" + folder}, State: filepath.Join(folder, "state.db")})
	if err != nil {
		return Soak{}, err
	}
	defer w.Stop()
	s := &soaker{World: w, folder: folder, Soak: Soak{Machine: ThisMachine(), Seconds: int(long.Seconds()), Idle: map[string]Use{}}}
	all := newUsers(w)
	all.pause, all.rarely = 300*time.Millisecond, true
	if err := all.arrive(); err != nil {
		return s.Soak, err
	}
	for i := range Floods {
		if err := s.send(&Floods[i], each/4); err != nil {
			return s.Soak, err
		}
	}
	if s.Idle["before"], err = s.idle(); err != nil {
		return s.Soak, err
	}
	s.Bad, s.Samples, s.begun = 0, nil, time.Now()
	ctx, end := context.WithTimeout(context.Background(), long)
	defer end()
	working := make(chan struct{})
	go func() {
		defer close(working)
		all.work(ctx)
	}()
	if err := s.mixed(ctx, each); err != nil {
		return s.Soak, err
	}
	<-working
	s.Idle["after"], err = s.idle()
	for _, times := range all.times() {
		s.Good += times.Count
	}
	s.Failed, s.Again, s.why = len(all.failed), all.again, append(s.why, distinct(all.failed)...)
	return s.Soak, err
}

// mixed sends one flood after the other until a context ends.
func (s *soaker) mixed(ctx context.Context, each time.Duration) error {
	for n := 0; ctx.Err() == nil; n++ {
		if err := s.send(&Floods[n%len(Floods)], each); err != nil {
			return err
		}
	}
	return nil
}

// send sends a flood for some time, and looks at the servers before it ends.
func (s *soaker) send(f *Flood, long time.Duration) error {
	if f.SameAddress || f.Proxied {
		return nil
	}
	c, err := startChild("flood", f.ID, s.Issuer, s.MCP, s.bad.URL)
	if err != nil {
		return err
	}
	time.Sleep(long)
	if err := s.sample(); err != nil {
		return err
	}
	var sent Sent
	if err := c.end(&sent); err != nil {
		return err
	}
	s.Bad += sent.Requests
	for answer, count := range sent.Answers {
		if f.passed(answer) {
			s.Passed += count
			s.why = append(s.why, fmt.Sprintf("%s: %d times %s", f.ID, count, answer))
		}
	}
	return nil
}

func (s *soaker) sample() error {
	step9, step10, err := s.use()
	s.Samples = append(s.Samples, Sample{time.Since(s.begun).Round(100 * time.Millisecond).Seconds(), step9, step10})
	return err
}

func (s *soaker) use() (step9, step10 Use, err error) {
	if step9, err = s.useOf("step9", s.Step9); err == nil {
		step10, err = s.useOf("step10", s.Step10)
	}
	return step9, step10, err
}

func (s *soaker) useOf(name string, running *program.Program) (Use, error) {
	u, err := used(running)
	if err != nil {
		return Use{}, err
	}
	text, err := os.ReadFile(filepath.Join(s.folder, name+".goroutines"))
	if err != nil {
		return Use{}, err
	}
	goroutines, _ := strconv.Atoi(strings.TrimSpace(string(text))) // 0 while it is being written
	return Use{u.memory >> 20, goroutines, u.files}, nil
}

// idle is the least that both servers use together, once nobody asks them anything.
func (s *soaker) idle() (least Use, err error) {
	for n := range 32 { // connections that say nothing are closed after five seconds
		time.Sleep(250 * time.Millisecond)
		step9, step10, err := s.use()
		if err != nil {
			return least, err
		}
		if step9.Goroutines == 0 || step10.Goroutines == 0 {
			continue
		}
		now := Use{step9.Memory + step10.Memory, step9.Goroutines + step10.Goroutines, step9.Files + step10.Files}
		if n == 0 || least.Goroutines == 0 {
			least = now
		}
		least = Use{min(least.Memory, now.Memory), min(least.Goroutines, now.Goroutines), min(least.Files, now.Files)}
	}
	return least, nil
}

// Wrong is what is wrong with a soak.
func (s *Soak) Wrong() (wrong []string) {
	if s.Failed > 0 || s.Good == 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d honest requests failed: %s", s.Failed, s.Good, s.why))
	}
	wrong = append(wrong, tooManyAgain(s.Again, s.Good)...)
	if s.Passed > 0 || s.Bad == 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d bad requests passed: %s", s.Passed, s.Bad, s.why))
	}
	before, after := s.Idle["before"], s.Idle["after"]
	if after.Goroutines > before.Goroutines+8 || after.Files > before.Files+8 {
		wrong = append(wrong, fmt.Sprintf("without load there are %d goroutines and %d descriptors, and there were %d and %d",
			after.Goroutines, after.Files, before.Goroutines, before.Files))
	}
	for _, sample := range s.Samples {
		if memory := sample.Step9.Memory + sample.Step10.Memory; memory > MaxMemory>>20 {
			wrong = append(wrong, fmt.Sprintf("after %.0f s the servers used %d MB", sample.At, memory))
		}
	}
	// A leak shows between the second and the last third; in the first one caches fill.
	third := len(s.Samples) / 3
	if third >= 20 {
		if middle, last := mean(s.Samples[third:2*third]), mean(s.Samples[2*third:]); last > 1.25*middle {
			wrong = append(wrong, fmt.Sprintf("memory grew from %.0f to %.0f MB", middle, last))
		}
	}
	return wrong
}

func mean(samples []Sample) float64 {
	total := 0
	for _, s := range samples {
		total += s.Step9.Memory + s.Step10.Memory
	}
	return float64(total) / float64(len(samples))
}

// SoakSummary says what came of the recorded run.
func SoakSummary(root string) (string, error) {
	s, err := ReadSoak(root)
	if err != nil {
		return "", err
	}
	before, after := s.Idle["before"], s.Idle["after"]
	return fmt.Sprintf("Recorded on %s: %d seconds, %d honest requests, of which %d failed, and %d bad ones, of which %d passed. "+
		"Without load, both servers together have %d goroutines and %d descriptors; before, they had %d and %d.\n",
		s.Machine, s.Seconds, s.Good, s.Failed, s.Bad, s.Passed, after.Goroutines, after.Files, before.Goroutines, before.Files), nil
}
