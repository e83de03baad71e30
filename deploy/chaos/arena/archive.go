package arena

import (
	"context"
	"fmt"
	"sync"
	"time"

	"connect-provider/deploy/chaos/judge"
	"connect-provider/messages"
	"connect-provider/worker"
)

// archive keeps what stands, or ever stood, in the three streams. Before an
// attack destroys something it calls Complete, and afterwards says what it did;
// nobody publishes in between, or the archive would miss it.
type archive struct {
	arena *Arena
	logs  map[string]*log
}

// log is one stream's part.
type log struct {
	name string

	mu      sync.Mutex // held while reading, and while the stream is destroyed
	created time.Time
	next    uint64
	stored  []*judge.Stored
	events  []*judge.Published
	stream  int  // counts the streams, and what became of one after a loss
	lost    bool // in this act
	err     error
}

func (a *Arena) newArchive(ctx context.Context) *archive {
	ar := &archive{arena: a, logs: map[string]*log{}}
	for _, name := range []string{messages.Interactive.Stream(), messages.Bulk.Stream(), messages.EventsStream} {
		l := &log{name: name, next: 1}
		ar.logs[name] = l
		a.background.Go(func() { ar.follow(ctx, l) })
	}
	return ar
}

// follow reads what comes, until ctx ends.
func (ar *archive) follow(ctx context.Context, l *log) {
	for ctx.Err() == nil {
		n, _ := ar.readOn(ctx, l) // what fails, because the server is away, is tried again
		if n == 0 && Rest(ctx, 25*time.Millisecond) != nil {
			return
		}
	}
}

// readOn reads what the stream has beyond what was read, and returns how much.
func (ar *archive) readOn(ctx context.Context, l *log) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// what is asked of a server that dies is never answered; what was read by
	// then is not read again
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	stream, err := ar.arena.Broker.JS.Stream(ctx, l.name)
	if err != nil {
		return 0, err
	}
	info := stream.CachedInfo()
	l.created = info.Created
	if info.State.LastSeq < l.next {
		return 0, nil
	}
	var fresh []*judge.Published
	err = worker.ReadStored(ctx, ar.arena.Broker.JS, worker.StoredRange{Stream: l.name, Filter: ">", From: l.next}, func(m messages.Message, _ uint64) bool {
		if m.Sequence != l.next && m.Sequence > info.State.FirstSeq && l.err == nil {
			l.err = fmt.Errorf("%s: after message %d comes %d, and it was not purged by then", l.name, l.next-1, m.Sequence)
		}
		if m.Sequence != l.next && m.Sequence <= info.State.FirstSeq && l.err == nil {
			l.err = fmt.Errorf("%s: messages %d to %d were purged before they could be archived", l.name, l.next, m.Sequence-1)
		}
		l.next = m.Sequence + 1
		m.StreamCreated = info.Created
		if l.name == messages.EventsStream {
			fresh = append(fresh, published(m, l.stream))
		} else {
			l.stored = append(l.stored, ar.arena.stored(m, l.name))
		}
		n++
		return true
	})
	l.events = append(l.events, fresh...)
	if len(fresh) > 0 {
		ar.arena.watch(fresh)
	}
	return n, err
}

func (a *Arena) stored(m messages.Message, stream string) *judge.Stored {
	received := messages.Decode(m)
	s := &judge.Stored{Received: &received, Class: messages.Interactive}
	if stream == messages.Bulk.Stream() {
		s.Class = messages.Bulk
	}
	if intent, ok := a.options.Intent(&m); ok {
		s.Intent = &intent
	}
	return s
}

func published(m messages.Message, stream int) *judge.Published {
	p := &judge.Published{Subject: m.Subject, Sequence: m.Sequence, Header: m.Header, Body: m.Body, Stream: stream, Seen: time.Now()}
	p.Event, p.Unreadable = messages.DecodeEvent(m.Body)
	if p.Unreadable == nil {
		var owner messages.Organization
		p.Event.Lane, owner, _, p.Unreadable = messages.ParseEventSubject(m.Subject)
		p.Event.Organization = owner
	}
	return p
}

// complete reads a stream to its end. Nobody may publish to it.
func (ar *archive) complete(ctx context.Context, l *log) error {
	return insist(ctx, func(ctx context.Context) error {
		info, err := ar.arena.Broker.JS.Stream(ctx, l.name)
		if err != nil {
			return err
		}
		for {
			if _, err := ar.readOn(ctx, l); err != nil {
				return err
			}
			l.mu.Lock()
			next := l.next
			l.mu.Unlock()
			if next > info.CachedInfo().State.LastSeq {
				return nil
			}
		}
	})
}

// Loss is what an attack does to a stream.
type Loss int

const (
	// Purge takes all messages out; sequences go on.
	Purge Loss = iota
	// Replace deletes the stream and makes another.
	Replace
	// CutBack leaves the messages up to a sequence, and goes on from there.
	CutBack
)

// destroy reads a stream to its end and then has it destroyed, with nobody
// reading meanwhile. kept is the last sequence that CutBack leaves.
func (ar *archive) destroy(ctx context.Context, name string, loss Loss, kept uint64, destroy func() error) error {
	l := ar.logs[name]
	if err := ar.complete(ctx, l); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := destroy(); err != nil {
		return err
	}
	for _, s := range l.stored {
		s.Gone = s.Gone || loss != CutBack || s.Sequence > kept
	}
	for _, p := range l.events {
		p.Gone = p.Gone || loss != CutBack || p.Sequence > kept
	}
	l.stream++
	l.lost = true
	switch loss {
	case Replace:
		l.next = 1
	case CutBack:
		l.next = kept + 1
	}
	return nil
}

// take returns what came since the last call. Nothing may be under way.
func (ar *archive) take() (stored []*judge.Stored, events []*judge.Published, err error) {
	for _, name := range []string{messages.Interactive.Stream(), messages.Bulk.Stream(), messages.EventsStream} {
		l := ar.logs[name]
		l.mu.Lock()
		stored, events = append(stored, l.stored...), append(events, l.events...)
		if l.err != nil {
			err = l.err
		}
		l.stored, l.events = nil, nil
		l.mu.Unlock()
	}
	return stored, events, err
}

// destroyed returns which streams were destroyed since it was called last.
func (ar *archive) destroyed() map[string]bool {
	destroyed := map[string]bool{}
	for name, l := range ar.logs {
		l.mu.Lock()
		destroyed[name], l.lost = l.lost, false
		l.mu.Unlock()
	}
	return destroyed
}

// last returns the last message of each lane that its stream still has, in this
// act, and the streams' creation times.
func (ar *archive) last() (last map[messages.Lane]uint64, created map[messages.Class]time.Time) {
	last, created = map[messages.Lane]uint64{}, map[messages.Class]time.Time{}
	for _, class := range messages.Classes() {
		l := ar.logs[class.Stream()]
		l.mu.Lock()
		created[class] = l.created
		for _, s := range l.stored {
			if !s.Gone {
				last[s.Lane] = s.Sequence
			}
		}
		l.mu.Unlock()
	}
	return last, created
}

// gone returns the commands that were destroyed.
func (ar *archive) gone() (gone []*judge.Stored) {
	for _, class := range messages.Classes() {
		l := ar.logs[class.Stream()]
		l.mu.Lock()
		for _, s := range l.stored {
			if s.Gone {
				gone = append(gone, s)
			}
		}
		l.mu.Unlock()
	}
	return gone
}
