package plaintext

import "testing"

func TestLineAndLines(t *testing.T) {
	for text, want := range map[string]struct{ line, lines string }{
		"Grüße, 世界 🙂":           {"Grüße, 世界 🙂", "Grüße, 世界 🙂"},
		"a\nb\tc\r\n":           {"a b c  ", "a\nb\tc\n"},
		"\x1b[2Jred\x07":        {"[2Jred", "[2Jred"},
		"gpj.\u202egnp.exe":     {"gpj.gnp.exe", "gpj.gnp.exe"},
		"a\u200bb\u2028c\u2029": {"abc", "abc"},
		"a\u00a0b\ufeff":        {"ab", "ab"},
		"\xff\ue000":            {"", ""},
	} {
		if got := Line(text); got != want.line {
			t.Errorf("Line(%q) = %q", text, got)
		}
		if got := Lines(text); got != want.lines {
			t.Errorf("Lines(%q) = %q", text, got)
		}
		if Clean(text) != (text == want.line) {
			t.Errorf("Clean(%q)", text)
		}
	}
}
