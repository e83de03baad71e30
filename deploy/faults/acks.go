package faults

import (
	"context"
	"net"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Acks harms acknowledgements of JetStream on the connections to NATS servers
// that its Dial makes, on demand. The zero value harms nothing. Dial is a Dialer
// for a Line; TLS must be off. Its methods may be called from any goroutine.
//
// What is lost is the answer to a publisher: the message (or the atomic batch)
// is stored. Negative answers are never harmed, nor is anything else.
type Acks struct {
	mu    sync.Mutex
	armed []ackFault
	lost  int
}

// ackFault is what happens to one acknowledgement of a stream.
type ackFault struct {
	stream string
	cut    bool // the connection is closed too
}

// Dial connects as net.Dialer does.
func (a *Acks) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return newAcksConn(conn, a), nil
}

// LoseAck has the stream's next positive acknowledgement, on whichever
// connection, swallowed. The connection goes on. Calls add up.
func (a *Acks) LoseAck(stream string) { a.arm(ackFault{stream: stream}) }

// LoseAckAndCut is LoseAck, and the connection is closed in the
// acknowledgement's place. Calls add up; what was asked for first comes first.
func (a *Acks) LoseAckAndCut(stream string) { a.arm(ackFault{stream: stream, cut: true}) }

func (a *Acks) arm(f ackFault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = append(a.armed, f)
}

// Cancel takes back the calls of LoseAck and LoseAckAndCut that no
// acknowledgement has met yet.
func (a *Acks) Cancel() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = nil
}

// Lost counts the acknowledgements that were lost.
func (a *Acks) Lost() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost
}

// next takes the fault for one message from the server, if it is an
// acknowledgement for which there is one.
func (a *Acks) next(payload []byte) (f ackFault, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.armed) == 0 {
		return ackFault{}, false
	}
	stream, ok := acknowledges(payload)
	if !ok {
		return ackFault{}, false
	}
	i := slices.IndexFunc(a.armed, func(f ackFault) bool { return f.stream == stream })
	if i < 0 {
		return ackFault{}, false
	}
	f = a.armed[i]
	a.armed = slices.Delete(a.armed, i, i+1)
	a.lost++
	return f, true
}

// acknowledges tells which stream the payload says has stored something
// (JetStream's publish acknowledgement: stream, seq, and no error).
func acknowledges(payload []byte) (stream string, ok bool) {
	var ack struct {
		Stream string         `json:"stream"`
		Seq    *uint64        `json:"seq"`
		Error  jsontext.Value `json:"error"`
	}
	if err := json.Unmarshal(payload, &ack); err != nil {
		return "", false // most messages are none
	}
	return ack.Stream, ack.Stream != "" && ack.Seq != nil && ack.Error == nil
}
