package clientmetadata

import (
	"context"
	"time"
)

type callerKey struct{}

// WithCaller says on whose account fetches are counted, such as the address of a
// request.
func WithCaller(ctx context.Context, caller string) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// Caller is what [WithCaller] said; empty if nothing.
func Caller(ctx context.Context) string {
	caller, _ := ctx.Value(callerKey{}).(string)
	return caller
}

// window is how long fetches are counted for the limits of a minute.
const window = time.Minute

// fetchLimits bound fetches by whoever causes them and by the host that they
// burden.
type fetchLimits struct {
	callerInFlight, hostInFlight, inFlight int // at a time
	callerPerWindow, hostPerWindow         int
}

// Fetches that may be under way at a time: for one caller, from one host, and all.
const (
	FetchesOfCaller = 4
	FetchesFromHost = 8
	Fetches         = 64
)

// accounts count the fetches of callers and hosts. Only fetches that begin are
// counted, so the maps are no larger than the limits of the hosts.
type accounts struct {
	limits                     fetchLimits
	began                      time.Time // of the window
	callers, hosts             map[string]int
	callersFlying, hostsFlying map[string]int
	flying                     int
}

func newAccounts() accounts {
	return accounts{
		limits: fetchLimits{
			callerInFlight: FetchesOfCaller, hostInFlight: FetchesFromHost, inFlight: Fetches,
			callerPerWindow: 30, hostPerWindow: 120,
		},
		callers: map[string]int{}, hosts: map[string]int{},
		callersFlying: map[string]int{}, hostsFlying: map[string]int{},
	}
}

// begin counts a fetch, and reports whether it may begin. The limits of the
// caller come first. Whose document was good before is fetched again whatever
// others had fetched from its host in this window.
func (a *accounts) begin(caller, host string, proven bool, now time.Time) bool {
	if now.Sub(a.began) >= window {
		a.began = now
		clear(a.callers)
		clear(a.hosts)
	}
	switch {
	case a.callersFlying[caller] >= a.limits.callerInFlight, a.callers[caller] >= a.limits.callerPerWindow:
		return false
	case a.hostsFlying[host] >= a.limits.hostInFlight, a.flying >= a.limits.inFlight:
		return false
	case a.hosts[host] >= a.limits.hostPerWindow && !proven:
		return false
	}
	a.callers[caller]++
	a.hosts[host]++
	a.callersFlying[caller]++
	a.hostsFlying[host]++
	a.flying++
	return true
}

func (a *accounts) end(caller, host string) {
	a.flying--
	if a.callersFlying[caller]--; a.callersFlying[caller] == 0 {
		delete(a.callersFlying, caller)
	}
	if a.hostsFlying[host]--; a.hostsFlying[host] == 0 {
		delete(a.hostsFlying, host)
	}
}
