package main

import (
	"path/filepath"
	"testing"
	"time"

	"connect-provider/cmd/internal/status"
)

// What status prints, as JSON and as text, is a promise: to scripts the one, to
// people who know where to look the other.
func TestStatusDocumentsAreThoseOfTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]statusDocument{
		"system-ok":         systemText{healthySystem()},
		"system-ill":        systemText{illSystem()},
		"system-away":       systemText{awaySystem()},
		"command-published": commandText{publishedCommand()},
		"command-corrected": commandText{correctedCommand()},
		"command-waiting":   commandText{waitingCommand()},
		"command-in-outbox": commandText{unpublishedCommand()},
		"command-unknown":   commandText{unknownCommand()},
		"phone":             phoneText{phoneHistory()},
		"phone-of-nobody":   phoneText{&status.Phone{Time: at(0), PhoneNumber: "+1999", Database: status.Server{Answers: true}, Commands: []status.NumberCommand{}}},
		"phone-away":        phoneText{&status.Phone{Time: at(0), PhoneNumber: "+1999", Database: status.Server{Error: pointer("refused")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, document := &output{}, document
			if err := newStatusView(text, false, false).show(document); err != nil {
				t.Fatal(err)
			}
			json := &output{}
			if err := newStatusView(json, true, false).show(document); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("status", name+".txt"), text.String())
			golden(t, filepath.Join("status", name+".json"), json.String())
		})
	}
}

func pointer[T any](value T) *T { return &value }

// at is a moment, some seconds after the one when the documents are made.
func at(seconds float64) time.Time {
	return time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func laneAtRest(name, class string) status.Lane {
	return status.Lane{
		Lane: name, Class: class, Generation: 1, Cursor: 4710, CursorTime: pointer(at(-60)), Log: pointer(status.LogSame), LagMessages: pointer(uint64(0)),
		Owner: pointer("worker-1"), OwnerID: pointer("5d0a6f2e-3c1b-4a47-9e55-7f2b8c64d901"), Lease: status.LeaseHeld, LeaseSeconds: pointer(4.2),
		Paused: []status.Pause{},
	}
}

func healthySystem() *status.System {
	stream := func(name string, messages uint64, lanes *int) status.Stream {
		return status.Stream{
			Name: name, Exists: true, Messages: messages, Bytes: 1234 * messages, MaxBytes: pointer(int64(1 << 30)), Fill: float64(1234*messages) / (1 << 30),
			FirstSequence: 1, LastSequence: messages, FirstTime: pointer(at(-3600)), LastTime: pointer(at(-60)), Replicas: 1, Lanes: lanes, Findings: []status.Finding{},
		}
	}
	return &status.System{
		Time: at(0), OK: true, Problems: []status.Problem{}, Database: status.Server{Answers: true}, NATS: status.Server{Answers: true},
		Lanes: []status.Lane{laneAtRest("c0", "interactive"), laneAtRest("b0", "bulk")},
		Workers: []status.Worker{{
			ID: "5d0a6f2e-3c1b-4a47-9e55-7f2b8c64d901", Name: "worker-1", Version: "v1.2.3", StartedAt: at(-86400), SeenAt: at(-0.8), SeenSeconds: 0.8, Live: true,
			Lanes: []string{"c0", "b0"},
		}},
		Pauses: []status.Pause{}, Outbox: &status.Outbox{},
		Streams:     []status.Stream{stream("TELEPHONY_COMMANDS", 4710, pointer(1)), stream("TELEPHONY_BULK", 4710, pointer(1)), stream("TELEPHONY_EVENTS", 9420, nil)},
		DeadLetters: &status.DeadLetterCounts{Codes: []status.DeadLettersOf{}},
	}
}

// illSystem has everything that can be seen of a system.
func illSystem() *status.System {
	d := healthySystem()
	paused := status.Pause{Class: "bulk", Since: at(-7500), Seconds: 7500, Reason: "ticket 4712"}
	other := status.Pause{Class: "interactive", Organization: pointer("example.com"), Since: at(-30), Seconds: 30, Reason: "they asked \x1b[2J for it"}
	d.OK, d.Pauses = false, []status.Pause{other, paused}
	held := &d.Lanes[0]
	held.LagMessages, held.LagSeconds, held.NextSequence, held.Outbox = pointer(uint64(12)), pointer(192.5), pointer(uint64(4711)), status.Outbox{Depth: 3, OldestSeconds: pointer(190.5)}
	held.Held = &status.Held{Since: at(-192), Seconds: 192, Sequence: 4711, Error: "ERROR: planted (SQLSTATE XX000)"}
	held.Skip, held.Paused = &status.Skip{Sequence: 4711, Reason: "ticket 4711"}, []status.Pause{other}
	expired := &d.Lanes[1]
	expired.Lease, expired.LeaseSeconds, expired.Paused, expired.LagMessages = status.LeaseExpired, pointer(-83.4), []status.Pause{paused}, nil
	expired.ReplayUntil, expired.Log = &status.Position{Generation: 2, Sequence: 5000}, pointer(status.LogCutBack)
	free := laneAtRest("b1", "bulk")
	free.Owner, free.OwnerID, free.Lease, free.LeaseSeconds, free.CursorTime, free.Cursor, free.Log = nil, nil, status.LeaseNobody, nil, nil, 0, pointer(status.LogUnread)
	d.Lanes = append(d.Lanes, free)
	d.Outbox = &status.Outbox{Depth: 3, OldestSeconds: pointer(190.5)}
	d.Workers = append(d.Workers, status.Worker{ID: "6d0a6f2e-3c1b-4a47-9e55-7f2b8c64d901", Name: "worker-2", Version: "v1.2.2", StartedAt: at(-9000), SeenAt: at(-88), SeenSeconds: 88, Lanes: []string{}})
	d.Workers[0].Lanes = []string{"c0"}
	d.Streams[1] = status.Stream{Name: "TELEPHONY_BULK", Findings: []status.Finding{}}
	d.Streams[0].MaxBytes = nil
	d.Streams[0].Findings = []status.Finding{
		{Setting: "max_age", Is: "1h0m0s", Want: "unlimited", Why: "commands would be dropped before they are decided", Fatal: true, Updatable: true},
		{Setting: "max_consumers", Is: "2", Want: "unlimited", Why: "each lane and each reader of events needs a consumer", Updatable: true},
	}
	d.DeadLetters = &status.DeadLetterCounts{Open: 3, Redriven: 1, OldestOpen: pointer(at(-1e6)), Codes: []status.DeadLettersOf{
		{Code: "internal_error", Redriven: 1}, {Code: "malformed_command", Open: 3, OldestOpen: pointer(at(-1e6))},
	}}
	d.Problems = []status.Problem{
		{Severity: status.Error, Code: "lane_held", Summary: "lane c0 is held", Message: "lane c0 is held at sequence 4711 for 3m12s: planted", Action: "connectctl skip --lane c0 --sequence 4711 --reason TEXT", Lanes: []string{"c0"}},
		{Severity: status.Warning, Code: "paused", Summary: "bulk commands are paused", Message: "bulk commands are paused for 2h5m: ticket 4712", Action: "connectctl resume --class bulk", Lanes: []string{}},
	}
	return d
}

func awaySystem() *status.System {
	return &status.System{
		Time: at(0), Problems: []status.Problem{{Severity: status.Error, Code: "database_away", Summary: "the database can't be asked", Message: "the database can't be asked: refused\n\ttwice", Action: "bring it back", Lanes: []string{}}},
		Database: status.Server{Error: pointer("refused\n\ttwice")}, NATS: status.Server{Answers: true}, Streams: healthySystem().Streams,
	}
}

func publishedCommand() *status.Command {
	return &status.Command{
		Time: at(0), CommandID: "order-7731-line-4", Organization: "acme", State: status.Published, Database: status.Server{Answers: true}, NATS: status.Server{Answers: true},
		Accepted: &status.Accepted{Stream: "TELEPHONY_COMMANDS", Lane: "c7", Sequence: 4711, Time: pointer(at(-60.01)), Generation: pointer(int64(1))},
		Decided: &status.Decided{
			Time: pointer(at(-60)), Outcome: status.Connected, BridgeSlug: pointer("sales-bridge-001"), ProviderConfigID: pointer(int64(42)), Provider: pointer("twilio"),
			PhoneNumber: pointer("+1*****7890"), Changed: true, ConnectionVersion: pointer(int64(1)), ConnectedAt: pointer(at(-60)),
		},
		InOutbox: pointer(false), Events: []status.Event{{ID: "02548ef8-27e4-5208-885d-83d853462ef9", Sequence: 99, Time: at(-59.99), Type: "telephony.provider.connected.v1"}},
		EventsSearched: true, WaitingSearched: true, DeadLetters: []status.DeadLetter{},
	}
}

func correctedCommand() *status.Command {
	d := publishedCommand()
	d.Decided = &status.Decided{
		Time: pointer(at(-10)), Outcome: status.Failed, BridgeSlug: pointer("sales\nbridge\x1b]0;"), ProviderConfigID: pointer(int64(42)), PhoneNumber: pointer("+1*****7890"),
		Code: pointer("internal_error"), Message: pointer("The command could not be processed; its bytes are kept for the operator."),
	}
	d.Events = append(d.Events, status.Event{ID: "12548ef8-27e4-5208-885d-83d853462ef9", Sequence: 120, Time: at(-9), Type: "telephony.provider.connect_failed.v1",
		Code: pointer("internal_error"), Corrects: &d.Events[0].ID})
	d.DeadLetters = []status.DeadLetter{
		{Lane: "c7", Sequence: 4711, DiedAt: at(-10), Code: "internal_error", Error: "planted", Relation: status.Left, Redrives: 2, RedrivenAt: pointer(at(-5)), RedrivenAs: pointer("again"), RedrivenOutcome: pointer("connected")},
		{Lane: "c7", Sequence: 4700, DiedAt: at(-99), Code: "malformed_command", Error: "no JSON", Relation: status.Claimed, Redrives: 1, RedrivenAt: pointer(at(-5)), RedrivenAs: pointer("")},
		{Lane: "b7", Sequence: 3, DiedAt: at(-999), Code: "internal_error", Error: "planted", Relation: status.Origin},
	}
	return d
}

func waitingCommand() *status.Command {
	lane := illSystem().Lanes[0]
	lane.LagMessages, lane.LagSeconds, lane.NextSequence, lane.Lease, lane.Owner = nil, nil, nil, status.LeaseNobody, nil
	d := publishedCommand()
	d.State, d.Decided, d.Events, d.Accepted.Generation = status.NotDecided, nil, []status.Event{}, nil
	d.Waiting = &status.Waiting{Ahead: pointer(uint64(1234)), Lane: &lane}
	return d
}

func unpublishedCommand() *status.Command {
	d := publishedCommand()
	d.State, d.InOutbox, d.Events, d.EventsSearched = status.Unpublished, pointer(true), []status.Event{}, false
	return d
}

func unknownCommand() *status.Command {
	d := publishedCommand()
	d.State, d.Accepted, d.Decided, d.Events = status.Unknown, nil, nil, []status.Event{}
	return d
}

func phoneHistory() *status.Phone {
	first := publishedCommand()
	return &status.Phone{
		Time: at(0), PhoneNumber: "+1234567890", Organization: pointer("acme"), Database: status.Server{Answers: true},
		Platform:   &status.PlatformNumber{Organization: "acme", ProviderConfigID: 42, Active: true, Provider: pointer("twilio"), ConfigActive: pointer(false)},
		Connection: &status.Connection{Organization: "acme", BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, Provider: "twilio", Version: 3, ConnectedAt: at(-60)},
		Commands: []status.NumberCommand{
			{Organization: "acme", CommandID: pointer("order-7731-line-4"), Accepted: *first.Accepted, Decided: *first.Decided},
			{Organization: "acme", Accepted: *first.Accepted, Decided: status.Decided{Time: pointer(at(-5)), Outcome: status.Failed, PhoneNumber: pointer("+1234567890"), Code: pointer("command_id_reused"), Message: pointer("This command_id was used before.")}},
		},
		Cut: true,
	}
}
