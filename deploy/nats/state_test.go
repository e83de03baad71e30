package nats_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	access "connect-provider/deploy/nats"
)

// state is what the streams hold, as one who may see everything sees it.
type state struct {
	streams   map[string]*jetstream.StreamInfo
	consumers map[string]string // by stream and name: definition and position
}

// settle waits until what was asked before is answered, wherever the answer went,
// and what was published before is stored: the events stream delivers to
// consumers by the same queue by which it acknowledges, so it comes first.
func (w *world) settle(ctx context.Context) error {
	served, err := w.client(access.Worker)
	if err != nil {
		return err
	}
	// without a reply, so that no rule about answers matters here
	if err := w.god.Publish("telephony.outcomes.settled", nil); err != nil {
		return err
	}
	select {
	case <-w.answered:
	case <-time.After(w.patience):
		return errors.New("the service does not get to the last question")
	}
	if err := served.FlushTimeout(w.patience); err != nil {
		return err
	}
	for _, subject := range []string{"telephony.events.c0.settled.x", "telephony.commands.settled.x", "telephony.bulk.settled.x"} {
		if _, err := w.god.ask(ctx, subject, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) state(ctx context.Context) (*state, error) {
	s := &state{streams: map[string]*jetstream.StreamInfo{}, consumers: map[string]string{}}
	infos := w.godJS.ListStreams(ctx)
	for info := range infos.Info() {
		s.streams[info.Config.Name] = info
	}
	if err := infos.Err(); err != nil {
		return nil, err
	}
	for name := range s.streams {
		stream, err := w.godJS.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		consumers := stream.ListConsumers(ctx)
		for info := range consumers.Info() {
			described, err := json.Marshal([]any{info.Config, info.Delivered, info.AckFloor, info.NumAckPending})
			if err != nil {
				return nil, err
			}
			s.consumers[name+" "+info.Name] = string(described)
		}
		if err := consumers.Err(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// changes lists what happened between two states. may tells whether a message
// or a consumer may be new or changed.
func (w *world) changes(ctx context.Context, before, after *state, may func(name, content string) bool) (all []string, err error) {
	for name, was := range before.streams {
		is := after.streams[name]
		if is == nil {
			all = append(all, "stream "+name+" was deleted")
			continue
		}
		if described(was.Config) != described(is.Config) || !was.Created.Equal(is.Created) {
			all = append(all, "stream "+name+" was changed")
		}
		if made := is.State.Consumers - was.State.Consumers; made > 0 && !may("another consumer of "+name, "") && made > len(after.consumers)-len(before.consumers) {
			all = append(all, fmt.Sprintf("%s has %d consumers that are not listed", name, made))
		}
		if was.State.FirstSeq != is.State.FirstSeq || was.State.NumDeleted != is.State.NumDeleted {
			all = append(all, "stream "+name+" lost messages")
		}
		stream, err := w.godJS.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		for sequence := was.State.LastSeq + 1; sequence <= is.State.LastSeq; sequence++ {
			m, err := stream.GetMsg(ctx, sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				all = append(all, fmt.Sprintf("%s lost message %d", name, sequence))
				continue
			}
			if err != nil {
				return nil, err
			}
			if !strings.Contains(m.Subject, ".settled.") && !may(m.Subject, string(m.Data)) {
				all = append(all, fmt.Sprintf("%s holds %s: %.60s", name, m.Subject, m.Data))
			}
		}
	}
	for name := range after.streams {
		if before.streams[name] == nil {
			all = append(all, "stream "+name+" was made")
		}
	}
	both := maps.Clone(before.consumers)
	maps.Copy(both, after.consumers)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if before.consumers[name] != after.consumers[name] && !may(name, "") {
			all = append(all, "consumer "+name+" was made, changed or deleted")
		}
	}
	return all, nil
}

func described(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
