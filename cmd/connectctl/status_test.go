package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"connect-provider/cmd/internal/program"
	"connect-provider/cmd/internal/status"
	"connect-provider/deploy/demo"
	"connect-provider/deploy/local"
	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
	"connect-provider/worker"
)

// nobody listens there.
const nowhere = "nats://127.0.0.1:1"

// statusAt is the command line of status for servers.
func statusAt(databaseURL, natsURL string, more ...string) []string {
	return append([]string{"status", "--database-url", databaseURL, "--server", natsURL}, more...)
}

func TestStatusOfAWholeSystem(t *testing.T) {
	t.Parallel()
	s, err := startSystem(t.Context(), local.Options{
		Dir: t.TempDir(), DatabaseURL: systemtest.Database(t), Logger: systemtest.Logger(t),
	}, devStreams)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	runs(t, 0, "publish", "--server", s.natsURL, "--org", "acme", "--bridge", "sales-bridge-001",
		"--provider-config", "42", "--phone", "+1234567890", "--id", "order-7731-line-4", "--wait", "30s")
	args := func(more ...string) []string { return statusAt(s.databaseURL, s.natsURL, more...) }

	out, _ := runs(t, 0, args()...)
	if !strings.HasPrefix(out, "OK: 32 lanes, 1 worker, ") {
		t.Errorf("the first line is not OK:\n%s", out)
	}
	contains(t, out, "LANE ", "c15 ", "b15 ", "connectctl:", "32: c0 to c15, b0 to b15", "TELEPHONY_EVENTS    1 ", "as they should be", "No dead letters.")

	out, _ = runs(t, 0, args("--json")...)
	var document status.System
	decodeStrictly(t, out, &document)
	if !document.OK || len(document.Lanes) != 32 || len(document.Streams) != 3 || len(document.Workers) != 1 {
		t.Errorf("%s", out)
	}

	out, _ = runs(t, 0, args("order-7731-line-4", "--org", "acme")...)
	contains(t, out, "order-7731-line-4 of acme: connected", "as sequence 1 of TELEPHONY_COMMANDS", "connected +1*****7890 to bridge sales-bridge-001 through twilio (configuration 42), version 1", "event ")
	out, _ = runs(t, 0, args("order-7731-line-4", "--org", "acme", "--reveal")...)
	contains(t, out, "connected +1234567890 to bridge")
	out, _ = runs(t, 0, args("order-0", "--org", "acme")...)
	contains(t, out, "order-0 of acme: unknown")
	out, _ = runs(t, 0, args("--phone", "+1234567890", "--json")...)
	var phone status.Phone
	decodeStrictly(t, out, &phone)
	if phone.PhoneNumber != "+1234567890" || len(phone.Commands) != 1 || *phone.Commands[0].CommandID != "order-7731-line-4" || phone.Connection.BridgeSlug != "sales-bridge-001" {
		t.Errorf("%s", out)
	}
	// a wrong thing is told, and telling it is no failure
	if _, err := s.pool.Exec(t.Context(), `insert into connect_provider.pauses (class, reason) values ('b', 'ticket 4711')`); err != nil {
		t.Fatal(err)
	}
	out, _ = runs(t, 0, args()...)
	contains(t, out, "WARNING: bulk commands are paused\n", "connectctl resume --class bulk", "ticket 4711")
}

func decodeStrictly(t *testing.T, text string, into any) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

func TestStatusRefusesWhatItCantAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"order-1"}, "add --org"},
		{[]string{"order 1", "--org", "acme"}, "1 to 128"},
		{[]string{"--org", "acme"}, "--org goes with"},
		{[]string{"order-1", "--org", ""}, "add --org"},
		{[]string{"--phone", "01234567890"}, "E.164"},
		{[]string{"--phone", "+1 234 567 890"}, "as in +1234567890"},
		{[]string{"--phone", "+1234567890", "order-1", "--org", "acme"}, "different questions"},
		{[]string{"--phone", "+1234567890", "--watch"}, "can't be watched"},
		{[]string{"--interval", "1ms"}, "--interval"},
		{[]string{"--timeout", "-1s"}, "--timeout"},
	} {
		_, stderr := runs(t, 2, statusAt("postgres://127.0.0.1:1/nobody", nowhere, test.args...)...)
		contains(t, stderr, test.want)
		if strings.Contains(stderr, "01234567890") || strings.Contains(stderr, "234 567") {
			t.Errorf("the number is repeated: %s", stderr)
		}
	}
	_, stderr := runs(t, 2, "status")
	contains(t, stderr, "DATABASE_URL is not set")
	out, _ := runs(t, 0, "status", "--help")
	contains(t, strings.Join(strings.Fields(out), " "), "Reads the whole inbox, which has no index on the number")
}

// What can be told is told, who is away is named, and the exit code says so.
func TestStatusWithServersAway(t *testing.T) {
	t.Parallel()
	natsServer, database := systemtest.NATS(t), systemtest.MigratedDatabase(t)
	withStreams(t, natsServer.URL(), devStreams)
	noDatabase := "postgres://someone:s3cret@127.0.0.1:1/nobody"

	out, stderr := runs(t, 1, statusAt(database, nowhere)...)
	contains(t, out, "ERROR: NATS can't be asked; no worker has ever started on this database", "127.0.0.1:1", "LANE ", "No dead letters.")
	if stderr != "" {
		t.Errorf("said on standard error as well: %s", stderr)
	}
	out, _ = runs(t, 1, statusAt(noDatabase, natsServer.URL())...)
	contains(t, out, "ERROR: the database can't be asked\n", "TELEPHONY_COMMANDS")
	if strings.Contains(out, "s3cret") {
		t.Errorf("the password shows:\n%s", out)
	}
	out, _ = runs(t, 1, statusAt(noDatabase, nowhere, "--json")...)
	var document status.System
	decodeStrictly(t, out, &document)
	if document.OK || len(document.Problems) != 2 || document.Lanes != nil || document.Streams != nil {
		t.Errorf("%s", out)
	}
	out, _ = runs(t, 1, statusAt(noDatabase, natsServer.URL(), "order-1", "--org", "acme")...)
	contains(t, out, "order-1 of acme: not known", "away       the database")
	out, _ = runs(t, 1, statusAt(database, nowhere, "order-1", "--org", "acme")...)
	contains(t, out, "order-1 of acme: not known", "away       NATS")
	out, _ = runs(t, 1, statusAt(noDatabase, nowhere, "--phone", "+1234567890")...)
	contains(t, out, "+1234567890: not known", "away       the database")
	// a number's history is the database's alone
	out, _ = runs(t, 0, statusAt(database, nowhere, "--phone", "+1234567890")...)
	contains(t, out, "+1234567890: on no bridge")
	// a database that nobody migrated does not answer either
	out, _ = runs(t, 1, statusAt(systemtest.Database(t), natsServer.URL())...)
	contains(t, out, "connect-provider migrate")
}

// A server that takes the connection and says nothing costs the time that was
// given, not more.
func TestStatusDoesNotWaitForSilence(t *testing.T) {
	t.Parallel()
	natsServer, database := systemtest.NATS(t), systemtest.MigratedDatabase(t)
	withStreams(t, natsServer.URL(), devStreams)
	line := systemtest.Proxy(t, database)
	line.HoldReplies()
	// far longer than it takes, and shorter than the library's own patience
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs output
	if code := run(ctx, statusAt(line.URL(), natsServer.URL(), "--timeout", "5s"), &out, &errs); code != 1 {
		t.Errorf("ended with %d", code)
	}
	contains(t, out.String(), "ERROR: the database can't be asked", "TELEPHONY_BULK")
}

// A connection that was given up is made again when it is needed next, as in a
// long watch.
func TestStatusConnectsAgain(t *testing.T) {
	t.Parallel()
	command := &statusCommand{}
	secrets := &program.Secrets{}
	command.Database.URL, command.NATS.URL = systemtest.MigratedDatabase(t), systemtest.NATS(t).URL()
	if err := errors.Join(command.problems(secrets)...); err == nil || !strings.Contains(err.Error(), "--interval") {
		t.Fatal(err)
	}
	servers := &statusServers{command: command, secrets: secrets}
	defer servers.close()
	for range 2 {
		d := servers.connect(t.Context(), time.Minute, true).System(t.Context(), status.Numbers{})
		if !d.Database.Answers || !d.NATS.Answers {
			t.Fatalf("%+v", d.Problems)
		}
		servers.nc.Close()
	}
}

// readOnlyRole makes a role that may only select from both schemas, and returns
// the database's URL for it. It ends with the test.
func readOnlyRole(t *testing.T, databaseURL string) string {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	role, password := "reader_"+strings.ToLower(nuid.Next()), nuid.Next()
	statements := []string{
		"create role %[1]s login password '" + password + "'",
		"grant usage on schema telephony, connect_provider to %[1]s",
		"grant select on all tables in schema telephony, connect_provider to %[1]s",
	}
	for _, statement := range statements {
		if _, err := pool.Exec(t.Context(), fmt.Sprintf(statement, role)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		defer pool.Close()
		for _, statement := range []string{"drop owned by %[1]s", "drop role %[1]s"} {
			if _, err := pool.Exec(context.Background(), fmt.Sprintf(statement, role)); err != nil {
				t.Error(err)
			}
		}
	})
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

// limitedNATS starts a server with a user who may do everything and one who may
// only look at streams, with answers under a prefix of its own, and returns
// their URLs.
func limitedNATS(t *testing.T) (everything, onlyLook string) {
	t.Helper()
	options := &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		Users: []*server.User{{Username: "everything", Password: "everything"}, {
			Username: "onlylook", Password: "onlylook", Permissions: &server.Permissions{
				Publish: &server.SubjectPermission{Allow: []string{
					"$JS.API.STREAM.INFO.>", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.MSG.GET.>",
					"$JS.API.CONSUMER.CREATE.>", "$JS.API.CONSUMER.INFO.>", "$JS.API.CONSUMER.MSG.NEXT.>", "$JS.API.CONSUMER.DELETE.>",
				}},
				Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX_look.>"}},
			},
		}},
	}
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("NATS did not start")
	}
	as := func(user string) string {
		return strings.Replace(s.ClientURL(), "nats://", "nats://"+user+":"+user+"@", 1)
	}
	return as("everything"), as("onlylook")
}

func TestStatusOnlyReads(t *testing.T) {
	t.Parallel()
	everything, onlyLook := limitedNATS(t)
	database := systemtest.MigratedDatabase(t)
	reader := readOnlyRole(t, database)
	pool, err := worker.NewPool(t.Context(), database, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := demo.Load(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(everything)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := worker.EnsureStreams(t.Context(), js, messages.StreamOptions{Lanes: 1}, false); err != nil {
		t.Fatal(err)
	}
	// the database knows lanes; nobody works them, so that all is to be counted
	if _, err := pool.Exec(t.Context(), `insert into connect_provider.lanes (lane, class) values ('c0', 'c'), ('b0', 'b')`); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		runs(t, 0, "publish", "--server", everything, "--org", "acme", "--bridge", "b", "--provider-config", "1", "--phone", "+1234567890", "--id", fmt.Sprint("order-", i))
	}
	args := func(more ...string) []string {
		return statusAt(reader, onlyLook, append(more, "--nats-inbox-prefix", "_INBOX_look")...)
	}
	out, _ := runs(t, 0, args("--json")...)
	var document status.System
	decodeStrictly(t, out, &document)
	if !document.Database.Answers || !document.NATS.Answers || *document.Lanes[0].LagMessages != 3 || document.Lanes[0].LagSeconds == nil {
		t.Errorf("%s", out)
	}
	out, _ = runs(t, 0, args("order-2", "--org", "acme")...)
	contains(t, out, "not decided yet", "as sequence 3 of", "waits      with 2 ahead of it")
	out, _ = runs(t, 0, args("order-9", "--org", "acme")...)
	contains(t, out, "unknown")
	runs(t, 0, args("--phone", "+1234567890")...)

	// the user and the role can't do more than look
	denied, err := nats.Connect(onlyLook, nats.CustomInboxPrefix("_INBOX_look"))
	if err != nil {
		t.Fatal(err)
	}
	defer denied.Close()
	if _, err := denied.Request("telephony.commands.acme.connect-provider", nil, 200*time.Millisecond); err == nil {
		t.Error("the user can publish")
	}
	readerPool, err := pgxpool.New(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	defer readerPool.Close()
	if _, err := readerPool.Exec(t.Context(), "delete from connect_provider.outbox"); err == nil {
		t.Error("the role can delete")
	}
	// rights that are missing are named
	if _, err := pool.Exec(t.Context(), "revoke select on connect_provider.pauses from "+readerOf(t, reader)); err != nil {
		t.Fatal(err)
	}
	out, _ = runs(t, 1, args()...)
	contains(t, out, "permission denied for table pauses", "TELEPHONY_COMMANDS")
	out, _ = runs(t, 1, statusAt(database, onlyLook, "--timeout", "5s")...)
	contains(t, out, "NATS can't be asked", "ermissions")
}

func readerOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.User.Username()
}

// --watch tells it again and again, also while a server is away, until a signal
// ends it in order.
func TestStatusWatchEndsBySignal(t *testing.T) {
	t.Parallel()
	natsServer, database := systemtest.NATS(t), systemtest.MigratedDatabase(t)
	withStreams(t, natsServer.URL(), devStreams)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		executable, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		command := exec.Command(executable, statusAt(database, natsServer.URL(), "--json", "--watch", "--interval", "100ms")...)
		command.Env = append(os.Environ(), asProgram+"=1")
		stderr := &output{}
		command.Stderr = stderr
		stdout, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = command.Process.Kill() })
		documents := json.NewDecoder(stdout)
		next := func() (d status.System) {
			t.Helper()
			if err := documents.Decode(&d); err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			return d
		}
		first, second := next(), next()
		if !second.Time.After(first.Time) || !second.NATS.Answers {
			t.Errorf("%+v %+v", first, second)
		}
		natsServer.Stop()
		systemtest.Eventually(t, "NATS to be missed", func() error {
			if next().NATS.Answers {
				return errors.New("it answers")
			}
			return nil
		})
		natsServer.Start()
		systemtest.Eventually(t, "NATS to be back", func() error {
			if d := next(); !d.NATS.Answers {
				return errors.New(*d.NATS.Error)
			}
			return nil
		})
		if err := command.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, io.MultiReader(documents.Buffered(), stdout))
		if err := command.Wait(); err != nil {
			t.Errorf("%s is an orderly end: %v\n%s", signal, err, stderr.String())
		}
	}
}

// Without a terminal, documents follow one another, a blank line between.
func TestStatusWatchAsText(t *testing.T) {
	t.Parallel()
	database := systemtest.MigratedDatabase(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out, errs output
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, statusAt(database, nowhere, "--watch", "--interval", "100ms"), &out, &errs) }()
	systemtest.Eventually(t, "two documents", func() error {
		if n := strings.Count(out.String(), "\n\nERROR: "); n < 1 {
			return fmt.Errorf("%q", out.String())
		}
		return nil
	})
	interrupt()
	if code := <-ended; code != 0 {
		t.Errorf("ended with %d: %s", code, errs.String())
	}
	if text := out.String(); !strings.HasPrefix(text, "ERROR: ") || strings.Contains(text, "\x1b") {
		t.Errorf("%q", text)
	}
}

func TestARedrawnScreenKeepsToItsSize(t *testing.T) {
	t.Parallel()
	got := fitScreen("ERROR: äöü is long\nshort\n3\n4\n5\n", 10, 5)
	want := "\x1b[HERROR: äö…\x1b[K\nshort\x1b[K\n3\x1b[K\n… and 2 l…\x1b[K\n\x1b[J"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := fitScreen("1\n2\n", 10, 5); got != "\x1b[H1\x1b[K\n2\x1b[K\n\x1b[J" {
		t.Errorf("%q", got)
	}
}
