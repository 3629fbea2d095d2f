package abuse

import (
	"os"
	"runtime"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/recorded"
)

func TestMain(m *testing.M) {
	if Child() {
		return
	}
	os.Exit(m.Run())
}

// form is how long the tests run: not at all, short (as in CI), or as the records
// were made.
func form(t *testing.T) (short bool) {
	t.Helper()
	switch os.Getenv("ABUSE") {
	case "short":
		short = true
	case "all":
	default:
		t.Skip("it takes minutes: set ABUSE=short or ABUSE=all")
	}
	if runtime.GOOS != "linux" {
		t.Skip("other systems have no addresses of loopback besides one, or no /proc")
	}
	return short
}

func build(t *testing.T, flags ...string) (root string, p Programs) {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	if p, err = Build(t.Context(), root, t.TempDir(), flags...); err != nil {
		t.Fatal(err)
	}
	return root, p
}

// Each flood, at full speed of one core. It fails where an honest request is
// lost, where the flood gets what it must not get, and for memory; never for time.
func TestFloods(t *testing.T) {
	long, short := 5*time.Second, form(t)
	if short {
		long = time.Second
	}
	root, programs := build(t)
	record := Record{Machine: ThisMachine(), Seconds: long.Seconds()}
	folder := t.TempDir()
	try := func(name string, f *Flood) {
		t.Run(name, func(t *testing.T) {
			run, err := programs.try(folder, f, long)
			if err != nil {
				t.Fatal(err)
			}
			record.Runs = append(record.Runs, run)
			for _, wrong := range run.Wrong() {
				t.Error(wrong)
			}
			if ratio := record.Ratio(&run, login); !short && ratio > MaxRatio && (f == nil || !f.SameAddress) {
				t.Errorf("a login took %.1f times as long as undisturbed", ratio)
			}
			t.Logf("login ×%.1f, %v, %d sent, %v, step 9 %d MB, step 10 %d MB",
				record.Ratio(&run, login), run.Honest, run.Sent.Requests, run.Sent.Answers, run.Step9>>20, run.Step10>>20)
		})
	}
	try("undisturbed", nil)
	for i := range Floods {
		try(Floods[i].ID, &Floods[i])
	}
	if !short && len(record.Runs) == len(Floods)+1 {
		if err := recorded.Write(file(root, floodsFile), record); err != nil {
			t.Fatal(err)
		}
	}
}

// A long mixed load: a minute of it, or as long as SOAK says, which is recorded.
func TestSoak(t *testing.T) {
	form(t)
	long, each := time.Minute, time.Second
	asked, err := time.ParseDuration(os.Getenv("SOAK"))
	if err == nil {
		long, each = asked, 3*time.Second
	}
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	flags, err := CountingFlags(root, folder)
	if err != nil {
		t.Fatal(err)
	}
	_, programs := build(t, flags...)
	soak, err := programs.soak(folder, long, each)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range soak.Wrong() {
		t.Error(wrong)
	}
	t.Logf("%d honest requests, %d sent again, %d bad ones, idle before %v, after %v", soak.Good, soak.Again, soak.Bad, soak.Idle["before"], soak.Idle["after"])
	if asked > 0 {
		if err := recorded.Write(file(root, soakFile), soak); err != nil {
			t.Fatal(err)
		}
	}
}

// The recorded soak holds what the page promises.
func TestTheRecordedSoak(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	soak, err := ReadSoak(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range soak.Wrong() {
		t.Error(wrong)
	}
}

// The record holds what the page promises: no honest request failed, and the memory
// is bounded. How long logins took depends on what else the machine did; the run
// that records it fails where it was too long.
func TestWD1_WD2_WD3_WD4_WD5_WD6_WD7_WD8_TheRecordedFloods(t *testing.T) {
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	record, err := ReadRecord(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(record.Runs) != len(Floods)+1 {
		t.Fatalf("it has %d runs, want %d: run make abuse", len(record.Runs), len(Floods)+1)
	}
	for i := range record.Runs {
		run := &record.Runs[i]
		for _, wrong := range run.Wrong() {
			t.Errorf("%s: %s", run.Flood, wrong)
		}
	}
}
