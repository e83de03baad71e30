package processtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

const (
	// restCallers is how many requests are made at once.
	restCallers = 64
	// restPatience is longer than any answer may take: the gateway's wait, its
	// questions, and what a loaded machine adds.
	restPatience = 90 * time.Second
	// restKills is how often each of gateway, worker and NATS is killed.
	restKills = 4
)

// TestGatewayUnderKills makes requests with keys while the gateway, a worker and
// NATS are killed and started again. Each request gets an answer or a connection
// error, and is repeated with its key until it has its outcome: then every
// number is connected once, and every outcome event is in the stream once.
//
//	CONNECT_TEST_REQUESTS=100000 go test ./deploy/processtest -run GatewayUnderKills -timeout 60m
func TestGatewayUnderKills(t *testing.T) {
	requests := 5_000
	if testing.Short() {
		requests = 1_000
	}
	if given := os.Getenv("CONNECT_TEST_REQUESTS"); given != "" {
		var err error
		if requests, err = strconv.Atoi(given); err != nil {
			t.Fatalf("CONNECT_TEST_REQUESTS: %v", err)
		}
	}
	r := seed(t)
	s := newService(t)
	c := s.newRESTCallers(requests)
	s.work()
	s.work()
	gateway := s.spawn("gateway", "--api", c.address, "--listen", "")

	var callers sync.WaitGroup
	queue := make(chan int, requests)
	for n := range requests {
		queue <- n
	}
	close(queue)
	for range restCallers {
		callers.Go(func() {
			for n := range queue {
				c.insist(n)
			}
		})
	}
	c.killMeanwhile(r, gateway)
	callers.Wait()
	s.awaitConnection()
	s.awaitEmptyOutbox()
	gateway.stop()
	for _, w := range s.workers {
		w.stop()
	}
	t.Logf("%d requests: %s", requests, c.tally())
	c.check()
}

// restFleet makes the requests that connect a fleet's numbers.
type restFleet struct {
	*service
	fleet   demo.Fleet
	address string
	client  *http.Client
	done    atomic.Int64

	mu   sync.Mutex
	told map[string]int // answers by status, and connection errors
}

func (s *service) newRESTCallers(requests int) *restFleet {
	s.t.Helper()
	port, err := local.FreePort("127.0.0.1")
	if err != nil {
		s.t.Fatal(err)
	}
	c := &restFleet{
		service: s, fleet: demo.Fleet{Organizations: 20, Numbers: requests}, address: fmt.Sprintf("127.0.0.1:%d", port), told: map[string]int{},
		client: &http.Client{Timeout: restPatience, Transport: &http.Transport{MaxIdleConnsPerHost: restCallers}},
	}
	s.t.Cleanup(c.client.CloseIdleConnections)
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		if err := c.fleet.Load(ctx, conn); err != nil {
			return err
		}
		for n := range c.fleet.Organizations {
			handle, _ := c.fleet.Command(n)
			sum := sha256.Sum256([]byte(tokenOf(handle)))
			if _, err := conn.Exec(ctx, `insert into telephony.api_tokens (token_sha256, domain_handle) values ($1, $2)`, sum[:], handle); err != nil {
				return err
			}
		}
		return nil
	})
	return c
}

func tokenOf(handle string) string { return "token-of-" + handle }

// insist repeats the request of number n with its key until it has an outcome.
func (c *restFleet) insist(n int) {
	for try := 0; ; try++ {
		status, err := c.ask(n)
		c.mu.Lock()
		if err != nil {
			c.told["connection errors"]++
		} else {
			c.told[strconv.Itoa(status)]++
		}
		c.mu.Unlock()
		if c.t.Failed() {
			return
		}
		if status == http.StatusOK {
			c.done.Add(1)
			return
		}
		pause := time.NewTimer(time.Duration(20+rand.IntN(100)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-c.t.Context().Done():
			return
		}
	}
}

// ask makes one request. An error is one of the connection.
func (c *restFleet) ask(n int) (status int, err error) {
	handle, command := c.fleet.Command(n)
	body, err := json.Marshal(map[string]any{"provider_config_id": command.ProviderConfigID, "phone_number": command.PhoneNumber})
	if err != nil {
		c.t.Error(err)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost,
		"http://"+c.address+"/api/v2/platform/telephony/bridges/"+command.BridgeSlug+"/connect-provider/", strings.NewReader(string(body)))
	if err != nil {
		c.t.Error(err)
		return 0, err
	}
	request.Header = http.Header{"Authorization": {"Token " + tokenOf(handle)}, "Org-Handle": {handle}, "Content-Type": {"application/json"},
		"Idempotency-Key": {keyOf(n)}}
	response, err := c.client.Do(request)
	if err != nil {
		if failure := net.Error(nil); errors.As(err, &failure) && failure.Timeout() {
			c.t.Errorf("request %d got neither an answer nor an error of its connection within %s", n, restPatience)
		}
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	want := fmt.Sprintf(`{"status_code":200,"message":"Provider connected to bridge successfully.","data":{"message":"Provider connected successfully","bridge_slug":%q,"phone_number":%q}}`,
		command.BridgeSlug, command.PhoneNumber)
	switch {
	case response.StatusCode == http.StatusOK && string(answer) != want:
		c.t.Errorf("request %d was answered %s", n, answer)
	case !slices.Contains([]int{http.StatusOK, http.StatusAccepted, http.StatusServiceUnavailable}, response.StatusCode):
		c.t.Errorf("request %d was answered %s %s", n, response.Status, answer)
	}
	return response.StatusCode, nil
}

func keyOf(n int) string { return fmt.Sprintf("request-%d", n) }

// killMeanwhile kills each in turn, spread over the requests, and starts it
// again when some more have been answered, or after a while if none can be.
func (c *restFleet) killMeanwhile(r *rand.Rand, gateway *roleProcess) {
	c.t.Helper()
	victims := []struct {
		name        string
		kill, start func()
	}{
		{"NATS", c.nats.Kill, c.nats.Start},
		{"the gateway", gateway.kill, gateway.start},
		{"a worker", func() { c.workers[0].kill() }, func() { c.workers[0].start() }},
	}
	total := restKills * len(victims)
	for i := range total {
		c.awaitDone(int64(c.fleet.Numbers * (i + 1) / (total + 1)))
		v := victims[i%len(victims)]
		c.t.Logf("after %d requests: kill -9 of %s", c.done.Load(), v.name)
		v.kill()
		select {
		case <-time.After(time.Duration(r.IntN(1500)) * time.Millisecond):
		case <-c.t.Context().Done():
		}
		v.start()
	}
}

// awaitDone waits until so many requests have their outcome. It gives up where
// none gets one for long, not after a certain time in all.
func (c *restFleet) awaitDone(want int64) {
	c.t.Helper()
	for have := c.done.Load(); have < want; {
		before := have
		systemtest.Eventually(c.t, fmt.Sprintf("more than %d of %d requests answered", before, want), func() error {
			if have = c.done.Load(); have == before {
				return errors.New("none was")
			}
			return nil
		})
	}
}

func (c *restFleet) tally() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.told)
}

// check demands that each number is connected once, and told once.
func (c *restFleet) check() {
	c.t.Helper()
	connected := map[string]int{}
	ids := map[string]bool{}
	c.read(messages.EventsStream, func(message jetstream.Msg, _ uint64) {
		event, err := messages.DecodeEvent(message.Data())
		if err != nil {
			c.t.Fatal(err)
		}
		if ids[event.ID.String()] {
			c.t.Errorf("event %s is in the stream twice", event.ID)
		}
		ids[event.ID.String()] = true
		if event.Data.Error != nil || !event.Data.Changed || event.Data.ConnectionVersion != 1 {
			c.t.Errorf("an event of another kind: %v", event)
		}
		connected[event.CommandID]++
	})
	for n := range c.fleet.Numbers {
		if connected[keyOf(n)] != 1 {
			c.t.Errorf("command %s has %d events", keyOf(n), connected[keyOf(n)])
		}
	}
	if len(ids) != c.fleet.Numbers {
		c.t.Errorf("%d events of %d commands", len(ids), c.fleet.Numbers)
	}
	if once := c.count(`select count(*)::int from connect_provider.connections where connection_version = 1`); once != c.fleet.Numbers {
		c.t.Errorf("%d numbers are connected once, of %d", once, c.fleet.Numbers)
	}
	if all := c.count(`select count(*)::int from connect_provider.connections`); all != c.fleet.Numbers {
		c.t.Errorf("%d numbers are connected, of %d", all, c.fleet.Numbers)
	}
}
