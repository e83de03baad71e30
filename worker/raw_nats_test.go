package worker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rawMessage is what a client that keeps no rules sends: a header block and a
// subject as they go over the wire.
type rawMessage struct {
	kind    string
	subject string
	header  string // with its "NATS/1.0" line and the blank one; "" for none
	body    []byte
	quiet   bool // published without asking for an acknowledgement
}

// rawAnswer is what a publish came to.
type rawAnswer struct {
	stream   string
	sequence uint64 // 0: refused
	refusal  string
}

// rawClient speaks the NATS protocol without a library, which would refuse to
// send most of what a hostile client can.
type rawClient struct {
	conn    net.Conn
	out     *bufio.Writer
	answers chan rawReply
}

type rawReply struct {
	number int
	answer rawAnswer
}

func newRawClient(t testing.TB, server string) *rawClient {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &rawClient{conn: conn, out: bufio.NewWriterSize(conn, 1<<20), answers: make(chan rawReply, 1000)}
	_, _ = c.out.WriteString("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}\r\nSUB _INBOX.hostile.* 1\r\n")
	go c.read()
	return c
}

// publishAll sends messages in one go and returns what became of each; a
// quiet one's answer is empty.
func (c *rawClient) publishAll(t testing.TB, messages []rawMessage) []rawAnswer {
	t.Helper()
	waiting := 0
	for i, m := range messages {
		reply := ""
		if !m.quiet {
			reply, waiting = "_INBOX.hostile."+strconv.Itoa(i)+" ", waiting+1
		}
		if m.header == "" {
			fmt.Fprintf(c.out, "PUB %s %s%d\r\n", m.subject, reply, len(m.body))
		} else {
			fmt.Fprintf(c.out, "HPUB %s %s%d %d\r\n%s", m.subject, reply, len(m.header), len(m.header)+len(m.body), m.header)
		}
		_, _ = c.out.Write(m.body)
		_, _ = c.out.WriteString("\r\n")
	}
	if err := c.out.Flush(); err != nil {
		t.Fatalf("hostile client: %v", err)
	}
	answers := make([]rawAnswer, len(messages))
	deadline := time.After(time.Minute)
	for ; waiting > 0; waiting-- {
		select {
		case reply, ok := <-c.answers:
			if !ok {
				t.Fatalf("the server closed the hostile client's connection with %d answers missing", waiting)
			}
			answers[reply.number] = reply.answer
		case <-deadline:
			t.Fatalf("%d publishes were not answered", waiting)
		}
	}
	return answers
}

// read takes what the server sends until it closes the connection.
func (c *rawClient) read() {
	defer close(c.answers)
	in := bufio.NewReader(c.conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		switch fields[0] {
		case "PING":
			_, _ = c.conn.Write([]byte("PONG\r\n"))
		case "MSG", "HMSG":
			size, _ := strconv.Atoi(fields[len(fields)-1])
			payload := make([]byte, size+2)
			if _, err := io.ReadFull(in, payload); err != nil {
				return
			}
			number, _ := strconv.Atoi(strings.TrimPrefix(fields[1], "_INBOX.hostile."))
			c.answers <- rawReply{number, readRawAnswer(fields[0] == "HMSG", payload[:size])}
		}
	}
}

func readRawAnswer(status bool, payload []byte) rawAnswer {
	if status {
		return rawAnswer{refusal: strings.TrimSpace(string(payload))}
	}
	var ack struct {
		Stream   string `json:"stream"`
		Sequence uint64 `json:"seq"`
		Error    *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(payload, &ack); err != nil {
		return rawAnswer{refusal: err.Error()}
	}
	if ack.Error != nil {
		return rawAnswer{refusal: ack.Error.Description}
	}
	return rawAnswer{stream: ack.Stream, sequence: ack.Sequence}
}
