package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"connect-provider/cmd/internal/connection"
	"connect-provider/deploy/demo"
	"connect-provider/deploy/migrations"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }

// The tokens of the demo's organizations.
const (
	acmeToken   = "token-of-acme"
	globexToken = "token-of-globex"
	dottedToken = "token-of-example.com"
)

// bed is a system for one test: servers, streams, the demo's organizations with
// a token each, and as many workers and gateways as the test starts.
type bed struct {
	t        testing.TB
	database string
	server   *systemtest.NATSServer
	nc       *nats.Conn
	js       jetstream.JetStream
}

func newBed(t testing.TB) *bed {
	t.Helper()
	b := &bed{t: t, database: systemtest.MigratedDatabase(t), server: systemtest.NATS(t)}
	b.nc, b.js = b.connect(b.server.URL())
	b.prepare()
	return b
}

func (b *bed) prepare() {
	b.t.Helper()
	b.makeStreams()
	b.exec(func(ctx context.Context, conn *pgx.Conn) error { return demo.Load(ctx, conn) })
	for token, handle := range map[string]string{acmeToken: "acme", globexToken: "globex", dottedToken: "example.com"} {
		b.sql(`insert into telephony.api_tokens (token_sha256, domain_handle) values ($1, $2)`, sum(token), handle)
	}
}

func (b *bed) migrate() {
	b.t.Helper()
	if err := migrations.Up(b.t.Context(), b.database); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) makeStreams() {
	b.t.Helper()
	if _, _, err := worker.EnsureStreams(b.t.Context(), b.js, messages.StreamOptions{Lanes: 4}, false); err != nil {
		b.t.Fatal(err)
	}
}

func sum(token string) []byte {
	s := sha256.Sum256([]byte(token))
	return s[:]
}

func (b *bed) exec(work func(ctx context.Context, conn *pgx.Conn) error) {
	b.t.Helper()
	ctx := context.WithoutCancel(b.t.Context()) // also when the test ends
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // what was done on it is done
	if err := work(ctx, conn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) sql(sql string, args ...any) {
	b.t.Helper()
	b.exec(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	})
}

// connect connects as the service does, so that nothing is sent while the server
// is away.
func (b *bed) connect(url string) (*nats.Conn, jetstream.JetStream) {
	b.t.Helper()
	nc, err := nats.Connect(url, append(connection.Lasting(zap.NewNop()), nats.RetryOnFailedConnect(true),
		nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.t.Fatal(err)
	}
	return nc, js
}

// work starts a worker, which ends with the test or by what it returns.
func (b *bed) work() (stop func()) {
	b.t.Helper()
	config := worker.DefaultConfig()
	pool, err := worker.NewPool(context.Background(), b.database, config.InFlight, func(c *pgxpool.Config) { c.MaxConns = 6 })
	if err != nil {
		b.t.Fatal(err)
	}
	nc, _ := b.connect(b.server.URL())
	config.Name, config.LeaseTTL = "worker", 2*time.Second
	config.Database, config.NATS, config.Logger, config.Registerer = pool, nc, systemtest.Logger(b.t), prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("the worker ended with %v", err)
		}
		pool.Close()
	})
	b.t.Cleanup(stop)
	systemtest.Eventually(b.t, "the worker", w.Ready)
	return stop
}

// running is a gateway that serves.
type running struct {
	*Gateway
	b       *bed
	url     string
	client  *http.Client
	log     *logged
	metrics *prometheus.Registry
	drain   context.CancelFunc
	ended   chan error
}

// serve starts a gateway and waits until it is ready. change may change its
// settings; it ends with the test.
func (b *bed) serve(change ...func(*Config)) *running {
	b.t.Helper()
	r := b.start(change...)
	systemtest.Eventually(b.t, "the gateway", r.Ready)
	return r
}

func (b *bed) start(change ...func(*Config)) *running {
	b.t.Helper()
	r := &running{b: b, log: &logged{}, metrics: prometheus.NewRegistry(), ended: make(chan error, 1)}
	config := DefaultConfig()
	config.Wait = 5 * time.Minute // an outcome that is missed is to be noticed: see patience
	config.Logger = zap.New(zapcore.NewTee(systemtest.Logger(b.t).Core(), zapcore.NewCore(
		zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), r.log, zap.DebugLevel)))
	config.Registerer = r.metrics
	for _, c := range change {
		c(&config)
	}
	if config.Database == nil {
		pool, err := NewPool(context.Background(), b.database)
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(pool.Close)
		config.Database = pool
	}
	if config.JetStream == nil {
		_, config.JetStream = b.connect(b.server.URL())
	}
	var err error
	if r.Gateway, err = New(config); err != nil {
		b.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	r.url = "http://" + listener.Addr().String()
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	r.client = &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(context.Background())
	r.drain = cancel
	go func() { r.ended <- r.Run(ctx, listener) }()
	b.t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-r.ended; err != nil {
			b.t.Errorf("the gateway ended with %v", err)
		}
		r.ended <- nil
	})
	return r
}

// logged is what a gateway has logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) Sync() error { return nil }

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// asked is a request as a test writes it: the document's, with changes.
type asked struct {
	method, path string
	header       map[string]string // an empty value removes one
	body         string
}

const exampleBody = `{"provider_config_id": 42, "phone_number": "+1234567890"}`

func connectTo(slug string) string {
	return "/api/v2/platform/telephony/bridges/" + slug + "/connect-provider/"
}

// example is the document's call.
func example(change ...func(*asked)) asked {
	a := asked{method: http.MethodPost, path: connectTo("sales-bridge-001"), body: exampleBody, header: map[string]string{
		"Authorization": "Token " + acmeToken, "Org-Handle": "acme", "Content-Type": "application/json",
	}}
	for _, c := range change {
		c(&a)
	}
	return a
}

func with(name, value string) func(*asked) { return func(a *asked) { a.header[name] = value } }

func key(id string) func(*asked) { return with("Idempotency-Key", id) }

func content(body string) func(*asked) { return func(a *asked) { a.body = body } }

func connecting(configuration int, phone string) func(*asked) {
	return content(fmt.Sprintf(`{"provider_config_id": %d, "phone_number": %q}`, configuration, phone))
}

func to(slug string) func(*asked) { return func(a *asked) { a.path = connectTo(slug) } }

func at(method, path string) func(*asked) { return func(a *asked) { a.method, a.path = method, path } }

// about asks for a command's outcome in place of making one.
func about(id string) func(*asked) {
	return func(a *asked) {
		a.method, a.path, a.body = http.MethodGet, "/api/v2/platform/telephony/commands/"+id+"/", ""
		delete(a.header, "Content-Type")
	}
}

func from(token, handle string) func(*asked) {
	return func(a *asked) { a.header["Authorization"], a.header["Org-Handle"] = "Token "+token, handle }
}

// got is an answer.
type got struct {
	status int
	header http.Header
	body   string
}

// String is what a golden file has.
func (g got) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d %s\n", g.status, http.StatusText(g.status))
	for _, name := range slices.Sorted(maps.Keys(g.header)) {
		if !slices.Contains([]string{"Date", "X-Request-Id", "Content-Length"}, name) {
			fmt.Fprintf(&text, "%s: %s\n", name, strings.Join(g.header[name], ", "))
		}
	}
	return text.String() + "\n" + g.body + "\n"
}

// patience is how long a test waits for an answer: shorter than a gateway waits
// for an outcome, so that none is found by the question at the end of the wait.
const patience = 40 * time.Second

func (r *running) try(ctx context.Context, a asked) (got, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, a.method, r.url+a.path, strings.NewReader(a.body))
	if err != nil {
		return got{}, err
	}
	for name, value := range a.header {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := r.client.Do(request)
	if err != nil {
		return got{}, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(response.Body)
	return got{response.StatusCode, response.Header, string(body)}, err
}

func (r *running) ask(change ...func(*asked)) got {
	r.b.t.Helper()
	answer, err := r.try(r.b.t.Context(), example(change...))
	if err != nil {
		r.b.t.Fatal(err)
	}
	return answer
}

// meanwhile asks without waiting for the answer.
func (r *running) meanwhile(change ...func(*asked)) <-chan got {
	answers := make(chan got, 1)
	go func() {
		answer, err := r.try(context.Background(), example(change...))
		if err != nil {
			answer.body = err.Error()
		}
		answers <- answer
	}()
	return answers
}

// has demands a status, and a code where there is one.
func (g got) has(t testing.TB, status int, code messages.Code) {
	t.Helper()
	if g.status != status || code != "" && !strings.Contains(g.body, `"code":"`+string(code)+`"`) {
		t.Fatalf("answered %d %s, want %d %s", g.status, g.body, status, code)
	}
}

// stored returns how many messages a stream holds.
func (b *bed) stored(stream string) int {
	b.t.Helper()
	info, err := b.js.Stream(b.t.Context(), stream)
	if err != nil {
		b.t.Fatal(err)
	}
	return int(info.CachedInfo().State.Msgs)
}

// awaitCommands waits until the interactive stream holds a number of messages.
func (b *bed) awaitCommands(want int) {
	b.t.Helper()
	systemtest.Eventually(b.t, fmt.Sprintf("%d commands", want), func() error {
		if have := b.stored(messages.Interactive.Stream()); have != want {
			return fmt.Errorf("there are %d", have)
		}
		return nil
	})
}

// awaitWaiting waits until a number of requests wait.
func (r *running) awaitWaiting(want int) {
	r.b.t.Helper()
	systemtest.Eventually(r.b.t, fmt.Sprintf("%d requests that wait", want), func() error {
		if have := r.waiting.count(); have != want {
			return fmt.Errorf("there are %d", have)
		}
		return nil
	})
}

// want reports a status that is another one.
func (g got) want(status int) error {
	if g.status != status {
		return fmt.Errorf("answered %d %s", g.status, g.body)
	}
	return nil
}

// pause has the workers decide nothing of an organization until resume.
func (b *bed) pause(token string) {
	b.t.Helper()
	b.onPool(func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := worker.SetPause(ctx, pool, worker.Pause{Class: messages.Interactive, OrgToken: token, Reason: "a test"})
		return err
	})
}

func (b *bed) resume(token string) {
	b.t.Helper()
	b.onPool(func(ctx context.Context, pool *pgxpool.Pool) error {
		_, err := worker.EndPause(ctx, pool, messages.Interactive, token)
		return err
	})
}

func (b *bed) onPool(work func(context.Context, *pgxpool.Pool) error) {
	b.t.Helper()
	pool, err := pgxpool.New(b.t.Context(), b.database)
	if err != nil {
		b.t.Fatal(err)
	}
	defer pool.Close()
	if err := work(b.t.Context(), pool); err != nil {
		b.t.Fatal(err)
	}
}

// command reads a command as a worker does.
func (b *bed) command(sequence uint64) messages.Received {
	b.t.Helper()
	stream, err := b.js.Stream(b.t.Context(), messages.Interactive.Stream())
	if err != nil {
		b.t.Fatal(err)
	}
	m, err := stream.GetMsg(b.t.Context(), sequence)
	if err != nil {
		b.t.Fatal(err)
	}
	return messages.Decode(messages.Message{StreamCreated: stream.CachedInfo().Created, Time: m.Time, Sequence: m.Sequence,
		Subject: m.Subject, Header: m.Header, Body: m.Data})
}

// tell publishes an outcome as a worker does.
func (b *bed) tell(r messages.Received, o messages.Outcome) {
	b.t.Helper()
	event := messages.NewEvent(&r, 1, o, r.Key(), time.Now())
	body, err := event.Encode()
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.js.Publish(b.t.Context(), event.MessageSubject(), body); err != nil {
		b.t.Fatal(err)
	}
}
