package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// pieces is a connection from which bytes come in pieces.
type pieces struct {
	net.Conn
	io.Reader
	closed bool
}

func (p *pieces) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func (p *pieces) Close() error {
	p.closed = true
	return nil
}

const (
	info      = "INFO {\"server_id\":\"x\"}\r\n"
	withReply = "MSG a 1 b 5\r\nh\r\no \r\n"
	headers   = "HMSG a 1 b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
	ackA      = `{"stream":"A", "seq":7}`
	headersA  = "HMSG _INBOX.x.3 1 12 35\r\nNATS/1.0\r\n\r\n" + ackA + "\r\n"
)

var (
	msgA      = msg(ackA)
	msgB      = msg(`{"stream":"B","seq":7,"duplicate":true}`)
	refusedA  = msg(`{"error":{"code":400,"err_code":10071},"stream":"A","seq":7}`)
	notStored = msg(`{"stream":"A"}`)
)

func msg(payload string) string {
	return fmt.Sprintf("MSG _INBOX.x.1 1 %d\r\n%s\r\n", len(payload), payload)
}

func TestAcksConn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent, read string
		lost       int
	}{
		"all kinds of lines":    {info + "PING\r\nPONG\r\n+OK\r\n-ERR 'x'\r\nping\r\n", info + "PING\r\nPONG\r\n+OK\r\n-ERR 'x'\r\nping\r\n", 0},
		"other messages":        {withReply + headers + "MSG a 1 0\r\n\r\n", withReply + headers + "MSG a 1 0\r\n\r\n", 0},
		"an acknowledgement":    {info + withReply + msgA + "PING\r\n", info + withReply + "PING\r\n", 1},
		"one with headers":      {headers + headersA + headers, headers + headers, 1},
		"two are asked for":     {msgA + msgB + headersA + msgA, msgB + msgA, 2},
		"a negative one":        {refusedA + msgA, refusedA, 1},
		"without a sequence":    {notStored + msgA, notStored, 1},
		"in a line":             {"-ERR " + ackA + "\r\n" + msgA, "-ERR " + ackA + "\r\n", 1},
		"an end in the middle":  {msgB + msgA[:30], msgB + msgA[:30], 0},
		"no NATS server":        {"HTTP/1.1 400 Bad Request\r\n\r\n" + msgA, "HTTP/1.1 400 Bad Request\r\n\r\n" + msgA, 0},
		"TLS":                   {info + "\x16\x03\x03\x00\x7a\x02" + msgA, info + "\x16\x03\x03\x00\x7a\x02" + msgA, 0},
		"a size that is none":   {"MSG a 1 -1\r\n" + msgA, "MSG a 1 -1\r\n" + msgA, 0},
		"a size that is wrong":  {"MSG a 1 3\r\nhello\r\n" + msgA, "MSG a 1 3\r\nhello\r\n" + msgA, 0},
		"more headers than all": {"HMSG a 1 5 3\r\nhel\r\n" + msgA, "HMSG a 1 5 3\r\nhel\r\n" + msgA, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= len(c.sent); size++ {
				var acks Acks
				acks.LoseAck("A")
				acks.LoseAck("A")
				conn := newAcksConn(&pieces{Reader: inPieces(c.sent, size)}, &acks)
				if got, err := io.ReadAll(conn); err != nil || string(got) != c.read || acks.Lost() != c.lost {
					t.Fatalf("in pieces of %d: got %q, %v, %d are lost", size, got, err, acks.Lost())
				}
			}
		})
	}
}

func TestAcksConnCut(t *testing.T) {
	t.Parallel()
	var acks Acks
	acks.LoseAckAndCut("A")
	line := &pieces{Reader: strings.NewReader(msgB + msgA + msgB)}
	got, err := io.ReadAll(newAcksConn(line, &acks))
	if string(got) != msgB || !errors.Is(err, errLost) || !line.closed {
		t.Errorf("got %q, %v, closed: %t", got, err, line.closed)
	}
}

// Whatever comes, in whatever pieces: unarmed, all of it is read; armed, the
// same is lost as when it comes at once.
func FuzzAcksConn(f *testing.F) {
	for _, sent := range []string{
		info + msgA + headersA, msgB + withReply + msgA, refusedA + headers, "MSG a 1 99999999999\r\n", "\r\n", "MSG a 1 1\r\nxy\r",
	} {
		f.Add([]byte(sent), uint8(3))
	}
	f.Fuzz(func(t *testing.T, sent []byte, size uint8) {
		through := func(acks *Acks, r io.Reader) []byte {
			got, err := io.ReadAll(newAcksConn(&pieces{Reader: r}, acks))
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		inPieces := inPieces(string(sent), int(size)+1)
		if got := through(new(Acks), inPieces); !bytes.Equal(got, sent) {
			t.Fatalf("got %q", got)
		}
		var whole, byBytes Acks
		whole.LoseAck("A")
		byBytes.LoseAck("A")
		atOnce, bytewise := through(&whole, bytes.NewReader(sent)), through(&byBytes, iotest.OneByteReader(bytes.NewReader(sent)))
		if !bytes.Equal(atOnce, bytewise) || whole.Lost() != byBytes.Lost() {
			t.Fatalf("at once %q, byte by byte %q", atOnce, bytewise)
		}
		if lost := len(sent) - len(atOnce); (lost > 0) != (whole.Lost() > 0) {
			t.Fatalf("%d bytes are missing, %d are lost", lost, whole.Lost())
		}
	})
}

func inPieces(s string, size int) io.Reader {
	var readers []io.Reader
	for len(s) > size {
		readers = append(readers, strings.NewReader(s[:size]))
		s = s[size:]
	}
	return io.MultiReader(append(readers, strings.NewReader(s))...)
}
