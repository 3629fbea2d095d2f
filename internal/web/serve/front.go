package serve

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"mcp-auth-step-by-step/internal/web/lesson"
)

// withFrontPage answers GET / with what the program is and what to try there, as
// -h says it. It does so only where the program has nothing at that path: what
// the program refuses, such as a foreign Host, stays refused.
func (p Program) withFrontPage() Builder {
	return func(ctx context.Context, site Site) (http.Handler, error) {
		next, err := p.Build(ctx, site)
		if err != nil {
			return nil, err
		}
		text := strings.ReplaceAll(lesson.Of(p.Source), "http://"+p.Addr, site.URL)
		base := ""
		if u, err := url.Parse(site.URL); err == nil {
			base = u.Path
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if (r.Method != http.MethodGet && r.Method != http.MethodHead) || without(base, r.URL.Path) != "/" {
				next.ServeHTTP(w, r)
				return
			}
			answer := &unlessNotFound{ResponseWriter: w}
			next.ServeHTTP(answer, r)
			if answer.notFound {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				_, _ = io.WriteString(w, text)
			}
		}), nil
	}
}

// unlessNotFound passes an answer on, unless it is 404.
type unlessNotFound struct {
	http.ResponseWriter
	notFound bool
}

func (w *unlessNotFound) WriteHeader(status int) {
	if w.notFound = status == http.StatusNotFound; !w.notFound {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *unlessNotFound) Write(text []byte) (int, error) {
	if w.notFound {
		return len(text), nil
	}
	return w.ResponseWriter.Write(text)
}

// Unwrap is for http.ResponseController.
func (w *unlessNotFound) Unwrap() http.ResponseWriter { return w.ResponseWriter }
