package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
	"connect-provider/worker"
)

// Stream is a stream as the server has it.
type Stream struct {
	Name string `json:"name"`
	// Exists is false for a stream that nobody has created; what follows is then
	// zero.
	Exists   bool   `json:"exists"`
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	// MaxBytes is the limit, nil if there is none.
	MaxBytes *int64 `json:"max_bytes"`
	// Fill is from 0 to 1, by the limit that is nearest.
	Fill          float64 `json:"fill"`
	FirstSequence uint64  `json:"first_sequence"`
	LastSequence  uint64  `json:"last_sequence"`
	// The times are nil while the stream is empty.
	FirstTime *time.Time `json:"first_time"`
	LastTime  *time.Time `json:"last_time"`
	Replicas  int        `json:"replicas"`
	// Lanes is into how many a command stream is cut, nil where it is not.
	Lanes *int `json:"lanes"`
	// Findings are the settings that are not as they should be, those that would
	// lose data or break the order of events first.
	Findings []Finding `json:"findings"`
}

// Finding is a setting of a stream that is not as it should be.
type Finding struct {
	Setting   string `json:"setting"`
	Is        string `json:"is"`
	Want      string `json:"want"`
	Why       string `json:"why"`
	Fatal     bool   `json:"fatal"`
	Updatable bool   `json:"updatable"`
}

// readStreams asks for the three streams; one that does not exist is left out.
func readStreams(ctx context.Context, js jetstream.JetStream) (map[string]*jetstream.StreamInfo, error) {
	infos := map[string]*jetstream.StreamInfo{}
	for _, name := range streamNames() {
		stream, err := js.Stream(ctx, name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
		case err != nil:
			return nil, fmt.Errorf("stream %s: %w", name, err)
		default:
			infos[name] = stream.CachedInfo()
		}
	}
	return infos, nil
}

func streamNames() []string {
	return []string{messages.Interactive.Stream(), messages.Bulk.Stream(), messages.EventsStream}
}

func describeStreams(infos map[string]*jetstream.StreamInfo) []Stream {
	var streams []Stream
	for _, name := range streamNames() {
		s := Stream{Name: name, Findings: []Finding{}}
		if info := infos[name]; info != nil {
			s.describe(info)
			s.compare(info.Config, lanesThereAre(infos))
		}
		streams = append(streams, s)
	}
	return streams
}

func (s *Stream) describe(info *jetstream.StreamInfo) {
	s.Exists, s.Replicas = true, info.Config.Replicas
	s.Messages, s.Bytes, s.Fill = info.State.Msgs, info.State.Bytes, worker.StreamFill(info)
	s.FirstSequence, s.LastSequence = info.State.FirstSeq, info.State.LastSeq
	if limit := info.Config.MaxBytes; limit > 0 {
		s.MaxBytes = &limit
	}
	if info.State.Msgs > 0 {
		s.FirstTime, s.LastTime = utc(&info.State.FirstTime), utc(&info.State.LastTime)
	}
	if lanes, err := messages.LanesOf(info.Config); err == nil {
		s.Lanes = &lanes
	}
}

// compare holds a stream against what it must be, as `connect-provider streams`
// does when no setting is given: what an installation may choose is not
// compared.
func (s *Stream) compare(is jetstream.StreamConfig, lanes int) {
	options := messages.StreamOptions{Lanes: lanes}
	want := messages.EventsStreamConfig(options)
	for _, class := range messages.Classes() {
		if class.Stream() == s.Name {
			want = messages.CommandsStreamConfig(class, options)
		}
	}
	for _, f := range messages.CompareStream(is, options.Keep(is, want)) {
		s.Findings = append(s.Findings, Finding{Setting: f.Setting, Is: f.Is, Want: f.Want, Why: f.Why, Fatal: f.Fatal, Updatable: f.Updatable})
	}
}

// lanesThereAre returns into how many lanes the first command stream that can
// be used is cut: the other one must be cut alike.
func lanesThereAre(infos map[string]*jetstream.StreamInfo) int {
	for _, class := range messages.Classes() {
		if info := infos[class.Stream()]; info != nil {
			if lanes, err := messages.LanesOf(info.Config); err == nil {
				return lanes
			}
		}
	}
	return 0
}
