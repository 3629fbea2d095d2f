package pictures

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
)

var update = flag.Bool("update", false, "draw the pictures anew")

func all(t *testing.T) (root string, drawn []Picture) {
	t.Helper()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	if drawn, err = All(root); err != nil {
		t.Fatal(err)
	}
	return root, drawn
}

// The files of the pictures are what the code draws, and there are no others.
func TestPicturesAreUpToDate(t *testing.T) {
	root, drawn := all(t)
	var known []string
	for _, p := range drawn {
		for name, want := range p.Files() {
			known = append(known, filepath.Join(root, filepath.FromSlash(name)))
			refresh(t, filepath.Join(root, filepath.FromSlash(name)), want)
		}
	}
	found, err := filepath.Glob(filepath.Join(root, Folder, "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if !slices.Contains(known, file) {
			t.Errorf("%s is drawn by nothing: remove it", file)
		}
	}
}

// refresh compares a file with its picture, or writes it.
func refresh(t *testing.T, file, want string) {
	t.Helper()
	got, err := os.ReadFile(file)
	switch {
	case err == nil && string(got) == want:
	case *update:
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(want), 0o644)); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what the code draws; run make docs (%v)", file, err)
	}
}

// No text is cut off or runs into another, and every picture has words for those
// who can't see it.
func TestPicturesCanBeRead(t *testing.T) {
	_, drawn := all(t)
	for _, p := range drawn {
		for _, problem := range p.canvas.problems() {
			t.Errorf("%s: %s", p.Name, problem)
		}
		if len(p.Title) < 10 || len(p.Says) < 40 {
			t.Errorf("%s: the alternative text says too little: %q, %q", p.Name, p.Title, p.Says)
		}
		for name, svg := range p.Files() {
			if err := wellFormed(svg); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func wellFormed(text string) error {
	for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// What the check of the texts is for, it finds.
func TestProblemsAreFound(t *testing.T) {
	for name, draw := range map[string]func(c *canvas){
		"too wide": func(c *canvas) { c.line(margin, 40, "start", "", strings.Repeat("word ", 20)) },
		"left":     func(c *canvas) { c.line(20, 40, "middle", "", "some words") },
		"box":      func(c *canvas) { c.box(20, 20, 100, 40, "card"); c.line(70, 40, "middle", "", "as wide as its box") },
		"overlap":  func(c *canvas) { c.line(40, 40, "start", "", "some"); c.line(60, 44, "start", "code", "more") },
	} {
		c := &canvas{}
		draw(c)
		if got := c.problems(); len(got) != 1 {
			t.Errorf("%s: %q", name, got)
		}
	}
	c := &canvas{}
	c.lines(margin, 40, "start", "", "two\nlines, and `code`")
	if got := c.problems(); got != nil {
		t.Errorf("got %q", got)
	}
}

// The guard of step 1 is around every route, also around those that need no token.
func TestTheGuardIsAroundEveryRoute(t *testing.T) {
	_, drawn := all(t)
	for _, p := range drawn {
		if !strings.HasPrefix(p.Name, "layers-") {
			continue
		}
		guard := slices.IndexFunc(p.canvas.texts, func(text placed) bool { return text.text == rings["originguard.Protect"] })
		health := slices.IndexFunc(p.canvas.texts, func(text placed) bool { return text.text == "/health" })
		if guard < 0 || health < 0 || !slices.ContainsFunc(p.canvas.boxes, func(box placed) bool {
			return p.canvas.texts[guard].in(box) && p.canvas.texts[health].in(box)
		}) {
			t.Errorf("%s shows /health outside of the guard", p.Name)
		}
	}
}
