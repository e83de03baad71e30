package processtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/faults"
	"connect-provider/deploy/systemtest"
)

// service is the whole system as processes.
type service struct {
	t        *testing.T
	binary   string
	postgres *systemtest.PostgresServer
	nats     *systemtest.NATSServer
	nc       *nats.Conn
	js       jetstream.JetStream
	workers  []*roleProcess
	// environment is added to that of what is started from here on
	environment []string
}

// newService starts both servers and prepares them with the program itself.
func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, binary: program(t), postgres: systemtest.PrivatePostgres(t), nats: systemtest.NATSProcess(t)}
	s.run("migrate")
	s.run("streams")
	var err error
	s.nc, err = nats.Connect(s.nats.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.nc.Close)
	if s.js, err = jetstream.New(s.nc, jetstream.WithPublishAsyncTimeout(3*time.Second)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) commandOf(binary string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+s.postgres.URL(), "NATS_URL="+s.nats.URL(), "CONNECT_PROVIDER_LEASE_TTL=2s")
	cmd.Env = append(cmd.Env, s.environment...)
	cmd.SysProcAttr = faults.EndWithParent()
	return cmd
}

// run runs a role of the program that ends by itself.
func (s *service) run(args ...string) {
	s.t.Helper()
	s.runOf(s.binary, args...)
}

func (s *service) runOf(binary string, args ...string) {
	s.t.Helper()
	if out, err := s.commandOf(binary, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("connect-provider %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// roleProcess is a worker, or another role of the program, that can be killed
// and started again.
type roleProcess struct {
	s      *service
	binary string
	args   []string
	log    string
	cmd    *exec.Cmd
}

// work starts a worker; it ends with the test, which shows the end of its log
// if it fails.
func (s *service) work() *roleProcess {
	s.t.Helper()
	w := s.spawn("worker", "--listen", "127.0.0.1:0")
	s.workers = append(s.workers, w)
	return w
}

// spawn starts a role; it ends as work says.
func (s *service) spawn(args ...string) *roleProcess {
	s.t.Helper()
	w := &roleProcess{s: s, binary: s.binary, args: args, log: filepath.Join(s.t.TempDir(), args[0]+".log")}
	w.start()
	s.t.Cleanup(func() {
		_ = w.cmd.Process.Kill() // it has ended already where all went well
		_ = w.cmd.Wait()
		if s.t.Failed() {
			s.t.Logf("the end of %s:\n%s", w.log, tail(w.log))
		}
	})
	return w
}

func (w *roleProcess) start() {
	w.s.t.Helper()
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	w.cmd = w.s.commandOf(w.binary, w.args...)
	w.cmd.Stderr = log
	if err := w.cmd.Start(); err != nil {
		w.s.t.Fatal(err)
	}
}

// kill is kill -9.
func (w *roleProcess) kill() {
	w.s.t.Helper()
	if err := w.cmd.Process.Kill(); err != nil {
		w.s.t.Fatalf("a %s had ended before it was killed: %v", w.args[0], err)
	}
	_ = w.cmd.Wait() // says that it was killed
}

// stop asks the worker to drain, and demands that it ends well.
func (w *roleProcess) stop() {
	w.s.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.s.t.Fatalf("a %s has ended by itself: %v", w.args[0], err)
	}
	if err := w.cmd.Wait(); err != nil {
		w.s.t.Errorf("a %s asked to end: %v", w.args[0], err)
	}
}

func tail(path string) []byte {
	const most = 8000
	text, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	return text[max(0, len(text)-most):]
}

// onDatabase works on a connection of its own: others may have been cut.
func (s *service) onDatabase(work func(ctx context.Context, conn *pgx.Conn) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.postgres.URL())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // what was done on it is done
	if err := work(ctx, conn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *service) exec(sql string, args ...any) {
	s.t.Helper()
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	})
}

func (s *service) count(sql string) (n int) {
	s.t.Helper()
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, sql).Scan(&n)
	})
	return n
}

// read reads a whole stream, in order.
func (s *service) read(stream string, each func(m jetstream.Msg, sequence uint64)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	consumer, err := s.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		s.t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		s.t.Fatal(err)
	}
	defer messages.Stop()
	for left := s.size(stream); left > 0; left-- {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			s.t.Fatalf("read %s: %v", stream, err)
		}
		metadata, err := m.Metadata()
		if err != nil {
			s.t.Fatal(err)
		}
		each(m, metadata.Sequence.Stream)
	}
}

// awaitConnection waits until the test itself is connected to NATS again.
func (s *service) awaitConnection() {
	s.t.Helper()
	systemtest.Eventually(s.t, "the test's connection to NATS", func() error {
		if !s.nc.IsConnected() {
			return errors.New(s.nc.Status().String())
		}
		return nil
	})
}

func (s *service) size(stream string) int {
	s.t.Helper()
	info, err := s.js.Stream(context.Background(), stream)
	if err != nil {
		s.t.Fatal(err)
	}
	return int(info.CachedInfo().State.Msgs)
}

// awaitGrowth waits until a stream holds a number of messages. It gives up
// where nothing has come for a while, not after a certain time in all.
func (s *service) awaitGrowth(stream string, want int) {
	s.t.Helper()
	for have := s.size(stream); have < want; {
		before := have
		systemtest.Eventually(s.t, fmt.Sprintf("more than %d of %d messages in %s", before, want, stream), func() error {
			if have = s.size(stream); have == before {
				return errors.New("none came")
			}
			return nil
		})
	}
}
