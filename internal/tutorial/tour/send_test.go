package tour

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"mcp-auth-step-by-step/internal/tutorial/manifest"
	"mcp-auth-step-by-step/internal/tutorial/matrix"
	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
)

// submit sends a form of the tour.
func submit(t *testing.T, s *Server, client *http.Client, path string, form url.Values) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", s.URL())
	return read(t, client, request)
}

// A visitor starts a step, sends a row, sees what changed, and stops the step.
func TestRunAndSend(t *testing.T) {
	s, _ := start(t)
	client := visitor(t, s)
	row := findRow(6, "flaw-wrong-audience")
	form := func(d draft) url.Values {
		return url.Values{
			"row": {d.Row}, "method": {d.Method}, "target": {d.Target}, "host": {d.Host},
			"headers": {strings.ReplaceAll(d.Headers, "\n", "\r\n")}, "body": {d.Body}, "compare": {"yes"},
		}
	}
	good := draftOf(row, 6, matrix.Legacy)
	lesson := func() string {
		_, body := send(t, client, "GET", s.URL()+"/step/6", nil)
		return body
	}
	if !strings.Contains(lesson(), "starts the program at another port") {
		t.Error("the lesson doesn't say that its commands name another port")
	}
	// T09: Send reaches no program that doesn't run, and the form can't name a port.
	if status, body := submit(t, s, client, "/run/send/6", form(good)); status != http.StatusConflict || !strings.Contains(body, "Start it") {
		t.Errorf("before the start: %d", status)
	}
	if status, body := submit(t, s, client, "/run/start/6", nil); status != http.StatusOK || !strings.Contains(body, "listens at") {
		t.Fatalf("start: %d\n%s", status, body)
	}
	if url := s.Programs.Get(programs.StepName(6)).URL; !strings.Contains(lesson(), "<code>"+url+"</code>") {
		t.Errorf("the lesson doesn't say that the program listens at %s", url)
	}
	status, body := submit(t, s, client, "/run/send/6", form(good))
	for _, part := range []string{
		"401 Unauthorized", "as the table says", "What changed since step 5", "invalid_token", "The challenge, taken apart", "The token that was sent",
		"jwt-claims", "WWW-Authenticate",
	} {
		if !strings.Contains(body, part) {
			t.Errorf("the answer lacks %q (status %d)", part, status)
		}
	}
	edited := good
	edited.Headers = strings.ReplaceAll(edited.Headers, "{token}", "x")
	if _, body := submit(t, s, client, "/run/send/6", form(edited)); strings.Contains(body, "as the table says") || strings.Contains(body, "The table says") || !strings.Contains(body, "401 Unauthorized") {
		t.Error("an edited request")
	}
	for name, c := range map[string]struct {
		change func(*draft)
		want   string
	}{
		"T09 a port in the Host changes nothing":                 {func(d *draft) { d.Host = "localhost:9" }, "host_not_allowed"},
		"T10 an absolute URL goes to the step, which refuses it": {func(d *draft) { d.Target = "http://evil.com/mcp" }, "host_not_allowed"},
		"T10 a host goes to the step, which refuses it":          {func(d *draft) { d.Host = "127.0.0.1:1" }, "host_not_allowed"},
		"T11 a second request in the method":                     {func(d *draft) { d.Method = "GET / HTTP/1.1\r\n\r\nGET" }, "The method"},
		"T11 a second request in the target":                     {func(d *draft) { d.Target = "/ HTTP/1.1\r\nX: y" }, "The target"},
		"T11 a second request in the host":                       {func(d *draft) { d.Host = "a\r\n\r\nGET / HTTP/1.1" }, "The Host"},
		"T11 a header that is not one":                           {func(d *draft) { d.Headers = "GET / HTTP/1.1" }, "The header line"},
		"T11 a bare carriage return in a header":                 {func(d *draft) { d.Headers = "A: b\rC: d" }, "The header line"},
		"a row that isn't there":                                 {func(d *draft) { d.Row = "none" }, "There is no request"},
	} {
		d := good
		c.change(&d)
		if _, body := submit(t, s, client, "/run/send/6", form(d)); !strings.Contains(body, c.want) {
			t.Errorf("%s: it lacks %q", name, c.want)
		}
	}
	if status, _ := submit(t, s, client, "/run/send/11", form(good)); status != http.StatusNotFound {
		t.Errorf("T09 the client is not a server: %d", status)
	}
	if _, body := submit(t, s, client, "/run/stop/6", nil); !strings.Contains(body, "stopped") || s.Programs.Get(programs.StepName(6)) != nil {
		t.Error("it still runs")
	}
}

// The client of step 11 goes its whole way, with servers of its own. One that fails
// doesn't look as if it had come to its end.
func TestTheClientGoesItsWholeWay(t *testing.T) {
	s, _ := start(t)
	client := visitor(t, s)
	run := func() string {
		if status, body := submit(t, s, client, "/run/start/11", nil); status != http.StatusOK {
			t.Fatalf("start: %d\n%s", status, body)
		}
		<-s.Programs.Last("step11").Done()
		_, body := send(t, client, "GET", s.URL()+"/step/11/run", nil)
		return body
	}
	if body := run(); strings.Contains(body, ">failed<") || !strings.Contains(body, "echo") {
		t.Errorf("the demo failed:\n%s", body)
	}
	spec := programs.Spec{Name: "step11", Args: []string{"--demo"}, Runs: true} // where there is no source
	r, err := s.Programs.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	<-r.Done()
	if _, body := send(t, client, "GET", s.URL()+"/step/11/run", nil); !strings.Contains(body, ">failed<") {
		t.Errorf("it does not say that the program failed:\n%s", body)
	}
}

// T10: a redirect is shown and not followed.
func TestT10_RedirectsAreNotFollowed(t *testing.T) {
	s, _ := start(t)
	if _, err := s.Programs.StartStep(t.Context(), issuing); err != nil {
		t.Fatal(err)
	}
	var followed atomic.Int32
	client := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer client.Close()
	callback := strings.Replace(client.URL, "127.0.0.1", "localhost", 1) + "/callback"
	d := draftOf(findRow(issuing, "issuer-redirect"), issuing, matrix.Legacy)
	d.Target = strings.ReplaceAll(d.Target, "redirect_uri=https%3A%2F%2Fevil.com%2F", "redirect_uri="+url.QueryEscape(callback))
	e, err := s.exchange(t.Context(), issuing, matrix.Legacy, d)
	if err != nil {
		t.Fatal(err)
	}
	if location := e.Now.byName()["Location"]; e.Now.Status/100 != 3 || !strings.HasPrefix(location, callback+"?") || followed.Load() > 0 {
		t.Errorf("status %d, Location %q, followed %d times", e.Now.Status, location, followed.Load())
	}
}

// Every request that the form offers is, unedited, the row's, from step 6 on with its
// token.
func TestEveryRowCanBeEdited(t *testing.T) {
	for step := 1; step <= 10; step++ {
		rows := 0
		for _, g := range rowsOf(step) {
			for _, choice := range g.Rows {
				rows++
				for _, era := range []matrix.Era{matrix.Legacy, matrix.Modern} {
					row := findRow(step, choice.ID)
					d := draftOf(row, step, era)
					request, err := d.request(row)
					if err != nil {
						t.Errorf("step %d, %s: %v", step, choice.ID, err)
						continue
					}
					if step < guarded { // no step before looks at a token
						row.Request.Token = nil
					}
					want := row.Request.In(era)
					same := request.Method == want.Method && request.Target == want.Target && request.Host == want.Host && request.Body == want.Body &&
						strings.Join(request.Headers, "\n") == strings.Join(want.Headers, "\n") && !(want.Token == nil && request.Token != nil)
					if row.ID != choice.ID || !same || !d.unchanged(d) {
						t.Errorf("step %d, %s:\n%+v\n%+v", step, choice.ID, request, want)
					}
				}
			}
		}
		if rows < 5 {
			t.Errorf("step %d has %d requests", step, rows)
		}
	}
}

// T12: the tour shows no key, and no file outside of what it names.
func TestT12_SourcesThatAreShown(t *testing.T) {
	for path, want := range map[string]bool{
		"cmd/step6/main.go": true, "internal/oauth/jws": true, "README.md": true, "docs/step1.md": true,
		"keys/private_key.pem": false, "keys": false, "../etc/passwd": false, "cmd/../keys/x.go": false, "/etc/passwd": false, ".git/config": false,
		"internal/.hidden.go": false, "internal/../../x.go": false, "interop/node_modules/.bin/node": false, "keycloak_direct.env": true,
	} {
		if shown(path) != want {
			t.Errorf("%s: %v", path, shown(path))
		}
	}
}

// What the pages link to in the repository can be seen in the tour.
func TestLinkedFilesAreShown(t *testing.T) {
	t.Parallel()
	root, err := manifest.Root()
	if err != nil {
		t.Fatal(err)
	}
	up := regexp.MustCompile(`\]\(\.\./([^)#]+)`)
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range up.FindAllStringSubmatch(string(text), -1) {
			if path := strings.TrimSuffix(link[1], "/"); !shown(path) {
				t.Errorf("%s links to %s, which the tour doesn't show", filepath.Base(page), path)
			}
		}
	}
}

// The first request of a step's form shows its layer, and has no token before step 6.
func TestTheFirstRequestShowsTheLayer(t *testing.T) {
	t.Parallel()
	for step, id := range shows {
		if row := findRow(step, ""); row.ID != id || row.Layer != step && step != issuing {
			t.Errorf("step %d: %s of layer %d, want %s", step, row.ID, row.Layer, id)
		}
	}
	for step := 1; step < 6; step++ {
		for _, g := range rowsOf(step) {
			for _, choice := range g.Rows {
				d := draftOf(findRow(step, choice.ID), step, matrix.Legacy)
				if strings.Contains(d.Headers, "Authorization: Bearer {token}") && !strings.Contains(choice.Title, "token") || d.Command != "" {
					t.Errorf("step %d, %s: %s", step, choice.ID, d.Headers)
				}
			}
		}
	}
	if groups := rowsOf(8); len(groups) != 8 || !strings.HasPrefix(groups[1].Label, "Step 7: ") {
		t.Errorf("%d groups", len(groups))
	}
}
