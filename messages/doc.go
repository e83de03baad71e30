// Package messages is the wire: what travels between producers, workers and
// consumers of the telephony streams, and nothing of how it is decided. It
// needs neither a database driver nor a server, so that producers and
// consumers written in Go can import it.
package messages
