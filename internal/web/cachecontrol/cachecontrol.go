// Package cachecontrol reads how long an answer may be kept (RFC 9111, section
// 5.2.2), for programs that keep what others published: keys, and the metadata
// of clients.
package cachecontrol

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Lifetime is what Cache-Control states, within bounds: the publisher can
// neither have us ask all the time nor never again. It is usual where nothing
// is stated that can be read, and least where the answer is not to be kept at
// all.
func Lifetime(header http.Header, usual, least, most time.Duration) time.Duration {
	lifetime := usual
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store":
			return least
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				lifetime = time.Duration(seconds) * time.Second
			}
		}
	}
	return min(max(lifetime, least), most)
}
