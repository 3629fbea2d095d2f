package pages

import (
	"context"
	"os"
	"path/filepath"

	"mcp-auth-step-by-step/internal/tutorial/issuercheck"
)

// environment shows an environment file of a provider.
func (w *Writer) environment(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(w.root, "providers", filepath.Base(name)))
	return fence("sh", string(text)), err
}

// issuerReport is what check issuer prints for a provider's document.
func issuerReport(name string) (string, error) {
	report, err := issuercheck.RunFixture(context.Background(), name)
	if err != nil {
		return "", err
	}
	return fence("text", report.Text()), nil
}
