package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// tight limits end an attack soon; everything that ends it later than patience
// counts as never.
var tight = Limits{
	ReadHeader: 300 * time.Millisecond,
	Read:       500 * time.Millisecond,
	Write:      500 * time.Millisecond,
	Idle:       300 * time.Millisecond,
	Header:     32 << 10,
	Body:       1 << 10,
}

func TestDefaultLimits(t *testing.T) {
	d := DefaultLimits
	if d.Header != 32<<10 || d.Body != 1<<20 {
		t.Errorf("A13, A15: caps of %d and %d bytes", d.Header, d.Body)
	}
	for name, limit := range map[string]time.Duration{"ReadHeader": d.ReadHeader, "Read": d.Read, "Write": d.Write, "Idle": d.Idle} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("A14: %s is %s", name, limit)
		}
	}
}

func dial(t *testing.T, r *Running) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// drip sends one byte after the other until the server closes the connection,
// and reports an error if it doesn't. Waiting for an answer is what paces it.
func drip(c net.Conn, opening string) error {
	if _, err := io.WriteString(c, opening); err != nil {
		return nil
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := io.WriteString(c, "a"); err != nil {
			return nil
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		// An answer may come first: 401 to a body that nobody wants.
		_, err := io.Copy(io.Discard, c)
		if timeout := net.Error(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
			return nil
		}
	}
	return fmt.Errorf("still open after %s", patience)
}

// Many slow clients are each cut off, and somebody else is served meanwhile.
func TestA14SlowClients(t *testing.T) {
	const opening = "POST / HTTP/1.1\r\nHost: x\r\n"
	for name, c := range map[string]struct {
		opening string
		handler http.HandlerFunc
	}{
		"header": {opening + "X-Slow: ", ok},
		"body": {opening + "Content-Length: 1000\r\n\r\n", func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}},
		"body that nobody reads": {opening + "Content-Length: 1000\r\n\r\n", ok},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, tight, c.handler)
			const clients = 20
			ended := make(chan error, clients)
			for range clients {
				conn := dial(t, r)
				go func() { ended <- drip(conn, c.opening) }()
			}
			if status, _ := get(t, r.Site.URL); status != 200 {
				t.Errorf("a good request got %d meanwhile", status)
			}
			for range clients {
				if err := within(t, "the end of a slow connection", ended); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// WD7: who opens too many connections loses the oldest, and nobody else one.
func TestWD7_ConnectionsAreBoundedByAddress(t *testing.T) {
	limits := Limits{ReadHeader: patience, Read: patience, Write: patience, Idle: patience, Header: tight.Header, Body: tight.Body}
	limits.Connections, limits.ConnectionsPerAddress = 12, 8
	entered, leave := make(chan bool, 1), make(chan bool)
	r := start(t, limits, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.ReadAll(r.Body)
			entered <- true
			<-leave
		}
		ok(w, r)
	})
	from := func(address string) net.Conn {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).Dial("tcp", r.Addr.String())
		if err != nil {
			t.Skipf("this system has no address %s: %v", address, err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	answered := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err := http.ReadResponse(bufio.NewReader(c), nil)
		return err == nil
	}
	honest := from("127.0.0.1")
	busy := from("127.0.0.2")
	_, _ = io.WriteString(busy, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
	<-entered
	var flood []net.Conn
	for range 20 {
		flood = append(flood, from("127.0.0.2"))
	}
	for i := range 2 {
		from("127.0.0." + string(rune('3'+i)))
	}
	late := from("127.0.0.5")
	if !answered(honest) || !answered(late) {
		t.Error("a connection of another address was closed")
	}
	leave <- true
	if _, err := http.ReadResponse(bufio.NewReader(busy), nil); err != nil {
		t.Errorf("a connection whose request had come was closed: %v", err)
	}
	if !answered(flood[19]) || answered(flood[0]) || answered(flood[11]) {
		t.Error("of one address's connections, not the oldest were closed")
	}
	// A connection that was closed makes room.
	for range 30 {
		if c := from("127.0.0.1"); !answered(c) || c.Close() != nil {
			t.Fatal("a connection was refused after others were closed")
		}
	}
}

// WD7: a header of many lines costs many times its size, so it has at most so many;
// what looks like lines elsewhere doesn't count.
func TestWD7_LinesOfAHeaderAreBounded(t *testing.T) {
	limits := DefaultLimits
	limits.ReadHeader, limits.Idle = patience, patience
	r := start(t, limits, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		ok(w, r)
	})
	var many strings.Builder
	for i := range 2 * maxLines {
		fmt.Fprintf(&many, "x%d:\r\n", i)
	}
	kept := dial(t, r)
	_ = kept.SetDeadline(time.Now().Add(patience))
	answers := bufio.NewReader(kept)
	for n := range 4 {
		lines := strings.Repeat("x:\r\n", maxLines-5)
		body := strings.Repeat("a\n", 5000)
		_, _ = fmt.Fprintf(kept, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n%s", len(body), lines, body)
		answer, err := http.ReadResponse(answers, nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("request %d with %d lines: %v", n, maxLines, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
	}
	for name, request := range map[string]string{"whole": many.String() + "\r\n", "not whole": many.String()} {
		for _, conn := range []net.Conn{dial(t, r), kept} {
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n"+request)
			if answer, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge || !answer.Close {
				t.Errorf("%s: %v, %v", name, answer, err)
			}
		}
		kept = dial(t, r)
	}
}

// WD20: of the large bodies that come slowly, those go whose sender holds the most;
// one that is whole isn't given up for others.
func TestWD20_LargeBodiesAreBounded(t *testing.T) {
	limits := Limits{ReadHeader: patience, Read: patience, Write: patience, Idle: patience, Header: tight.Header, Body: 1 << 20}
	limits.Connections, limits.ConnectionsPerAddress = 100, 100
	limits.Bodies, limits.BodiesPerAddress = 8*BodyBlock, 4*BodyBlock
	entered, leave, began := make(chan bool, 10), make(chan bool), make(chan bool, 10)
	r := start(t, limits, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.CopyN(io.Discard, r.Body, 3*BodyBlock); err == nil {
			began <- true
		}
		_, err := io.Copy(io.Discard, r.Body)
		if entered <- err == nil; err == nil {
			<-leave
			ok(w, r)
		}
	})
	from := func(address string, declared, sent int) net.Conn {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).Dial("tcp", r.Addr.String())
		if err != nil {
			t.Skipf("this system has no address %s: %v", address, err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", declared, strings.Repeat("a", sent))
		return c
	}
	closed := func(c net.Conn) bool {
		_, err := http.ReadResponse(bufio.NewReader(c), nil)
		return err != nil
	}
	slow := []net.Conn{}
	for _, address := range []string{"127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.3"} {
		slow = append(slow, from(address, 100*BodyBlock, 3*BodyBlock))
		within(t, "three blocks", began)
	}
	honest := from("127.0.0.1", 5*BodyBlock, 5*BodyBlock)
	within(t, "three blocks", began)
	for whole := false; !whole; { // those that were closed are told so
		whole = within(t, "the honest body", entered)
	}
	if !closed(slow[0]) || !closed(slow[1]) {
		t.Error("more is held than may be")
	}
	other := from("127.0.0.4", 5*BodyBlock, 5*BodyBlock) // there is room, once the slow ones went
	within(t, "three blocks", began)
	for whole := false; !whole; {
		whole = within(t, "another body", entered)
	}
	if late := from("127.0.0.5", 5*BodyBlock, 5*BodyBlock); !closed(late) {
		t.Error("there was room for more than may be")
	}
	leave <- true
	leave <- true
	if closed(honest) || closed(other) {
		t.Error("a whole body was given up")
	}
	if again := from("127.0.0.5", 5*BodyBlock, 5*BodyBlock); true {
		go func() { leave <- true }()
		if closed(again) {
			t.Error("there is no room after the others were answered")
		}
	}
}

// WD7: an address that opens connections without end gets so many in a second.
func TestWD7_NewConnectionsAreBoundedByAddress(t *testing.T) {
	c := limitConnections(&net.TCPListener{}, DefaultLimits).(*connections)
	c.second = time.Now().Add(time.Hour) // it doesn't end during the test
	count := func(caller string) bool {
		return c.count(&connection{TCPConn: &net.TCPConn{}, of: c, caller: caller, end: func() {}})
	}
	for i := range DefaultLimits.OpenedPerAddress + 10 {
		if got := count("flood"); got != (i < DefaultLimits.OpenedPerAddress) {
			t.Fatalf("connection %d: %v", i, got)
		}
	}
	if !count("other") {
		t.Error("another address has to wait")
	}
	if c.second = (time.Time{}); !count("flood") {
		t.Error("in the next second it is still refused")
	}
}

// WD7: what one address opens beyond its own limit takes nothing from the others.
func TestWD7_OneAddressRefusesNoOther(t *testing.T) {
	t.Parallel()
	c, now := limitConnections(&net.TCPListener{}, DefaultLimits).(*connections), time.Now()
	for range 3 * DefaultLimits.Opened {
		c.mayOpen("flood", now)
	}
	if !c.mayOpen("new", now) {
		t.Error("an address that nobody knows yet is refused for the flood of another")
	}
}

// WD7: where too many connections are opened, those addresses may open more that
// had a request answered.
func TestWD7_KnownAddressesOpenConnectionsFirst(t *testing.T) {
	c := limitConnections(&net.TCPListener{}, DefaultLimits).(*connections)
	now := time.Unix(1_800_000_000, 0)
	c.remember("known", now)
	for i := range 2 * DefaultLimits.Opened {
		if got := c.mayOpen(strconv.Itoa(i), now); got != (i < DefaultLimits.Opened) {
			t.Fatalf("connection %d: %v", i, got)
		}
	}
	if !c.mayOpen("known", now) || c.mayOpen("new", now) || !c.mayOpen("new", now.Add(time.Second)) {
		t.Error("the known address has to wait, or a new one doesn't, or waits for too long")
	}
	for i := range 2*knownAddresses + 10 {
		c.remember(strconv.Itoa(i), now)
	}
	if len(c.known) > knownAddresses || len(c.knew) > knownAddresses {
		t.Errorf("%d and %d are known", len(c.known), len(c.knew))
	}
	// An address is known by a request that came whole.
	c.second = time.Now().Add(time.Hour)
	for _, whole := range []bool{false, true} {
		conn := &connection{TCPConn: &net.TCPConn{}, of: c, caller: fmt.Sprint("whole: ", whole), end: func() {}}
		c.all = 0
		if !c.count(conn) {
			t.Fatal("it is refused")
		}
		if whole {
			conn.prove()
		}
		conn.answered()
		if c.known[conn.caller] != whole {
			t.Errorf("%s, known: %v", conn.caller, c.known[conn.caller])
		}
	}
}

// WD7: a request doesn't outlive a connection that had to go.
func TestWD7_RequestsEndWithTheirConnection(t *testing.T) {
	limits := tight
	limits.ReadHeader, limits.Read, limits.Connections, limits.ConnectionsPerAddress = patience, patience, 2, 1
	entered, ended := make(chan bool, 1), make(chan error, 1)
	r := start(t, limits, func(_ http.ResponseWriter, r *http.Request) {
		entered <- true
		<-r.Context().Done()
		ended <- r.Context().Err()
	})
	_, _ = io.WriteString(dial(t, r), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
	<-entered
	dial(t, r)
	if err := within(t, "the end of the request", ended); err == nil {
		t.Error("the request goes on")
	}
}

// A client that reads nothing can't keep a handler writing.
func TestA14SlowReader(t *testing.T) {
	ended := make(chan error, 1)
	r := start(t, tight, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/large" {
			ok(w, req)
			return
		}
		block := make([]byte, 1<<20)
		var err error
		for range 1024 { // more than any socket buffer
			if _, err = w.Write(block); err != nil {
				break
			}
		}
		ended <- err
	})
	c := dial(t, r)
	if _, err := io.WriteString(c, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, r.Site.URL); status != 200 {
		t.Errorf("a good request got %d meanwhile", status)
	}
	if err := within(t, "the end of the answer", ended); err == nil {
		t.Error("a gigabyte was written to a client that read none of it")
	}
}

func TestA14IdleConnection(t *testing.T) {
	r := start(t, tight, ok)
	c := dial(t, r)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(c) // until the server hangs up
	if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 200") {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestA15HeaderCap(t *testing.T) {
	r := start(t, DefaultLimits, ok)
	for name, c := range map[string]struct {
		header string
		want   int
	}{
		"30 KiB":                 {"Authorization: Bearer " + strings.Repeat("a", 30<<10), 200},
		"40 KiB":                 {"Authorization: Bearer " + strings.Repeat("a", 40<<10), 431},
		"900 KB":                 {"Authorization: Bearer " + strings.Repeat("a", 900_000), 431},
		"900 KB of dots":         {"Authorization: Bearer " + strings.Repeat(".", 900_000), 431},
		"1.1 MB":                 {"Authorization: Bearer " + strings.Repeat("a", 1_100_000), 431},
		"20 000 headers":         {strings.Repeat("X-Many: 1\r\n", 20_000) + "X-Last: 1", 431},
		"a target of 40 KiB":     {"X-None: 1", 431},
		"one name that is large": {strings.Repeat("a", 40<<10) + ": 1", 431},
	} {
		t.Run(name, func(t *testing.T) {
			target := "/"
			if strings.Contains(name, "target") {
				target += strings.Repeat("a", 40<<10)
			}
			conn := dial(t, r)
			// The server stops reading at the cap, so the rest may fail.
			go func() { _, _ = io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: x\r\n"+c.header+"\r\n\r\n") }()
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode != c.want {
				t.Errorf("status %d, want %d", answer.StatusCode, c.want)
			}
		})
	}
}

// The handler learns that a body is too large, so that it can say 413, and the
// server doesn't read on for ever.
func TestA13BodyCap(t *testing.T) {
	read := make(chan error, 1)
	r := start(t, tight, func(w http.ResponseWriter, req *http.Request) {
		_, err := io.ReadAll(req.Body)
		read <- err
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})
	chunk := "400\r\n" + strings.Repeat("a", 1<<10) + "\r\n"
	for name, c := range map[string]struct {
		head, body string
		endless    bool
		tooLarge   bool
	}{
		"at the cap":               {"Content-Length: 1024", strings.Repeat("a", 1<<10), false, false},
		"at the cap, chunked":      {"Transfer-Encoding: chunked", chunk + "0\r\n\r\n", false, false},
		"one byte more":            {"Content-Length: 1025", strings.Repeat("a", 1<<10+1), false, true},
		"one byte more, chunked":   {"Transfer-Encoding: chunked", chunk + "1\r\na\r\n0\r\n\r\n", false, true},
		"100 MiB":                  {"Content-Length: 104857600", strings.Repeat("a", 1<<16), true, true},
		"endless, chunked":         {"Transfer-Encoding: chunked", chunk, true, true},
		"says 100 MiB, sends some": {"Content-Length: 104857600", strings.Repeat("a", 2<<10), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, r)
			hungUp := make(chan struct{})
			go func() {
				defer close(hungUp)
				_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+c.head+"\r\n\r\n"+c.body)
				for c.endless && err == nil {
					_, err = io.WriteString(conn, c.body)
				}
			}()
			err := within(t, "the body", read)
			tooLarge := (*http.MaxBytesError)(nil)
			if errors.As(err, &tooLarge) != c.tooLarge || tooLarge != nil && tooLarge.Limit != tight.Body {
				t.Errorf("reading the body: %v", err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			switch {
			case err != nil && !c.endless: // an endless sender may be reset before it reads
				t.Error(err)
			case err == nil && answer.Close != (c.tooLarge || strings.HasPrefix(c.head, "Transfer")):
				t.Errorf("the answer says Connection: close: %t", answer.Close)
			}
			within(t, "the end of the sender", hungUp)
		})
	}
}

// WD14: where two readers could see the end of a request in two places, what is
// behind it isn't run.
func TestWD14_RequestsWithTwoEnds(t *testing.T) {
	var served atomic.Int32
	r := start(t, DefaultLimits, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		ok(w, r)
	})
	const second = "GET /second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for name, c := range map[string]struct {
		first string
		runs  int32
	}{
		"length and chunks":   {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1},
		"chunks and length":   {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 1},
		"chunks":              {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1},
		"chunks in HTTP/1.0":  {"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", 1},
		"two lengths":         {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\na", 0},
		"an encoding besides": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0},
		"a good request":      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", 2},
	} {
		served.Store(0)
		conn := dial(t, r)
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, c.first+second); err != nil {
			t.Fatal(err)
		}
		// The server may reset the connection, since it hasn't read all.
		_, _ = io.Copy(io.Discard, conn)
		if served.Load() != c.runs {
			t.Errorf("%s: %d requests were run, want %d", name, served.Load(), c.runs)
		}
	}
}

// WD7: a connection isn't given up for others between the end of its handler and the
// sending of the answer: what the request used up, such as a refresh token, would be
// lost with it.
func TestWD7_AnAnswerIsSentBeforeItsConnectionGoes(t *testing.T) {
	plain, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := limitConnections(plain, Limits{Connections: 1, ConnectionsPerAddress: 2, Bodies: BodyBlock, BodiesPerAddress: BodyBlock})
	defer func() { _ = listener.Close() }()
	accepted := make(chan net.Conn, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", plain.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	dial()
	first := within(t, "the first connection", accepted).(*connection)
	first.prove()
	first.answered()
	second := dial()
	_ = second.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := second.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the second connection took the place of the first: %v", err)
	}
	noteIdle(first, http.StateIdle)
	dial()
	if within(t, "the third connection", accepted) == nil {
		t.Error("nothing goes for the third connection")
	}
}
