package faults_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/systemtest"
)

func TestLine(t *testing.T) {
	t.Parallel()
	server := echo(t)
	l := line(t, "tcp://user@"+server+"/path?q=1")
	if want := "tcp://user@" + l.Addr() + "/path?q=1"; l.URL() != want {
		t.Errorf("URL %s, want %s", l.URL(), want)
	}

	c := dial(t, l)
	if err := ask(c); err != nil {
		t.Fatal(err)
	}
	if n := l.Connections(); n != 1 {
		t.Errorf("%d connections stand, want 1", n)
	}
	l.Cut()
	if err := ask(c); err == nil {
		t.Error("a cut connection answers")
	}
	if n := l.Connections(); n != 0 {
		t.Errorf("%d connections stand after a cut", n)
	}

	c = dial(t, l)
	l.Block()
	if err := ask(c); err == nil {
		t.Error("a blocked connection answers")
	}
	refuses(t, l)
	if err := l.Unblock(); err != nil {
		t.Fatal(err)
	}

	c = dial(t, l)
	for _, hold := range []func(){l.Hold, l.HoldReplies} {
		hold()
		if err := askBriefly(c); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a held line: %v", err)
		}
		l.Release()
		if err := ask(c); err == nil {
			t.Error("a connection that lost bytes goes on")
		}
		c = dial(t, l)
		if err := ask(c); err != nil {
			t.Error(err)
		}
	}

	l.Redirect(echo(t))
	if err := ask(dial(t, l)); err != nil {
		t.Error(err)
	}
}

func TestLineWithoutAServer(t *testing.T) {
	t.Parallel()
	l := line(t, "127.0.0.1:1")
	if err := ask(dial(t, l)); err == nil {
		t.Error("nobody answers")
	}
	for _, target := range []string{"", "nats://127.0.0.1", "postgres://u:secret%@127.0.0.1:1"} {
		if l, err := faults.NewLine(target, nil); err == nil {
			t.Errorf("a line to %q", target)
			_ = l.Close()
		} else if bytes.Contains([]byte(err.Error()), []byte("secret")) {
			t.Errorf("the error has the password: %v", err)
		}
	}
}

func TestClosedLine(t *testing.T) {
	t.Parallel()
	l := line(t, echo(t))
	l.Slow(faults.Pace{Delay: time.Hour})
	c := dial(t, l)
	if _, err := c.Write([]byte("under way")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ask(c); err == nil {
		t.Error("a closed line answers")
	}
	refuses(t, l)
	if err := l.Unblock(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("unblock: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

// What flow_test.go says of one direction holds of a line.
func TestSlowLine(t *testing.T) {
	t.Parallel()
	l := line(t, echo(t))
	c := dial(t, l)
	if err := ask(c); err != nil {
		t.Fatal(err)
	}
	const size, rate, delay = 200_000, 2_000_000, 30 * time.Millisecond
	l.Slow(faults.Pace{Delay: delay, Jitter: delay, BytesPerSecond: rate})
	began := time.Now()
	if err := askFor(c, size); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 2*delay+size*time.Second/rate {
		t.Errorf("took %s, less than there and back with %s each and %d bytes per second", took, delay, rate)
	}

	l.Slow(faults.Pace{Delay: time.Hour})
	if err := askBriefly(c); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a very slow line: %v", err)
	}
	l.Slow(faults.Pace{})
	if _, err := io.ReadFull(c, make([]byte, len(hello))); err != nil {
		t.Errorf("what was under way: %v", err)
	}
	if err := ask(c); err != nil {
		t.Error(err)
	}
}

func line(t *testing.T, target string) *faults.Line {
	t.Helper()
	return systemtest.Proxy(t, target)
}

func refuses(t *testing.T, l *faults.Line) {
	t.Helper()
	if c, err := net.Dial("tcp", l.Addr()); err == nil {
		_ = c.Close()
		t.Error("the line accepts")
	}
}

func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, l *faults.Line) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const hello = "hello\n"

// ask waits for an answer, or for the connection's end.
func ask(c net.Conn) error {
	if _, err := io.WriteString(c, hello); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, len(hello)))
	return err
}

// askBriefly is for connections that are to give no answer. The connection can
// be used afterwards; the answer may still come.
func askBriefly(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	return errors.Join(ask(c), c.SetDeadline(time.Time{}))
}

// askFor has random bytes come back.
func askFor(c net.Conn, size int) error {
	sent := make([]byte, size)
	var seed [32]byte
	_, _ = rand.NewChaCha8(seed).Read(sent) // never fails
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(sent)
		wrote <- err
	}()
	got := make([]byte, size)
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(sent, got) {
		return errors.New("other bytes came back")
	}
	return <-wrote
}
