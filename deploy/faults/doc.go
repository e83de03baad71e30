// Package faults holds the ways to harm the servers of the system and the lines
// to them. Package systemtest gives them to tests; any other program that is to
// harm a system on purpose can use them as well.
//
// Nothing here does harm by itself, and each harm can be ended: a line unblocked
// or released, a paused server resumed, a killed one started again.
//
// # Lines
//
//   - Line (line.go) stands between clients and a server. It can be cut,
//     blocked, held half open, slowed down (pace.go) or led to another server.
//     Its connections are in connection.go, what one direction of them carries
//     in flow.go.
//   - Commits (commits.go) is a way for a Line, or for a client, to connect to
//     Postgres: it loses a COMMIT, or only its reply.
//   - Acks (acks.go) is one to connect to NATS: it loses the acknowledgement of
//     a message that JetStream has stored.
//
// The latter two read the protocol, so the connection has to be without TLS.
//
// # Servers
//
//   - NATSProcess (nats_process.go) is a NATS server that can be killed, since
//     it is a process of its own: the program runs itself again. One stream of
//     it can be put back to an earlier copy (nats_stream.go).
//   - The functions for Postgres (cluster.go, standby.go, pause.go) copy a
//     running cluster, put a copy back in its place, make it a standby that lags
//     at will, and pause a server. They need the server's URL, and a Shell where
//     its data directory is: LocalShell on this machine (shell.go), or one in a
//     container. To start and to kill a server is the part of who has it, such
//     as package local.
//
// # When it fails
//
// An error says what could not be done, and the harm may be there in part: a
// copy half made, some processes paused. What ends a harm can be called again.
package faults
