package formlogin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const callback = "http://127.0.0.1:1/callback"

// provider shows a login page, then a consent page, and then sends the browser
// back.
func provider(t *testing.T, consentPage string) string {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1"})
		http.Redirect(w, r, "/login?x=1", http.StatusFound)
	})
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<title>Sign in</title><form action="/search"><input name="q"></form>
			<form method="post" action="login?x=1&amp;y=2"><input type="hidden" name="csrf" value="c1">
			<input name="username"><input type="password" name="password"><input type="checkbox" name="rememberMe"></form>`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		session, err := r.Cookie("session")
		if err != nil || session.Value != "s1" || r.PostFormValue("csrf") != "c1" || r.URL.Query().Get("y") != "2" || r.PostForm.Has("rememberMe") {
			t.Errorf("the form came back changed: %v %v", r.PostForm, err)
		}
		if r.PostFormValue("username") != "ada" || r.PostFormValue("password") != "demo" {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		http.Redirect(w, r, "/consent", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /consent", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, consentPage) })
	mux.HandleFunc("POST /consent", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("accept") == "" || r.PostForm.Has("cancel") {
			t.Errorf("sent %v", r.PostForm)
		}
		http.Redirect(w, r, callback+"?code=c&state=s", http.StatusSeeOther)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

const consent = `<form method="post" action="/consent"><button name="cancel">No</button><button name="accept" value="yes">Yes</button></form>`

func TestRun(t *testing.T) {
	back, err := Run(t.Context(), provider(t, consent)+"/auth", callback, User{"ada", "demo"})
	if err != nil || back.String() != callback+"?code=c&state=s" {
		t.Fatalf("got %v, %v", back, err)
	}
}

func TestRunGivesUp(t *testing.T) {
	foreign := `<form method="post" action="http://evil.example/consent"><button name="accept">Yes</button></form>`
	for name, c := range map[string]struct {
		consent string
		user    User
		want    error
		says    string
	}{
		"wrong password":          {consent, User{"ada", "wrong"}, ErrRefused, ""},
		"a form to elsewhere":     {foreign, User{"ada", "demo"}, ErrNotLoopback, "evil.example"},
		"a page without a form":   {"<title>Oops</title>", User{"ada", "demo"}, nil, "Oops"},
		"a form without a button": {`<form action="/x"><input name="q"></form>`, User{"ada", "demo"}, nil, "no form"},
	} {
		t.Run(name, func(t *testing.T) {
			back, err := Run(t.Context(), provider(t, c.consent)+"/auth", callback, c.user)
			if back != nil || err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, %v", back, err)
			}
			if strings.Contains(err.Error(), "demo") {
				t.Error("the error holds the password")
			}
		})
	}
}

func TestRunEnds(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again", http.StatusFound)
	}))
	defer server.Close()
	if back, err := Run(context.Background(), server.URL, callback, User{}); back != nil || err == nil {
		t.Fatalf("got %v, %v", back, err)
	}
	for _, elsewhere := range []string{"https://idp.example/auth", "http://app.localhost/auth", "http://10.0.0.1/auth", "http://[::ffff:127.0.0.1]/"} {
		if _, err := Run(t.Context(), elsewhere, callback, User{}); !errors.Is(err, ErrNotLoopback) {
			t.Errorf("%s: got %v", elsewhere, err)
		}
	}
}
