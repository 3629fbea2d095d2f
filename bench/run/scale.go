package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mcp-auth-step-by-step/internal/tutorial/performance"
	"mcp-auth-step-by-step/internal/web/serve"
)

// long is how long each point of a curve is loaded.
func long() time.Duration {
	if *short {
		return 50 * time.Millisecond
	}
	return 2500 * time.Millisecond
}

// point makes a point of a curve of what came of a load.
func (l load) point(n int, got result) performance.Point {
	slices.Sort(got.took)
	at := func(part float64) float64 {
		return float64(got.took[int(part*float64(len(got.took)-1))].Microseconds()) / 1000
	}
	return performance.Point{
		Server: l.name, N: n, PerSecond: round(got.perSecond), Median: at(0.5), P99: at(0.99),
		Memory: l.memory(),
	}
}

// round keeps one decimal.
func round(x float64) float64 { return float64(int(x*10+0.5)) / 10 }

// roomy is a file with which a step lets more connections in than it does by itself.
const roomy = `package main

import "mcp-auth-step-by-step/internal/web/serve"

func init() { serve.DefaultLimits.Connections, serve.DefaultLimits.Opened = 1200, 0 }
`

// byConnections loads a new server with more and more connections. A step closes
// what is beyond its limit: for the last point, it is built with room for more.
func byConnections(s *stage, r *performance.Record) error {
	r.ByConnections = nil
	for _, name := range []string{performance.Step(10), performance.GoSDKHeld} {
		for _, n := range []int{1, 10, 100, 300, 1000} {
			server := specOf(name)
			if n > serve.DefaultLimits.Connections && name == performance.Step(10) {
				if err := s.buildWith(&server, "roomy", roomy); err != nil {
					return err
				}
			}
			p, err := onePoint(s, server, n, n, nil)
			if err != nil {
				return err
			}
			r.ByConnections = append(r.ByConnections, p)
		}
	}
	return nil
}

// byTokens loads a new step 10 with more and more tokens, each of which it has seen
// once before.
func byTokens(s *stage, r *performance.Record) error {
	most := 100_000
	if *short {
		most = 100
	}
	r.ByTokens, r.FirstCalls = nil, nil
	p := specOf(performance.Step(10))
	c, err := s.start(p)
	if err != nil {
		return err
	}
	c.stop()
	tokens, err := s.many(c, most)
	if err != nil {
		return err
	}
	for n := 1; n <= most; n *= 10 {
		p, err := onePoint(s, p, connections, n, func(l *load) (err error) {
			// All of them are for the resource of the first server.
			l.tokens, l.pass = tokens[:n], true
			got, err := l.run(s.ctx)
			if err == nil && n == most {
				first := l.point(n, got)
				r.FirstCalls = &first
			}
			l.pass = false
			return err
		}, "MCP_SERVER_URL=http://"+c.addr)
		if err != nil {
			return err
		}
		r.ByTokens = append(r.ByTokens, p)
	}
	return nil
}

// many signs tokens of many users and of a hundred clients.
func (s *stage) many(c *contestant, count int) ([]string, error) {
	tokens, next := make([]string, count), atomic.Int64{}
	errs := make([]error, runtime.NumCPU())
	var group sync.WaitGroup
	for worker := range errs {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < count && s.ctx.Err() == nil && errs[worker] == nil; i = int(next.Add(1)) - 1 {
				tokens[i], errs[worker] = s.signer.token(s.issuerOf(c), c.audience, fmt.Sprintf("user-%d", i), fmt.Sprintf("client-%d", i%100))
			}
		})
	}
	group.Wait()
	for _, err := range append(errs, s.ctx.Err()) {
		if err != nil {
			return nil, err
		}
	}
	return tokens, nil
}

// onePoint loads a new server, after what warm does with it.
func onePoint(s *stage, p spec, connections, n int, warm func(*load) error, env ...string) (performance.Point, error) {
	c, err := s.start(p, env...)
	if err != nil {
		return performance.Point{}, err
	}
	defer c.stop()
	defer keepAway()()
	l := load{contestant: c, wire: wires[1], connections: connections, long: long()}
	if warm == nil {
		warm = func(l *load) error {
			short := *l
			short.long, short.connections = short.long/5, min(l.connections, 8)
			_, err := short.run(s.ctx)
			return err
		}
	}
	if err := warm(&l); err != nil {
		return performance.Point{}, err
	}
	got, err := l.run(s.ctx)
	if err != nil {
		return performance.Point{}, err
	}
	return l.point(n, got), nil
}

// byInstances loads one and three instances of step 10 behind a proxy, which sends
// each call to another instance. Servers, proxy and load share all cores.
func byInstances(s *stage, r *performance.Record) error {
	r.ByInstances = nil
	for _, n := range []int{1, 3} {
		p, err := behindProxy(s, n)
		if err != nil {
			return err
		}
		r.ByInstances = append(r.ByInstances, p)
	}
	return nil
}

func behindProxy(s *stage, count int) (performance.Point, error) {
	front := httptest.NewUnstartedServer(nil)
	defer front.Close()
	site := "http://" + front.Listener.Addr().String()
	var upstreams []*url.URL
	var first *contestant
	for range count {
		p := specOf(performance.Step(10))
		p.anyCore = true
		c, err := s.start(p, "MCP_SERVER_URL="+site)
		if err != nil {
			return performance.Point{}, err
		}
		defer c.stop()
		upstreams = append(upstreams, &url.URL{Scheme: "http", Host: c.addr})
		if first == nil {
			first = c
		}
	}
	asked := make([]atomic.Int64, count)
	front.Config.Handler = &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
		Rewrite: func(r *httputil.ProxyRequest) {
			i := rand.IntN(count)
			asked[i].Add(1)
			r.SetURL(upstreams[i])
			r.Out.Host = r.In.Host
		},
	}
	front.Start()
	token, err := s.signer.token(s.issuerURL(), site+"/mcp", "alice", "bench")
	if err != nil {
		return performance.Point{}, err
	}
	proxied := &contestant{spec: first.spec, addr: front.Listener.Addr().String(), cmd: first.cmd}
	proxied.tokens = []string{token}
	l := load{contestant: proxied, wire: wires[1], connections: connections, long: long()}
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	got, err := l.run(ctx)
	if err != nil {
		return performance.Point{}, err
	}
	for i := range asked {
		if asked[i].Load() == 0 {
			return performance.Point{}, fmt.Errorf("instance %d was asked nothing", i+1)
		}
	}
	return l.point(count, got), nil
}
