package tour

import (
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/program"
)

// T13: a pasted token is checked, and is then in no log, no page and no file.
func TestT13_APastedTokenIsKeptNowhere(t *testing.T) {
	s, _ := start(t)
	log := &program.Buffer{}
	s.Close()
	s.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	client := visitor(t, s)
	const signature = "c2lnbmF0dXJlLW9mLWEtc2VjcmV0LXRva2Vu"
	token := "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJzdWIiOiJhbGljZSJ9." + signature
	status, body := submit(t, s, client, "/check/token", url.Values{"token": {"Authorization: Bearer " + token}})
	if status != http.StatusOK || !strings.Contains(body, "https://id.example") {
		t.Errorf("status %d\n%s", status, body)
	}
	if strings.Contains(body, signature) || strings.Contains(log.String(), signature) {
		t.Error("the token is in the page or in the log")
	}
	if log.String() == "" {
		t.Error("nothing was logged, so this shows nothing")
	}
	err := filepath.WalkDir(s.Programs.Dir(), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), signature) {
			t.Errorf("the token is in %s", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if status, _ := send(t, client, "GET", s.URL()+"/check/token?token="+token, nil); status != http.StatusNotFound {
		t.Errorf("by GET: status %d", status)
	}
	for _, wrong := range []string{"", "two words", strings.Repeat("a", maxToken+1)} {
		if _, body := submit(t, s, client, "/check/token", url.Values{"token": {wrong}}); !strings.Contains(body, "note bad") {
			t.Errorf("%.20q: no problem is shown", wrong)
		}
	}
}

// T14: the check of an issuer takes the URLs that step 10 takes, and asks no other.
func TestT14_OnlyIssuersAreAsked(t *testing.T) {
	for _, issuer := range []string{"", "nonsense", "ftp://id.example", "http://10.0.0.1", "http://id.example", "https://user:pass@id.example", "file:///etc/passwd"} {
		if found := checkIssuer(t.Context(), issuer); found.IssuerProblem == "" || found.Report != "" {
			t.Errorf("%s: %+v", issuer, found)
		}
	}
}

func TestAnIssuerOnThisMachine(t *testing.T) {
	s, _ := start(t)
	running, err := s.Programs.StartStep(t.Context(), issuing)
	if err != nil {
		t.Fatal(err)
	}
	found := checkIssuer(t.Context(), running.URL+realmPath)
	if !found.Good || !strings.Contains(found.Report, "PKCE") {
		t.Errorf("%+v", found)
	}
}
