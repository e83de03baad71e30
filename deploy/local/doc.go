// Package local stands the system's two servers up on one machine, without
// containers: NATS inside this process and a private Postgres as its child. It
// is what `connectctl demo` and `connectctl dev` run on, and what tests use
// where Postgres binaries exist.
//
// Start (stack.go) takes a directory and gives both URLs:
//
//   - The directory is locked (lock_unix.go), so that two stacks never share
//     it. The lock is the kernel's and goes away with the process.
//   - NATS (nats.go) keeps JetStream below it and syncs every write: what a
//     publisher got an acknowledgement for is on disk. RunNATS is the same
//     server as a whole program, for tests that kill it.
//   - Postgres binaries are looked for (find.go): in the directory given, on
//     PATH, in the usual directories of Debian and Red Hat, and at last
//     downloaded by a library (fetch.go). If all fail, one error names them all.
//   - The cluster is made (initialize.go) beside its final place and renamed,
//     so a half-made one is never taken for a whole one. The data directory has
//     mode 0700, the server listens on 127.0.0.1 only, and every connection
//     needs the password generated there (mode 0600).
//   - Postgres is started (postgres.go, process.go) and awaited (launch.go).
//   - Ports are remembered (port.go): a restart on the same directory gives the
//     same URLs unless somebody else has taken the port meanwhile.
//
// Postgres refuses to run as root. For root the server runs as the account
// "postgres", else "nobody" (account.go), and every directory above its own
// must let that account pass; TempDir (tempdir.go) makes directories that do.
//
// # When it fails
//
// Close ends both servers in an orderly way. If this process is killed, NATS is
// gone with it and Postgres gets a shutdown signal from the kernel on Linux; on
// other systems it keeps running. Either way the next start on the same
// directory finds it (leftover.go), verifies that it serves this very
// directory, ends it and recovers. What was committed or acknowledged stays.
//
// The package neither creates tables nor streams; that is the caller's part.
package local
