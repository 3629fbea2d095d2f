package abuse

import (
	"os"
	"runtime"
	"testing"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
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
	long, short := 8*time.Second, form(t)
	if short {
		long = 1500 * time.Millisecond
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
			t.Logf("login ×%.1f, %v, %d sent, %v, step 9 %d MB, step 10 %d MB", record.Ratio(&run, login), run.Honest, run.Sent.Requests, run.Sent.Answers,
				run.Step9>>20, run.Step10>>20)
		})
	}
	try("undisturbed", nil)
	for i := range Floods {
		try(Floods[i].ID, &Floods[i])
	}
	if !short && len(record.Runs) == len(Floods)+1 {
		if err := write(root, floodsFile, record); err != nil {
			t.Fatal(err)
		}
	}
}
