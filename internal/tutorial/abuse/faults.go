package abuse

import (
	"fmt"
	"strings"
)

// Fault is something that breaks while users work.
type Fault struct {
	ID    string // of its test
	What  string
	Sees  string // what users see
	Heals string // what recovers by itself, and when
	Holds string // what the test sees: nothing confirmed is lost, nothing slips through
}

// Faults are all that are tried. Each has a test, TestFaults/ID.
var Faults = []Fault{
	{"kill", "`kill -9` of step 9 in the middle of requests",
		"Requests that were under way fail. Users log in again, since sessions are in memory. Tools work: step 10 has the keys.",
		"Once it is started again, with the same state file and keys, everything works.",
		"Each registration, consent and refresh token that was confirmed is there. A code or refresh token that was used is refused."},
	{"stop", "step 9 stands still (`SIGSTOP`)",
		"Logging in hangs until the client gives up. Tools work.",
		"When it goes on (`SIGCONT`), requests that still wait are answered.",
		"No tool call fails meanwhile, and a forged token is refused."},
	{"disk", "the disk under the state file is full",
		"Whoever registers, logs in or refreshes is told that the server failed (500). Introspection and tools work.",
		"As soon as there is room, without a start.",
		"All that was confirmed before and after is there after `kill -9`. What was answered with an error gave out nothing."},
	{"damage", "the state file is cut off, or overwritten",
		"Step 9 does not start. It says which file is damaged, and what to do.",
		"Nothing: the operator restores a copy, or moves the file away. Without it clients register again and users log in again.",
		"The damaged file isn't changed."},
	{"clock", "the clock jumps by an hour, forward and back",
		"Forward: users log in again, since tokens and sessions have ended. " +
			"Back: who has a token from the future is told 401, and logs in again. Client assertions are refused " +
			"until the clock shows again what it showed when it forgot the last one.",
		"When the clock is right again.",
		"A code, refresh token or client assertion that was used is refused at every time, and an expired token too."},
	{"slow", "the provider's answers are slow, or cut off in the middle",
		"Nothing, while step 10 has keys. Where it has none, or the key is new, it answers 503 with Retry-After.",
		"With the first whole answer.",
		"A good token of a known key works all the time; one of an unknown key is not accepted."},
	{"garbage", "the provider answers garbage",
		"The same as for slow answers.",
		"With the first good answer.",
		"The last good keys stay. A forged token is refused."},
	{"rotation", "the provider changes its key in the middle of requests",
		"Nothing, where it shows both keys for a while. A token of the new key may get one 503 until the keys are fetched.",
		"By itself, at the first token of the new key.",
		"No good token is refused with 401. When the old key is gone, its tokens are refused."},
}

// FaultTable shows all faults.
func FaultTable() string {
	var b strings.Builder
	b.WriteString("| what happens | what users see | what recovers by itself | what holds |\n|---|---|---|---|\n")
	for _, f := range Faults {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.What, f.Sees, f.Heals, f.Holds)
	}
	return b.String()
}
