package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"connect-provider/deploy/demo"
	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// BenchmarkRequests measures the document's call, each of another number: through
// gateway, queue, worker and back; through a plain handler that does the same in
// one Postgres transaction; and, as the floor of every queue, the publishing of
// the command alone. All on servers that sync every write, one after the other,
// by 1, 16 and 64 callers.
//
//	go test ./cmd/internal/gateway -run '^$' -bench Requests -benchtime 1x
func BenchmarkRequests(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		requests := map[int]int{1: 2_000, 16: 15_000, 64: 30_000}[callers]
		for _, way := range []struct {
			name  string
			begin func(s *synced) (call func(n int) error)
		}{{"gateway", (*synced).throughTheQueue}, {"plain-handler", (*synced).plainHandler}, {"publish-only", (*synced).publishOnly}} {
			b.Run(fmt.Sprintf("%s/callers=%d", way.name, callers), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					s := newSynced(b, requests)
					call := way.begin(s)
					b.StartTimer()
					s.measure(callers, requests, call)
				}
			})
		}
	}
}

// synced is a bed whose servers sync every write, with a fleet of numbers.
type synced struct {
	*bed
	b     *testing.B
	fleet demo.Fleet
	http  *http.Client
}

const benchOrganizations = 50

func newSynced(b *testing.B, numbers int) *synced {
	b.Helper()
	dir, remove, err := local.TempDir("connect-provider-gateway")
	if err != nil {
		b.Fatal(err)
	}
	postgres, err := local.StartPostgres(context.Background(), local.PostgresOptions{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(postgres.Close(), remove()); err != nil {
			b.Error(err)
		}
	})
	s := &synced{bed: &bed{t: b, database: postgres.URL(), server: systemtest.NATSProcess(b)}, b: b,
		fleet: demo.Fleet{Organizations: benchOrganizations, Numbers: numbers}, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
	b.Cleanup(s.http.CloseIdleConnections)
	s.nc, s.js = s.connect(s.server.URL())
	s.migrate()
	if _, _, err := worker.EnsureStreams(b.Context(), s.js, messages.StreamOptions{}, false); err != nil {
		b.Fatal(err)
	}
	s.exec(func(ctx context.Context, conn *pgx.Conn) error {
		if err := s.fleet.Load(ctx, conn); err != nil {
			return err
		}
		for n := range benchOrganizations {
			handle, _ := s.fleet.Command(n)
			if _, err := conn.Exec(ctx, `insert into telephony.api_tokens (token_sha256, domain_handle) values ($1, $2)`, sum(handle), handle); err != nil {
				return err
			}
		}
		_, err := conn.Exec(ctx, "analyze")
		return err
	})
	return s
}

// measure makes the calls and reports how many there were in a second, and how
// long they took.
func (s *synced) measure(callers, requests int, call func(n int) error) {
	s.b.Helper()
	var next atomic.Int64
	took := make([]time.Duration, requests)
	began := time.Now()
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for n := int(next.Add(1)) - 1; n < requests; n = int(next.Add(1)) - 1 {
				start := time.Now()
				if err := call(n); err != nil {
					s.b.Error(err)
					return
				}
				took[n] = time.Since(start)
			}
		})
	}
	group.Wait()
	all := time.Since(began)
	slices.Sort(took)
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	s.b.ReportMetric(float64(requests)/all.Seconds(), "requests/s")
	s.b.ReportMetric(milliseconds(took[requests/2]), "p50-ms")
	s.b.ReportMetric(milliseconds(took[requests*99/100]), "p99-ms")
	s.b.ReportMetric(0, "ns/op")
}

// connected demands that so many numbers are connected.
func (s *synced) connected(want int) {
	s.exec(func(ctx context.Context, conn *pgx.Conn) error {
		var have int
		err := conn.QueryRow(ctx, `select count(*)::int from connect_provider.connections`).Scan(&have)
		if err == nil && have != want {
			err = fmt.Errorf("%d numbers are connected, of %d", have, want)
		}
		return err
	})
}

// throughTheQueue starts a worker and a gateway, as they run in production.
func (s *synced) throughTheQueue() func(n int) error {
	config := worker.DefaultConfig()
	pool, err := worker.NewPool(context.Background(), s.database, config.InFlight)
	if err != nil {
		s.b.Fatal(err)
	}
	nc, _ := s.connect(s.server.URL())
	config.Name, config.Database, config.NATS, config.Logger, config.Registerer = "worker", pool, nc, zap.NewNop(), prometheus.NewRegistry()
	w, err := worker.New(config)
	if err != nil {
		s.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	s.b.Cleanup(func() {
		s.connected(s.fleet.Numbers)
		cancel()
		<-ended
		pool.Close()
	})
	systemtest.Eventually(s.b, "the worker", w.Ready)
	g := s.serve(func(c *Config) { c.Logger = zap.NewNop() })
	return s.over(g.url)
}

// over makes the calls over HTTP.
func (s *synced) over(url string) func(n int) error {
	return func(n int) error {
		handle, command := s.fleet.Command(n)
		a := example(to(command.BridgeSlug), from(handle, handle), connecting(int(command.ProviderConfigID), command.PhoneNumber))
		answer, err := (&running{url: url, client: s.http}).try(context.Background(), a)
		if err == nil {
			err = answer.want(http.StatusOK)
		}
		return err
	}
}

// publishOnly publishes the commands, and waits for nothing but the stream.
func (s *synced) publishOnly() func(n int) error {
	return func(n int) error {
		handle, command := s.fleet.Command(n)
		organization, err := messages.OrganizationFromHandle(handle)
		if err != nil {
			return err
		}
		body, err := messages.EncodeCommand(command)
		if err != nil {
			return err
		}
		_, err = s.js.Publish(context.Background(), messages.CommandSubject(messages.Interactive, organization, messages.VerbConnectProvider), body)
		return err
	}
}

// plainHandler serves what most would write first: the rules in one transaction
// of two round trips beside begin and commit, serialized for each organization,
// with a row for each request by which it could be found again. Tokens come from
// the same cache, and its connections are as many as its callers.
func (s *synced) plainHandler() func(n int) error {
	config, err := pgxpool.ParseConfig(s.database)
	if err != nil {
		s.b.Fatal(err)
	}
	config.MaxConns = 64
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		s.b.Fatal(err)
	}
	s.sql(`create table public.requests (id bigint generated always as identity primary key, domain_handle text not null, phone_number text not null, failure text)`)
	tokens := newTokens(pool)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+connectPath, func(w http.ResponseWriter, r *http.Request) {
		token, _ := tokenOf(r.Header)
		handle, _, err := tokens.owner(r.Context(), token)
		if err != nil || r.Header.Get("Org-Handle") != handle {
			http.Error(w, "not allowed", http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(r.Body)
		organization, bad := messages.OrganizationFromHandle(handle)
		if err != nil || bad != nil {
			http.Error(w, "unreadable", http.StatusBadRequest)
			return
		}
		c, problem := readCall(r, body, organization)
		if problem != nil {
			problem.write(w)
			return
		}
		data := messages.EventData{BridgeSlug: c.command.BridgeSlug, PhoneNumber: c.command.PhoneNumber}
		if data.Error, err = decideNow(r.Context(), pool, handle, c.command); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		a := ofOutcome(&data, c.command.ID)
		a.write(w)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.b.Fatal(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	go func() { _ = server.Serve(listener) }() // ended by Close
	s.b.Cleanup(func() {
		s.connected(s.fleet.Numbers)
		_ = server.Close()
		pool.Close()
	})
	return s.over("http://" + listener.Addr().String())
}

// decideNow applies one command in a transaction of its own.
func decideNow(ctx context.Context, pool *pgxpool.Pool, handle string, c messages.Command) (failure *messages.Failure, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var known, single, active, linked bool
		var provider, elsewhere, other *string
		var q pgx.Batch
		q.Queue(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, handle)
		q.Queue(`select o.one_provider_per_bridge,
			exists (select from telephony.bridges b where b.domain_handle = $1 and b.slug = $2),
			p.provider, coalesce(p.active, false),
			exists (select from telephony.phone_numbers n where n.phone_number = $4 and n.domain_handle = $1 and n.provider_config_id = $3 and n.active),
			(select bridge_slug from connect_provider.connections where phone_number = $4 and bridge_slug <> $2),
			(select provider from connect_provider.connections where domain_handle = $1 and bridge_slug = $2 and provider <> p.provider limit 1)
			from telephony.organizations o left join telephony.provider_configurations p on p.domain_handle = o.domain_handle and p.id = $3
			where o.domain_handle = $1`, handle, c.BridgeSlug, c.ProviderConfigID, c.PhoneNumber).QueryRow(func(row pgx.Row) error {
			return row.Scan(&single, &known, &provider, &active, &linked, &elsewhere, &other)
		})
		if err := tx.SendBatch(ctx, &q).Close(); err != nil {
			return err
		}
		if _, err := messages.ParsePhoneNumber(c.PhoneNumber); err != nil {
			failure = &messages.Failure{Code: messages.PhoneNumberInvalid}
		}
		for _, rule := range []struct {
			broken bool
			code   messages.Code
		}{
			{!known, messages.BridgeNotFound}, {provider == nil, messages.ProviderConfigNotFound}, {!active, messages.ProviderConfigInactive},
			{!linked, messages.PhoneNumberNotLinked}, {elsewhere != nil, messages.PhoneNumberInUse}, {single && other != nil, messages.BridgeHasOtherProvider},
		} {
			if rule.broken && failure == nil {
				failure = &messages.Failure{Code: rule.code}
			}
		}
		q = pgx.Batch{}
		code := ""
		if failure == nil {
			q.Queue(`insert into connect_provider.connections (phone_number, domain_handle, bridge_slug, provider_config_id, provider, connection_version, connected_at)
				values ($1, $2, $3, $4, $5, 1, clock_timestamp())
				on conflict (phone_number) do update set provider_config_id = excluded.provider_config_id, provider = excluded.provider,
					connection_version = connections.connection_version + 1, connected_at = excluded.connected_at`,
				c.PhoneNumber, handle, c.BridgeSlug, c.ProviderConfigID, provider)
		} else {
			code = string(failure.Code)
		}
		q.Queue(`insert into public.requests (domain_handle, phone_number, failure) values ($1, $2, nullif($3, ''))`, handle, c.PhoneNumber, code)
		return tx.SendBatch(ctx, &q).Close()
	})
	return failure, err
}
