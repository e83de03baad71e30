package worker

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"connect-provider/messages"
)

// TestAnyHistoryIsASequentialOne: whatever is published, however often, to
// which class, in whatever batches it is read, and wherever a worker stops, the
// outcomes and the connections are those of a plain sequential model, each
// outcome is in the events stream once, and a lane's are in order.
func TestAnyHistoryIsASequentialOne(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	d := newDriver(t, s)
	var round atomic.Int64
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{rapid: rt, s: s, d: d, model: newModel(), prefix: fmt.Sprintf("+1%04d", round.Add(1)), want: map[string]string{}}
		h.setUp()
		h.publish()
		h.work()
		h.check()
	})
}

type history struct {
	rapid  *rapid.T
	s      *system
	d      *driver
	model  *model
	prefix string
	orgs   []string
	first  int // events before this round
	want   map[string]string
	texts  map[string]modelCommand // by body, to know what is applied when
}

func (h *history) setUp() {
	round := h.prefix[2:]
	h.orgs = []string{"p" + round, "q" + round}
	h.texts = map[string]modelCommand{}
	h.first = len(h.s.events())
	for i, org := range h.orgs {
		prefix := fmt.Sprintf("%s%d", h.prefix, i)
		h.s.organization(org, 3, 0, prefix)
		for n, configuration := range []int64{1, 1, 3, 2} {
			phone := number(prefix, n)
			h.s.platform(`insert into telephony.phone_numbers values ($1, $2, $3, true)`, phone, org, configuration)
			h.model.linked[org+phone] = configuration
		}
	}
}

// publish draws commands that get in each other's way: few ids, few bridges,
// few numbers, many repetitions, both classes.
func (h *history) publish() {
	n := rapid.IntRange(1, 25).Draw(h.rapid, "commands")
	var published []string
	for range n {
		if len(published) > 0 && rapid.IntRange(0, 3).Draw(h.rapid, "again") == 0 {
			h.send(rapid.SampledFrom(published).Draw(h.rapid, "which"))
			continue
		}
		org := rapid.SampledFrom(h.orgs).Draw(h.rapid, "org")
		prefix := h.prefix + map[bool]string{true: "0", false: "1"}[org == h.orgs[0]]
		c := modelCommand{
			org: org, id: fmt.Sprintf("id%d", rapid.IntRange(0, 11).Draw(h.rapid, "id")),
			bridge:        rapid.SampledFrom([]string{"b0", "b1", "b0", "b1", "nope"}).Draw(h.rapid, "bridge"),
			configuration: rapid.SampledFrom([]int64{1, 1, 2, 3, 5, 9}).Draw(h.rapid, "configuration"),
			phone:         number(prefix, rapid.IntRange(0, 4).Draw(h.rapid, "number")),
		}
		text := c.org + " " + string(connectCommand(c.id, c.bridge, c.configuration, c.phone))
		h.texts[text] = c
		published = append(published, text)
		h.send(text)
	}
}

func (h *history) send(text string) {
	org, payload, _ := strings.Cut(text, " ")
	class := rapid.SampledFrom(messages.Classes()).Draw(h.rapid, "class")
	h.s.publish(class, org, []byte(payload))
}

// work drives the lanes that have something to do, a batch of any size at a
// time, in any order, and stops workers at every point there is.
func (h *history) work() {
	var lanes []messages.Lane
	for _, org := range h.orgs {
		for _, class := range messages.Classes() {
			lane := messages.Lane{Class: class, Number: messages.Partition(org, testLanes)}
			if len(lanes) == 0 || (lanes[0] != lane && lanes[len(lanes)-1] != lane && !contains(lanes, lane)) {
				lanes = append(lanes, lane)
			}
		}
	}
	for len(lanes) > 0 {
		i := rapid.IntRange(0, len(lanes)-1).Draw(h.rapid, "lane")
		if !h.step(lanes[i]) {
			lanes = append(lanes[:i], lanes[i+1:]...)
		}
	}
}

func contains(lanes []messages.Lane, lane messages.Lane) bool {
	for _, l := range lanes {
		if l == lane {
			return true
		}
	}
	return false
}

func (h *history) step(lane messages.Lane) bool {
	l, err := h.d.acquire(lane)
	if err != nil {
		h.rapid.Fatal(err)
	}
	for range rapid.IntRange(1, 3).Draw(h.rapid, "batches") {
		h.relink()
		batch, err := h.d.next(l, rapid.IntRange(1, 8).Draw(h.rapid, "size"))
		if err != nil {
			h.rapid.Fatal(err)
		}
		if len(batch) == 0 {
			return false
		}
		rows, err := h.d.commitOnly(l, batch)
		if err != nil {
			h.rapid.Fatal(err)
		}
		for _, received := range batch {
			c := h.texts[received.Organization.Handle+" "+string(received.Body)]
			if outcome := h.model.connect(c); outcome != "" {
				h.want[fmt.Sprintf("%s/%d", lane, received.Sequence)] = outcome
			}
		}
		published := len(rows)
		stop := rapid.IntRange(0, 3).Draw(h.rapid, "stop")
		if stop == 0 {
			published = rapid.IntRange(0, len(rows)).Draw(h.rapid, "published")
		}
		if err := l.publisher.relay.Publish(context.Background(), rows[:published]); err != nil {
			h.rapid.Fatal(err)
		}
		if stop == 0 {
			return true // killed between commit and the end of publishing
		}
		l.publisher.note(rows)
		if stop == 1 {
			return true // killed before the rows were removed
		}
	}
	if err := l.tidy(context.Background()); err != nil {
		h.rapid.Fatal(err)
	}
	return true
}

// relink lets the platform move a number to another of its configurations.
func (h *history) relink() {
	if rapid.IntRange(0, 2).Draw(h.rapid, "relink") > 0 {
		return
	}
	phone := number(h.prefix+"0", rapid.IntRange(0, 3).Draw(h.rapid, "relinked"))
	configuration := rapid.SampledFrom([]int64{1, 2, 3}).Draw(h.rapid, "to")
	h.s.platform(`update telephony.phone_numbers set provider_config_id = $2 where phone_number = $1`, phone, configuration)
	h.model.linked[h.orgs[0]+phone] = configuration
}

func (h *history) check() {
	got := map[string]string{}
	last := map[messages.Lane]uint64{}
	for _, event := range h.s.events()[h.first:] {
		key := fmt.Sprintf("%s/%d", event.Lane, event.Sequence)
		if _, twice := got[key]; twice {
			h.rapid.Fatalf("command %s has two events", key)
		}
		if event.Sequence <= last[event.Lane] {
			h.rapid.Fatalf("command %s comes after %d", key, last[event.Lane])
		}
		last[event.Lane] = event.Sequence
		got[key] = codeOf(event.Event)
		if event.Data.Error == nil {
			got[key] += fmt.Sprintf(" %d", event.Data.ConnectionVersion)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(h.want) {
		h.rapid.Fatalf("outcomes %v\nthe model says %v", got, h.want)
	}
	for phone, c := range h.model.numbers {
		if n := h.s.count(`select count(*) from connect_provider.connections
			where phone_number = $1 and domain_handle = $2 and bridge_slug = $3 and provider_config_id = $4 and provider = $5 and connection_version = $6`,
			phone, c.org, c.bridge, c.configuration, modelProvider(c.configuration), c.version); n != 1 {
			h.rapid.Fatalf("number %s is not where the model has it: %+v", phone, c)
		}
	}
	if n := h.s.count(`select count(*) from connect_provider.connections where phone_number like $1 || '%'`, h.prefix); n != len(h.model.numbers) {
		h.rapid.Fatalf("%d connections, the model has %d", n, len(h.model.numbers))
	}
	if n := h.s.count(`select count(*) from connect_provider.inbox where org_token = any ($1)`, h.orgs); n != len(h.want) {
		h.rapid.Fatalf("%d inbox rows, want one for each outcome: %d", n, len(h.want))
	}
}
