package systemtest_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"connect-provider/deploy/systemtest"
)

func TestProxy(t *testing.T) {
	t.Parallel()
	server := echo(t)
	p := systemtest.Proxy(t, "tcp://user@"+server+"/path?q=1")
	if want := "tcp://user@" + p.Addr() + "/path?q=1"; p.URL() != want {
		t.Errorf("URL %s, want %s", p.URL(), want)
	}

	c := dial(t, p)
	if err := ask(c); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if err := ask(c); err == nil {
		t.Error("a cut connection answers")
	}

	c = dial(t, p)
	p.Block()
	if err := ask(c); err == nil {
		t.Error("a blocked connection answers")
	}
	if c, err := net.Dial("tcp", p.Addr()); err == nil {
		_ = c.Close()
		t.Error("a blocked line accepts")
	}
	if err := p.Unblock(); err != nil {
		t.Fatal(err)
	}

	c = dial(t, p)
	for _, hold := range []func(){p.Hold, p.HoldReplies} {
		hold()
		if err := ask(c); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a held line: %v", err)
		}
		p.Release()
		if err := ask(c); err == nil {
			t.Error("a connection that lost bytes goes on")
		}
		c = dial(t, p)
		if err := ask(c); err != nil {
			t.Error(err)
		}
	}

	p.Redirect(echo(t))
	if err := ask(dial(t, p)); err != nil {
		t.Error(err)
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

func dial(t *testing.T, p *systemtest.TCPProxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ask(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(c, "hello"); err != nil {
		return err
	}
	_, err := bufio.NewReader(c).ReadString('\n')
	return err
}
