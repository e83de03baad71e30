package faults

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// slowly runs a test with one direction of a line of a pace, on synctest's
// clock: near is written to, far read from.
func slowly(t *testing.T, pace Pace, test func(t *testing.T, l *Line, near, far net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := new(Line)
		l.pace.Store(&currentPace{Pace: pace, changed: make(chan struct{})})
		near, from := net.Pipe()
		to, far := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		carried := make(chan struct{})
		go func() {
			defer close(carried)
			newFlow(&l.pace, new(atomic.Bool)).carry(ctx, to, from)
		}()
		test(t, l, near, far)
		cancel()
		_ = near.Close()
		<-carried
	})
}

func write(t *testing.T, c net.Conn, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rand.Int())
	}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes arrived")
	}
}

// Many chunks are under way during one delay.
func TestDelay(t *testing.T) {
	t.Parallel()
	slowly(t, Pace{Delay: time.Minute}, func(t *testing.T, _ *Line, near, far net.Conn) {
		began := time.Now()
		for range 3 {
			var sent []byte
			for range 1000 {
				sent = append(sent, write(t, near, 100)...)
			}
			read(t, far, sent)
		}
		if took := time.Since(began); took != 3*time.Minute {
			t.Errorf("took %s, want 3 minutes", took)
		}
	})
}

func TestJitter(t *testing.T) {
	t.Parallel()
	slowly(t, Pace{Delay: time.Second, Jitter: time.Second}, func(t *testing.T, _ *Line, near, far net.Conn) {
		var shortest, longest time.Duration
		for range 100 {
			began := time.Now()
			a, b := write(t, near, 10), write(t, near, 10)
			read(t, far, a)
			took := time.Since(began)
			read(t, far, b)
			if took < time.Second || time.Since(began) > 2*time.Second {
				t.Fatalf("took %s and %s", took, time.Since(began))
			}
			if shortest == 0 || took < shortest {
				shortest = took
			}
			longest = max(longest, took)
		}
		if longest-shortest < time.Second/4 {
			t.Errorf("between %s and %s: hardly any jitter", shortest, longest)
		}
	})
}

func TestBandwidth(t *testing.T) {
	t.Parallel()
	slowly(t, Pace{Delay: time.Second, BytesPerSecond: 1000}, func(t *testing.T, _ *Line, near, far net.Conn) {
		began := time.Now()
		sent := append(write(t, near, 5000), write(t, near, 4000)...)
		read(t, far, sent[:1])
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the first byte took %s: all were sent at once", took)
		}
		read(t, far, sent[1:])
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %s, want 1 s and 9 for 9000 bytes", took)
		}
	})
}

func TestEveryByteHasItsTurn(t *testing.T) {
	t.Parallel()
	slowly(t, Pace{BytesPerSecond: 1}, func(t *testing.T, _ *Line, near, far net.Conn) {
		began := time.Now()
		read(t, far, write(t, near, 3))
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %s, want 3 s", took)
		}
	})
}

// A sender cannot get ahead by more than the bound.
func TestUnderWayIsBounded(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"large chunks": 32 * 1024, "small chunks": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slowly(t, Pace{Delay: time.Hour}, func(t *testing.T, l *Line, near, _ net.Conn) {
				var written atomic.Int64
				go func() {
					for {
						n, err := near.Write(make([]byte, size))
						if err != nil {
							return
						}
						written.Add(int64(n))
					}
				}()
				synctest.Wait()
				most := int64(min(mostBytes, mostChunks*size)) + 2*int64(size) // one waits for its time, one for room
				if n := written.Load(); n > most || n < most/2 {
					t.Errorf("%d bytes are under way, want at most %d", n, most)
				}
			})
		})
	}
}

func TestPaceOfWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	slowly(t, Pace{Delay: time.Hour}, func(t *testing.T, l *Line, near, far net.Conn) {
		began := time.Now()
		sent := write(t, near, 10)
		synctest.Wait()
		l.Slow(Pace{Delay: time.Minute})
		read(t, far, sent)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %s, want a minute", took)
		}
		l.Slow(Pace{Delay: time.Hour})
		sent = write(t, near, 10)
		l.Slow(Pace{})
		read(t, far, sent)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %s longer, without a delay", took-time.Minute)
		}
	})
}

// What was sent before the end arrives, each byte in its time.
func TestEndAfterTheLastByte(t *testing.T) {
	t.Parallel()
	slowly(t, Pace{Delay: time.Minute}, func(t *testing.T, _ *Line, near, far net.Conn) {
		began := time.Now()
		sent := write(t, near, 10)
		if err := near.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, sent) || time.Since(began) != time.Minute {
			t.Errorf("%d bytes after %s, %v", len(got), time.Since(began), err)
		}
	})
}
