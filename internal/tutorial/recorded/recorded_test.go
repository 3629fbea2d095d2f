package recorded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

type row struct {
	Name string `json:"name"`
	Took int    `json:"took"`
}

// New rows take the place of those of their key, in the order of keys, a line each. A key
// that isn't there any more goes.
func TestReplace(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "rows.json")
	key := func(r row) string { return r.Name }
	for _, rows := range [][]row{{{"b", 1}, {"old", 1}, {"c", 1}}, {{"c", 2}, {"a", 2}}} {
		if err := Replace(name, rows, key, []string{"a", "b", "c", rows[1].Name}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(name)
	want := "[\n{\"name\":\"a\",\"took\":2},\n{\"name\":\"b\",\"took\":1},\n{\"name\":\"c\",\"took\":2}\n]\n"
	if err != nil || string(text) != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
}

// What was written is read again. A member that nobody reads is an error.
func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "record.json")
	if _, err := Read[row](name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if err := Write(name, row{"a", 1}); err != nil {
		t.Fatal(err)
	}
	if got, err := Read[row](name); err != nil || got != (row{"a", 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := Read[struct{ Name string }](name); err == nil {
		t.Error("a member without a field was read")
	}
}
