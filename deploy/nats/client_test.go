package nats_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// client is a connection of one of the users that knows what it was refused
// and what it has received.
type client struct {
	*nats.Conn
	user     string
	patience time.Duration

	mu        sync.Mutex
	refusals  []error
	stop      context.CancelCauseFunc // ends what is being waited for
	overheard []*nats.Msg
	ears      []*nats.Subscription
}

// client returns the connection of a user: a platform's user, or producer@acme.
func (w *world) client(user string) (*client, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.clients[user]; c != nil {
		return c, nil
	}
	c, err := w.second(user)
	if err == nil {
		w.clients[user] = c
	}
	return c, err
}

// second is another connection of the same user, of which the caller disposes.
func (w *world) second(user string, options ...nats.Option) (*client, error) {
	seed, err := seedOf(user)
	if err != nil {
		return nil, err
	}
	key, err := nats.NkeyOptionFromSeed(seed)
	if err != nil {
		return nil, err
	}
	c, err := w.dial(user, append(options, key)...)
	if err != nil {
		return nil, fmt.Errorf("%s: connect: %w", user, err)
	}
	return c, nil
}

// seedOf returns the file of a user's seed.
func seedOf(user string) (string, error) {
	keys, err := keyring()
	if err != nil {
		return "", err
	}
	if role, token, ok := strings.Cut(user, "@"); ok {
		return filepath.Join(keys, "organizations", token, role+".nk"), nil
	}
	return filepath.Join(keys, user, "nats.nk"), nil
}

func (w *world) dial(user string, options ...nats.Option) (*client, error) {
	c := &client{user: user, patience: w.patience}
	options = append(options, nats.Name(user), nats.Timeout(10*time.Second), nats.ReconnectWait(5*time.Millisecond), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.refuse(err) }))
	if w.tls {
		options = append(options, nats.RootCAs(filepath.Join(w.dir, "credentials/tls/ca.crt")))
	}
	var err error
	c.Conn, err = nats.Connect(w.server.ClientURL(), options...)
	return c, err
}

func (c *client) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = append(c.refusals, err)
	if c.stop != nil && errors.Is(err, nats.ErrPermissionViolation) {
		c.stop(err)
	}
}

// refused returns what the server has refused since it was last asked, as far
// as it is known yet.
func (c *client) refused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := errors.Join(c.refusals...)
	c.refusals = nil
	return err
}

// patiently runs something that waits for answers, until the server refuses
// what was sent or the patience ends.
func (c *client) patiently(ctx context.Context, f func(context.Context) error) error {
	_ = c.refused()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	c.mu.Lock()
	c.stop = stop
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	if err := f(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w", c.user, err)
	}
	return nil
}

// ask sends a request and returns the answer.
func (c *client) ask(ctx context.Context, subject string, body any, header nats.Header) (answer *nats.Msg, err error) {
	err = c.patiently(ctx, func(ctx context.Context) error {
		answer, err = c.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Data: encode(body), Header: header})
		if err != nil {
			return fmt.Errorf("%s: %w", subject, err)
		}
		return apiError(answer)
	})
	return answer, err
}

// send publishes with a reply subject of the sender's choice and returns when
// the server has read it.
func (c *client) send(subject, reply string, body any, header nats.Header) {
	_ = c.PublishMsg(&nats.Msg{Subject: subject, Reply: reply, Data: encode(body), Header: header})
	_ = c.FlushTimeout(c.patience)
}

// overhear subscribes and keeps what comes.
func (c *client) overhear(subject string) {
	ear, err := c.Subscribe(subject, func(m *nats.Msg) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.overheard = append(c.overheard, m)
	})
	if err == nil {
		c.ears = append(c.ears, ear)
	}
	_ = c.FlushTimeout(c.patience)
}

// deafen ends what overhear began, and forgets what was heard.
func (c *client) deafen() {
	for _, ear := range c.ears {
		_ = ear.Unsubscribe() //nolint:errcheck // it was refused, then
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ears, c.overheard = nil, nil
}

func (c *client) jetStream() (jetstream.JetStream, error) {
	if c.user == "worker" {
		return jetstream.New(c.Conn)
	}
	return jetstream.NewWithDomain(c.Conn, "telephony")
}

func encode(body any) []byte {
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return []byte(b)
	case []byte:
		return b
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return encoded
}

// apiError is JetStream's error in an answer, if there is one.
func apiError(m *nats.Msg) error {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if json.Unmarshal(m.Data, &answer) == nil && answer.Error != nil {
		return answer.Error
	}
	return nil
}

// batch publishes messages as one atomic batch.
func (c *client) batch(ctx context.Context, subject string, size int) error {
	id := nuid.Next()
	for i := range size {
		header := nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(i + 1)}}
		if i < size-1 {
			if err := c.PublishMsg(&nats.Msg{Subject: subject, Data: []byte("batched"), Header: header}); err != nil {
				return err
			}
			continue
		}
		header.Set("Nats-Batch-Commit", "1")
		answer, err := c.ask(ctx, subject, "batched", header)
		if err != nil {
			return err
		}
		if !contains(answer.Data, `"count":`+strconv.Itoa(size)) {
			return fmt.Errorf("%s: the answer is %s", subject, answer.Data)
		}
	}
	return nil
}

// openBatch begins an atomic batch, which the function that it returns ends.
func (c *client) openBatch(ctx context.Context, subject string) (commit func() error, err error) {
	id := nuid.Next()
	return func() error {
		_, err := c.ask(ctx, subject, "batched", nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {"2"}, "Nats-Batch-Commit": {"1"}})
		return err
	}, c.PublishMsg(&nats.Msg{Subject: subject, Data: []byte("batched"), Header: nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {"1"}}})
}

// pull sends one request that more than one message answers, and returns them.
func (c *client) pull(ctx context.Context, subject string, count int) (all []*nats.Msg, err error) {
	inbox := c.NewInbox()
	answers, err := c.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer answers.Unsubscribe() //nolint:errcheck // the connection's end does it as well
	return all, c.patiently(ctx, func(ctx context.Context) error {
		if err := c.PublishRequest(subject, inbox, fmt.Appendf(nil, `{"batch":%d,"expires":%d}`, count, c.patience)); err != nil {
			return err
		}
		for range count {
			m, err := answers.NextMsgWithContext(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", subject, err)
			}
			if status := m.Header.Get("Status"); status != "" {
				return fmt.Errorf("%s: status %s %s", subject, status, m.Header.Get("Description"))
			}
			all = append(all, m)
		}
		return nil
	})
}

// take pulls what is there and does not wait for more.
func (c *client) take(ctx context.Context, subject string, count int) (all []*nats.Msg) {
	inbox := c.NewInbox()
	answers, err := c.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer answers.Unsubscribe() //nolint:errcheck // the connection's end does it as well
	_ = c.patiently(ctx, func(ctx context.Context) error {
		if err := c.PublishRequest(subject, inbox, fmt.Appendf(nil, `{"batch":%d,"no_wait":true}`, count)); err != nil {
			return err
		}
		for len(all) < count {
			m, err := answers.NextMsgWithContext(ctx)
			if err != nil || m.Header.Get("Status") != "" {
				return err
			}
			all = append(all, m)
		}
		return nil
	})
	return all
}

func contains(data []byte, text string) bool { return strings.Contains(string(data), text) }
