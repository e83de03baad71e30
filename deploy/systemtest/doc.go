// Package systemtest gives tests real servers: databases, NATS servers, servers
// that can be killed, restored or put behind a faulty line. Nothing is mocked
// and nothing is skipped: what is missing fails the test and says how to get it.
//
// The ways to harm them are those of package faults; here they fail the test
// where there an error is returned, and what was started or harmed ends with it.
//
// A package that uses it runs its tests through Main:
//
//	func TestMain(m *testing.M) { os.Exit(systemtest.Main(m)) }
//
// # Where the servers run
//
// On this machine where Postgres binaries are found (package local), else in
// containers (backend.go). CONNECT_TEST_BACKEND=local or =containers decides
// otherwise. The containers are those of the public images nats:2.15-alpine and
// postgres:18-alpine. Tests see no difference between the two.
//
// # What there is
//
//   - Database (database.go): a fresh empty database of its own for a test, on
//     a server that the test process shares. MigratedDatabase (migrated.go): one
//     with the project's schemas, copied from a template.
//   - NATS (nats.go): a server of its own with JetStream, every write synced,
//     which the test can stop and start, whose disk it can lose, and one stream
//     of which it can put back to an earlier copy (nats_rewind.go). NATSProcess:
//     one that can be killed (faults.NATSProcess).
//   - PrivatePostgres (postgres.go): a server of its own that the test can
//     restart, kill or pause; backup.go copies the running cluster and puts the
//     copy back in its place; standby.go makes a standby that lags at will.
//   - Proxy (proxy.go): a faults.Line that ends with the test. A test that is to
//     lose a COMMIT or an acknowledgement uses faults.Commits or faults.Acks.
//   - Eventually, Logger.
//
// # When it ends
//
// Servers of a test end with the test, the shared one with Main. If the test
// process is killed, the kernel or a closed pipe ends its local servers, and
// the next run removes its directory and its containers (main.go, container.go).
//
// Durability against power loss is not needed here, so Postgres runs with fsync
// off. It survives kill -9 all the same.
package systemtest
