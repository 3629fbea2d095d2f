// Package tour is the tutorial in the browser: each step's lesson, its difference to
// the step before, its program at work, and what the parts add that [Server.Add]
// takes. It invents nothing: lessons come from docs/, differences from the manifest,
// requests from the matrix.
//
//	server := tour.New(tour.Options{Root: root, Programs: all})
//	server.Add(tokenbench.New(server), …)
//	err := server.Start("127.0.0.1:7777")
//	…
//	fmt.Println(server.StartURL())
//
// It answers on loopback, to a browser that has been given the start link; see
// access.go for what it refuses.
package tour

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/tour/programs"
	"mcp-auth-step-by-step/internal/web/loopback"
	"mcp-auth-step-by-step/internal/web/serve"
)

// DefaultAddr is where the tour listens. Its port stays the same, so that links and
// what the browser keeps stay good.
const DefaultAddr = "127.0.0.1:7777"

// Options are what a tour needs.
type Options struct {
	Root     string // folder of the repository
	Programs *programs.Programs
	Log      *slog.Logger // nil: nothing is logged
}

// Server is the tour.
type Server struct {
	Options
	parts   []Part
	keys    *access
	running *serve.Running
	ended   context.Context // ends the streams
	end     context.CancelFunc
}

// New makes a tour without parts of others.
func New(o Options) *Server {
	s := &Server{Options: o, keys: newAccess()}
	s.ended, s.end = context.WithCancel(context.Background())
	s.parts = s.own()
	return s
}

// Add adds parts, in the order of their tabs.
func (s *Server) Add(parts ...Part) { s.parts = append(s.parts, parts...) }

// Start serves the tour. addr is an IP address of loopback and a port; port 0 takes a
// free one.
func (s *Server) Start(addr string) (err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || net.ParseIP(host) == nil || !loopback.Host(host) {
		return fmt.Errorf("-addr %q: the tour listens on an address of loopback alone; want %s, perhaps with another port", addr, DefaultAddr)
	}
	s.running, err = serve.Start(serve.Options{Addr: addr, Limits: serve.DefaultLimits, Log: s.Log},
		func(_ context.Context, site serve.Site) (http.Handler, error) {
			s.keys.origin = "http://" + net.JoinHostPort(host, strconv.Itoa(site.Port))
			s.keys.cookie = fmt.Sprintf("tour-%d", site.Port)
			return s.handler()
		})
	if err != nil && listens(addr) {
		return explainTaken(addr, port)
	}
	return err
}

// listens tells whether somebody listens at an address.
func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// explainTaken says who has the port: another tour, or another program.
func explainTaken(addr, port string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	answer, err := client.Head("http://" + addr + "/")
	if err == nil {
		_ = answer.Body.Close()
		if answer.Header.Get(markHeader) != "" {
			return fmt.Errorf("another tour runs at http://%s: use that one, stop it with Ctrl-C, or start a second with -addr 127.0.0.1:0", addr)
		}
	}
	return fmt.Errorf("port %s is in use by another program: stop that program, or choose a free port with -addr 127.0.0.1:0", port)
}

// markHeader tells a second tour that this is the first one.
const markHeader = "Mcp-Auth-Tour"

// URL is where the tour is, without a slash at the end.
func (s *Server) URL() string { return s.keys.origin }

// StartURL is a link that lets one browser in, once.
func (s *Server) StartURL() string { return s.URL() + "/start?key=" + s.keys.invite() }

// Close ends the tour's server. The programs are the caller's to end.
func (s *Server) Close() {
	s.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.running.Shutdown(ctx)
}

// handler puts the routes of all parts together.
func (s *Server) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	assets, err := s.assets()
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /assets/", assets)
	mux.HandleFunc("GET /start", s.start)
	mux.HandleFunc("GET /pictures/{file}", s.picture)
	mux.HandleFunc("GET /step/{step}", s.stepPage)
	mux.HandleFunc("GET /step/{step}/{part}", s.stepPage)
	mux.HandleFunc("/", s.notFound)
	for _, part := range s.parts {
		if part.Main != nil {
			mux.HandleFunc("GET "+part.path()+"{$}", s.mainPage(part))
		}
		if part.Routes != nil {
			part.Routes(mux)
		}
	}
	return s.guard(mux), nil
}
