package loopback

import (
	"errors"
	"net"
	"testing"
)

// WE3: one rule for what counts as this machine.
func TestWE3_Host(t *testing.T) {
	for host, want := range map[string]struct{ host, canonical bool }{
		"localhost":             {true, true},
		"LOCALHOST":             {true, false},
		"127.0.0.1":             {true, true},
		"127.255.255.254":       {true, true},
		"::1":                   {true, true},
		"0:0:0:0:0:0:0:1":       {true, false},
		"::ffff:127.0.0.1":      {false, false},
		"::1%lo":                {false, false},
		"app.localhost":         {false, false},
		"localhost.":            {false, false},
		"localho\u017ft":        {false, false}, // a long s
		"localhost.example.com": {false, false},
		"127.1":                 {false, false},
		"127.0.0.01":            {false, false},
		"0x7f000001":            {false, false},
		"2130706433":            {false, false},
		"0.0.0.0":               {false, false},
		"::":                    {false, false},
		"10.0.0.1":              {false, false},
		"[::1]":                 {false, false},
		"":                      {false, false},
	} {
		if got := Host(host); got != want.host {
			t.Errorf("Host(%q) = %v", host, got)
		}
		if got := Canonical(host); got != want.canonical {
			t.Errorf("Canonical(%q) = %v", host, got)
		}
	}
}

// WE3: the address is checked when it is dialled, whatever its name was.
func TestWE3_ControlChecksTheAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	dialer := net.Dialer{ControlContext: Control}
	connection, err := dialer.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = connection.Close()
	for _, address := range []string{"10.0.0.1:80", "0.0.0.0:80", "nonsense"} {
		if err := Control(t.Context(), "tcp", address, nil); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestHostPorts(t *testing.T) {
	if got := HostPorts(9000); len(got) != 3 || got[0] != "localhost:9000" || got[2] != "[::1]:9000" {
		t.Errorf("%q", got)
	}
}
