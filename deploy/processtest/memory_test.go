package processtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// promisedMemory is what one worker stays below, in bytes.
const promisedMemory = 150 << 20

// TestMemoryOfOneWorker has one worker decide what has gathered in all lanes of
// both classes: many commands of the usual size, the same again in a database that
// knows nothing of them, then fewer bulk ones as large as they may be.
func TestMemoryOfOneWorker(t *testing.T) {
	usual, interactive, large := 40_000, 20_000, 8_000
	if testing.Short() {
		usual, interactive, large = 20_000, 10_000, 4_000
	}
	s := newService(t)
	s.loadPlatform()
	s.publishBulk(usual, func(i int) []byte { return usualCommand(messages.Bulk, i) })
	s.publishInteractive(interactive)
	w := s.work()
	s.awaitGrowth(messages.EventsStream, usual+interactive)
	s.checkMemory(w, "commands of the usual size")
	w.stop()

	// as restored to before the first command: all lanes read their events as well
	s.exec("truncate connect_provider.lanes, connect_provider.inbox, connect_provider.connections, connect_provider.outbox")
	w.start()
	systemtest.Eventually(t, "all commands to be decided again", func() error {
		if n := s.count("select count(*)::int from connect_provider.inbox"); n < usual+interactive {
			return fmt.Errorf("%d are", n)
		}
		return nil
	})
	s.checkMemory(w, "the same decided again")
	w.stop()

	slug := strings.Repeat("x", messages.MaxBody-150)
	s.publishBulk(large, func(i int) []byte {
		return fmt.Appendf(nil, `{"command_id":"large-%d","bridge_slug":"%s","provider_config_id":1,"phone_number":"%s"}`,
			i, slug, number(i%organizations, messages.Bulk, 0))
	})
	w.start()
	s.awaitGrowth(messages.EventsStream, usual+interactive+large)
	s.checkMemory(w, "the largest commands")
	w.stop()
}

func (s *service) checkMemory(w *roleProcess, load string) {
	s.t.Helper()
	peak, err := residentPeak(w.cmd.Process.Pid)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("%s: %d MB resident at most", load, peak>>20)
	if peak >= promisedMemory {
		s.t.Errorf("%s: one worker had %d MB resident, less than %d are promised", load, peak>>20, promisedMemory>>20)
	}
}

// publishInteractive puts n commands into the interactive stream, which takes
// no batches.
func (s *service) publishInteractive(n int) {
	s.t.Helper()
	commands := make([]command, n)
	for i := range commands {
		owner, err := messages.OrganizationFromHandle(handle(i % organizations))
		if err != nil {
			s.t.Fatal(err)
		}
		commands[i] = command{subject: messages.CommandSubject(messages.Interactive, owner, messages.VerbConnectProvider),
			body: usualCommand(messages.Interactive, i)}
	}
	var group errgroup.Group
	var acknowledged atomic.Int64
	for part := range slices.Chunk(commands, n/publishers+1) {
		group.Go(func() error {
			js, err := jetstream.New(s.nc)
			if err != nil {
				return err
			}
			return publishAll(js, part, &acknowledged)
		})
	}
	if err := group.Wait(); err != nil {
		s.t.Fatal(err)
	}
}

func usualCommand(class messages.Class, i int) []byte {
	n := i / organizations
	return fmt.Appendf(nil, `{"command_id":"usual-%s-%d","bridge_slug":"%s","provider_config_id":1,"phone_number":"%s","metadata":{"job":"friday","row":"%d"}}`,
		class, i, bridge(class, n%bridges), number(i%organizations, class, n%numbers), i)
}

// publishBulk puts n commands into the bulk stream in atomic batches, by turns
// of all organizations.
func (s *service) publishBulk(n int, body func(i int) []byte) {
	s.t.Helper()
	const batch = 1000
	for first := 0; first < n; first += batch {
		id := nuid.Next()
		for i := first; i < min(n, first+batch); i++ {
			owner, err := messages.OrganizationFromHandle(handle(i % organizations))
			if err != nil {
				s.t.Fatal(err)
			}
			m := &nats.Msg{Subject: messages.CommandSubject(messages.Bulk, owner, messages.VerbConnectProvider), Data: body(i),
				Header: nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(i - first + 1)}}}
			if i < min(n, first+batch)-1 {
				if err := s.nc.PublishMsg(m); err != nil {
					s.t.Fatal(err)
				}
				continue
			}
			m.Header.Set("Nats-Batch-Commit", "1")
			if reply, err := s.nc.RequestMsg(m, 30*time.Second); err != nil || strings.Contains(string(reply.Data), `"error"`) {
				s.t.Fatalf("publish a batch: %v %s", err, reply.Data)
			}
		}
	}
}
